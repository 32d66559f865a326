"""One place's clients: `python -m kunren.drills.load`, started by the runner with `kunren exec --from PLACE`.

Standard input is lines of JSON: first {"clients": [...]}, then {"do": "start", "origin_ns"}, {"do": "stop"},
{"do": "read", "url", "clients"} (what those wrote, read back), {"do": "end"}. Standard output is frames of a
history (`kunren.drills.history`); the note "ready" is the answer to the first line, "stopped" and "read" to the others.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import signal
import sys
from typing import Any

from kunren.drills.history import Event
from kunren.drills.load.flows import DnsStream, TcpStream, UdpStream
from kunren.drills.load.http import HttpStream
from kunren.drills.load.loop import Loop, Recorder, now_ns
from kunren.drills.load.names import Names, resolver_address
from kunren.drills.load.reading import read_back
from kunren.drills.load.sql import SqlStream
from kunren.drills.load.stream import FAR, Stream
from kunren.drills.load.websocket import WebSocketStream

PIPE_BYTES = 1 << 20
F_SETPIPE_SZ = 1031
_WRITE_NAME = re.compile(r"\b(\d+)-(\d+)\b")


class Place:
    """The clients of this process, and what the runner tells them."""

    def __init__(self) -> None:
        self.recorder = Recorder(sys.stdout.fileno())
        self.loop = Loop(self.recorder)
        self.streams: list[Stream] = []
        self._heard = b""
        self._stopping = False

    def run(self) -> None:
        os.set_blocking(0, False)
        self.loop.watch(0, select.EPOLLIN, self._hear)
        self.loop.due.append(self._stopped)
        self.loop.run()

    def _hear(self, _events: int) -> None:
        data = os.read(0, 1 << 20)
        if not data:
            self.loop.end()  # the runner is no more
            return
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            self._told(json.loads(line))

    def _told(self, told: dict[str, Any]) -> None:
        match told.get("do"):
            case None:
                self._prepare(told["clients"])
            case "start":
                self.recorder.origin_ns = told["origin_ns"]
                for each in self.streams:
                    each.start(max(now_ns(), told["origin_ns"]))
            case "stop":
                for each in self.streams:
                    each.stop()
                self._stopping = True
            case "read":
                self._read(told["clients"], told["url"])
            case "end":
                self.loop.end()

    def _prepare(self, clients: list[dict[str, Any]]) -> None:
        names = Names(self.loop, resolver_address())
        for wanted in clients:
            given: tuple[Any, ...] = (self.loop, names, self.recorder, wanted["client"], wanted)
            kind = wanted["kind"]
            stream: Stream = STREAMS[kind](*given)
            stream.told_address = self._address
            self.streams.append(stream)
            self.loop.due.append(stream.due)
        self._note("ready")

    def _address(self, client: int, index: int, address: str) -> None:
        self._note("address", client=client, index=index, address=address)

    def _note(self, kind: str, **told: Any) -> None:
        at = max(now_ns() - self.recorder.origin_ns, 0) if self.recorder.origin_ns else 0
        self.recorder.note(json.dumps({"note": kind, "time_ns": at, **told}).encode())

    def _stopped(self, now: int) -> int:
        if self._stopping and all(each.idle for each in self.streams):
            self._stopping = False
            self._note("stopped")
        return FAR if not self._stopping else now + 20_000_000

    def _read(self, clients: list[int], url: str) -> None:
        """Note every write of those clients that the answer names, in its order."""
        try:
            text = read_back(url)
        except (OSError, ValueError) as error:
            self._note("read", clients=clients, error=str(error))
            return
        at = now_ns()
        for found in _WRITE_NAME.finditer(text):
            if int(found[1]) in clients:
                self.recorder.record(at, int(found[2]), int(found[1]), Event.SEEN)
        self._note("read", clients=clients, error="")


STREAMS: dict[str, Any] = {
    "http": HttpStream, "sqs": HttpStream, "websocket": WebSocketStream, "sql": SqlStream,
    "dns": DnsStream, "tcp": TcpStream, "udp": UdpStream,
}  # fmt: skip


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner ends us
    try:
        fcntl.fcntl(1, F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:
        pass
    Place().run()


if __name__ == "__main__":
    main()
