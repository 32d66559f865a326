"""A small application for drills: an HTTP server that says who it is, counts what it does, and keeps what it is given.

    python -m kunren.drills.target --name a --port 80 [--slow-ms N] [--store FILE] [--restore-from URL]
                                   [--copy-to URL --copy-every S --speed N]

GET /         its name                           GET /health    200
POST /write   keeps the body (one line)          GET /writes    all that it keeps, one a line
POST /copy    takes another's lines over              WebSocket     every message comes back

With `--copy-to` it is a primary of a store replicated in the background (asynchronously), every `--copy-every` seconds
of a clock that is `--speed` times as fast; with 0 a write is acknowledged when the copy is made, or when the other side
does not answer: then it goes on alone. `--restore-from` begins with what that URL lists. It is a program of its own, of
the standard library alone.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from kunren.core import websocket as frames


class Kept:
    """The lines that were written, in order; in a file too where there is one."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._path = path
        self.lines: list[str] = path.read_text().split() if path is not None and path.exists() else []
        self._known = set(self.lines)

    def add(self, lines: list[str]) -> None:
        with self._lock:
            new = [each for each in lines if each not in self._known]
            self.lines += new
            self._known.update(new)
            if self._path is not None and new:
                with self._path.open("a") as file:
                    file.write("".join(f"{each}\n" for each in new))


class Copier:
    """Sends the lines that the other side has not had yet."""

    def __init__(self, kept: Kept, url: str) -> None:
        self._kept, self._url = kept, url
        self._done = 0
        self._lock = threading.Lock()

    def copy(self) -> None:
        """Raises OSError where the other side is not there."""
        with self._lock:
            count = len(self._kept.lines)
            if count > self._done:
                body = "\n".join(self._kept.lines[self._done : count]).encode()
                urllib.request.urlopen(urllib.request.Request(self._url, body, method="POST"), timeout=2).read()
                self._done = count

    def run(self, every_s: float, ended: threading.Event) -> None:
        while not ended.wait(every_s):
            try:
                self.copy()
            except OSError:
                pass  # again the next time


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        if self.headers.get("upgrade", "").lower() == "websocket":
            self._echo()
            return
        if self.path == "/writes":
            self._answer(200, "\n".join(self.server.kept.lines))
            return
        if self.server.slow_s and self.path != "/health":
            threading.Event().wait(self.server.slow_s)
        self._answer(200, self.server.who)

    do_HEAD = do_GET

    def _echo(self) -> None:
        """Every message comes back, until the client closes."""
        self.send_response(101)
        self.send_header("upgrade", "websocket")
        self.send_header("connection", "Upgrade")
        self.send_header("sec-websocket-accept", frames.accept_of(self.headers.get("sec-websocket-key", "")))
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        raw = b""
        with contextlib.suppress(ConnectionError):
            while data := self.rfile.read1(65536):
                raw += data
                while (found := frames.taken(raw)) is not None:
                    frame, end = found
                    raw = raw[end:]
                    opcode = frames.PONG if frame.opcode == frames.PING else frame.opcode
                    self.wfile.write(frames.framed(opcode, frame.payload))
                    self.wfile.flush()
                    if frame.opcode == frames.CLOSE:
                        return

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode(errors="replace")
        self.server.kept.add(body.split())
        if self.path == "/write" and self.server.at_once is not None:
            try:
                self.server.at_once.copy()
            except OSError:
                pass  # alone from here on; what is missing is copied when the other side is there again
        self._answer(200, self.server.who)

    def _answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, port: int, who: str, kept: Kept, slow_s: float, at_once: Copier | None) -> None:
        super().__init__(("0.0.0.0", port), Handler)
        self.who, self.kept, self.slow_s, self.at_once = who, kept, slow_s, at_once

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m kunren.drills.target")
    parser.add_argument("--name", default=socket.gethostname())
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--slow-ms", type=float, default=0.0)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--copy-to")
    parser.add_argument("--copy-every", type=float, default=1.0)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--restore-from")
    told = parser.parse_args()
    kept = Kept(told.store)
    if told.restore_from:
        kept.add(urllib.request.urlopen(told.restore_from, timeout=10).read().decode().split())
    copier = Copier(kept, told.copy_to) if told.copy_to else None
    server = Server(told.port, told.name, kept, told.slow_ms / 1000, copier if told.copy_every == 0 else None)
    if copier is not None and told.copy_every > 0:
        threading.Thread(target=copier.run, args=(told.copy_every / told.speed, threading.Event()), daemon=True).start()
    print("ready", flush=True)
    server.serve_forever(0.05)


if __name__ == "__main__":
    main()
