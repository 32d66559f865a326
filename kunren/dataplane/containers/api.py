"""A client of the HTTP API that Docker and Podman speak, on a Unix socket: one connection for each request.

Source: Docker Engine API v1.41; "Stream format" for what containers print ("Attach to a container").
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import urlencode

VERSION = "/v1.41"
_HEAD_BYTES_MAX = 65536
_PIECE = 1 << 20
_FRAME = 8


class EngineError(Exception):
    """What the engine refused, in its words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Hijacked(NamedTuple):
    """A connection that carries bytes both ways, once the answer's head has gone by."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class EngineApi:
    """Requests raise EngineError as the engine answers, OSError where nobody does."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The answer's document; None where it has none."""
        content = json.dumps(body).encode() if body is not None else b""
        async with self._asked(method, path, query, content) as (headers, reader):
            text = await _whole(headers, reader)
        return json.loads(text) if text.strip() else None

    async def upload(self, path: str, file: IO[bytes], size: int, **query: Any) -> Any:
        """The same, of a POST with a tar file of so many bytes."""
        async with self._asked("POST", path, query, b"", (file, size)) as (headers, reader):
            text = await _whole(headers, reader)
        return [json.loads(line) for line in text.splitlines() if line.strip()]

    async def printed(self, path: str, **query: Any) -> AsyncIterator[bytes]:
        """What a container prints, as it comes."""
        kept = b""
        async with self._asked("GET", path, query) as (headers, reader):
            async for piece in _pieces(headers, reader):
                frames, kept = framed(kept + piece)
                for each in frames:
                    yield each

    @asynccontextmanager
    async def hijack(self, path: str, body: Any) -> AsyncIterator[Hijacked]:
        """POST, and have the connection for oneself."""
        async with self._connected() as (reader, writer):
            upgrade = {"Connection": "Upgrade", "Upgrade": "tcp"}
            await _send(writer, "POST", path, {}, json.dumps(body).encode(), upgrade)
            await _head(reader)
            yield Hijacked(reader, writer)

    @asynccontextmanager
    async def _asked(
        self, method: str, path: str, query: Mapping[str, Any], content: bytes = b"",
        file: tuple[IO[bytes], int] | None = None,
    ) -> AsyncIterator[tuple[Mapping[str, str], asyncio.StreamReader]]:  # fmt: skip
        async with self._connected() as (reader, writer):
            await _send(writer, method, path, query, content, {"Connection": "close"}, file)
            yield await _head(reader), reader

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_unix_connection(self.path, limit=_HEAD_BYTES_MAX)
        try:
            yield reader, writer
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError(f"the container engine at {self.path} broke off its answer") from error
        finally:
            writer.close()


async def _send(
    writer: asyncio.StreamWriter, method: str, path: str, query: Mapping[str, Any], content: bytes,
    headers: Mapping[str, str], file: tuple[IO[bytes], int] | None = None,
) -> None:  # fmt: skip
    size = file[1] if file is not None else len(content)
    kind = "application/x-tar" if file is not None else "application/json"
    lines = [
        f"{method} {VERSION}{path}{'?' if query else ''}{urlencode(query)} HTTP/1.1", "Host: engine",
        f"Content-Type: {kind}", f"Content-Length: {size}", *(f"{name}: {value}" for name, value in headers.items()),
    ]  # fmt: skip
    writer.write("\r\n".join([*lines, "", ""]).encode() + content)
    while file is not None and (piece := await asyncio.to_thread(file[0].read, _PIECE)):
        writer.write(piece)
        await writer.drain()
    await writer.drain()


async def _head(reader: asyncio.StreamReader) -> Mapping[str, str]:
    """The answer's headers, their names in lower case. Raises EngineError."""
    line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in rest if each)}
    status = int(line.split(" ", 2)[1])
    if status >= 400 or status == 304:
        text = await _whole(headers, reader) if status != 304 else b""
        try:
            message = str(json.loads(text)["message"])
        except (ValueError, KeyError, TypeError):
            message = text.decode(errors="replace") or line
        raise EngineError(status, message)
    return headers


async def _pieces(headers: Mapping[str, str], reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """An answer's body."""
    if headers.get("transfer-encoding", "") == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
    elif "content-length" in headers:
        yield await reader.readexactly(int(headers["content-length"]))
    else:
        while piece := await reader.read(_PIECE):
            yield piece


async def _whole(headers: Mapping[str, str], reader: asyncio.StreamReader) -> bytes:
    return b"".join([piece async for piece in _pieces(headers, reader)])


def framed(text: bytes) -> tuple[list[bytes], bytes]:
    """The contents of the frames in a stream, whatever of the two outputs they are, and what is left of it. Pure."""
    frames, at = [], 0
    while len(text) - at >= _FRAME:
        end = at + _FRAME + int.from_bytes(text[at + 4 : at + _FRAME], "big")
        if end > len(text):
            break
        frames.append(text[at + _FRAME : end])
        at = end
    return frames, text[at:]
