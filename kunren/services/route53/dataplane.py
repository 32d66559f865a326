"""Pure translation: hosted zones and their records, as the store has them, to what the DNS data plane serves."""

from __future__ import annotations

from collections.abc import Iterable

from kunren.dataplane.dns import names
from kunren.dataplane.dns.aws_names import name_server_address
from kunren.dataplane.dns.zones import Alias, Node, Records, Weighted, Zone
from kunren.dataplane.dns.zones import RecordSet as ServedSet
from kunren.services.route53 import rdata
from kunren.services.route53.model import HostedZone, OwnerName, RecordSet


def zone_owner(zone_id: str) -> str:
    """The name under which a hosted zone is published."""
    return f"route53/{zone_id}"


def zone_of(hosted: HostedZone, owner_names: Iterable[OwnerName]) -> Zone:
    """The whole zone, at the version that the store has."""
    return Zone.build(
        hosted.id,
        names.to_wire(hosted.name),
        {names.from_sort_key(each.id): node_of(hosted.id, each) for each in owner_names},
        addresses=server_addresses(hosted.name_servers) if not hosted.private else frozenset(),
        created=hosted.created,
        version=hosted.version,
        vpcs=vpcs_of(hosted),
    )


def vpcs_of(hosted: HostedZone) -> frozenset[str]:
    return frozenset(each.id for each in hosted.vpcs)


def server_addresses(name_servers: Iterable[str]) -> frozenset[str]:
    return frozenset(address for each in name_servers if (address := name_server_address(each)) is not None)


def node_of(zone_id: str, owner: OwnerName) -> Node:
    """All of one name: by type, one set or a weighted choice between several."""
    node: dict[int, ServedSet] = {}
    weighted: dict[int, list[tuple[int, Records | Alias]]] = {}
    for each in owner.record_sets:
        rtype = rdata.type_number(each.type)
        served = _served(zone_id, each)
        if each.weight is None:
            node[rtype] = served
        else:
            weighted.setdefault(rtype, []).append((each.weight, served))
    node.update((rtype, Weighted(tuple(choices))) for rtype, choices in weighted.items())
    return node


def _served(zone_id: str, record_set: RecordSet) -> Records | Alias:
    alias = record_set.alias
    if alias is not None:
        same_zone = alias.hosted_zone_id == zone_id
        return Alias(names.to_wire(alias.dns_name), same_zone, alias.evaluate_target_health)
    assert record_set.ttl is not None
    return Records(record_set.ttl, tuple(rdata.to_wire(record_set.type, value) for value in record_set.values))
