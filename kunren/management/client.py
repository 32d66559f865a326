"""Asking the running daemon: JSON over HTTP on the unix socket in its run folder.

One request on a connection of its own, written by hand: `http.client` would take half of a command's start.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import msgspec

from kunren.settings import run_dir


class NotRunning(Exception):
    """No daemon answers for this state folder."""


class Refused(Exception):
    """The daemon answered that it will not, and why."""


class Management:
    """The daemon of one state folder. Every call raises NotRunning or Refused."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self._path = run_dir(state_dir) / "management.sock"

    def get(self, path: str, timeout: float = 30.0) -> Any:
        return self._call("GET", path, None, timeout)

    def post(self, path: str, body: Any = None, timeout: float = 60.0) -> Any:
        return self._call("POST", path, body, timeout)

    def running(self) -> bool:
        try:
            self.get("/alive", timeout=5.0)
        except (NotRunning, Refused):
            return False
        return True

    def _call(self, method: str, path: str, body: Any, timeout: float) -> Any:
        payload = msgspec.json.encode(body) if body is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: kunren\r\nContent-Length: {len(payload)}\r\n\r\n"
        try:
            status, raw = self._exchange(head.encode() + payload, timeout)
        except (OSError, ValueError) as error:
            raise NotRunning(
                f"No Kunren runs with the state folder {self.state_dir}. Start one with `kunren up`, "
                "or say which one you mean with --state DIR."
            ) from error
        answer = msgspec.json.decode(raw) if raw else None
        if status >= 400:
            message = answer.get("error", "") if isinstance(answer, dict) else ""
            raise Refused(message or f"the daemon answered {status} to {method} {path}")
        return answer

    def _exchange(self, request: bytes, timeout: float) -> tuple[int, bytes]:
        """Send, and read to the end of the stream: status and body. Raises OSError, ValueError for half an answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(str(self._path))
            connection.sendall(request)
            received = bytearray()
            while data := connection.recv(65536):
                received += data
        head, _, body = bytes(received).partition(b"\r\n\r\n")
        status, *headers = head.decode("latin-1").split("\r\n")
        length = next((int(line[15:]) for line in headers if line.lower().startswith("content-length:")), -1)
        if len(body) != length:
            raise ValueError("the answer is not whole")
        return int(status.split(" ")[1]), body
