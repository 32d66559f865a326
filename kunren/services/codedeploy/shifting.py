"""How much of the traffic goes to what is new, by a TrafficRoutingConfig and the time since it began. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MINUTE_S = 60.0


def weight(routing: Mapping[str, Any] | None, elapsed_s: float) -> tuple[int, float | None]:
    """Per cent that go to the new version so many AWS seconds after the first shift, and in how many there is more:
    None when all has been shifted."""
    kind = (routing or {}).get("type") or "AllAtOnce"
    if kind == "TimeBasedCanary":
        part = (routing or {})["timeBasedCanary"]
        left = part["canaryInterval"] * _MINUTE_S - elapsed_s
        return (100, None) if left <= 0 else (part["canaryPercentage"], left)
    if kind == "TimeBasedLinear":
        part = (routing or {})["timeBasedLinear"]
        interval = part["linearInterval"] * _MINUTE_S
        steps = int(elapsed_s // interval) + 1
        shifted = steps * part["linearPercentage"]
        return (100, None) if shifted >= 100 else (shifted, steps * interval - elapsed_s)
    return 100, None
