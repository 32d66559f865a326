"""One HTTP request and one answer, as values. Nothing here knows a socket or AWS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus

import msgspec

from kunren.core.fronts import Tls
from kunren.core.uploads import Upload


class HttpRequest(msgspec.Struct, frozen=True):
    """A whole request. Header names are lower case, repeated headers joined by ", "; `path` and `query` are as
    received (percent-encoded, without the question mark). `source_ip` and `source_port` are the peer's. Where a
    service took the body in while it arrived, `upload` is what it made of it, and `body` is empty. `repeated` has the
    values of the headers that came more than once."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""
    secure: bool = False
    source_ip: str = ""
    source_port: int = 0
    upload: Upload | None = None
    repeated: Mapping[str, tuple[str, ...]] = {}
    tls: Tls | None = None

    @property
    def target(self) -> str:
        """Path and query as the request line had them."""
        return f"{self.path}?{self.query}" if self.query else self.path


class HttpResponse(msgspec.Struct, frozen=True):
    """An answer. `body` is bytes, or pieces of bytes that are sent as they come: chunked, unless `headers` has a
    Content-Length, or the connection closes behind it (then its end ends the body). The server adds Date,
    Content-Length and Connection itself. Behind a status of 101 the connection is the protocol's that `upgraded`
    makes."""

    status: int
    headers: list[tuple[str, str]] = []
    body: bytes | AsyncIterator[bytes] = b""
    upgraded: Callable[[], asyncio.Protocol] | None = None

    def header(self, name: str) -> str | None:
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


def _status_line(status: int) -> str:
    try:
        return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
    except ValueError:
        return f"HTTP/1.1 {status} Status\r\n"


_STATUS_LINES = {each.value: _status_line(each.value) for each in HTTPStatus}
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "date", "keep-alive"})
_BODYLESS = frozenset({204, 304})


def response_head(response: HttpResponse, method: str, date: str, keep_alive: bool) -> tuple[bytes, bool]:
    """The status line and headers, and whether the body goes out in chunks.

    Line breaks inside a header's value are taken out, so that no value can add a header.
    """
    length: str | None = None
    lines: list[str] = [_STATUS_LINES.get(response.status) or _status_line(response.status)]
    for name, value in response.headers:
        lowered = name.lower()
        if lowered in _FRAMING:
            length = value if lowered == "content-length" else length
        else:
            lines.append(f"{name}: {value}\r\n")
    body = response.body
    chunked = False
    if response.status in _BODYLESS or response.status < 200:
        pass
    elif isinstance(body, bytes):
        lines.append(f"Content-Length: {length if method == 'HEAD' and length and not body else len(body)}\r\n")
    elif length is not None:
        lines.append(f"Content-Length: {length}\r\n")
    elif keep_alive:
        chunked = True
        lines.append("Transfer-Encoding: chunked\r\n")
    end = "upgrade" if response.status == 101 else "" if keep_alive else "close"
    lines.append(f"Date: {date}\r\nConnection: {end}\r\n" if end else f"Date: {date}\r\n")
    text = "".join(lines)
    if text.count("\n") != len(lines) + (1 if end else 0):
        text = "".join(_one_line(line) for line in lines[:-1]) + lines[-1]
    return (text + "\r\n").encode("utf-8", "replace"), chunked


def _one_line(line: str) -> str:
    return line.replace("\r", "").replace("\n", "") + "\r\n"
