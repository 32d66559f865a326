"""What a change asks for: nothing, an update, or another resource. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.resources.kind import Kind
from kunren.services.cloudformation.rolling import ROLLED
from kunren.services.cloudformation.schemas import differing, replaces, schema

NONE: Mapping[str, Any] = {}
Decision = str  # "create", "update", "replace", "none"


def decide(
    kind: Kind, type: str, before: Mapping[str, Any], after: Mapping[str, Any], updating: Mapping[str, Any] = NONE
) -> tuple[Decision, list[str]]:
    """What a change of properties asks for, and the paths that changed."""
    paths = sorted(differing(dict(before), dict(after)))
    if not paths:
        return "none", []
    published = schema(type)
    if (published is not None and replaces(published, paths)) or kind.must_replace(before, after):
        return "replace", paths
    if type.startswith("Custom::") and before.get("ServiceToken") != after.get("ServiceToken"):
        return "replace", paths
    replacing = updating.get("AutoScalingReplacingUpdate") or {}
    if replacing.get("WillReplace") in (True, "true") and any(before.get(key) != after.get(key) for key in ROLLED):
        return "replace", paths
    return "update", paths


def tags_of(kind: Kind, type: str, properties: Mapping[str, Any], stack_tags: Mapping[str, str]) -> dict[str, str]:
    """A resource's tags: the stack's, and its own over them."""
    published = schema(type)
    name = published.tag_property if published is not None else "Tags"
    if kind.properties is None or name not in kind.properties:
        return {}
    own = properties.get(name) or []
    stated = {each["Key"]: str(each.get("Value", "")) for each in own} if isinstance(own, list) else dict(own)
    return {**stack_tags, **stated}
