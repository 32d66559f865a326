"""What is computed of drills: a million operations read and judged, ten minutes of a million clients foretold."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy
import yaml

from benchmarks import figures
from benchmarks.instance import KUNREN, Instance
from kunren.drills.checkers.judge import judge
from kunren.drills.history import FIELDS, RECORDS, Event, HistoryWriter, read_history
from kunren.drills.shipped import shipped

OPERATIONS, JUDGED_S = 1_000_000, 10.0
CLIENTS, MINUTES, FORETOLD_S = 1_000_000, 10, 60.0
RATE = 10_000.0
OBJECTIVES = {"rto": 30.0, "availability": 0.5, "cut_off": 0.0, "latency_p99_after": 100.0}


def run(quick: bool = False) -> list[str]:
    operations, clients = (OPERATIONS // 10, CLIENTS // 10) if quick else (OPERATIONS, CLIENTS)
    with tempfile.TemporaryDirectory() as folder:
        judged_s = judged(Path(folder) / "made.history", operations)
        foretold_s, asked = foretold(Path(folder), clients)
    return [
        f"A history of {operations:,} operations is read and judged in {judged_s:.2f} s; aimed at {JUDGED_S:.0f} s: "
        f"{figures.verdict(judged_s <= JUDGED_S)}.",
        f"{MINUTES} minutes of {clients:,} clients ({asked:,} operations) are foretold in {foretold_s:.1f} s; aimed at "
        f"{FORETOLD_S:.0f} s: {figures.verdict(foretold_s <= FORETOLD_S)}.",
    ]


def judged(file: Path, count: int) -> float:
    """Seconds it takes; a third of the operations fail."""
    write(file, count)
    began = time.monotonic()
    result = judge(read_history(file))
    took_s = time.monotonic() - began
    assert result.operations["sent"] == count, result.reason
    return took_s


def write(file: Path, count: int) -> None:
    """One client's operations at a constant rate, the middle third of them failed."""
    starts = (numpy.arange(count) / RATE * 1e9).astype("u8")
    records = numpy.zeros(2 * count, dtype=FIELDS)
    records["client"] = 1
    records["operation"] = numpy.repeat(numpy.arange(count), 2)
    records["time_ns"][0::2], records["time_ns"][1::2] = starts, starts + 1_000_000
    bad = (numpy.arange(count) >= count // 3) & (numpy.arange(count) < 2 * count // 3)
    records["event"][1::2] = numpy.where(bad, Event.FAIL, Event.OK)
    end = int(count / RATE * 1e9)
    objectives = [{"name": name, "target": target, "traffic": ""} for name, target in OBJECTIVES.items()]
    writer = HistoryWriter(file)
    writer.note("drill", 0, drill="made", objectives=objectives, steady_s=1.0, speed=1.0, faults=["it"])
    writer.note("client", 0, client=1, traffic="users", place="virginia", kind="http", rate=RATE, writes=False)
    writer.note("steady", 0)
    writer.note("fault", end // 3, name="it", state="started", remedy=False)
    for part in numpy.array_split(records, 200):
        writer.frame(RECORDS, part.tobytes())
    writer.note("fault", 2 * end // 3, name="it", state="healed")
    writer.note("stop", end)
    writer.note("end", end, reason="")
    writer.close()


def foretold(folder: Path, clients: int) -> tuple[float, int]:
    """Seconds that the drill of DNS failover takes in virtual time, long enough to be watched for so many minutes; and
    how many operations there were. Deploying what it is about is not counted."""
    told = yaml.safe_load(shipped()["active-passive-dns"].read_text())
    script = shipped()["active-passive-dns"].with_name(told["architecture"]["script"])
    told["architecture"]["script"] = str(script)
    told["recovery"] = f"{MINUTES * 60 - 190}s"  # after the ten until the fault and the 180 of it
    told["simulation"] = {"clients": clients, "resolvers": 5_000, "requests_per_client": 1}
    (folder / "long.yaml").write_text(yaml.safe_dump(told))
    with Instance() as kunren:
        command = [KUNREN, "simulate", str(folder / "long.yaml"), "--state", str(kunren.state), "--seed", "1"]
        done = subprocess.run(
            [*command, "--json", str(folder / "curve.json")], capture_output=True, text=True, check=True
        )
    curve = json.loads((folder / "curve.json").read_text())["curve"]
    assert len(curve) == MINUTES * 60
    return float(done.stdout.rpartition("computed in ")[2].partition(" s")[0]), sum(each["sent"] for each in curve)
