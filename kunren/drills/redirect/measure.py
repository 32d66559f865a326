"""Runs inside the world, at one client place: measures one URL that redirects, in one of two ways.

    python -m kunren.drills.redirect.measure load URL CONNECTIONS SECONDS
    python -m kunren.drills.redirect.measure watch URL EVERY_S

`load` keeps that many connections busy for so long and prints {"requests", "failed", "seconds", "latencies_ms"}.
`watch` prints "ready", then asks on a new connection every EVERY_S, whatever became of those before, until its
standard input ends, and prints a list of {"at", "seconds", "problem"}: when it was asked (the kernel's monotonic
clock), how long it took, and what was wrong ("" where nothing was). Standard library only; HTTP, or HTTPS with a
certificate that verifies.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import sys
import threading
import time
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

CONNECTS_WITHIN_S, ANSWERS_WITHIN_S = 1.0, 3.0
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*(\d+)")


def request(url: str) -> tuple[str, int, bytes, ssl.SSLContext | None]:
    """Host, port, the bytes to ask with, and the TLS context of an https URL."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    asked = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: kunren-drill\r\n\r\n".encode()
    return host, port, asked, ssl.create_default_context() if secure else None


class _Kept(asyncio.Protocol):
    """A connection that asks again as soon as it is answered."""

    def __init__(self, asked: bytes, until: float, latencies: list[float], ended: asyncio.Event) -> None:
        self.asked, self.until, self.latencies, self.ended = asked, until, latencies, ended
        self.failed = 0
        self._received = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        if self._began >= self.until:
            self._transport.close()
            return
        self._transport.write(self.asked)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return
        found = _LENGTH.search(self._received, 0, head)
        if len(self._received) < head + 4 + (int(found[1]) if found else 0):
            return
        if self._received[9:10] == b"3":
            self.latencies.append(time.perf_counter() - self._began)
        else:
            self.failed += 1
        self._received = b""
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if time.perf_counter() < self.until:
            self.failed += 1
        self.ended.set()


async def load(url: str, connections: int, seconds: float) -> dict[str, Any]:
    """Ask as fast as these connections can."""
    host, port, asked, tls = request(url)
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    latencies: list[float] = []
    made: list[_Kept] = []
    failed = 0
    for _ in range(connections):
        kept = _Kept(asked, began + seconds, latencies, asyncio.Event())
        try:
            connecting = loop.create_connection(lambda kept=kept: kept, host, port, ssl=tls)
            await asyncio.wait_for(connecting, ANSWERS_WITHIN_S)
            made.append(kept)
        except OSError:
            failed += 1
    for each in made:
        try:
            await asyncio.wait_for(each.ended.wait(), seconds + ANSWERS_WITHIN_S)
        except TimeoutError:
            failed += 1
    took = time.perf_counter() - began
    failed += sum(each.failed for each in made)
    shown = [round(each * 1000, 3) for each in latencies]
    return {"requests": len(shown), "failed": failed, "seconds": round(took, 3), "latencies_ms": shown}


def ask(url: str) -> str:
    """One request on a connection of its own, to the first address that takes one; what was wrong."""
    host, port, asked, tls = request(url)
    try:
        found = [each[4][0] for each in socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)]
    except OSError:
        return "no address"
    problem = "no address"
    for address in dict.fromkeys(found):
        try:
            with ExitStack() as stack:
                connection = stack.enter_context(socket.create_connection((str(address), port), CONNECTS_WITHIN_S))
                connection.settimeout(ANSWERS_WITHIN_S)
                if tls is not None:
                    connection = stack.enter_context(tls.wrap_socket(connection, server_hostname=host))
                connection.sendall(asked)
                status = connection.recv(4096)[9:12].decode()
                return "" if status.startswith("3") else f"status {status or 'none'}"
        except TimeoutError:
            problem = "no answer in time"
        except OSError as error:
            problem = error.strerror or type(error).__name__
    return problem


def watch(url: str, every_s: float) -> list[dict[str, Any]]:
    """Ask until standard input ends."""
    samples: list[dict[str, Any]] = []
    ended = threading.Event()

    def heard() -> None:
        sys.stdin.read()
        ended.set()

    def sample() -> None:
        at = time.monotonic()
        problem = ask(url)
        samples.append({"at": at, "seconds": round(time.monotonic() - at, 4), "problem": problem})

    threading.Thread(target=heard, daemon=True).start()
    print("ready", flush=True)
    asking = []
    while not ended.wait(every_s):
        asking.append(threading.Thread(target=sample))
        asking[-1].start()
    for each in asking:
        each.join()
    return sorted(samples, key=lambda each: float(each["at"]))


def main(how: str, url: str, *rest: str) -> None:
    told: Any = (
        asyncio.run(load(url, int(rest[0]), float(rest[1]))) if how == "load" else watch(url, float(rest[0]))
    )  # fmt: skip
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
