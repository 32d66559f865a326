"""Alias targets: a record of the same zone, or a name that AWS gives out in a hosted zone of its own.

Pure rules with AWS's texts ("Choosing between alias and non-alias records"). What exists outside of the zone is asked
from the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kunren.core import hosted_zone_ids
from kunren.dataplane.dns import names
from kunren.services.route53.model import AliasTarget, RecordSet

_DUALSTACK = "dualstack."


class _Key(Protocol):
    @property
    def name(self) -> bytes: ...
    @property
    def type(self) -> str: ...


def bare_zone_id(given: str) -> str:
    """A hosted zone id without the path that AWS puts before it."""
    return given.removeprefix("/").removeprefix("hostedzone/")


def shown(dns_name: str) -> str:
    """A target's name as Route 53 gives it back: lower case, with its trailing dot. Bad names stay as they are."""
    try:
        return names.to_text(names.to_wire(dns_name))
    except names.BadName:
        return dns_name


def canonical(dns_name: str) -> str:
    """A target's name for comparing."""
    return shown(dns_name)


def problems(
    zone_id: str,
    zone_name: bytes,
    key: _Key,
    alias: AliasTarget,
    sets_after: Callable[[bytes], list[RecordSet]],
    target_exists: Callable[[str, str], bool],
) -> list[str]:
    """What is wrong with an alias, in AWS's words; empty when it may stand. `sets_after` gives the record sets of a
    name of this zone once the batch is applied."""
    if key.type in ("NS", "SOA"):
        where = names.to_text(key.name)
        return [f"RRSet of type {key.type} with DNS name {where} cannot be an alias."]
    if alias.hosted_zone_id == zone_id:
        target = names.to_wire(alias.dns_name)
        within = names.is_within(target, zone_name)
        found = within and target != key.name and any(each.type == key.type for each in sets_after(target))
    else:
        within = hosted_zone_ids.lies_within(alias.dns_name, alias.hosted_zone_id)
        found = within and target_exists(alias.dns_name.removeprefix(_DUALSTACK), alias.hosted_zone_id)
    tried = f"Tried to create an alias that targets {alias.dns_name}, type {key.type} in zone {alias.hosted_zone_id}"
    out = []
    if not within:
        out.append(f"{tried}, but the alias target name does not lie within the target zone")
    if not found:
        out.append(f"{tried}, but that target was not found")
    if found and alias.evaluate_target_health and alias.hosted_zone_id == hosted_zone_ids.CLOUDFRONT:
        out.append(f"{tried}, but EvaluateTargetHealth must be false for a CloudFront distribution")
    return out
