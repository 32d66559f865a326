"""Which instances a deployment group has, by their tags and its Auto Scaling groups. Pure reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kunren.control.store import Snapshot
from kunren.services.autoscaling.model import Group as AutoScalingGroup
from kunren.services.codedeploy.model import Group
from kunren.services.ec2.instances.model import Instance


def of_group(snapshot: Snapshot, group: Group) -> list[Instance]:
    """Those that are not terminated, by id."""
    found = [each for each in snapshot.list(Instance, group.account, group.region) if each.wanted != "terminated"]
    members = set(_members(snapshot, group))
    return [each for each in found if each.id in members or has_tags(each.tags, group.settings)]


def _members(snapshot: Snapshot, group: Group) -> list[str]:
    names = [each["name"] for each in group.settings.get("autoScalingGroups") or ()]
    groups = [snapshot.get(AutoScalingGroup, group.account, group.region, each) for each in names]
    return [
        each.id for found in groups if found is not None for each in found.members.values() if each.state == "InService"
    ]


def has_tags(tags: Mapping[str, str], settings: Mapping[str, Any]) -> bool:
    """Whether an instance is the group's by its tags: any filter, or one of each list of a tag set."""
    if filters := settings.get("ec2TagFilters"):
        return _any(tags, filters)
    sets = (settings.get("ec2TagSet") or {}).get("ec2TagSetList") or ()
    return bool(sets) and all(_any(tags, each) for each in sets)


def _any(tags: Mapping[str, str], filters: Sequence[Mapping[str, Any]]) -> bool:
    return any(_matches(tags, each) for each in filters)


def _matches(tags: Mapping[str, str], each: Mapping[str, Any]) -> bool:
    key, value = each.get("Key") or "", each.get("Value") or ""
    kind = each.get("Type") or "KEY_AND_VALUE"
    if kind == "KEY_ONLY":
        return key in tags
    if kind == "VALUE_ONLY":
        return value in tags.values()
    return tags.get(key) == value
