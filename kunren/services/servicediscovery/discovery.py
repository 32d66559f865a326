"""Which instances DiscoverInstances gives. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kunren.services.servicediscovery.model import HEALTHY, UNHEALTHY, UNKNOWN, Instance

ALL, OR_ELSE_ALL = "ALL", "HEALTHY_OR_ELSE_ALL"


def chosen(
    instances: Sequence[Instance], health: Mapping[str, str], status: str | None,
    query: Mapping[str, str] | None, optional: Mapping[str, str] | None,
) -> list[Instance]:  # fmt: skip
    """`health` by the instances' ids. Those that have all of `query`; of them those that have all of `optional` too, if
    there are any; of them those of that status (an instance of unknown status counts as healthy)."""
    found = [each for each in instances if _has(each, query)]
    if optional:
        found = [each for each in found if _has(each, optional)] or found
    well = [each for each in found if health[each.id] in (HEALTHY, UNKNOWN)]
    if status == UNHEALTHY:
        return [each for each in found if health[each.id] == UNHEALTHY]
    if status == HEALTHY:
        return well
    return found if status == ALL else well or found


def _has(instance: Instance, wanted: Mapping[str, str] | None) -> bool:
    return all(instance.attributes.get(key) == value for key, value in (wanted or {}).items())
