"""Drills' load generator beside wrk: the same nginx on the loopback, an open loop at a constant rate beside a closed one.

wrk sends as fast as answers come: its rate is what nginx and the machine can do together. The open loop is asked for a
rate and keeps it or not: what counts is the highest at which every request started in time and was answered, half of
them within 50 ms (so that no queue grew).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy

from benchmarks import figures, peers, proxies, wrk
from kunren.drills.checkers.operations import Operations, operations_of
from kunren.drills.history import FrameReader, history_of

RATES = (5_000, 10_000, 15_000, 20_000, 25_000, 30_000)
AIM = 20_000
IN_TIME_S = 0.1
ANSWERED_S = 0.05
CONNECTIONS = 64


def run(quick: bool = False) -> list[str]:
    seconds = 2.0 if quick else 6.0
    with nginx() as url:
        closed = wrk.run(wrk.Request(url), connections=CONNECTIONS, seconds=int(seconds)).per_second
        rows, best = [], 0
        for rate in RATES[:2] if quick else RATES:
            found = at_rate(url, rate, seconds)
            late = float(numpy.percentile(found.late, 99))
            took = numpy.sort((found.end - found.start)[found.ok]) * 1000
            answered = float(took[len(took) // 2]) / 1000
            kept = late <= IN_TIME_S and answered <= ANSWERED_S and bool(found.ok.all())
            best = rate if kept and best == _before(rate) else best
            rows.append(
                [f"{rate:,}", f"{len(found) / seconds:,.0f}", f"{found.ok.mean():.2%}", f"{late * 1000:.1f}",
                 f"{took[len(took) // 2]:.2f}", f"{took[int(len(took) * 0.99)]:.1f}"]
            )  # fmt: skip
    columns = ["asked for, per second", "sent", "ok", "p99 late, ms", "p50, ms", "p99, ms"]
    return [
        figures.table(columns, rows),
        f"wrk, one thread, closed loop: {closed:,.0f} a second. The open loop keeps {best:,} a second, "
        f"{best / closed:.2f} of that; the aim of {AIM:,}: {figures.verdict(best >= AIM)}.",
    ]


@contextmanager
def nginx() -> Iterator[str]:
    """One worker that answers with a few bytes; its URL."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), peers.free_port()
        config = proxies.nginx_config(folder, proxies.nginx_backend(port, "hello"))
        (folder / "nginx.conf").write_text(config)
        command = [proxies.find("nginx"), "-p", name, "-e", f"{name}/error.log", "-c", f"{name}/nginx.conf"]
        with proxies.started(command, folder / "log"):
            yield f"http://127.0.0.1:{port}/"


def _before(rate: int) -> int:
    index = RATES.index(rate)
    return RATES[index - 1] if index else 0


def at_rate(url: str, rate: float, seconds: float) -> Operations:
    """What one generator process sent for that long."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kunren.drills.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    frames: list[tuple[bytes, bytes]] = []
    heard = {"ready": threading.Event(), "stopped": threading.Event()}

    def listen() -> None:
        reader = FrameReader()
        while data := process.stdout.read1(1 << 20):  # type: ignore[union-attr]
            for kind, payload in reader.fed(data):
                frames.append((kind, payload))
                if kind == b"J" and (note := json.loads(payload)["note"]) in heard:
                    heard[note].set()

    def say(told: dict[str, Any]) -> None:
        process.stdin.write(json.dumps(told).encode() + b"\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]

    thread = threading.Thread(target=listen)
    thread.start()
    client = {"client": 1, "kind": "http", "url": url, "rate": rate, "timeout_s": 2.0, "keep_alive": True}
    say({"clients": [{**client, "connections": CONNECTIONS}]})
    heard["ready"].wait(30)
    say({"do": "start", "origin_ns": time.monotonic_ns()})
    time.sleep(seconds)
    say({"do": "stop"})
    heard["stopped"].wait(30)
    say({"do": "end"})
    thread.join(30)
    process.wait(30)
    return operations_of(history_of(frames))
