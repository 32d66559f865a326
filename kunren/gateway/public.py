"""Servers of a front's own: HTTPS alone, on sockets that reach nobody else of the gateway."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable
from http import HTTPStatus

from kunren.core.clock import Clock
from kunren.core.fronts import Front
from kunren.gateway.connection import Limits
from kunren.gateway.fronts import by_front
from kunren.gateway.http import HttpRequest, HttpResponse
from kunren.gateway.server import HttpServer

Contexts = Callable[[str | None], ssl.SSLContext]
"""A TLS context for each name that clients ask for."""


class RegionServers:
    """For each region a server whose front (`fronts(region)`) answers everything that comes to its sockets, whatever
    the host. What is no request, or too large a one, is refused with a JSON message."""

    def __init__(
        self, clock: Clock, fronts: Callable[[str], Front], contexts: Callable[[str], Contexts], limits: Limits
    ) -> None:
        self._clock = clock
        self._fronts = fronts
        self._contexts = contexts
        self._limits = limits
        self._servers: dict[str, HttpServer] = {}

    def accept(self, region: str, listener: socket.socket) -> None:
        server = self._servers.get(region)
        if server is None:
            handle = by_front(self._fronts(region))
            contexts = self._contexts(region)
            server = HttpServer(self._clock, handle, refusal, contexts, self._limits, by_hello=True)
            self._servers[region] = server
        server.accept(listener, tls=True)

    async def stop(self) -> None:
        for server in self._servers.values():
            await server.stop()


def refusal(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
    """`{"message":"Request Entity Too Large"}`, by the status' own phrase."""
    text = json.dumps({"message": HTTPStatus(status).phrase}, separators=(",", ":")).encode()
    return HttpResponse(status, [("Content-Type", "application/json")], text)
