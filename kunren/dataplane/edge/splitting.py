"""Which of two distributions answers a request: the one that was asked, or the one that is tried out beside it. Pure.

Developer Guide, "Understanding how continuous deployment works". A session is a cookie: which distribution, when it
began and when it was last seen, in milliseconds of AWS time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple

from kunren.dataplane.edge.message import Headers, Request, without
from kunren.dataplane.edge.site import Split

COOKIE = "aws-cf-cd-session"
_SESSION = re.compile(r"(staging|primary)\.(\d{1,15})\.(\d{1,15})")


class Choice(NamedTuple):
    """`cookie` is the session's for the viewer, where there are sessions."""

    staging: bool
    cookie: str = ""


def choose(split: Split, request: Request, now: float, draw: Callable[[], float]) -> Choice:
    """`draw` gives a number from 0 to 1."""
    if split.header is not None:
        name, value = split.header
        return Choice(request.header(name) == value)
    if split.idle_s is None or split.maximum_s is None:
        return Choice(draw() < split.weight)
    at = math.ceil(now * 1000)
    session = _session(request)
    if session is not None:
        side, began, seen = session
        if (
            split.since * 1000 <= began <= seen <= at
            and at - seen < split.idle_s * 1000
            and at - began < split.maximum_s * 1000
        ):
            return Choice(side == "staging", _cookie(side, began, at, split.idle_s))
    side = "staging" if draw() < split.weight else "primary"
    return Choice(side == "staging", _cookie(side, at, at, split.idle_s))


def without_session(headers: Headers) -> Headers:
    """What goes on: neither caches nor origins see the session."""
    if not any(COOKIE in value for name, value in headers if name.lower() == "cookie"):
        return headers
    crumbs = [crumb for crumb in _crumbs(headers) if crumb.partition("=")[0] != COOKIE]
    return [*without(headers, {"cookie"}), *([("Cookie", "; ".join(crumbs))] if crumbs else [])]


def _session(request: Request) -> tuple[str, int, int] | None:
    for crumb in _crumbs(request.headers):
        name, _, value = crumb.partition("=")
        found = _SESSION.fullmatch(value) if name == COOKIE else None
        if found is not None:
            return found[1], int(found[2]), int(found[3])
    return None


def _crumbs(headers: Headers) -> list[str]:
    values = [value for name, value in headers if name.lower() == "cookie"]
    return [crumb.strip() for value in values for crumb in value.split(";") if crumb.strip()]


def _cookie(side: str, began: int, seen: int, idle_s: float) -> str:
    return f"{COOKIE}={side}.{began}.{seen}; Path=/; Max-Age={int(idle_s)}"
