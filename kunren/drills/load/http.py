"""HTTP/1.1 over raw sockets: one request each, on a connection of its own or on one that is kept.

Of HTTP it knows what it takes to find where an answer ends (RFC 9112, section 6.3); it follows no redirect.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from kunren.drills.history import Reason
from kunren.drills.load.connections import Connection, PooledStream
from kunren.drills.load.loop import Loop, Recorder
from kunren.drills.load.names import Names
from kunren.drills.load.stream import Operation

_LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*(\d+)")
_CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding:[^\r]*chunked")
_CLOSE = re.compile(rb"(?i)\r\nconnection:[^\r]*close")
WRITE_MARK = "{write}"


def answer_end(raw: bytes, head_only: bool = False) -> tuple[int, bool] | None:
    """Where the answer that begins these bytes ends, and whether the connection may be kept: None while it is not
    whole, -1 for one that ends with its connection."""
    head = raw.find(b"\r\n\r\n")
    if head < 0:
        return None
    status = raw[9:12]
    kept = _CLOSE.search(raw, 0, head) is None
    if status[:1] == b"1" and status != b"101":
        rest = answer_end(raw[head + 4 :], head_only)
        return rest if rest is None or rest[0] < 0 else (rest[0] + head + 4, rest[1])
    if head_only or status in (b"204", b"304"):
        return head + 4, kept
    found = _LENGTH.search(raw, 0, head)
    if found:
        end = head + 4 + int(found[1])
        return (end, kept) if len(raw) >= end else None
    if _CHUNKED.search(raw, 0, head):
        return (len(raw), kept) if raw.endswith(b"0\r\n\r\n") else None
    return -1, False


class HttpConnection(Connection):
    """One connection of HTTP/1.1, requests one after another."""

    stream: HttpStream

    def __init__(self, stream: HttpStream, address: str) -> None:
        super().__init__(stream, address)
        self._received = b""

    def request(self, operation: Operation) -> bytes:
        return self.stream.bytes_of(operation)

    def heard(self, data: bytes) -> None:
        head_only = self.stream.head_only
        if data:
            self._received = received = self._received + data if self._received else data
            found = answer_end(received, head_only)
            if found is None or found[0] < 0:
                return
            end, kept = found
        elif self._received and (found := answer_end(self._received, head_only)) and found[0] < 0:
            received, end, kept = self._received, len(self._received), False
        else:
            self.fail(Reason.CUT)
            return
        self._received = b""
        answer = received[:end]
        status = int(answer[9:12]) if answer[9:12].isdigit() else 0
        self.answered(self.stream.judged(status, answer), status, kept)


class HttpStream(PooledStream):
    """`wanted`: url, method, headers, body, keep_alive, connections, status (low, high), contains."""

    spoken = HttpConnection

    def __init__(self, loop: Loop, names: Names, recorder: Recorder, client: int, wanted: dict[str, Any]) -> None:
        parts = urlsplit(wanted["url"])
        encrypted = parts.scheme == "https"
        port = parts.port or (443 if encrypted else 80)
        super().__init__(loop, names, recorder, client, wanted, parts.hostname or "", port, encrypted)
        self.head_only = wanted.get("method", "GET") == "HEAD"
        self._low, self._high = wanted.get("status", (200, 399))
        self._contains = wanted.get("contains", "").encode()
        self._request = _request(wanted, parts.netloc, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        self._marked = WRITE_MARK.encode() in self._request[0] + self._request[1]

    def bytes_of(self, operation: Operation) -> bytes:
        head, body = self._request
        if not self._marked:
            return head + body
        mark, name = WRITE_MARK.encode(), f"{self.client}-{operation.number}".encode()
        body = body.replace(mark, name)
        return re.sub(rb"(?<=Content-Length: )\d+", str(len(body)).encode(), head.replace(mark, name)) + body

    def judged(self, status: int, answer: bytes) -> int:
        """Why that answer is not ok (0: it is)."""
        if not self._low <= status <= self._high:
            return Reason.STATUS
        return Reason.UNEXPECTED if self._contains and self._contains not in answer else Reason.NONE


def _request(wanted: dict[str, Any], host: str, target: str) -> tuple[bytes, bytes]:
    body = wanted.get("body", "").encode()
    headers = {"Host": host, "User-Agent": "kunren-drill", "Accept": "*/*", **wanted.get("headers", {})}
    if body:
        headers["Content-Length"] = str(len(body))
    if not wanted.get("keep_alive"):
        headers["Connection"] = "close"
    lines = [f"{wanted.get('method', 'GET')} {target} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
    return "\r\n".join([*lines, "", ""]).encode(), body
