"""Endpoints beside AWS's API on the same sockets: asked first, by host and path, whether a request is theirs."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from kunren.core.context import account_of
from kunren.core.errors import AwsError
from kunren.core.fronts import Front, FrontRequest, Signed
from kunren.gateway.http import HttpRequest, HttpResponse
from kunren.wire.sigv4 import parse_credential

log = logging.getLogger(__name__)
Handle = Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]


def with_fronts(handle: Handle, fronts: Sequence[Front]) -> Handle:
    """`handle` for every request that none of the fronts claims. `fronts` may grow later."""

    def handled(request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if fronts:
            host = request.headers.get("host", "")
            for front in fronts:
                if front.claims(host, request.path):
                    return ask(front, request, host)
        return handle(request)

    return handled


def by_front(front: Front) -> Handle:
    """The front for every request."""
    return lambda request: ask(front, request, request.headers.get("host", ""))


async def ask(front: Front, request: HttpRequest, host: str) -> HttpResponse:
    """A front's answer; one that it fails to give is an error of ours."""
    try:
        if request.upload is not None and not getattr(front, "streamed", False):
            request = msgspec.structs.replace(request, body=await request.upload.read(), upload=None)
        answer = await front.answer(front_request(request, host))
    except Exception:
        log.exception("a request for %s could not be answered", host)
        return HttpResponse(500, [("Content-Type", "application/json")], b'{"Message":"Internal Server Error"}')
    return HttpResponse(answer.status, answer.headers, answer.body, answer.upgraded)


def front_request(request: HttpRequest, host: str) -> FrontRequest:
    """A request as fronts see it; one whose signature can't be read counts as unsigned."""
    try:
        credential = parse_credential(request.headers, request.query)
    except AwsError:
        credential = None
    signed = None
    if credential is not None:
        account = account_of(credential.access_key)
        signed = Signed(credential.access_key, account, credential.region, credential.service)
    return FrontRequest(
        request.method,
        host.partition(":")[0].lower(),
        request.path,
        request.query,
        request.headers,
        request.body,
        request.source_ip,
        signed,
        request.secure,
        request.repeated,
        request.tls,
        request.upload,
    )
