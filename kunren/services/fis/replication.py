"""aws:s3:bucket-pause-replication: which rules of a bucket copy nothing now.

As with injected errors nothing is changed: what is paused is read from the experiments that run. S3 asks before it
copies, and is told when that changes; versions stay PENDING meanwhile and are copied when the action is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kunren.control.store import Store
from kunren.services.fis.catalog import listed
from kunren.services.fis.injected import Injected
from kunren.services.s3.model import Bucket

ACTION = "aws:s3:bucket-pause-replication"


class PausedReplication:
    """`changed` is called when something is paused, or no longer."""

    def __init__(self, store: Store, changed: Callable[[], None] = lambda: None) -> None:
        self.changed = changed
        self._injected = Injected(store, ACTION, lambda: self.changed())

    def paused(self, source: Bucket, rule: Mapping[str, Any], target: Bucket) -> bool:
        """Whether that rule of the source's copies nothing to the target."""
        return any(
            any(found.id == source.id for found in each.resources) and concerns(each.parameters, rule, target)
            for each in self._injected.running
        )


def concerns(parameters: Mapping[str, str], rule: Mapping[str, Any], target: Bucket) -> bool:
    """Whether an action pauses that rule, by the target's Region, its name, and the rule's prefix."""
    names = [each.removeprefix("arn:aws:s3:::") for each in listed(parameters.get("destinationBuckets", ""))]
    prefixes = listed(parameters.get("prefixes", ""))
    return (
        parameters["region"] == target.home
        and (not names or target.id in names)
        and (not prefixes or _prefix(rule) in prefixes)
    )


def _prefix(rule: Mapping[str, Any]) -> str:
    given = rule.get("Filter") or {}
    return str((given.get("And") or given).get("Prefix") or rule.get("Prefix") or "")
