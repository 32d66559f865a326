"""Invoking functions: the first call of a new function, and warm calls through the API beside the bare runtime.

The function does nothing. A cold start is the first Invoke of a function that is Active, by a boto3 client that has
called before: it starts a worker in the world. Warm calls are sent by wrk over connections that stay open. Beside them the
runtime alone is measured: the same worker program, asked in this process without a gateway and without a world. What
the API adds is the difference of the two medians in rounds that alternate, with one caller.
"""

from __future__ import annotations

import asyncio
import base64
import io
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import wrk
from benchmarks.figures import median, percentile, spread, table, verdict
from benchmarks.instance import Instance
from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.dataplane.runtime.host import LocalHost
from kunren.dataplane.runtime.runtime import FunctionRuntime
from kunren.dataplane.runtime.version import FunctionVersion, Invocation

CALLERS = (1, 16)
TARGET_ADDED_MS = 2.0
_PYTHON = "def handler(event, context):\n    return event\n"
_NODE = "exports.handler = async (event) => event;\n"
RUNTIMES = {
    "python3.11": ("app.handler", "app.py", _PYTHON),
    "nodejs20.x": ("index.handler", "index.js", _NODE),
}
_ARN = "arn:aws:lambda:us-east-1:000000000000:function:bare"
_HEADERS = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, "
    f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
    "X-Amz-Date": "20260101T000000Z",
}

Round = tuple[float, float, float]
"""Calls per second, and the milliseconds that half and 99 of 100 calls took at most."""


def run(quick: bool) -> Iterator[str]:
    rounds, seconds, starts = (1, 1, 3) if quick else (5, 2, 15)
    with Instance() as kunren:
        functions = kunren.client("lambda")
        rows = [[runtime, *_cold(functions, runtime, starts)] for runtime in RUNTIMES]
        yield table(["first call of", "median [range], ms", "of it the runtime's init, ms"], rows)
        url = f"http://127.0.0.1:{kunren.port}/2015-03-31/functions/python3-11-0/invocations"
        through: dict[int, list[Round]] = {callers: [] for callers in CALLERS}
        bare: dict[int, list[Round]] = {callers: [] for callers in CALLERS}
        _through_api(url, max(CALLERS), seconds)  # starts as many workers as will be needed
        for _ in range(rounds):
            for callers in CALLERS:
                through[callers].append(_through_api(url, callers, seconds))
                bare[callers].append(asyncio.run(_bare(callers, seconds)))
    rows = [
        [f"{name}, {callers} at once", *(f"{median(column):,.{digits}f}" for column, digits in _columns(got[callers]))]
        for callers in CALLERS
        for name, got in (("Invoke", through), ("runtime alone", bare))
    ]
    yield table(["warm calls (python3.11)", "calls/s", "p50, ms", "p99, ms"], rows)
    added = median([api[1] - raw[1] for api, raw in zip(through[1], bare[1], strict=True)])
    yield f"The API adds {added:.2f} ms. Target: under {TARGET_ADDED_MS:g} ms ({verdict(added < TARGET_ADDED_MS)})."


def _columns(rounds: list[Round]) -> Iterator[tuple[list[float], int]]:
    for column, digits in enumerate((0, 2, 2)):
        yield [each[column] for each in rounds], digits


def _cold(functions: Any, runtime: str, starts: int) -> tuple[str, str]:
    """Milliseconds of a function's first call, and what its REPORT line says of the init."""
    handler, file, text = RUNTIMES[runtime]
    took, init = [], []
    for number in range(starts):
        name = f"{runtime.replace('.', '-')}-{number}"
        functions.create_function(
            FunctionName=name,
            Runtime=runtime,
            Handler=handler,
            Role="arn:aws:iam::000000000000:role/any",
            Code={"ZipFile": _package(file, text)},
        )
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        began = time.monotonic()
        answer = functions.invoke(FunctionName=name, Payload=b"{}", LogType="Tail")
        took.append((time.monotonic() - began) * 1000)
        report = base64.b64decode(answer["LogResult"]).decode()
        init.append(float(report.rpartition("Init Duration: ")[2].split()[0]))
    return spread(took), spread(init)


def _package(file: str, text: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(file, text)
    return out.getvalue()


def _through_api(url: str, callers: int, seconds: int) -> Round:
    load = wrk.run(wrk.Request(url, "POST", _HEADERS, "{}"), connections=callers, seconds=seconds)
    return load.per_second, load.p50_ms, load.p99_ms


async def _bare(callers: int, seconds: int) -> Round:
    """The runtime with as many callers, each asking again when it is answered, after one call that starts its worker."""
    with tempfile.TemporaryDirectory() as folder:
        version = _version(Path(folder))
        runtime = FunctionRuntime(
            clock=SystemClock(),
            entropy=Entropy(),
            host=LocalHost(),
            folder=Path(folder) / "workers",
            log_folder=Path(folder) / "logs",
        )
        took: list[float] = []

        async def call() -> float:
            began = time.monotonic()
            await runtime.run(version, Invocation(f"request-{len(took)}", b"{}", _ARN))
            return (time.monotonic() - began) * 1000

        async def caller(until: float) -> None:
            while time.monotonic() < until:
                took.append(await call())

        try:
            await asyncio.gather(*(call() for _ in range(callers)))
            began = time.monotonic()
            await asyncio.gather(*(caller(began + seconds) for _ in range(callers)))
            return len(took) / (time.monotonic() - began), percentile(took, 50), percentile(took, 99)
        finally:
            await runtime.stop()


def _version(folder: Path) -> FunctionVersion:
    (folder / "app.py").write_text(_PYTHON)
    return FunctionVersion(
        account="000000000000",
        region="us-east-1",
        name="bare",
        arn=_ARN,
        version="$LATEST",
        runtime="python3.11",
        handler="app.handler",
        memory_mb=128,
        timeout_s=10,
        code_dir=str(folder),
        revision="1",
    )
