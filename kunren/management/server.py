"""The management API's shell: HTTP/1.1, one request a connection, on a unix socket only this user can open."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import msgspec

from kunren.management.api import ManagementApi

LARGEST_BODY = 1 << 20


class ManagementServer:
    """Serves a ManagementApi; `start` and `stop`."""

    def __init__(self, api: ManagementApi, path: Path) -> None:
        self._api = api
        self._path = path
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, str(self._path))
        self._path.chmod(0o600)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ", 2)
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            length = int(headers.get("content-length") or 0)
            if not 0 <= length <= LARGEST_BODY:
                raise ValueError("the body is too large")
            raw = await reader.readexactly(length)
            status, value = await self._api.answer(method, path, _decoded(raw))
            body = msgspec.json.encode(value)
            writer.write(
                f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                "Connection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        writer.close()


def _decoded(raw: bytes) -> object:
    try:
        return msgspec.json.decode(raw) if raw else None
    except msgspec.DecodeError:
        return None
