"""The Server-Timing header: how the edge came by an answer, and how long it took. Pure.

Developer Guide, "Understand response headers policies", "Server-Timing header". Durations are real milliseconds.
"""

from __future__ import annotations

from kunren.dataplane.edge.locations import pop
from kunren.dataplane.edge.message import Answer, Request, first

LAYER = "EDGE"  # there is one layer of caches


def wanted(rate: float, chance: float, request: Request) -> bool:
    """Whether an answer gets the header. `rate` is a percentage, `chance` one of 0 to 100."""
    return chance < rate or (first(request.headers, "pragma") or "").strip().lower() == "server-timing"


def server_timing(answer: Answer, request: Request, now: float) -> str:
    """The header's value. `now` is monotonic, in seconds."""
    outcome = answer.outcome.lower()
    state = "refresh" if outcome.startswith("refresh") else "hit" if outcome.endswith("hit") else "miss"
    metrics, upstream = [], request.upstream
    if upstream is not None:
        metrics += [
            f'cdn-upstream-layer;desc="{LAYER}"',
            f"cdn-upstream-dns;dur={upstream.dns_ms:.0f}",
            f"cdn-upstream-connect;dur={upstream.connect_ms:.0f}",
            f"cdn-upstream-fbl;dur={upstream.first_byte_ms:.0f}",
        ]
    metrics += [f"cdn-cache-{state}", f'cdn-pop;desc="{pop(request.viewer.edge)}"', f'cdn-rid;desc="{request.id}"']
    if state == "hit":
        metrics.append(f'cdn-hit-layer;desc="{LAYER}"')
    if request.asked is not None:
        metrics.append(f"cdn-downstream-fbl;dur={(now - request.asked.at) * 1000:.0f}")
    return ",".join(metrics)
