"""Envoy's admin interface, asked over its unix socket: what it counted for each endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import msgspec

ANSWERS_WITHIN_S = 10.0


class Counted(NamedTuple):
    """Totals of one endpoint in one cluster since Envoy started. `errors` are 5XX answers, resets and connections that
    failed; `reached` are the requests that were sent to it, answered or not yet."""

    cluster: str
    address: str
    port: int
    requests: int
    errors: int
    reached: int = 0


class _Socket(msgspec.Struct):
    address: str = ""
    port_value: int = 0


class _Address(msgspec.Struct):
    socket_address: _Socket = msgspec.field(default_factory=_Socket)


class _Stat(msgspec.Struct):
    name: str
    value: str = "0"


class _Host(msgspec.Struct):
    address: _Address = msgspec.field(default_factory=_Address)
    stats: list[_Stat] = []


class _Cluster(msgspec.Struct):
    name: str
    host_statuses: list[_Host] = []


class _Clusters(msgspec.Struct):
    cluster_statuses: list[_Cluster] = []


_decoder = msgspec.json.Decoder(_Clusters)


async def counted(admin_socket: Path) -> list[Counted]:
    """What every endpoint of every cluster did. Raises OSError and TimeoutError where Envoy does not answer."""
    return list(parsed(await _get(admin_socket, "/clusters?format=json")))


async def statistics(admin_socket: Path, pattern: str) -> str:
    """The counters whose names match, one a line, histograms with the counts below each of their bounds. Raises OSError
    and TimeoutError where Envoy does not answer."""
    await _get(admin_socket, "/stats?filter=^$")  # has histograms merged (stats_flush_on_admin), for the next to read
    asked = f"/stats?usedonly&histogram_buckets=cumulative&filter={quote(pattern, safe='')}"
    return (await _get(admin_socket, asked)).decode()


def parsed(body: bytes) -> Iterator[Counted]:
    """The JSON of `/clusters`."""
    for cluster in _decoder.decode(body).cluster_statuses:
        for host in cluster.host_statuses:
            stats = {each.name: int(each.value) for each in host.stats}
            errors = stats.get("rq_error", 0) + stats.get("cx_connect_fail", 0)
            where = host.address.socket_address
            # a request whose connection failed was never counted as one
            requests = stats.get("rq_success", 0) + errors
            yield Counted(cluster.name, where.address, where.port_value, requests, errors, stats.get("rq_total", 0))


async def _get(admin_socket: Path, path: str) -> bytes:
    async with asyncio.timeout(ANSWERS_WITHIN_S):
        reader, writer = await asyncio.open_unix_connection(str(admin_socket))
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n".encode())
            whole = await reader.read()
        finally:
            writer.close()
    head, _, body = whole.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise OSError(f"envoy's admin interface answered {head[:40]!r}")
    return _unchunked(body) if b"transfer-encoding: chunked" in head.lower() else body


def _unchunked(body: bytes) -> bytes:
    out = bytearray()
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            break
        out += rest[:length]
        body = rest[length + 2 :]
    return bytes(out)
