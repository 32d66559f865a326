"""Cross-origin rules of APIs and function URLs: what a browser is told. Pure. (Fetch standard, "CORS protocol".)"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Cors(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered to browsers that ask across origins."""

    credentials: bool | None = None
    headers: tuple[str, ...] | None = None
    methods: tuple[str, ...] | None = None
    origins: tuple[str, ...] | None = None
    expose: tuple[str, ...] | None = None
    max_age_s: int | None = None


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def allowed_origin(cors: Cors, origin: str) -> str | None:
    """What Access-Control-Allow-Origin says to that origin; None where it is not allowed."""
    for each in cors.origins or ():
        if each == "*":
            return origin if cors.credentials else "*"
        if each == origin or ("*" in each and _like(each, origin)):
            return origin
    return None


def _like(pattern: str, origin: str) -> bool:
    first, _, last = pattern.partition("*")
    return len(origin) >= len(first) + len(last) and origin.startswith(first) and origin.endswith(last)


def response_headers(cors: Cors, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers that every answer to a request with an Origin gets."""
    origin = allowed_origin(cors, headers.get("origin", ""))
    if "origin" not in headers or origin is None:
        return []
    sent = [("Access-Control-Allow-Origin", origin)]
    if origin != "*":
        sent.append(("Vary", "Origin"))
    if cors.credentials:
        sent.append(("Access-Control-Allow-Credentials", "true"))
    if cors.expose:
        sent.append(("Access-Control-Expose-Headers", ",".join(cors.expose)))
    return sent


def preflight_headers(cors: Cors, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers of the answer to a preflight; none where the origin or the method is not allowed."""
    sent = response_headers(cors, headers)
    method = headers.get("access-control-request-method", "")
    methods = cors.methods or ()
    if not sent or not ("*" in methods or method in methods):
        return []
    sent = [each for each in sent if each[0] != "Access-Control-Expose-Headers"]
    sent.append(("Access-Control-Allow-Methods", ",".join(methods)))
    if cors.headers:
        asked = headers.get("access-control-request-headers", "")
        sent.append(
            ("Access-Control-Allow-Headers", asked if "*" in cors.headers and asked else ",".join(cors.headers))
        )
    if cors.max_age_s is not None:
        sent.append(("Access-Control-Max-Age", str(cors.max_age_s)))
    return sent
