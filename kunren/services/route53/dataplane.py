"""Pure translation: hosted zones and their records, as the store has them, to what the DNS data plane serves."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kunren.dataplane.dns import names
from kunren.dataplane.dns.aws_names import name_server_address
from kunren.dataplane.dns.geography import area
from kunren.dataplane.dns.positions import local_zone_group
from kunren.dataplane.dns.zones import Alias, Node, Option, Records, Routed, Zone
from kunren.dataplane.dns.zones import RecordSet as ServedSet
from kunren.services.route53 import rdata, routing
from kunren.services.route53.model import GeoProximity, HostedZone, OwnerName, RecordSet


def zone_owner(zone_id: str) -> str:
    """The name under which a hosted zone is published."""
    return f"route53/{zone_id}"


Positions = Callable[[str], tuple[float, float] | None]
"""Where an AWS region is, in degrees north and east."""


def zone_of(hosted: HostedZone, owner_names: Iterable[OwnerName], positions: Positions) -> Zone:
    """The whole zone, at the version that the store has."""
    return Zone.build(
        hosted.id,
        names.to_wire(hosted.name),
        {names.from_sort_key(each.id): node_of(hosted.id, each, positions) for each in owner_names},
        addresses=server_addresses(hosted.name_servers) if not hosted.private else frozenset(),
        created=hosted.created,
        version=hosted.version,
        vpcs=vpcs_of(hosted),
        fallback=hosted.public_dns_fallback,
    )


def vpcs_of(hosted: HostedZone) -> frozenset[str]:
    return frozenset(each.id for each in hosted.vpcs)


def server_addresses(name_servers: Iterable[str]) -> frozenset[str]:
    return frozenset(address for each in name_servers if (address := name_server_address(each)) is not None)


def node_of(zone_id: str, owner: OwnerName, positions: Positions) -> Node:
    """All of one name: by type, one set or those that a routing policy chooses between."""
    node: dict[int, ServedSet] = {}
    routed: dict[int, tuple[str, list[Option]]] = {}
    for each in owner.record_sets:
        rtype = rdata.type_number(each.type)
        policy = routing.policy_of(each)
        if policy is None:
            node[rtype] = _served(zone_id, each)
        else:
            routed.setdefault(rtype, (policy, []))[1].append(_option(zone_id, each, positions))
    node.update((rtype, Routed(policy, tuple(options))) for rtype, (policy, options) in routed.items())
    return node


def _option(zone_id: str, record_set: RecordSet, positions: Positions) -> Option:
    geo, near, cidr, affinity = (
        record_set.geolocation, record_set.geoproximity, record_set.cidr, record_set.az_affinity
    )  # fmt: skip
    return Option(
        _served(zone_id, record_set),
        identifier=record_set.set_identifier or "",
        weight=record_set.weight or 0,
        region=record_set.region or "",
        role=record_set.failover or "",
        area=area(geo.continent, geo.country, geo.subdivision) if geo is not None else "",
        position=_position(near, positions) if near is not None else None,
        bias=(near.bias or 0) if near is not None else 0,
        blocks=(cidr.collection_id, cidr.location) if cidr is not None else None,
        affinity=(affinity.type, affinity.id) if affinity is not None else None,
    )


def _position(near: GeoProximity, positions: Positions) -> tuple[float, float]:
    if near.latitude is not None:
        return float(near.latitude), float(near.longitude or 0)
    found = local_zone_group(near.local_zone_group) if near.local_zone_group else positions(near.region or "")
    return found or (0.0, 0.0)


def _served(zone_id: str, record_set: RecordSet) -> Records | Alias:
    alias, check = record_set.alias, record_set.health_check_id
    if alias is not None:
        same_zone = alias.hosted_zone_id == zone_id
        return Alias(names.to_wire(alias.dns_name), same_zone, alias.evaluate_target_health, check)
    assert record_set.ttl is not None
    return Records(record_set.ttl, tuple(rdata.to_wire(record_set.type, value) for value in record_set.values), check)
