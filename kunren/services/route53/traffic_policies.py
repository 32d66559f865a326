"""Traffic policy documents: what is wrong with one, and the record sets that an instance of one stands for.

Pure. The format is the API reference's, "Traffic Policy Document Format" (2015-10-01 and 2023-05-09): endpoints, and
rules that lead to endpoints and to each other. Each rule becomes the record sets of one name below the zone's apex; the
name of the instance itself is an alias of where the document starts. AWS says nothing of the names in between.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kunren.core import hosted_zone_ids
from kunren.dataplane.dns import names
from kunren.services.route53.errors import InvalidTrafficPolicyDocument

VERSIONS = ("2015-10-01", "2023-05-09")
RECORD_TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NAPTR", "PTR", "SPF", "SRV", "TXT")
DEPTH_MAX = 8  # rules on the way from the start to an endpoint; AWS gives none, and refuses what is "too deep"
_ALIASES = {
    "cloudfront": ("A", "AAAA"),
    "elastic-load-balancer": ("A", "AAAA"),
    "application-load-balancer": ("A", "AAAA"),
    "network-load-balancer": ("A", "AAAA"),
    "s3-website": ("A",),
}
_REGION_PREFIX = "aws:route53:"
# rule type → where its items are
_ITEMS = {
    "failover": ("Primary", "Secondary"),
    "latency": ("Regions",),
    "geo": ("Locations",),
    "geoproximity": ("GeoproximityLocations",),
    "multivalue": ("Items",),
    "weighted": ("Items",),
}


@dataclass(frozen=True, slots=True)
class Document:
    """A document that has been checked. `start` is the id of a rule or an endpoint."""

    record_type: str
    start: str
    endpoints: Mapping[str, Mapping[str, Any]]
    rules: Mapping[str, Mapping[str, Any]]


def parse(text: str) -> Document:
    """Raises InvalidTrafficPolicyDocument."""
    try:
        top = json.loads(text)
    except ValueError as error:
        raise InvalidTrafficPolicyDocument(f"The document is not valid JSON: {error}") from None
    top = _mapping(top, "The document")
    if top.get("AWSPolicyFormatVersion") not in VERSIONS:
        raise InvalidTrafficPolicyDocument(f"AWSPolicyFormatVersion must be one of {', '.join(VERSIONS)}.")
    record_type = top.get("RecordType")
    if record_type not in RECORD_TYPES:
        raise InvalidTrafficPolicyDocument(f"RecordType must be one of {', '.join(RECORD_TYPES)}.")
    endpoints = {
        key: _mapping(each, f"Endpoint {key}") for key, each in _mapping(top.get("Endpoints", {}), "Endpoints").items()
    }
    rules = {key: _mapping(each, f"Rule {key}") for key, each in _mapping(top.get("Rules", {}), "Rules").items()}
    starts = [top[each] for each in ("StartEndpoint", "StartRule") if top.get(each)]
    if len(starts) != 1:
        raise InvalidTrafficPolicyDocument("Exactly one of StartEndpoint and StartRule must be specified.")
    start = str(starts[0])
    if start not in (endpoints if top.get("StartEndpoint") else rules):
        raise InvalidTrafficPolicyDocument(f"The document has nothing called {start} to start with.")
    document = Document(record_type, start, endpoints, rules)
    for key, each in endpoints.items():
        _check_endpoint(document, key, each)
    for key, each in rules.items():
        _check_rule(document, key, each)
    if top.get("StartRule"):
        _check_depth(document, start, ())
    return document


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidTrafficPolicyDocument(f"{what} must be a JSON object.")
    return value


def _check_endpoint(document: Document, key: str, endpoint: Mapping[str, Any]) -> None:
    kind, value = endpoint.get("Type"), endpoint.get("Value")
    if (not isinstance(value, str) or not value) and kind != "s3-website":
        raise InvalidTrafficPolicyDocument(f"Endpoint {key} must have a Value.")
    if kind == "value":
        return
    if kind not in _ALIASES:
        raise InvalidTrafficPolicyDocument(f"Endpoint {key} has the unknown Type {kind}.")
    if document.record_type not in _ALIASES[kind]:
        raise InvalidTrafficPolicyDocument(
            f"Endpoint {key} of Type {kind} can't have RecordType {document.record_type}."
        )
    if _alias_target(endpoint) is None:
        raise InvalidTrafficPolicyDocument(f"Endpoint {key}: {value} is not the name of a {kind}.")


def _alias_target(endpoint: Mapping[str, Any]) -> tuple[str, str] | None:
    """Name and hosted zone of what an endpoint of AWS's own is an alias of."""
    kind, value = endpoint["Type"], str(endpoint.get("Value") or "")
    if kind == "s3-website":
        region = str(endpoint.get("Region") or "")
        zone_id = hosted_zone_ids.S3_WEBSITE.get(region)
        return (f"s3-website-{region}.amazonaws.com.", zone_id) if zone_id is not None else None
    try:
        name = names.to_text(names.to_wire(value))
    except names.BadName:
        return None
    known = (hosted_zone_ids.CLOUDFRONT, *hosted_zone_ids.ALB.values(), *hosted_zone_ids.NLB.values())
    zone_id = next((each for each in known if hosted_zone_ids.lies_within(name, each)), None)
    return (name, zone_id) if zone_id is not None else None


def _check_rule(document: Document, key: str, rule: Mapping[str, Any]) -> None:
    kind = rule.get("RuleType")
    if kind not in _ITEMS:
        raise InvalidTrafficPolicyDocument(f"Rule {key} has the unknown RuleType {kind}.")
    found = list(_items(rule))
    if not found:
        raise InvalidTrafficPolicyDocument(f"Rule {key} leads nowhere.")
    for item in found:
        references = [item[each] for each in ("EndpointReference", "RuleReference") if item.get(each)]
        if len(references) != 1:
            raise InvalidTrafficPolicyDocument(
                f"Exactly one of EndpointReference and RuleReference must be specified in rule {key}."
            )
        if references[0] not in (document.endpoints if item.get("EndpointReference") else document.rules):
            raise InvalidTrafficPolicyDocument(f"Rule {key} refers to {references[0]}, which is not there.")
        if kind == "multivalue" and not _is_value(document, item):
            raise InvalidTrafficPolicyDocument(
                f"Rule {key} of type multivalue can refer to endpoints of Type value only."
            )
    try:
        for number, item in enumerate(found):
            _policy_members(str(kind), item, number)
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidTrafficPolicyDocument(f"Rule {key} is not complete: {error}") from None


def _is_value(document: Document, item: Mapping[str, Any]) -> bool:
    return bool(item.get("EndpointReference")) and document.endpoints[item["EndpointReference"]].get("Type") == "value"


def _items(rule: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What a rule chooses between; a failover rule's items are told apart by `Failover`."""
    kind = rule["RuleType"]
    for member in _ITEMS[kind]:
        found = rule.get(member)
        if kind == "failover":
            if found is not None:
                yield {**_mapping(found, member), "Failover": member.upper()}
        else:
            for each in found if isinstance(found, list) else ():
                yield _mapping(each, member)


def _check_depth(document: Document, key: str, above: tuple[str, ...]) -> None:
    if key in above:
        raise InvalidTrafficPolicyDocument(f"Rule {key} leads back to itself.")
    if len(above) >= DEPTH_MAX:
        raise InvalidTrafficPolicyDocument(f"The document is more than {DEPTH_MAX} rules deep.")
    for item in _items(document.rules[key]):
        if item.get("RuleReference"):
            _check_depth(document, item["RuleReference"], (*above, key))


# -- record sets -------------------------------------------------------------------------------------------------------


def record_sets(
    document: Document, name: str, zone_id: str, ttl: int, group: str, instance: str
) -> list[dict[str, Any]]:
    """The ResourceRecordSets of an instance, as ChangeResourceRecordSets takes them: first those of the rules, below
    `group` (a name in the zone that nobody else has), then the instance's own name."""

    def rule_name(key: str) -> str:
        return f"r{list(document.rules).index(key)}.{group}"

    def target(given: Mapping[str, Any], own: bool) -> list[dict[str, Any]]:
        """What a reference stands for; a value of several addresses is as many records."""
        if rule := given.get("RuleReference"):
            return [_alias(zone_id, rule_name(rule), _true(given.get("EvaluateTargetHealth"), True))]
        endpoint = document.endpoints[given["EndpointReference"]]
        if endpoint["Type"] == "value":
            return [{"TTL": ttl, "ResourceRecords": [{"Value": endpoint["Value"]}]}]
        found = _alias_target(endpoint)
        assert found is not None
        return [_alias(found[1], found[0], _true(given.get("EvaluateTargetHealth"), False) and not own)]

    used = list(dict.fromkeys(_reached(document, document.start))) if document.start in document.rules else []
    made = []
    for key in used:
        rule = document.rules[key]
        for number, item in enumerate(_items(rule)):
            members = _policy_members(rule["RuleType"], item, number)
            check = {"HealthCheckId": item["HealthCheck"]} if item.get("HealthCheck") else {}
            made += [{"Name": rule_name(key), **members, **check, **each} for each in target(item, own=False)]
    start = {"RuleReference" if document.start in document.rules else "EndpointReference": document.start}
    made += [{"Name": name, **each} for each in target({**start, "EvaluateTargetHealth": True}, own=True)]
    return [{"Type": document.record_type, "TrafficPolicyInstanceId": instance, **each} for each in made]


def _reached(document: Document, key: str) -> Iterator[str]:
    """The rule's own rules first, so that every alias finds its target."""
    for item in _items(document.rules[key]):
        if item.get("RuleReference"):
            yield from _reached(document, item["RuleReference"])
    yield key


def _alias(zone_id: str, name: str, evaluate: bool) -> dict[str, Any]:
    return {"AliasTarget": {"HostedZoneId": zone_id, "DNSName": name, "EvaluateTargetHealth": evaluate}}


def _policy_members(kind: str, item: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The members of a record set that a rule's item becomes. Raises ValueError, TypeError, KeyError."""
    members: dict[str, Any] = {"SetIdentifier": str(number + 1)}
    if kind == "failover":
        return {**members, "Failover": item["Failover"]}
    if kind == "weighted":
        weight = int(item["Weight"])
        if not 0 <= weight <= 255:
            raise ValueError(f"a Weight of {weight}")
        return {**members, "Weight": weight}
    if kind == "latency":
        return {**members, "Region": str(item["Region"])}
    if kind == "multivalue":
        return {**members, "MultiValueAnswer": True}
    if kind == "geo":
        return {**members, "GeoLocation": _geo_location(item)}
    return {**members, "GeoProximityLocation": _geo_proximity(item)}


def _geo_location(item: Mapping[str, Any]) -> dict[str, str]:
    if _true(item.get("IsDefault"), False):
        return {"CountryCode": "*"}
    if item.get("Country"):
        subdivision = {"SubdivisionCode": str(item["Subdivision"])} if item.get("Subdivision") else {}
        return {"CountryCode": str(item["Country"]), **subdivision}
    return {"ContinentCode": str(item["Continent"])}


def _geo_proximity(item: Mapping[str, Any]) -> dict[str, Any]:
    bias = {"Bias": int(item["Bias"])} if item.get("Bias") not in (None, "") else {}
    if not -99 <= bias.get("Bias", 0) <= 99:
        raise ValueError(f"a Bias of {bias['Bias']}")
    if region := item.get("Region"):
        region = str(region).removeprefix(_REGION_PREFIX)
        where = {"LocalZoneGroup": region} if region.count("-") == 4 else {"AWSRegion": region}
        return {**where, **bias}
    coordinates = {each: f"{float(item[each]):.2f}" for each in ("Latitude", "Longitude")}
    return {"Coordinates": coordinates, **bias}


def _true(value: Any, default: bool) -> bool:
    """Documents have booleans as JSON's and as text."""
    return default if value in (None, "") else str(value).lower() == "true"
