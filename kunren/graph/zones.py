"""Hosted zones and their records, and what the records lead to."""

from __future__ import annotations

from kunren.dataplane.dns import names
from kunren.graph import health_checks
from kunren.graph.draft import Draft, grouped
from kunren.graph.model import Node
from kunren.services.elbv2.words import percent
from kunren.services.route53.model import HostedZone, OwnerName, RecordSet, ServedZone

_ADDRESS_TYPES = ("A", "AAAA", "CNAME")


def add(draft: Draft) -> None:
    """Every record set but the apex's NS and SOA. Hosted zones are global, so only the account is looked at."""
    account = draft.scope.account
    zones = [each for each in draft.snapshot.every(HostedZone) if account in (None, each.account)]
    owners = grouped(draft.snapshot.every(OwnerName), lambda each: (each.account, each.region))
    for zone in sorted(zones, key=lambda each: (each.name, each.id)):
        id = f"hosted-zone/{zone.id}"
        draft.add(
            Node(
                id=id, kind="hosted-zone", name=zone.name.removesuffix("."),
                arn=f"arn:aws:route53:::hostedzone/{zone.id}", account=zone.account, state=_state(draft, zone),
                details={"id": zone.id, **_place(zone)},
            )
        )  # fmt: skip
        for vpc in zone.vpcs:
            draft.join(id, vpc.id, "private")
        for owner in sorted(owners.get((zone.account, zone.id), ()), key=lambda each: each.id):
            _add_name(draft, zone, id, owner)
    _join(draft)


def _place(zone: HostedZone) -> dict[str, str]:
    """Who answers: name servers, or the resolvers of VPCs."""
    if zone.vpcs:
        return {"private in": ", ".join(each.id for each in zone.vpcs)}
    return {"name servers": ", ".join(zone.name_servers)}


def _state(draft: Draft, zone: HostedZone) -> str:
    """Route 53's words for "the name servers answer from what was written last"."""
    served = draft.snapshot.get(ServedZone, zone.account, zone.region, zone.id)
    return "INSYNC" if served is not None and served.version >= zone.version else "PENDING"


def _add_name(draft: Draft, zone: HostedZone, zone_node: str, owner: OwnerName) -> None:
    name = names.to_text(names.from_sort_key(owner.id)).replace("\\052", "*")
    totals: dict[str, int] = {}
    for each in owner.record_sets:
        totals[each.type] = totals.get(each.type, 0) + (each.weight or 0)
    for each in owner.record_sets:
        if name == zone.name and each.type in ("NS", "SOA"):
            continue
        id = "/".join(("record", zone.id, name, each.type, each.set_identifier or "")).rstrip("/")
        details = {"type": each.type, **_details(each)}
        label = each.type
        if each.weight is not None:
            details["weight"] = str(each.weight)
            label += f", {percent(each.weight, totals[each.type])}"
        check = each.health_check_id
        draft.add(
            Node(
                id=id, kind="record", name=name.removesuffix("."), account=zone.account, within=zone_node,
                state=health_checks.state(draft, zone.account, check) if check is not None else "", details=details,
            )
        )  # fmt: skip
        if check is not None:
            draft.join(id, health_checks.node_id(check), "health check")
        draft.join(zone_node, id, label, each.weight)


def _details(each: RecordSet) -> dict[str, str]:
    details = {} if each.set_identifier is None else {"set": each.set_identifier}
    if policy := _policy(each):
        details["policy"] = policy
    if each.alias is not None:
        details["alias"] = each.alias.dns_name.removesuffix(".")
        details["evaluates health"] = "yes" if each.alias.evaluate_target_health else "no"
    else:
        details["ttl"] = str(each.ttl)
        details["values"] = ", ".join(each.values)
    return details


def _policy(each: RecordSet) -> str:
    """A record set's part in its routing policy, in a few words; "" for a simple and for a weighted one."""
    if each.failover is not None:
        return f"failover {each.failover.lower()}"
    if each.region is not None:
        return f"latency {each.region}"
    if (place := each.geolocation) is not None:
        return "geolocation " + "-".join(filter(None, (place.continent, place.country, place.subdivision)))
    if (near := each.geoproximity) is not None:
        return f"geoproximity {near.region or near.local_zone_group or f'{near.latitude} {near.longitude}'}"
    if each.cidr is not None:
        return f"addresses of {each.cidr.location}"
    if each.az_affinity is not None:
        return f"affinity to {each.az_affinity.id}"
    return "multivalue" if each.multivalue else ""


def _join(draft: Draft) -> None:
    """Lead each record on: to what an alias or CNAME names, to what has the address."""
    records = [each for each in draft.nodes.values() if each.kind == "record"]
    by_name = grouped(records, lambda each: each.name)
    for each in records:
        rtype = each.details["type"]
        if rtype not in _ADDRESS_TYPES:
            continue
        alias = each.details.get("alias")
        if alias and alias.startswith("s3-website"):
            alias = f"{each.name}.{alias}"  # the bucket is named as the record
        for text in [alias] if alias else each.details["values"].split(", "):
            label = "alias" if alias else rtype
            for target in _named(draft, by_name, text, rtype if alias else None, each.id):
                draft.join(each.id, target, label)
    for id, name in draft.asked.items():
        for target in _named(draft, by_name, name, None, id):
            draft.join(id, target, "")


def _named(
    draft: Draft, by_name: dict[str, list[Node]], text: str, rtype: str | None, own: str
) -> list[str]:  # fmt: skip
    bare = text.lower().removesuffix(".")
    found = draft.names.get(bare.removeprefix("dualstack.")) or draft.addresses.get(bare)
    if found is not None:
        return [found]
    others = by_name.get(bare, ())
    return [
        each.id for each in others
        if each.id != own and (each.details["type"] == rtype if rtype else each.details["type"] in _ADDRESS_TYPES)
    ]  # fmt: skip
