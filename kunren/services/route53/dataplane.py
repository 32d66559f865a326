"""Pure translation: hosted zones and their records, as the store has them, to what the DNS data plane serves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from kunren.dataplane.dns import names
from kunren.dataplane.dns.aws_names import name_server_address
from kunren.dataplane.dns.geography import area
from kunren.dataplane.dns.positions import local_zone_group
from kunren.dataplane.dns.signing import DNSKEY_TTL_S, ZoneSigner
from kunren.dataplane.dns.zones import DNSKEY, Alias, Node, Option, Records, Routed, Zone
from kunren.dataplane.dns.zones import RecordSet as ServedSet
from kunren.services.route53 import rdata, routing
from kunren.services.route53.model import GeoProximity, HostedZone, OwnerName, RecordSet, ZoneSigning

TTL_MAX_S = 2**31 - 1
SIGNED_TTL_MAX_S = 604_800
"""Developer guide, "Configuring DNSSEC signing in Amazon Route 53"."""


def zone_owner(zone_id: str) -> str:
    """The name under which a hosted zone is published."""
    return f"route53/{zone_id}"


Positions = Callable[[str], tuple[float, float] | None]
"""Where an AWS region is, in degrees north and east."""


def zone_of(
    hosted: HostedZone, owner_names: Iterable[OwnerName], positions: Positions, signing: ZoneSigning | None = None
) -> Zone:
    """The whole zone, at the version that the store has."""
    apex = names.to_wire(hosted.name)
    return Zone.build(
        hosted.id,
        apex,
        {names.from_sort_key(each.id): node_of(hosted, each, positions, signing) for each in owner_names},
        addresses=server_addresses(hosted.name_servers) if not hosted.private else frozenset(),
        created=hosted.created,
        version=hosted.version,
        vpcs=vpcs_of(hosted),
        fallback=hosted.public_dns_fallback,
        signing=ZoneSigner(apex, signing.private_key_pem, tuple(signing.signatures.values())) if signing else None,
    )


def vpcs_of(hosted: HostedZone) -> frozenset[str]:
    return frozenset(each.id for each in hosted.vpcs)


def server_addresses(name_servers: Iterable[str]) -> frozenset[str]:
    return frozenset(address for each in name_servers if (address := name_server_address(each)) is not None)


def node_of(hosted: HostedZone, owner: OwnerName, positions: Positions, signing: ZoneSigning | None = None) -> Node:
    """All of one name: by type, one set or those that a routing policy chooses between. In a signed zone no TTL is
    above a week, and the apex has the DNSKEY records."""
    node: dict[int, ServedSet] = {}
    served = partial(_served, hosted.id, SIGNED_TTL_MAX_S if signing is not None else TTL_MAX_S)
    routed: dict[int, tuple[str, list[Option]]] = {}
    for each in owner.record_sets:
        rtype = rdata.type_number(each.type)
        policy = routing.policy_of(each)
        if policy is None:
            node[rtype] = served(each)
        else:
            routed.setdefault(rtype, (policy, []))[1].append(_option(served(each), each, positions))
    node.update((rtype, Routed(policy, tuple(options))) for rtype, (policy, options) in routed.items())
    if signing is not None and owner.id == names.sort_key(names.to_wire(hosted.name)):
        node[DNSKEY] = Records(DNSKEY_TTL_S, signing.dnskeys)  # the last: a question for ANY gets the first
    return node


def _option(served: Records | Alias, record_set: RecordSet, positions: Positions) -> Option:
    geo, near, cidr, affinity = (
        record_set.geolocation, record_set.geoproximity, record_set.cidr, record_set.az_affinity
    )  # fmt: skip
    return Option(
        served,
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


def _served(zone_id: str, ttl_max: int, record_set: RecordSet) -> Records | Alias:
    alias, check = record_set.alias, record_set.health_check_id
    if alias is not None:
        same_zone = alias.hosted_zone_id == zone_id
        return Alias(names.to_wire(alias.dns_name), same_zone, alias.evaluate_target_health, check)
    assert record_set.ttl is not None
    ttl = min(record_set.ttl, ttl_max)
    return Records(ttl, tuple(rdata.to_wire(record_set.type, value) for value in record_set.values), check)
