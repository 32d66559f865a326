"""The origin's side of the edge: cache misses, origin functions, failover, and what is kept of the answers.

Of equal requests at one edge location only the first asks the origin, while its answer may be kept ("request
collapsing").
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

from kunren.core.clock import Clock
from kunren.dataplane.edge import compression, freshness, keys, lambda_event, viewer
from kunren.dataplane.edge.cache import OBJECT_BYTES_MAX, Cache, Kept
from kunren.dataplane.edge.js_event import InvalidResult
from kunren.dataplane.edge.locations import edge_hash
from kunren.dataplane.edge.message import Answer, Body, Request, Streamed, drop, first, whole, without
from kunren.dataplane.edge.origin import Origins, Unreachable
from kunren.dataplane.edge.site import Behaviour, Origin, OriginGroup, Site

log = logging.getLogger(__name__)
Invoke = Callable[[Site, str, bytes], Awaitable[tuple[bytes, str | None]]]
"""`invoke(site, function ARN, event)`: the payload, and the error's kind where the function failed."""
REQUEST_BODY_BYTES_MAX = 64 * 1024 * 1024
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS"})
_ORIGINS_OWN = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "proxy-connection", "x-amz-cf-id", "x-cache"}
)
CONDITIONS = frozenset({"if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"})
_INLINE_BYTES_MAX = 32 * 1024
"""What is larger is compressed in another thread, so that others need not wait."""
_UNREACHABLE = {
    502: "CloudFront wasn't able to connect to the origin.",
    504: "CloudFront attempted to establish a connection with the origin, but either the attempt failed or the origin "
    "closed the connection.",
}


class LambdaFailed(Exception):
    """A Lambda@Edge function ended with an error; the text is its kind."""


@dataclass(slots=True)
class Pending:
    """A request that has passed the viewer's side. `ready` is its answer where only the viewer-response function is to
    be asked; `asks` where the viewer-request function is."""

    site: Site
    behaviour: Behaviour
    request: Request
    key: keys.Key | None = None
    stale: Kept | None = None
    ready: Answer | None = None
    asks: bool = False


class Fetcher:
    """The caches of all edge locations, and what fills them."""

    def __init__(self, clock: Clock, origins: Origins, invoke: Invoke) -> None:
        self._clock = clock
        self._origins = origins
        self._invoke = invoke
        self._caches: dict[str, Cache] = {}
        self._fetching: dict[tuple[str, keys.Key], asyncio.Future[None]] = {}

    def cache(self, request: Request) -> Cache:
        """That of the edge location which the request has reached."""
        return self._caches.setdefault(request.viewer.edge, Cache())

    def cached(self) -> int:
        return sum(len(each) for each in self._caches.values())

    async def invoked(self, site: Site, arn: str, event: bytes) -> bytes:
        """What a Lambda@Edge function returned. Raises LambdaFailed."""
        payload, failed = await self._invoke(site, arn, event)
        if failed is not None:
            raise LambdaFailed(failed)
        return payload

    def from_cache(self, kept: Kept, request: Request, outcome: str) -> Answer:
        age = int(self._clock.now() - kept.stored_at)
        headers = [*without(kept.headers, {"age"}), ("Age", str(age))]
        if kept.status == 200 and viewer.not_modified(request, kept):
            return Answer(304, without(headers, {"content-length", "content-type"}), b"", outcome)
        status, headers, body = viewer.ranged(request, kept.status, headers, kept.body)
        return Answer(status, headers, body, outcome)

    async def answer(self, pending: Pending) -> Answer:
        """Ask the origin; of equal requests at one edge location only the first does, while its answer may be kept."""
        if pending.key is None or pending.request.method != "GET" or pending.request.header("range"):
            return await self._fetch(pending)
        where = (pending.request.viewer.edge, pending.key)
        under_way = self._fetching.get(where)
        if under_way is not None:
            await asyncio.shield(under_way)
            kept = self.cache(pending.request).find(pending.key)
            if kept is not None and kept.fresh_until > self._clock.now():
                return self.from_cache(kept, pending.request, "Error" if kept.status >= 400 else "Hit")
            return await self._fetch(pending)
        done = self._fetching[where] = asyncio.get_running_loop().create_future()
        try:
            return await self._fetch(pending)
        finally:
            self._fetching.pop(where, None)
            done.set_result(None)

    async def _fetch(self, pending: Pending) -> Answer:
        site, behaviour, request = pending.site, pending.behaviour, pending.request
        group, members = members_of(site, behaviour, request.method)
        answer = None
        for number, member in enumerate(members):
            last = number == len(members) - 1
            try:
                answer = await self._ask(pending, site.origins[member])
            except Unreachable as error:
                log.info("%s: %s: %s", site.id, member, error)
                request.note("origin", member, error)
                answer = viewer.error(error.status, _UNREACHABLE[error.status], request, detail=error.detail)
                if last or group is None or error.status not in group.statuses:
                    return self._kept_error(pending, answer)
                request.failed_over = str(error.status)
                continue
            if last or group is None or answer.status not in group.statuses:
                break
            request.failed_over = str(answer.status)
            drop(answer.body)
        assert answer is not None
        return answer

    async def _ask(self, pending: Pending, origin: Origin) -> Answer:
        """Ask one origin, with the functions on both sides of it. Raises Unreachable."""
        site, behaviour, viewers = pending.site, pending.behaviour, pending.request
        asked_at, host = self._clock.now(), None if _taken(behaviour) else origin.domain
        via = f"{viewers.viewer.http_version} {edge_hash(viewers.viewer.edge)}.cloudfront.net (CloudFront)"
        request = replace(
            viewers,
            query=keys.origin_query(behaviour, viewers),
            headers=keys.origin_headers(behaviour, origin, viewers, via),
        )
        if (reference := behaviour.lambdas.get("origin-request")) is not None:
            body = await whole(request.body, REQUEST_BODY_BYTES_MAX) if reference.include_body else None
            shown = replace(request, headers=without(request.headers, {"x-amz-cf-id"}))
            sent = lambda_event.event(site, "origin-request", shown, origin=origin, body=body)
            try:
                payload = await self.invoked(site, reference.arn, sent)
                made, chosen = lambda_event.request_or_answer(payload, "origin-request", shown)
                viewers.note("function", "origin-request", reference.arn, made)
                if made is not None:
                    return await self._stored(pending, made, asked_at)
                if chosen is not None:
                    before, origin = origin, lambda_event.chosen_origin(chosen, origin)
                    own = {name.lower() for name, _ in (*before.headers, *origin.headers)}
                    shown.headers = [*without(shown.headers, own), *origin.headers]
            except (LambdaFailed, InvalidResult) as error:
                viewers.note("function", "origin-request", reference.arn, error)
                return lambda_failed(error, viewers)
            if host is not None and first(shown.headers, "host") == host:
                shown.headers = [("Host", origin.domain), *without(shown.headers, {"host"})]
            request = replace(shown, headers=[*shown.headers, ("X-Amz-Cf-Id", viewers.id)])
        stale = pending.stale
        if stale is not None and stale.status == 200:
            request.headers = [*without(request.headers, CONDITIONS), *stale.validators]
        elif pending.key is not None:
            request.headers = without(request.headers, CONDITIONS)
        secure = asks_securely(origin, viewers)
        target = origin.path + _target(request)
        body = await whole(request.body, REQUEST_BODY_BYTES_MAX)
        viewers.origin_asked = origin.domain
        answer = await self._origins.ask(
            viewers.viewer.edge, origin, secure, request.method, target, request.headers, body or b""
        )
        viewers.note("origin", origin.id, answer.status)
        viewers.upstream = answer.upstream
        answer.headers = without(answer.headers, _ORIGINS_OWN)
        if answer.status == 304 and stale is not None and stale.validators:
            return self._refreshed(pending, stale, answer)
        if (reference := behaviour.lambdas.get("origin-response")) is not None:
            came = answer.body
            try:
                payload = await self.invoked(
                    site, reference.arn, lambda_event.event(site, "origin-response", request, answer, origin)
                )
                answer = lambda_event.changed_answer(payload, "origin-response", answer)
                viewers.note("function", "origin-response", reference.arn, answer)
            except (LambdaFailed, InvalidResult) as error:
                viewers.note("function", "origin-response", reference.arn, error)
                drop(came)
                return lambda_failed(error, viewers)
            if answer.body is not came:
                drop(came)
        return await self._stored(pending, answer, asked_at)

    def _refreshed(self, pending: Pending, stale: Kept, answer: Answer) -> Answer:
        """The origin says that what is in the cache is still its answer."""
        assert pending.key is not None
        own = {"content-length", "content-encoding", "etag", "vary"}  # of the kept body, which may be compressed here
        newer = {name.lower() for name, _ in answer.headers} - own
        headers = [*without(stale.headers, newer), *without(answer.headers, own)]
        now = self._clock.now()
        good_for = freshness.ttl(200, headers, pending.behaviour.cache)
        kept = replace(stale, headers=tuple(headers), stored_at=now, fresh_until=now + good_for)
        self.cache(pending.request).keep(pending.key, kept)
        return self.from_cache(kept, pending.request, "RefreshHit")

    async def _stored(self, pending: Pending, answer: Answer, asked_at: float) -> Answer:
        """Keep the answer where that is allowed; it is as it was, or read to its end. It counts as old as the question,
        so that what is invalidated meanwhile is asked for again."""
        request, behaviour, key = pending.request, pending.behaviour, pending.key
        custom = pending.site.errors.get(answer.status)
        error_ttl = custom.min_ttl if custom is not None else freshness.ERROR_TTL_S
        good_for = freshness.ttl(answer.status, answer.headers, behaviour.cache, error_ttl) if key is not None else 0.0
        if key is None or good_for <= 0 or request.method != "GET":
            return answer
        length = answer.header("content-length")
        if length is not None and length.isdigit() and int(length) > OBJECT_BYTES_MAX:
            return answer
        try:
            body, rest = await _up_to(answer.body, OBJECT_BYTES_MAX)
        except OSError as error:
            raise Unreachable(502, "OriginReadError", f"the origin broke off: {error}") from error
        if rest is not None:
            answer.body = rest
            return answer
        if (coding := compression.coding(behaviour, request, answer)) is not None:
            body = await _compressed(body, coding)
            compression.mark(answer, coding)
        headers = [*without(answer.headers, {"content-length"}), ("Content-Length", str(len(body)))]
        kept = Kept(_named(behaviour, request), answer.status, tuple(headers), body, asked_at, asked_at + good_for)
        self.cache(request).keep(key, kept)
        status, headers, cut = viewer.ranged(request, answer.status, headers, body)
        return Answer(status, headers, cut, answer.outcome, answer.reason)

    def _kept_error(self, pending: Pending, answer: Answer) -> Answer:
        """An origin that can't be reached is not asked again for a while."""
        custom = pending.site.errors.get(answer.status)
        good_for = custom.min_ttl if custom is not None else freshness.ERROR_TTL_S
        if pending.key is not None and good_for > 0 and isinstance(answer.body, bytes):
            now = self._clock.now()
            named = _named(pending.behaviour, pending.request)
            kept = Kept(named, answer.status, tuple(answer.headers), answer.body, now, now + good_for)
            self.cache(pending.request).keep(pending.key, kept)
        return answer


def members_of(site: Site, behaviour: Behaviour, method: str) -> tuple[OriginGroup | None, tuple[str, ...]]:
    """The origins that may be asked, in turn, and the group they are in, if any. Only what is safe to ask for twice
    fails over."""
    group = site.groups.get(behaviour.origin)
    if group is None:
        return None, (behaviour.origin,)
    return group, group.members if method in _IDEMPOTENT else group.members[:1]


def asks_securely(origin: Origin, viewers: Request) -> bool:
    return origin.protocol == "https-only" or (origin.protocol == "match-viewer" and viewers.viewer.secure)


def lambda_failed(error: Exception, request: Request) -> Answer:
    if isinstance(error, InvalidResult):
        reason = f"The Lambda function result failed validation: {error}."
        return viewer.error(502, reason, request, "LambdaValidationError")
    reason = "The Lambda function associated with the CloudFront distribution was throttled."
    if str(error) in ("TooManyRequestsException", "Throttled"):
        return viewer.error(503, reason, request, "LambdaLimitExceeded")
    reason = "The Lambda function associated with the CloudFront distribution is invalid or failed."
    return viewer.error(503 if "Timed" in str(error) else 500, reason, request, "LambdaExecutionError")


def _target(request: Request) -> str:
    return request.uri + (f"?{request.query}" if request.query else "")


def _named(behaviour: Behaviour, request: Request) -> str:
    """By which path invalidations name the object: with the query only as far as that tells objects apart."""
    query = keys.selected_query(request.query, behaviour.cache.key.query)
    return request.uri + (f"?{query}" if query else "")


def _taken(behaviour: Behaviour) -> bool:
    """Whether the origin is sent the viewer's Host header."""
    return any(each.headers.takes("host") for each in keys.origin_parameters(behaviour))


async def _up_to(body: Body, most: int) -> tuple[bytes, Streamed | None]:
    """The whole body; or, where it is longer, nothing and all of it as a stream."""
    if isinstance(body, bytes):
        return body, None
    pieces: list[bytes] = []
    total = 0
    async for piece in body:
        pieces.append(piece)
        total += len(piece)
        if total > most:
            return b"", _Chained(pieces, body)
    return b"".join(pieces), None


class _Chained:
    """Pieces that were read already, before the rest of their stream."""

    def __init__(self, pieces: list[bytes], rest: Streamed) -> None:
        self._pieces = pieces
        self._rest = rest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        async for piece in self._rest:
            yield piece

    def close(self) -> None:
        self._rest.close()


async def _compressed(body: bytes, coding: str) -> bytes:
    if len(body) <= _INLINE_BYTES_MAX:
        return compression.compressed(body, coding)
    return await asyncio.to_thread(compression.compressed, body, coding)
