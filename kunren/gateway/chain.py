"""The way of a request, as one ordered list of links, and the few lines that walk it.

Each link is a function of a `Call`, which it fills in; it may return an awaitable, and the walk goes on behind it.
As long as no link waits, the whole request is answered without a task. Errors leave the list and are shaped by `fail`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kunren.core.context import RequestContext
from kunren.gateway.http import HttpRequest, HttpResponse
from kunren.wire.sigv4 import Credential

if TYPE_CHECKING:
    from kunren.wire.catalog import Service
    from kunren.wire.codecs import Codec
    from kunren.wire.route import Route

OURS = "kunren"
FALLBACK = "moto"
NOBODY = "nobody"
Method = Callable[[RequestContext, dict[str, Any]], Any]


class Call:
    """One request on its way through the links. Each attribute is written by the link that knows it."""

    __slots__ = (
        "codec",
        "context",
        "credential",
        "generation",
        "method",
        "owner",
        "params",
        "protocol",
        "request",
        "request_id",
        "response",
        "result",
        "route",
        "service",
    )

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.request_id = ""
        self.credential: Credential | None = None
        self.route: Route | None = None
        self.protocol = ""
        self.service: Service | None = None
        self.owner = NOBODY
        self.method: Method | None = None
        self.codec: Codec | None = None
        self.params: dict[str, Any] = {}
        self.context: RequestContext | None = None
        self.generation = -1
        self.result: Mapping[str, Any] | None = None
        self.response: HttpResponse | None = None


Link = Callable[[Call], Awaitable[None] | None]
Fail = Callable[[Call, Exception], HttpResponse]


class Chain:
    """An ordered list of links with one way to fail."""

    def __init__(self, links: Sequence[Link], fail: Fail) -> None:
        self.links = tuple(links)
        self._fail = fail

    def handle(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """The answer, at once where no link has to wait."""
        call = Call(request)
        try:
            for position, link in enumerate(self.links):
                waiting = link(call)
                if waiting is not None:
                    return self._go_on(call, waiting, position + 1)
        except Exception as error:
            return self._fail(call, error)
        assert call.response is not None
        return call.response

    async def _go_on(self, call: Call, waiting: Awaitable[None], position: int) -> HttpResponse:
        try:
            await waiting
            for link in self.links[position:]:
                more = link(call)
                if more is not None:
                    await more
        except Exception as error:
            return self._fail(call, error)
        assert call.response is not None
        return call.response
