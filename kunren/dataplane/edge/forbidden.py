"""Headers that edge functions may not set (Developer Guide, "Restrictions on all edge functions")."""

from __future__ import annotations

_NAMES = frozenset(
    {
        "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
        "trailer", "upgrade", "x-cache", "x-forwarded-proto", "x-real-ip",
    }
)  # fmt: skip
_PREFIXES = ("x-accel-", "x-amz-cf-", "x-edge-")


def is_forbidden(name: str) -> bool:
    """`name` is in lower case."""
    return name in _NAMES or name.startswith(_PREFIXES)
