"""Load by wrk, an HTTP load generator in C: what it shall send is a Lua script that is written here."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SCRIPT = """
local counter, thread = 0, 0
local parts = {parts}
function setup(t) t:set("id", thread); thread = thread + 1 end
function request()
  counter = counter + 1
  return wrk.format({method}, {path}, {headers}, table.concat(parts, {start} + counter))
end
function done(summary, latency)
  local e = summary.errors
  io.write("\\nRESULT " .. string.format(
    '{{"requests":%d,"micros":%d,"p50":%.1f,"p99":%.1f,"refused":%d,"broken":%d}}\\n', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99), e.status, e.connect + e.read + e.write + e.timeout))
end
"""
COUNTER = "{counter}"
"""In a body: replaced by a number that is another one in each request."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent over and over."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] | None = None
    body: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """What came back: whole seconds or microseconds as named."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def script(request: Request, start: int = 0) -> str:
    """The Lua script for it. Strings go over as Lua's own literals, which JSON's are for printable ASCII."""
    headers = ", ".join(
        f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in (request.headers or {}).items()
    )
    parts = ", ".join(json.dumps(part) for part in request.body.split(COUNTER))
    path = "/" + request.url.split("://", 1)[1].partition("/")[2]
    return _SCRIPT.format(
        parts=f"{{{parts}}}",
        method=json.dumps(request.method),
        path=json.dumps(path),
        headers=f"{{{headers}}}",
        start=start,
    )


def read(output: str) -> Load:
    """The figures from wrk's output. Raises ValueError where there are none."""
    line = next((line for line in output.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise ValueError(f"wrk said: {output}")
    got = json.loads(line.removeprefix("RESULT "))
    return Load(
        got["requests"], got["micros"] / 1e6, got["p50"] / 1000, got["p99"] / 1000, got["refused"], got["broken"]
    )


def run(
    request: Request,
    *,
    connections: int,
    seconds: float,
    before: Sequence[str] = (),
    start: int = 0,
    strict: bool = True,
) -> Load:
    """Send for that long. `before` goes before the command (to run it elsewhere). Raises where answers were errors
    (status of 400 and above) and `strict`, or where wrk failed."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script(request, start))
        file.flush()
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "--timeout",
            "10s",
            "-s",
            file.name,
            request.url,
        ]
        done = subprocess.run([*before, *command], capture_output=True, text=True, timeout=seconds + 60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"wrk ended with {done.returncode}: {done.stdout}{done.stderr}")
    load = read(done.stdout)
    if strict and (load.refused or load.broken or not load.requests):
        raise RuntimeError(f"{request.url}: {load}")
    return load
