"""The load generator as a process."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kunren.drills.history import Event, FrameReader, History, Reason, history_of


class Generator:
    """One, and what it has told so far."""

    def __init__(self, process: subprocess.Popen[bytes], until: Callable[..., Any]) -> None:
        self.process, self._until = process, until
        self.frames: list[tuple[bytes, bytes]] = []
        self.notes: list[str] = []
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        reader = FrameReader()
        while data := self.process.stdout.read1(65536):
            for kind, payload in reader.fed(data):
                self.frames.append((kind, payload))
                if kind == b"J":
                    self.notes.append(json.loads(payload)["note"])

    def say(self, **told: Any) -> None:
        self.process.stdin.write(json.dumps(told).encode() + b"\n")
        self.process.stdin.flush()

    def start(self) -> None:
        self.say(do="start", origin_ns=time.monotonic_ns())

    def stop(self) -> History:
        self.say(do="stop")
        self._until(lambda: "stopped" in self.notes, "the generator stopped")
        self.say(do="end")
        self.thread.join(30)
        return history_of(self.frames)

    def reasons(self) -> set[tuple[Event, Reason]]:
        """How the operations so far ended, and why."""
        found = history_of(list(self.frames)).records
        return {(Event(each["event"]), Reason(each["reason"])) for each in found if each["event"] != Event.INVOKE}

    def numbers(self, event: str) -> set[int]:
        """Of the operations with that event so far."""
        found = history_of(list(self.frames)).records
        return {int(each) for each in found[found["event"] == Event[event]]["operation"]}


@pytest.fixture
def generator(until: Callable[..., Any]) -> Callable[..., Any]:
    """`with generator(url=..., rate=...) as made`: one with one client, ready to start."""

    @contextmanager
    def run(**client: Any) -> Iterator[Generator]:
        process = subprocess.Popen(
            [sys.executable, "-m", "kunren.drills.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        made = Generator(process, until)
        try:
            made.say(clients=[{"client": 1, "kind": "http", "timeout_s": 20.0, **client}])
            until(lambda: "ready" in made.notes, "the generator ready")
            yield made
        finally:
            process.kill()
            process.wait()
            made.thread.join(30)

    return run
