"""Tags: dictionaries inside, lists of Key and Value on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def tags_from_wire(tags: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """`[{"Key": k, "Value": v}]` as a dictionary; a tag without value has the empty string."""
    return {tag["Key"]: tag.get("Value") or "" for tag in tags or ()}


def tags_to_wire(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """A dictionary as `[{"Key": k, "Value": v}]`, sorted by key."""
    return [{"Key": key, "Value": tags[key]} for key in sorted(tags)]
