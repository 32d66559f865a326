"""One request through the edge, in the order of the Developer Guide ("How CloudFront works with edge functions"):

viewer protocol and methods → viewer-request function → cache → origin-request → origin → origin-response → cache →
viewer-response → the edge's own headers. The part from the cache to the origin and back is in `fetch.py`.

`begin` does everything that needs no waiting, which is all of it for a hit or an answer that a CloudFront Function
makes; what is left is a `Pending` for `finish`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.edge import js_event, keys, lambda_event, signatures, viewer
from kunren.dataplane.edge.fetch import (
    CONDITIONS,
    REQUEST_BODY_BYTES_MAX,
    Fetcher,
    Invoke,
    LambdaFailed,
    Pending,
    lambda_failed,
)
from kunren.dataplane.edge.js_event import InvalidResult
from kunren.dataplane.edge.key_values import KeyValues
from kunren.dataplane.edge.locations import edge_hash, pop
from kunren.dataplane.edge.message import Answer, Notes, Request, drop, first, whole, without
from kunren.dataplane.edge.origin import Origins
from kunren.dataplane.edge.origin_choice import chosen
from kunren.dataplane.edge.scripts import ScriptError, Scripts
from kunren.dataplane.edge.server_timing import server_timing, wanted
from kunren.dataplane.edge.site import Behaviour, Site, Split
from kunren.dataplane.edge.splitting import choose, without_session
from kunren.dataplane.edge.told import with_told

_OWN = frozenset({"x-cache", "via", "x-amz-cf-pop", "x-amz-cf-id", "alt-svc"})
_FROM_ORIGIN = frozenset({"Hit", "Miss", "RefreshHit"})


class Pipeline:
    """All edge locations. `sites` are by host name, in lower case; a wildcard name is `*.example.com`. `staging` are
    those that no host name leads to, by domain name. `listed` has the list of each address that is on one, `key_values`
    the stores that functions read, by id."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        origins: Origins,
        invoke: Invoke,
        key_values: Mapping[str, KeyValues] | None = None,
    ) -> None:
        self.sites: Mapping[str, Site] = {}
        self.staging: Mapping[str, Site] = {}
        self.listed: Mapping[str, str] = {}
        self.scripts = Scripts(key_values)
        self.requests = 0
        self._followers: list[tuple[str, dict[str, Notes]]] = []
        self._clock = clock
        self._entropy = entropy
        self._fetcher = Fetcher(clock, origins, invoke)

    def site_of(self, host: str) -> Site | None:
        name = host.partition(":")[0]
        return self.sites.get(name) or self.sites.get("*." + name.partition(".")[2])

    def _one_of_two(self, site: Site, split: Split, request: Request) -> Site:
        """The distribution itself, or its staging distribution."""
        staging = self.staging.get(split.staging)
        if staging is None:
            return site
        chosen = choose(split, request, self._clock.now(), lambda: self._entropy.uniform(0, 1))
        request.session = chosen.cookie
        request.headers = without_session(request.headers)
        return staging if chosen.staging else site

    def new_id(self) -> str:
        raw = self._entropy.integer(0, (1 << 320) - 1).to_bytes(40)
        return base64.urlsafe_b64encode(raw).decode()

    # --- the viewer's side

    @contextmanager
    def followed(self, viewer_address: str) -> Iterator[dict[str, Notes]]:
        """Until it is left, what is decided about each request from that address, by the request's id."""
        follower = (viewer_address, dict[str, Notes]())
        self._followers.append(follower)
        try:
            yield follower[1]
        finally:
            self._followers.remove(follower)

    def follow(self, request: Request) -> None:
        """Have notes be kept of a request that somebody follows."""
        for address, notes in self._followers:
            if address == request.viewer.address:
                request.notes = notes.setdefault(request.id, request.notes or [("edge", request.viewer.edge)])

    def begin(self, request: Request) -> Answer | Pending:
        self.requests += 1
        if self._followers:
            self.follow(request)
        return self.consider(request)

    def consider(self, request: Request) -> Answer | Pending:
        """What needs no waiting, of a request that may be no real one: nothing is counted, kept or asked."""
        site = self.site_of(request.host)
        if site is not None and site.split is not None:
            site = self._one_of_two(site, site.split, request)
        request.note("distribution", site)
        if site is None:
            reason = "Bad request. We can't connect to the server for this app or website at this time."
            return self._finished(viewer.error(403, reason, request), request)
        request.site = site
        if site.anycast_list != self.listed.get(request.viewer.reached, "") and not site.primary:
            reason = "The request landed on IP not associated with its distribution."
            return self._finished(viewer.error(403, reason, request), request, site)
        behaviour = viewer.behaviour_of(site, request.uri)
        request.pattern = behaviour.pattern
        request.note("behaviour", behaviour)
        refusal = viewer.refused(site, behaviour, request)
        if refusal is None:
            refusal = viewer.unauthorized(behaviour, request, self._clock.wall())
        if refusal is not None:
            request.note("refused", refusal)
            if refusal.status in site.errors:
                return Pending(site, behaviour, request, ready=refusal)
            return self._finished(refusal, request, site)
        if behaviour.told:
            request.headers = with_told(request, behaviour.told)
        if behaviour.signed_by is not None:
            request.query = signatures.unsigned(request.query)
        if "viewer-request" in behaviour.lambdas:
            return Pending(site, behaviour, request, asks=True)
        script, choice = behaviour.scripts.get("viewer-request"), None
        if script is not None:
            try:
                ran = self.scripts.run(script, js_event.event(site, "viewer-request", request))
                made = js_event.request_or_answer(ran.output, request)
                choice = chosen(site, behaviour, ran.choice) if ran.choice is not None else None
            except (ScriptError, InvalidResult) as error:
                request.note("function", "viewer-request", script.name, error)
                return self._finished(_script_failed(error, request), request, site)
            request.note("function", "viewer-request", script.name, made)
            if made is not None:
                return self._to_viewer(site, behaviour, request, made)
        found = self._look_up(site, behaviour, request)
        if isinstance(found, Pending):
            if choice is not None:
                found.site, found.behaviour = choice
            return found
        if "viewer-response" in behaviour.lambdas or found.status in site.errors:
            return Pending(site, behaviour, request, ready=found)
        return self._to_viewer(site, behaviour, request, found)

    def _look_up(self, site: Site, behaviour: Behaviour, request: Request) -> Answer | Pending:
        """Answer out of the cache, or say what is to be asked for."""
        if request.uri == "/" and site.default_root:
            request.uri = "/" + site.default_root
        if request.method not in behaviour.cached_methods or behaviour.cache.max_ttl <= 0:
            request.note("cache", "off", behaviour)
            return Pending(site, behaviour, request)
        key = keys.cache_key(site.id, behaviour, request)
        kept = self._fetcher.cache(request).find(key)
        now = self._clock.now()
        found = "nothing" if kept is None else "old" if kept.fresh_until <= now else "fresh"
        if kept is not None and any(
            kept.stored_at <= since and viewer.matches(pattern, kept.uri) for pattern, since in site.invalidated
        ):
            kept, found = None, "invalidated"
        request.note("cache", found, behaviour, key, kept)
        if kept is None or kept.fresh_until <= now:
            return Pending(site, behaviour, request, key, kept)
        return self._fetcher.from_cache(kept, request, "Error" if kept.status >= 400 else "Hit")

    # --- beyond

    async def finish(self, pending: Pending) -> Answer:
        """Never raises for what a viewer, a function or an origin can cause."""
        site, behaviour, request = pending.site, pending.behaviour, pending.request
        if pending.asks:
            made = await self._viewer_lambda(pending)
            if made is not None:
                return await self._to_viewer_waiting(pending, made)
            found = self._look_up(site, behaviour, request)
            pending = found if isinstance(found, Pending) else Pending(site, behaviour, request, ready=found)
        answer = pending.ready if pending.ready is not None else await self._fetcher.answer(pending)
        if answer.status in site.errors and "Lambda" not in answer.outcome:
            answer = await self._custom_error(pending, answer)
        return await self._to_viewer_waiting(pending, answer)

    async def _viewer_lambda(self, pending: Pending) -> Answer | None:
        """The answer that the viewer-request function made; None where the request, perhaps changed, goes on."""
        site, request = pending.site, pending.request
        reference = pending.behaviour.lambdas["viewer-request"]
        body = await whole(request.body, REQUEST_BODY_BYTES_MAX) if reference.include_body else None
        event = lambda_event.event(site, "viewer-request", request, body=body)
        try:
            payload = await self._fetcher.invoked(site, reference.arn, event)
            made = lambda_event.request_or_answer(payload, "viewer-request", request)[0]
        except (LambdaFailed, InvalidResult) as error:
            request.note("function", "viewer-request", reference.arn, error)
            return lambda_failed(error, request)
        request.note("function", "viewer-request", reference.arn, made)
        return made

    async def _custom_error(self, pending: Pending, answer: Answer) -> Answer:
        """The page that the distribution has for such errors, under the status that it says."""
        site, custom = pending.site, pending.site.errors[answer.status]
        if not custom.page:
            return answer
        behaviour = viewer.behaviour_of(site, custom.page)
        request = replace(pending.request, method="GET", uri=custom.page, query="", body=b"")
        request.headers = without(with_told(request, behaviour.told), {*CONDITIONS, "range"})
        found = self._look_up(site, behaviour, request)
        page = found if isinstance(found, Answer) else await self._fetcher.answer(found)
        request.note("error page", custom, page.status)
        if page.status != 200:
            drop(page.body)
            return answer
        drop(answer.body)
        return Answer(custom.status or answer.status, page.headers, page.body, "Error", detail=answer.detail)

    # --- back to the viewer

    async def _to_viewer_waiting(self, pending: Pending, answer: Answer) -> Answer:
        site, behaviour, request = pending.site, pending.behaviour, pending.request
        reference = behaviour.lambdas.get("viewer-response")
        came = answer.body
        if reference is not None and answer.status < 400:
            try:
                payload = await self._fetcher.invoked(
                    site, reference.arn, lambda_event.event(site, "viewer-response", request, answer)
                )
                answer = lambda_event.changed_answer(payload, "viewer-response", answer)
                request.note("function", "viewer-response", reference.arn, answer)
            except (LambdaFailed, InvalidResult) as error:
                request.note("function", "viewer-response", reference.arn, error)
                answer = lambda_failed(error, request)
        answer = self._to_viewer(site, behaviour, request, answer)
        if answer.body is not came:
            drop(came)
        return answer

    def _to_viewer(self, site: Site, behaviour: Behaviour, request: Request, answer: Answer) -> Answer:
        viewer.with_policy(answer, behaviour.response_headers, request)
        rate = behaviour.response_headers.server_timing if behaviour.response_headers is not None else None
        if rate is not None and wanted(rate, self._entropy.uniform(0, 100), request):
            timing = server_timing(answer, request, self._clock.monotonic())
            answer.headers.append(("Server-Timing", timing))
        script = behaviour.scripts.get("viewer-response")
        if script is not None and answer.status < 400:
            try:
                ran = self.scripts.run(script, js_event.event(site, "viewer-response", request, answer))
                answer = js_event.changed_answer(ran.output, answer)
                request.note("function", "viewer-response", script.name, answer)
            except (ScriptError, InvalidResult) as error:
                request.note("function", "viewer-response", script.name, error)
                answer = _script_failed(error, request)
        return self._finished(answer, request, site)

    def _finished(self, answer: Answer, request: Request, site: Site | None = None) -> Answer:
        """With the headers that each answer of the edge has."""
        if answer.status >= 400 and answer.outcome in _FROM_ORIGIN:
            answer.outcome = "Error"
        if first(answer.headers, "server") is None and "Generated" in answer.outcome:
            answer.headers.append(("Server", "CloudFront"))
        if first(answer.headers, "date") is None:
            answer.headers.append(("Date", viewer.http_date(self._clock.wall())))
        answer.headers = [
            *without(answer.headers, _OWN),
            ("X-Cache", f"{answer.outcome} from cloudfront"),
            ("Via", f"1.1 {edge_hash(request.viewer.edge)}.cloudfront.net (CloudFront)"),
            ("X-Amz-Cf-Pop", pop(request.viewer.edge)),
            ("X-Amz-Cf-Id", request.id),
        ]
        if site is not None and site.http3 and request.viewer.secure:
            answer.headers.append(("Alt-Svc", 'h3=":443"; ma=86400'))
        if request.session:
            answer.headers.append(("Set-Cookie", request.session))
        return answer

    def status(self) -> dict[str, Any]:
        sites = {each.id for each in self.sites.values()}
        return {"distributions": len(sites), "requests": self.requests, "cached": self._fetcher.cached()}


def _script_failed(error: Exception, request: Request) -> Answer:
    if isinstance(error, InvalidResult):
        reason = f"The CloudFront function returned an invalid value: {error}."
        return viewer.error(502, reason, request, "FunctionGeneratedResponse")
    reason = "The CloudFront function associated with the CloudFront distribution failed."
    return viewer.error(503, reason, request, "FunctionExecutionError")
