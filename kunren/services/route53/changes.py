"""ChangeResourceRecordSets as a pure function: what the names of a batch hold afterwards, or all that is wrong with it.

A batch is one transaction, so rules about a name (a CNAME stands alone, one routing policy per name and type) are
checked on what would be there after the whole batch, while CREATE and DELETE are checked against what is there now.
Texts are AWS's where they are known. Refuses to know about stores and DNS servers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kunren.dataplane.dns import names
from kunren.services.route53 import aliases, rdata, routing
from kunren.services.route53.errors import InvalidChangeBatch, InvalidInput, NoSuchHealthCheck
from kunren.services.route53.model import AliasTarget, RecordSet

VALUES_MAX = 1000
CHARACTERS_MAX = 32_000
CHANGES_MAX = 1000
VALUES_PER_SET_MAX = 400
_SINGLE_VALUE = frozenset(("CNAME", "SOA"))
_POLICIES_LISTED = (
    "[Weight, Region, Failover, GeoLocation, MultiValueAnswer, GeoProximityLocation, or CidrRoutingConfig]"
)

Sets = tuple[RecordSet, ...]


class SetKey(NamedTuple):
    """What tells a record set from the others of its zone."""

    name: bytes
    type: str
    set_identifier: str | None

    def __str__(self) -> str:
        identifier = f", set-identifier='{self.set_identifier}'" if self.set_identifier is not None else ""
        return f"[name='{names.to_text(self.name)}', type='{self.type}'{identifier}]"


@dataclass(frozen=True, slots=True)
class ZoneView:
    """What the rules need of a zone. `sets_of` gives a name's record sets as they are now."""

    id: str
    name: bytes
    record_set_count: int
    record_set_limit: int
    sets_of: Callable[[bytes], Sets]
    target_exists: Callable[[str, str], bool]  # (name with dot, AWS's hosted zone id)
    health_check_exists: Callable[[str], bool] = lambda id: False
    cidr_locations: routing.CidrLocations = lambda id: None
    private: bool = False
    protection: Callable[[bytes, str], str | None] = lambda name, rtype: None
    """The comment of the protection that a name and type has, "" where it says nothing; None: not protected."""


@dataclass(slots=True)
class _Batch:
    zone: ZoneView
    before: dict[bytes, dict[SetKey, RecordSet]] = field(default_factory=dict)
    after: dict[bytes, dict[SetKey, RecordSet]] = field(default_factory=dict)
    written: dict[SetKey, RecordSet] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def load(self, name: bytes) -> None:
        if name not in self.before:
            sets = {_key(name, each): each for each in self.zone.sets_of(name)}
            self.before[name] = sets
            self.after[name] = dict(sets)

    def sets_after(self, name: bytes) -> list[RecordSet]:
        found = self.after.get(name)
        return list(found.values()) if found is not None else list(self.zone.sets_of(name))


def apply_changes(
    zone: ZoneView, changes: Sequence[Mapping[str, Any]], *, by_traffic_policy: bool = False
) -> dict[bytes, Sets]:
    """The names that change, with all their record sets afterwards. What a traffic policy does is not limited in
    number. Raises InvalidInput, InvalidChangeBatch, NoSuchHealthCheck."""
    for change in changes:
        _check_members(change, by_traffic_policy)
        check_id = change["ResourceRecordSet"].get("HealthCheckId")
        if check_id and change["Action"] != "DELETE" and not zone.health_check_exists(check_id):
            raise NoSuchHealthCheck(check_id)
    if not by_traffic_policy:
        _check_limits(changes)
    batch = _Batch(zone)
    seen: dict[SetKey, list[str]] = {}
    for change in changes:
        _apply_one(batch, change, seen)
    if not batch.problems:
        _check_after(batch)
    if batch.problems:
        raise InvalidChangeBatch(list(dict.fromkeys(batch.problems)))
    return {
        name: tuple(sorted(sets.values(), key=lambda each: (each.type, each.set_identifier or "")))
        for name, sets in batch.after.items()
        if sets != batch.before[name]
    }


def _key(name: bytes, record_set: RecordSet) -> SetKey:
    return SetKey(name, record_set.type, record_set.set_identifier)


# -- one change by itself ----------------------------------------------------------------------------------------------


def _described(change: Mapping[str, Any]) -> str:
    given = change["ResourceRecordSet"]
    return (
        f"Change with [Action={change['Action']}, Name={given['Name']}, Type={given['Type']}, "
        f"SetIdentifier={given.get('SetIdentifier') or 'null'}]"
    )


def _check_members(change: Mapping[str, Any], by_traffic_policy: bool) -> None:
    """Which members go together. Raises InvalidInput."""
    given = change["ResourceRecordSet"]
    if given.get("TrafficPolicyInstanceId") is not None and not by_traffic_policy:
        if change["Action"] != "DELETE":
            raise InvalidInput(
                "Invalid request: Resource record sets of a traffic policy instance can only be deleted, in "
                f"{_described(change)}"
            )
        return
    has_alias = given.get("AliasTarget") is not None
    has_ttl, has_records = given.get("TTL") is not None, bool(given.get("ResourceRecords"))
    expected = "Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId]"
    if has_alias and (has_ttl or has_records):
        raise InvalidInput(f"Invalid request: {expected}, but found more than one in {_described(change)}")
    if not has_alias and not (has_ttl or has_records):
        raise InvalidInput(f"Invalid request: {expected}, but found none in {_described(change)}")
    if not has_alias and not (has_ttl and has_records):
        missing = "ResourceRecords" if has_ttl else "TTL"
        raise InvalidInput(f"Invalid request: Missing field '{missing}' in {_described(change)}")
    policies = routing.given_members(given)
    identifier = given.get("SetIdentifier")
    if len(policies) > 1:
        raise InvalidInput(
            f"Invalid request: Expected exactly one of {_POLICIES_LISTED}, but found more than one in "
            f"{_described(change)}"
        )
    if policies and not identifier:
        raise InvalidInput(f"Invalid request: Missing field 'SetIdentifier' in {_described(change)}")
    if identifier and not policies:
        raise InvalidInput(
            f"Invalid request: Expected exactly one of {_POLICIES_LISTED}, but found none in {_described(change)}"
        )
    routing.check(given, _described(change))


def _check_limits(changes: Sequence[Mapping[str, Any]]) -> None:
    """UPSERT counts double: it is a DELETE and a CREATE (API reference, ChangeResourceRecordSets)."""
    count = characters = 0
    for change in changes:
        factor = 2 if change["Action"] == "UPSERT" else 1
        values = change["ResourceRecordSet"].get("ResourceRecords") or ()
        count += factor * max(1, len(values))
        characters += factor * sum(len(each["Value"]) for each in values)
    if count > VALUES_MAX:
        raise InvalidChangeBatch([f"Number of records limit of {VALUES_MAX} exceeded."])
    if characters > CHARACTERS_MAX:
        raise InvalidChangeBatch([f"Number of characters limit of {CHARACTERS_MAX} exceeded."])


def _apply_one(batch: _Batch, change: Mapping[str, Any], seen: dict[SetKey, list[str]]) -> None:
    action, given = change["Action"], change["ResourceRecordSet"]
    try:
        name = names.to_wire(given["Name"])
    except names.BadName as error:
        batch.problems.append(f"FATAL problem: {error}")
        return
    if not names.is_within(name, batch.zone.name):
        where = f"RRSet with DNS name {names.to_text(name)} is not permitted in zone {names.to_text(batch.zone.name)}"
        batch.problems.append(where)
        return
    record_set = record_set_of(given)
    problems = _value_problems(record_set)
    if problems:
        batch.problems.extend(problems)
        return
    comment = batch.zone.protection(name, record_set.type)
    if comment is not None:
        what = f"RRSet with DNS name {names.to_text(name)}, type {record_set.type}"
        why = f": {comment}" if comment else "."
        batch.problems.append(f"{what} is protected by a resource record set protection{why}")
        return
    batch.load(name)
    key = _key(name, record_set)
    actions = seen.setdefault(key, [])
    actions.append(action)
    if len(actions) > 1 and actions != ["DELETE", "CREATE"]:
        batch.problems.append(
            "The request contains an invalid set of changes for a resource record set "
            f"'{key.type} {names.to_text(name)}'"
        )
        return
    sets = batch.after[name]
    if action == "DELETE":
        _delete(batch, key, record_set)
    elif action == "CREATE" and key in sets:
        batch.problems.append(f"Tried to create resource record set {key} but it already exists")
    else:
        sets[key] = batch.written[key] = record_set


def _delete(batch: _Batch, key: SetKey, record_set: RecordSet) -> None:
    present = batch.after[key.name].get(key)
    instance = record_set.traffic_policy_instance_id
    if instance is not None and present is not None and present.traffic_policy_instance_id == instance:
        del batch.after[key.name][key]
    elif present is None:
        batch.problems.append(f"Tried to delete resource record set {key} but it was not found")
    elif _comparable(present) != _comparable(record_set):
        batch.problems.append(
            f"Tried to delete resource record set {key} but the values provided do not match the current values"
        )
    else:
        del batch.after[key.name][key]


def _comparable(record_set: RecordSet) -> tuple[Any, ...]:
    alias = record_set.alias
    values = sorted(rdata.to_wire(record_set.type, each) for each in record_set.values)
    return (
        record_set.ttl,
        routing.shape(record_set),
        record_set.health_check_id,
        values,
        alias and (alias.hosted_zone_id, aliases.canonical(alias.dns_name), alias.evaluate_target_health),
    )


def record_set_of(given: Mapping[str, Any]) -> RecordSet:
    """A request's ResourceRecordSet."""
    alias = given.get("AliasTarget")
    return RecordSet(
        type=given["Type"],
        set_identifier=given.get("SetIdentifier") or None,
        ttl=given.get("TTL"),
        values=tuple(each["Value"] for each in given.get("ResourceRecords") or ()),
        alias=AliasTarget(
            hosted_zone_id=aliases.bare_zone_id(alias["HostedZoneId"]),
            dns_name=aliases.shown(alias["DNSName"]),
            evaluate_target_health=alias["EvaluateTargetHealth"],
        )
        if alias is not None
        else None,
        health_check_id=given.get("HealthCheckId") or None,
        traffic_policy_instance_id=given.get("TrafficPolicyInstanceId"),
        **routing.fields(given),
    )


def _value_problems(record_set: RecordSet) -> list[str]:
    problems, wires = [], set()
    for value in record_set.values:
        try:
            wire = rdata.to_wire(record_set.type, value)
        except rdata.BadValue as error:
            problems.append(f"Invalid Resource Record: '{error}'")
            continue
        if wire in wires:
            problems.append(f"Duplicate Resource Record: '{value}'")
        wires.add(wire)
    if len(record_set.values) > VALUES_PER_SET_MAX:
        problems.append(f"Number of resource records limit of {VALUES_PER_SET_MAX} exceeded for a resource record set.")
    if record_set.alias is not None:
        try:
            names.to_wire(record_set.alias.dns_name)
        except names.BadName as error:
            problems.append(f"FATAL problem: {error}")
    return problems


# -- the zone after the batch ------------------------------------------------------------------------------------------


def _check_after(batch: _Batch) -> None:
    zone = batch.zone
    for key, record_set in batch.written.items():
        _check_kind(batch, key, record_set)
        _check_company(batch, key, record_set)
        if record_set.alias is not None:
            batch.problems.extend(
                aliases.problems(zone.id, zone.name, key, record_set.alias, batch.sets_after, zone.target_exists)
            )
    if (apex := batch.after.get(zone.name)) is not None:
        types = [key.type for key in apex]
        if types.count("SOA") != 1:
            batch.problems.append("A HostedZone must contain exactly one SOA record.")
        if "NS" not in types:
            batch.problems.append("A HostedZone must contain at least one NS record for the zone itself.")
    grown = sum(len(sets) for sets in batch.after.values()) - sum(len(sets) for sets in batch.before.values())
    if grown > 0 and zone.record_set_count + grown > zone.record_set_limit:
        batch.problems.append("Limits Exceeded: MAX_RRSETS_BY_ZONE - Cannot create more resource record sets.")


def _check_kind(batch: _Batch, key: SetKey, record_set: RecordSet) -> None:
    """What a type may be at all, at this name."""
    name, zone = names.to_text(key.name), names.to_text(batch.zone.name)
    at_apex = key.name == batch.zone.name
    if key.type == "CNAME" and at_apex:
        batch.problems.append(f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone}")
    if key.type == "SOA" and not at_apex:
        batch.problems.append(f"RRSet of type SOA with DNS name {name} is not permitted below apex in zone {zone}")
    if key.type == "NS" and key.name.startswith(b"\x01*"):
        batch.problems.append(f"RRSet of type NS with DNS name {name} is not permitted as a wildcard in zone {zone}")
    problems = routing.kind_problems(record_set, name, batch.zone.private, batch.zone.cidr_locations)
    batch.problems.extend(problems)
    if not problems and key.type in _SINGLE_VALUE and len(record_set.values) > 1:
        batch.problems.append(
            f"RRSet with DNS name {name}, type {key.type} must contain exactly one resource record, "
            f"but found {len(record_set.values)}."
        )


def _check_company(batch: _Batch, key: SetKey, record_set: RecordSet) -> None:
    """What may stand beside it at the same name."""
    others = [each for each in batch.sets_after(key.name) if _key(key.name, each) != key]
    name, zone = names.to_text(key.name), names.to_text(batch.zone.name)
    if key.type == "CNAME" and any(each.type != "CNAME" for each in others):
        batch.problems.append(
            f"RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records with the "
            f"same DNS name in zone {zone}"
        )
    if key.type != "CNAME" and any(each.type == "CNAME" for each in others):
        batch.problems.append(
            f"RRSet of type {key.type} with DNS name {name} is not permitted because a conflicting RRSet of type "
            f"CNAME with the same DNS name already exists in zone {zone}"
        )
    same = [each for each in others if each.type == key.type]
    who = f"RRSet with DNS name {name}, type {key.type}"
    batch.problems.extend(routing.company_problems(record_set, same, who))
