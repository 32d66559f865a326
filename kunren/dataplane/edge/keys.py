"""What of a request names an object in the cache, and what the origin is sent. Pure.

Developer Guide, "Understand the cache key", "Control origin requests with a policy" and "How CloudFront processes and
forwards requests to your custom origin".
"""

from __future__ import annotations

from collections.abc import Iterable

from kunren.dataplane.edge.message import Headers, Request, first, without
from kunren.dataplane.edge.site import Behaviour, Origin, Parameters, Selection

Key = tuple[str, ...]
USER_AGENT = "Amazon CloudFront"
_HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_ALWAYS = frozenset(
    {
        "content-type", "content-length", "content-encoding", "content-language", "content-md5", "content-range",
        "range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "cache-control",
        "pragma", "date", "warning", "expect", "via", "max-forwards", "x-amz-cf-id",
    }
)  # fmt: skip
"""Viewer headers that go to the origin whatever the policies say, as the table of the Developer Guide has them."""


def cache_key(site_id: str, behaviour: Behaviour, request: Request) -> Key:
    """Names the object that answers the request; GET and HEAD share it."""
    rules = behaviour.cache
    method = "GET" if request.method == "HEAD" else request.method
    parts = [site_id, method, behaviour.origin, request.uri, selected_query(request.query, rules.key.query)]
    parts += [f"{name}={value}" for name, value in selected_headers(request.headers, rules.key.headers)]
    parts.append(selected_cookies(request.headers, rules.key.cookies))
    parts.append(accepted_encoding(request.header("accept-encoding"), rules.encodings))
    return tuple(parts)


def selected_query(query: str, *selections: Selection) -> str:
    """The parameters that one of the selections takes, in the order they came."""
    if not query or all(each.how == "none" for each in selections):
        return ""
    if any(each.how == "all" for each in selections):
        return query
    kept = [each for each in query.split("&") if any(one.takes(each.partition("=")[0]) for one in selections)]
    return "&".join(kept)


def selected_headers(headers: Headers, *selections: Selection) -> Headers:
    """In lower case and in order of their names, so that equal requests have equal keys."""
    found = [(key.lower(), value) for key, value in headers if any(one.takes(key.lower()) for one in selections)]
    return sorted(found)


def selected_cookies(headers: Headers, *selections: Selection) -> str:
    """A Cookie header of those that one of the selections takes."""
    if all(each.how == "none" for each in selections):
        return ""
    crumbs = [
        crumb.strip()
        for key, value in headers
        if key.lower() == "cookie"
        for crumb in value.split(";")
        if crumb.strip()
    ]
    return "; ".join(each for each in crumbs if any(one.takes(each.partition("=")[0]) for one in selections))


def accepted_encoding(accepted: str | None, encodings: Iterable[str]) -> str:
    """The Accept-Encoding that stands for the viewer's: those that the policy knows and the viewer takes."""
    if accepted is None:
        return ""
    offered = {}
    for each in accepted.lower().split(","):
        coding, _, parameters = each.strip().partition(";")
        offered[coding.strip()] = parameters.strip().replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return ",".join(each for each in encodings if offered.get(each, offered.get("*", False)))


def origin_parameters(behaviour: Behaviour) -> tuple[Parameters, ...]:
    return (behaviour.cache.key, behaviour.forward) if behaviour.forward is not None else (behaviour.cache.key,)


def origin_query(behaviour: Behaviour, request: Request) -> str:
    return selected_query(request.query, *(each.query for each in origin_parameters(behaviour)))


def origin_headers(behaviour: Behaviour, origin: Origin, request: Request, via: str) -> Headers:
    """What the origin is sent: what key and policy take, what always goes, and the edge's own."""
    parameters = origin_parameters(behaviour)
    selections = [each.headers for each in parameters]
    taken = {key for key, _ in selected_headers(request.headers, *selections)} | _ALWAYS
    kept = [(key, value) for key, value in request.headers if key.lower() in taken and key.lower() not in _HOP_BY_HOP]
    own = {"host", "cookie", "accept-encoding", "x-forwarded-for", "via", "x-amz-cf-id", "expect"}
    out: Headers = [("Host", request.header("host") or "" if "host" in taken else origin.domain)]
    out += without(kept, own)
    if first(out, "user-agent") is None:
        out.append(("User-Agent", USER_AGENT))
    if cookies := selected_cookies(request.headers, *(each.cookies for each in parameters)):
        out.append(("Cookie", cookies))
    if encodings := accepted_encoding(request.header("accept-encoding"), behaviour.cache.encodings):
        out.append(("Accept-Encoding", encodings))
    elif "accept-encoding" in taken and request.header("accept-encoding"):
        out.append(("Accept-Encoding", request.header("accept-encoding") or ""))
    forwarded = request.header("x-forwarded-for")
    out.append(("X-Forwarded-For", f"{forwarded}, {request.viewer.address}" if forwarded else request.viewer.address))
    out.append(("Via", via))
    out.append(("X-Amz-Cf-Id", request.id))
    names = {name.lower() for name, _ in origin.headers}
    return [*without(out, names), *origin.headers]
