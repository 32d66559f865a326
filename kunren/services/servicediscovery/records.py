"""Which records the instances of a namespace's services have in its hosted zone (API reference: "DnsConfig",
"RegisterInstance"). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kunren.services.servicediscovery.model import UNHEALTHY, Instance, Namespace, Service

IPV4, IPV6, PORT, CNAME, ALIAS = (
    "AWS_INSTANCE_IPV4", "AWS_INSTANCE_IPV6", "AWS_INSTANCE_PORT", "AWS_INSTANCE_CNAME", "AWS_ALIAS_DNS_NAME",
)  # fmt: skip
NEEDED = {"A": (IPV4,), "AAAA": (IPV6,), "CNAME": (CNAME,), "SRV": (PORT,)}
RecordSet = dict[str, Any]
Key = tuple[str, str, str]
"""Name, type and set identifier."""


def wanted(
    namespace: Namespace, services: Iterable[Service], instances: Mapping[str, Sequence[Instance]],
    alias_zone: Mapping[str, str],
) -> dict[Key, RecordSet]:  # fmt: skip
    """All record sets, but those of the zone itself; `instances` by service, `alias_zone` by an alias' target the
    hosted zone that it is in. What was told to be unhealthy is left out."""
    found: dict[Key, RecordSet] = {}
    for service in services:
        for instance in instances.get(service.id, ()):
            if not (service.custom_health and instance.custom_health == UNHEALTHY):
                for record in _of(namespace, service, instance, alias_zone):
                    found[key_of(record)] = record
    return found


def key_of(record: RecordSet) -> Key:
    return record["Name"].rstrip(".").lower(), record["Type"], record.get("SetIdentifier") or ""


def _of(
    namespace: Namespace, service: Service, instance: Instance, alias_zone: Mapping[str, str]
) -> Iterable[RecordSet]:
    name = f"{service.name}.{namespace.name}".lower()
    told = instance.attributes
    policy: dict[str, Any] = {"SetIdentifier": instance.name}
    policy |= {"Weight": 1} if service.routing == "WEIGHTED" else {"MultiValueAnswer": True}
    check = {"HealthCheckId": instance.health_check} if instance.health_check else {}
    if (target := told.get(ALIAS)) is not None:
        if target in alias_zone:
            alias = {"HostedZoneId": alias_zone[target], "DNSName": target, "EvaluateTargetHealth": True}
            for kind, _ in service.records:
                yield {"Name": name, "Type": kind, **policy, "AliasTarget": alias}
        return
    for kind, ttl in service.records:
        if kind == "SRV":
            own = f"{instance.name}.{name}".lower()
            value = f"1 1 {told[PORT]} {own}"
            yield {"Name": name, "Type": kind, "TTL": ttl, **policy, **check, "ResourceRecords": [{"Value": value}]}
            for type_, attribute in (("A", IPV4), ("AAAA", IPV6)):
                if attribute in told:
                    address = [{"Value": told[attribute]}]
                    yield {"Name": own, "Type": type_, "TTL": ttl, "ResourceRecords": address}
        else:
            values = [{"Value": told[NEEDED[kind][0]]}]
            yield {"Name": name, "Type": kind, "TTL": ttl, **policy, **check, "ResourceRecords": values}


def changes(there: Mapping[Key, RecordSet], desired: Mapping[Key, RecordSet]) -> list[dict[str, Any]]:
    """A change batch's changes: what is to go first, since types of a name may exclude each other."""
    gone = [{"Action": "DELETE", "ResourceRecordSet": each} for key, each in there.items() if key not in desired]
    new = [
        {"Action": "UPSERT", "ResourceRecordSet": each}
        for key, each in desired.items()
        if key not in there or _plain(there[key]) != _plain(each)
    ]
    return gone + new


def _plain(record: RecordSet) -> dict[str, Any]:
    """A record set as it compares, whoever has written it down."""
    alias = record.get("AliasTarget")
    return {
        **{name: value for name, value in record.items() if value is not None},
        "Name": record["Name"].rstrip(".").lower(),
        "AliasTarget": {**alias, "DNSName": alias["DNSName"].rstrip(".").lower()} if alias else None,
        "ResourceRecords": [each["Value"] for each in record.get("ResourceRecords") or ()],
    }
