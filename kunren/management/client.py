"""Asking the running daemon: JSON over HTTP on the unix socket in its run folder."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path
from typing import Any

import msgspec

from kunren.settings import run_dir


class NotRunning(Exception):
    """No daemon answers for this state folder."""


class Refused(Exception):
    """The daemon answered that it will not, and why."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("kunren", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


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
        connection = _UnixConnection(self._path, timeout)
        try:
            payload = msgspec.json.encode(body) if body is not None else b""
            connection.request(method, path, payload, {"Content-Type": "application/json"})
            response = connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise NotRunning(
                f"No Kunren runs with the state folder {self.state_dir}. Start one with `kunren up`, "
                "or say which one you mean with --state DIR."
            ) from error
        finally:
            connection.close()
        answer = msgspec.json.decode(raw) if raw else None
        if response.status >= 400:
            message = answer.get("error", "") if isinstance(answer, dict) else ""
            raise Refused(message or f"the daemon answered {response.status} to {method} {path}")
        return answer
