"""How long an answer may be kept, and whether a kept one is still good. Pure.

Developer Guide, "Manage how long content stays in the cache (expiration)" and "How CloudFront caches and returns HTTP
4xx and 5xx status codes". Ages are AWS seconds; dates in headers are real ones and only their differences count.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from kunren.dataplane.edge.message import Headers, first, joined
from kunren.dataplane.edge.site import CacheRules

ERROR_TTL_S = 10.0
ALWAYS_CACHED_ERRORS = frozenset({404, 414, 500, 501, 502, 503, 504})
CACHED_ERRORS_WHEN_TOLD = frozenset({400, 403, 405, 412, 415})
_CACHED = frozenset({200, 203, 300, 301, 410})
_CACHED_WHEN_TOLD = frozenset({302, 303, 307, 308})


def directives(headers: Headers) -> dict[str, str]:
    """Cache-Control's directives, by lower-case name."""
    found = {}
    for each in (joined(headers, "cache-control") or "").split(","):
        name, _, value = each.strip().partition("=")
        if name:
            found[name.lower()] = value.strip().strip('"')
    return found


def told_ttl(headers: Headers) -> float | None:
    """For how long the origin says that its answer is good; None where it does not say."""
    said = directives(headers)
    for name in ("s-maxage", "max-age"):
        if name in said:
            return float(said[name]) if said[name].isdecimal() else 0.0
    expires = first(headers, "expires")
    if expires is None:
        return None
    try:
        until = parsedate_to_datetime(expires)
        since = parsedate_to_datetime(first(headers, "date") or "")
        return max(0.0, (until - since).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return 0.0


def ttl(status: int, headers: Headers, rules: CacheRules, error_ttl: float = ERROR_TTL_S) -> float:
    """Seconds for which an answer is kept; 0 where it is not to be given to another request."""
    told = told_ttl(headers)
    if status in ALWAYS_CACHED_ERRORS:
        return max(error_ttl, min(told or 0.0, rules.max_ttl))
    if status in CACHED_ERRORS_WHEN_TOLD:
        return max(error_ttl, min(told, rules.max_ttl)) if told else 0.0
    if status not in _CACHED and not (status in _CACHED_WHEN_TOLD and told is not None):
        return 0.0
    said = directives(headers)
    if {"no-store", "no-cache", "private"} & said.keys():
        return rules.min_ttl
    if told is None:
        return max(rules.min_ttl, min(rules.default_ttl, rules.max_ttl))
    return max(rules.min_ttl, min(told, rules.max_ttl))
