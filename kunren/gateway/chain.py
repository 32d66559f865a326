"""The way of a request, as one ordered list of links, and the few lines that walk it.

Each link is a function of a `Call`, which it fills in; it may return an awaitable, and the walk goes on behind it.
As long as no link waits, the whole request is answered without a task. Errors leave the list and are shaped by `fail`.
The finished answer is held back until `hold` says that what the call wrote is on disk: a `Promise`, not a task, since
every write waits there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kunren.core.authorization import Caller
from kunren.core.context import RequestContext
from kunren.core.fronts import FrontAnswer
from kunren.core.policies import Acting
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
Raw = Callable[[RequestContext, HttpRequest, Mapping[str, str]], Awaitable[FrontAnswer]]
"""Answers what is no operation of the model (a form's POST, a preflight), by the request as it came."""


class Call:
    """One request on its way through the links. Each attribute is written by the link that knows it. `arrived` is the
    request as it came; `caller` who signed it, where that is verified."""

    __slots__ = (
        "acting",
        "arrived",
        "caller",
        "codec",
        "context",
        "credential",
        "generation",
        "method",
        "owner",
        "params",
        "protocol",
        "raw",
        "request",
        "request_id",
        "response",
        "result",
        "route",
        "service",
    )

    def __init__(self, request: HttpRequest) -> None:
        self.request = self.arrived = request
        self.request_id = ""
        self.credential: Credential | None = None
        self.acting: Acting | None = None
        self.caller: Caller | None = None
        self.route: Route | None = None
        self.protocol = ""
        self.service: Service | None = None
        self.owner = NOBODY
        self.method: Method | None = None
        self.raw: Raw | None = None
        self.codec: Codec | None = None
        self.params: dict[str, Any] = {}
        self.context: RequestContext | None = None
        self.generation = -1
        self.result: Mapping[str, Any] | None = None
        self.response: HttpResponse | None = None


class Promise:
    """An answer that is given later, by a plain call: `keep` gives it, to the one who asked for it by `then`."""

    __slots__ = ("_then", "response")

    def __init__(self) -> None:
        self.response: HttpResponse | None = None
        self._then: Callable[[HttpResponse], None] | None = None

    def then(self, then: Callable[[HttpResponse], None]) -> None:
        if self.response is not None:
            then(self.response)
        else:
            self._then = then

    def keep(self, response: HttpResponse) -> None:
        self.response = response
        if self._then is not None:
            self._then(response)

    def __await__(self) -> Generator[Any, None, HttpResponse]:
        future: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        self.then(lambda response: None if future.done() else future.set_result(response))
        return (yield from future)


Link = Callable[[Call], Awaitable[None] | None]
Fail = Callable[[Call, Exception], HttpResponse]
Told = Callable[[Exception | None], None]
Hold = Callable[[Call, Told], bool]


def nothing_held(call: Call, told: Told) -> bool:
    return False


class Chain:
    """An ordered list of links with one way to fail. `hold(call, told)` is True where the answer must wait until
    `told` is called, with None or with what went wrong."""

    def __init__(self, links: Sequence[Link], fail: Fail, hold: Hold = nothing_held) -> None:
        self.links = tuple(links)
        self._fail = fail
        self._hold = hold

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
        return self._given(call)

    def _given(self, call: Call) -> HttpResponse | Promise:
        response = call.response
        assert response is not None
        promise = Promise()

        def told(error: Exception | None) -> None:
            promise.keep(response if error is None else self._fail(call, error))

        return promise if self._hold(call, told) else response

    async def _go_on(self, call: Call, waiting: Awaitable[None], position: int) -> HttpResponse:
        try:
            await waiting
            for link in self.links[position:]:
                more = link(call)
                if more is not None:
                    await more
        except Exception as error:
            return self._fail(call, error)
        given = self._given(call)
        return given if isinstance(given, HttpResponse) else await given
