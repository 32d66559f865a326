"""Every drill that ships, by its one command at AWS's own speed, beside a loop of curl that knows nothing of it.

The loop asks what the drill's clients ask, from the same places, one request after another. Its recovery time has the
drills' definition (docs/drills): from the fault to the first good answer after the last bad one. A request is bad that
failed or took longer than the drill's clients would have waited: curl itself has twice that time, half of it for each of
two addresses.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import yaml

from benchmarks import figures
from benchmarks.instance import KUNREN
from kunren.drills.history import MAGIC, NOTE, FrameReader
from kunren.drills.shipped import shipped
from kunren.management.client import Management

TIMES = 3
QUICK = ("bad-rule-change",)
SHARE, LEAST_S = 0.1, 0.2
"""How far the two recovery times may be apart: the larger of these."""
LOOK_EVERY_S = 0.02
LONGEST_S = 1800.0
LOOP = """
count=0
while [ ! -e "$2" ] && [ $count -lt 9000 ]; do
    began=$(date +%s.%N)
    echo "$began $(curl -s -o /dev/null -m "$3" -w '%{http_code} %{time_total}' "$1")"
    count=$((count + 1))
    sleep 0.2
done
"""


class Request(NamedTuple):
    """One of curl's, in seconds of the wall clock."""

    began: float
    took: float
    status: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What the history of one run told while it was written; times are the wall clock's."""

    drill: str
    steady_s: float
    faults: tuple[tuple[float, float], ...]
    """When each began and was healed (infinite: not while it was watched)."""
    curl: Mapping[str, Sequence[Request]]
    """By place."""
    timeout_s: float


def run(quick: bool = False) -> list[str]:
    named = os.environ.get("KUNREN_DRILLS", "").split()
    of_suites = {file.stem for each in shipped().values() for file in _members(each)}
    names = named or (QUICK if quick else ["redirect", *sorted(shipped().keys() - of_suites)])
    rows = []
    for name in names:
        for number in range(1, 2 if quick else TIMES + 1):
            for row in once(name):
                rows.append([row[0], str(number), *row[1:]])
                print("\t".join(rows[-1]), flush=True)
    columns = ["drill", "run", "verdict", "RTO, s", "by curl, s", "agrees", "RPO, s", "operations", "curl's requests"]
    held = all(each[2] == "True" and each[5] in ("yes", "–") for each in rows)
    return [figures.table(columns, rows), f"All hold and agree: {figures.verdict(held)}."]


def _members(file: Path) -> list[Path]:
    """The drills of a suite; none of what is none."""
    return [file.parent / each for each in yaml.safe_load(file.read_text()).get("suite", [])]


def once(name: str) -> Iterator[list[str]]:
    """One row for each drill of that command: one, or those of a suite."""
    with tempfile.TemporaryDirectory(prefix="kb-") as folder, ExitStack() as stack:
        temporary, result = Path(folder), Path(folder) / "result.json"
        members = _members(shipped()[name]) if name in shipped() else []
        stem = temporary / "run.history"
        files = [stem.with_name(f"run-{index + 1}.history") for index in range(len(members))] or [stem]
        command = [KUNREN, "drill", "run", name, "--state", str(temporary / "none"), "--json", str(result)]
        command += ["--history", str(stem)] if name in shipped() else []
        log = stack.enter_context((temporary / "log").open("wb"))
        variables = {**os.environ, "TMPDIR": folder}
        drill = subprocess.Popen(command, stdout=log, stderr=log, env=variables)
        stack.callback(_end, drill)
        seen = [each for file in files if (each := _watched(file, drill, temporary)) is not None]
        drill.wait(LONGEST_S)
        if not result.exists():
            raise RuntimeError(f"{' '.join(command)}: {(temporary / 'log').read_text()[-2000:]}")
        told = json.loads(result.read_text())
        if told["verdict"] is not True:
            print(f"{name}: {told['reason']}", flush=True)
        results = told.get("runs", [told])
        for index, each in enumerate(results):
            yield _row(each, seen[index] if index < len(seen) else None)


def _row(told: Mapping[str, Any], seen: Seen | None) -> list[str]:
    rto, rpo = (f"{told[key]:.2f}" if told[key] is not None else "–" for key in ("rto_s", "rpo_s"))
    sent = f"{told['operations']['sent']:,}"
    if seen is None or not seen.curl:
        return [told["drill"], str(told["verdict"]), rto, "–", "–", rpo, sent, "–"]
    by_curl = max(recovery(each, seen) for each in seen.curl.values())
    good = told["rto_s"] is not None and agree(told["rto_s"], by_curl)
    count = sum(len(each) for each in seen.curl.values())
    return [
        told["drill"], str(told["verdict"]), rto, f"{by_curl:.2f}", "yes" if good else "**no**", rpo, sent, f"{count:,}"
    ]  # fmt: skip


def agree(measured_s: float, by_curl_s: float) -> bool:
    return abs(measured_s - by_curl_s) <= max(SHARE * measured_s, LEAST_S)


def recovery(requests: Sequence[Request], seen: Seen) -> float:
    """The longest of the faults' recovery times, infinite where one was not over."""
    bad = [not 200 <= each.status < 400 or each.took > seen.timeout_s for each in requests]
    longest = 0.0
    for began, healed in seen.faults:
        over, last_bad = began, -float("inf")
        for each, wrong in zip(requests, bad, strict=True):
            if each.began + each.took < began:
                continue
            if wrong and (each.began <= healed or each.began - last_bad < seen.steady_s):
                last_bad, over = each.began, float("inf")
            elif not wrong and over == float("inf"):
                over = each.began + each.took
        longest = max(longest, over - began)
    return longest


# -- one history, while it is written ---------------------------------------------------------------------------------


def _watched(file: Path, drill: subprocess.Popen[bytes], temporary: Path) -> Seen | None:
    """Follow it to its end, with curl beside it from when the clients are ready; None where the drill ended first."""
    notes: dict[str, list[dict[str, Any]]] = {}
    stop, logs = file.with_suffix(".stop"), {}
    offset_s = 0.0
    with ExitStack() as stack:
        for note in _notes(file, drill):
            kind = note["note"]
            notes.setdefault(kind, []).append(note)
            if (
                kind == "client"
                and note["place"] not in logs
                and note["asks"].startswith("http")
                and not note["writes"]
            ):
                log = logs[note["place"]] = file.with_name(f"{file.stem}-{note['place']}.curl")
                stack.callback(_end, _curl(_state(temporary), note, stop, stack.enter_context(log.open("wb"))))
            elif kind == "steady":
                offset_s = time.time() - note["time_ns"] / 1e9
            elif kind in ("stop", "end"):
                break
        stop.touch()
    if not notes.get("steady"):
        return None
    header = notes["drill"][0]
    asking = [each for each in notes["client"] if each["place"] in logs and not each["writes"]]
    return Seen(
        header["drill"],
        header["steady_s"],
        tuple(_faults(notes.get("fault", []), offset_s)),
        {place: requests_of(log.read_text()) for place, log in logs.items()},
        max((each["timeout_s"] for each in asking), default=0.0),
    )


def _faults(notes: Sequence[Mapping[str, Any]], offset_s: float) -> Iterator[tuple[float, float]]:
    healed = {each["name"]: each["time_ns"] / 1e9 + offset_s for each in notes if each["state"] == "healed"}
    for each in notes:
        if each["state"] == "started" and not each["remedy"]:
            yield each["time_ns"] / 1e9 + offset_s, healed.get(each["name"], float("inf"))


def _notes(file: Path, drill: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """As they come, until the drill has ended."""
    reader, position = FrameReader(), len(MAGIC)
    while True:
        over = drill.poll() is not None
        if file.exists():
            with file.open("rb") as history:
                history.seek(position)
                data = history.read()
            position += len(data)
            yield from (json.loads(payload) for kind, payload in reader.fed(data) if kind == NOTE)
        if over:
            return
        time.sleep(LOOK_EVERY_S)


def requests_of(text: str) -> list[Request]:
    """The loop's lines; the last may be half a line."""
    rows = [each.split() for each in text.split("\n")[:-1]]
    return [Request(float(each[0]), float(each[2]), int(each[1])) for each in rows if len(each) == 3]


def _curl(state: Path, client: Mapping[str, Any], stop: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    place = [KUNREN, "exec", "--state", str(state), "--from", client["place"], "--"]
    loop = ["sh", "-c", LOOP, "sh", client["asks"], str(stop), str(2 * client["timeout_s"])]
    return subprocess.Popen([*place, *loop], stdout=log)


def _state(temporary: Path) -> Path:
    """Of the Kunren that the drill started."""
    return next(each for each in temporary.glob("kunren-drill-*") if Management(each).running())


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(10.0)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
