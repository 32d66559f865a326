"""The clients of a drill: a load generator in each place, whose records go into the history and to whoever watches."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Mapping
from typing import Any

from kunren.drills.access import Access
from kunren.drills.document import filled
from kunren.drills.failures import DrillFailed
from kunren.drills.history import NOTE, RECORDS, FrameReader, HistoryWriter
from kunren.drills.live import Live
from kunren.drills.load.messages import READ_MARK
from kunren.drills.model import Drill, Traffic

READY_WITHIN_S = 30.0
READ_WITHIN_S = 300.0
STOPPED_GRACE_S = 10.0


class _Place:
    """One load generator."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.process = process
        self.heard: dict[str, threading.Event] = {key: threading.Event() for key in ("ready", "stopped", "read")}
        self.thread: threading.Thread | None = None

    def say(self, told: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(told).encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            raise DrillFailed(f"the clients in {self.name} have ended") from error


def readings(wanted: Mapping[str, list[dict[str, Any]]]) -> list[tuple[str, str, list[int]]]:
    """Which place reads what back, and for which clients; `wanted` are each place's. A place asks a URL once, for all
    of its own; a queue is asked once, for the clients of all places, because reading empties it."""
    found: dict[tuple[str, str], list[int]] = {}
    asking: dict[str, str] = {}
    for place, clients in wanted.items():
        for each in clients:
            if url := each.get("read_back"):
                asks = asking.setdefault(url, place) if url.startswith(READ_MARK) else place
                found.setdefault((asks, url), []).append(each["client"])
    return [(place, url, numbers) for (place, url), numbers in found.items()]


def asked(wanted: Mapping[str, Any]) -> str:
    """What a client asks, in a word: a URL without a password, a name, or host and port."""
    server = f"{wanted['host']}:{wanted['port']}" if "host" in wanted else ""
    return re.sub(r"(?<=//)[^/@]*@", "", str(wanted.get("url") or wanted.get("name") or server))


class Clients:
    """All of them. Client numbers count from 1, traffic by traffic and place by place."""

    def __init__(
        self, access: Access, drill: Drill, values: Mapping[str, Any], writer: HistoryWriter, live: Live
    ) -> None:
        self._access, self._writer, self._live = access, writer, live
        self._drill, self._values = drill, values
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}
        self._readings: list[tuple[str, str, list[int]]] = []
        self._ending = False
        self.lost = threading.Event()
        """Set when a load generator has ended by itself."""

    def prepare(self) -> None:
        """Start them all; return when they are ready to begin. Raises DrillFailed."""
        wanted: dict[str, list[dict[str, Any]]] = {}
        number = 0
        for traffic in self._drill.traffic:
            for index, place in enumerate(traffic.places):
                number += 1
                told = self._wanted(traffic, number, index)
                wanted.setdefault(place, []).append(told)
                self.note(
                    "client", 0, client=number, traffic=traffic.name, place=place, kind=traffic.kind,
                    rate=traffic.rate, writes=traffic.writes, asks=asked(told), timeout_s=traffic.timeout_s,
                )  # fmt: skip
        for place in wanted:
            process = self._access.inside(
                ["--from", place], ["python", "-m", "kunren.drills.load"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            made = self._places[place] = _Place(place, process)
            made.thread = threading.Thread(target=self._listen, args=(made,), daemon=True)
            made.thread.start()
        for place, made in self._places.items():
            made.say({"clients": wanted[place]})
        self._readings = readings(wanted)
        for made in self._places.values():
            self._await(made, "ready", READY_WITHIN_S)

    def _wanted(self, traffic: Traffic, number: int, index: int) -> dict[str, Any]:
        told = filled(dict(traffic.wanted), self._values)
        return {
            **told,
            "client": number,
            "kind": traffic.kind,
            "rate": traffic.rate,
            "timeout_s": traffic.timeout_s,
            "write": traffic.writes,
            "offset_s": index / (traffic.rate * len(traffic.places)),
            "read_back": filled(traffic.read_back, self._values),
        }

    def start(self, origin_ns: int) -> None:
        for each in self._places.values():
            each.say({"do": "start", "origin_ns": origin_ns})

    def stop(self) -> None:
        """Begin no more operations, and wait for those under way."""
        for each in self._places.values():
            each.say({"do": "stop"})
        longest = max(each.timeout_s for each in self._drill.traffic)
        for each in self._places.values():
            self._await(each, "stopped", longest + STOPPED_GRACE_S)

    def read_back(self) -> None:
        """Note which writes are there."""
        for name, url, clients in self._readings:
            place = self._places[name]
            place.heard["read"].clear()
            place.say({"do": "read", "clients": clients, "url": url})
            self._await(place, "read", READ_WITHIN_S)

    def end(self) -> None:
        """End them, whatever they do."""
        self._ending = True
        for each in self._places.values():
            if each.process.stdin is not None:
                try:
                    each.process.stdin.close()
                except OSError:
                    pass
        for each in self._places.values():
            try:
                each.process.wait(5.0)
            except subprocess.TimeoutExpired:
                each.process.kill()
                each.process.wait()
            if each.thread is not None:
                each.thread.join(5.0)

    def note(self, kind: str, time_ns: int, /, **told: Any) -> None:
        with self._lock:
            self._live.noted(self._writer.note(kind, time_ns, **told))

    def _await(self, place: _Place, what: str, within_s: float) -> None:
        if not place.heard[what].wait(within_s) or (self.lost.is_set() and place.process.poll() is not None):
            said = b""
            if place.process.poll() is not None and place.process.stderr is not None:
                said = place.process.stderr.read()[-500:]
            raise DrillFailed(f"the clients in {place.name} did not say {what!r}: {said.decode(errors='replace')}")

    def _listen(self, place: _Place) -> None:
        assert place.process.stdout is not None
        frames = FrameReader()
        while data := place.process.stdout.read1(1 << 20):  # type: ignore[attr-defined]
            for kind, payload in frames.fed(data):
                if kind == RECORDS:
                    with self._lock:
                        self._writer.frame(kind, payload)
                        self._live.recorded(payload)
                elif kind == NOTE:
                    told = json.loads(payload)
                    heard = place.heard.get(told["note"])
                    if told["note"] == "read":
                        for client in told["clients"]:
                            self.note("read", told["time_ns"], client=client, error=told["error"])
                    elif told["note"] not in ("ready", "stopped"):
                        self.note(told.pop("note"), told.pop("time_ns"), **told)
                    if heard is not None:
                        heard.set()
        if not self._ending:
            self.lost.set()
            for each in place.heard.values():
                each.set()
