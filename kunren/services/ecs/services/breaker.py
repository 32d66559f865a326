"""The deployment circuit breaker: when so many tasks have failed that the deployment has. Pure.

"How the Amazon ECS deployment circuit breaker detects failures"; DeploymentCircuitBreaker in the API reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

LEAST, MOST = 3, 200


def threshold(breaker: Mapping[str, Any], desired: int) -> int:
    """How many failed tasks in a row open it: half of the desired count, from 3 to 200, where nothing else is said."""
    told = breaker.get("thresholdConfiguration") or {"type": "BOUNDED_PERCENT", "value": 50}
    if told["type"] == "COUNT":
        return int(told["value"])
    share: int = math.ceil(desired * told["value"] / 100)
    return max(share, 1) if told["type"] == "UNBOUNDED_PERCENT" else min(max(share, LEAST), MOST)


def is_open(breaker: Mapping[str, Any], desired: int, failed: int) -> bool:
    return bool(breaker.get("enable")) and failed >= threshold(breaker, desired)


def counted(breaker: Mapping[str, Any], failed: int, *, more: int, healthy: bool) -> int:
    """The failures in a row after a look: `more` of them, then perhaps one task that became healthy."""
    if healthy and breaker.get("resetOnHealthyTask", True) is not False:
        return 0
    return failed + more
