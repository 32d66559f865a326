"""Routing policies of record sets: their members in requests and answers, and what may stand beside what.

Pure rules. AWS's texts for records of another policy, and for a region twice, are as users have met them; those of
policies that nobody has quoted are formed alike (the README names them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kunren.dataplane.dns import policies, positions
from kunren.dataplane.dns.geography import EVERYWHERE
from kunren.services.route53 import geo_locations
from kunren.services.route53.errors import InvalidInput
from kunren.services.route53.model import AzAffinity, CidrRouting, GeoLocation, GeoProximity, RecordSet

# member of a ResourceRecordSet → policy, in the order in which AWS's errors list them
MEMBERS = {
    "Weight": policies.WEIGHTED,
    "Region": policies.LATENCY,
    "Failover": policies.FAILOVER,
    "GeoLocation": policies.GEOLOCATION,
    "MultiValueAnswer": policies.MULTIVALUE,
    "GeoProximityLocation": policies.GEOPROXIMITY,
    "CidrRoutingConfig": policies.IP_BASED,
    "AZAffinity": policies.AZ_AFFINITY,
}
_FIELDS = {
    "weight": policies.WEIGHTED,
    "region": policies.LATENCY,
    "failover": policies.FAILOVER,
    "geolocation": policies.GEOLOCATION,
    "multivalue": policies.MULTIVALUE,
    "geoproximity": policies.GEOPROXIMITY,
    "cidr": policies.IP_BASED,
    "az_affinity": policies.AZ_AFFINITY,
}
ONE_VALUE = frozenset((policies.WEIGHTED, policies.LATENCY))
SETS_MAX = 100
GEOPROXIMITY_SETS_MAX = 30
# "Supported DNS record types" of each policy, ResourceRecordSet in the API reference
_SIMPLE_ONLY = frozenset(("NS", "SOA", "DS"))
_MULTIVALUE_NOT = _SIMPLE_ONLY | {"CNAME"}
_WORDS = {
    policies.LATENCY: "latency",
    policies.FAILOVER: "failover",
    policies.GEOLOCATION: "GEO",
    policies.GEOPROXIMITY: "geoproximity",
    policies.IP_BASED: "CIDR",
    policies.AZ_AFFINITY: "AZ affinity",
}

CidrLocations = Callable[[str], frozenset[str] | None]
"""The locations of a CIDR collection of the caller's; None where there is none of that id."""


def policy_of(record_set: RecordSet) -> str | None:
    """One of `policies.POLICIES`; None: simple."""
    return next((policy for field, policy in _FIELDS.items() if getattr(record_set, field) is not None), None)


# -- members -----------------------------------------------------------------------------------------------------------


def given_members(given: Mapping[str, Any]) -> list[str]:
    """The members of routing policies that a request's record set has; `MultiValueAnswer` false says nothing."""
    return [each for each in MEMBERS if given.get(each) is not None and given[each] is not False]


def fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """A request's routing policy as fields of RecordSet."""
    geo, near, cidr = given.get("GeoLocation"), given.get("GeoProximityLocation"), given.get("CidrRoutingConfig")
    affinity = given.get("AZAffinity")
    coordinates = (near or {}).get("Coordinates") or {}
    return {
        "weight": given.get("Weight"),
        "region": given.get("Region"),
        "failover": given.get("Failover"),
        "multivalue": given.get("MultiValueAnswer") or None,
        "geolocation": GeoLocation(
            continent=geo.get("ContinentCode"), country=geo.get("CountryCode"), subdivision=geo.get("SubdivisionCode")
        )
        if geo is not None
        else None,
        "geoproximity": GeoProximity(
            region=near.get("AWSRegion"),
            local_zone_group=near.get("LocalZoneGroup"),
            latitude=coordinates.get("Latitude"),
            longitude=coordinates.get("Longitude"),
            bias=near.get("Bias"),
        )
        if near is not None
        else None,
        "cidr": CidrRouting(collection_id=cidr["CollectionId"], location=cidr["LocationName"]) if cidr else None,
        "az_affinity": AzAffinity(type=affinity.get("LocationType") or "", id=affinity.get("LocationId") or "")
        if affinity is not None
        else None,
    }


def shape(record_set: RecordSet) -> dict[str, Any]:
    """The members of an answer's ResourceRecordSet."""
    geo, near, cidr, affinity = (
        record_set.geolocation, record_set.geoproximity, record_set.cidr, record_set.az_affinity
    )  # fmt: skip
    return {
        "Weight": record_set.weight,
        "Region": record_set.region,
        "Failover": record_set.failover,
        "MultiValueAnswer": record_set.multivalue,
        "GeoLocation": geo
        and {"ContinentCode": geo.continent, "CountryCode": geo.country, "SubdivisionCode": geo.subdivision},
        "GeoProximityLocation": near
        and {
            "AWSRegion": near.region,
            "LocalZoneGroup": near.local_zone_group,
            "Coordinates": {"Latitude": near.latitude, "Longitude": near.longitude} if near.latitude else None,
            "Bias": near.bias,
        },
        "CidrRoutingConfig": cidr and {"CollectionId": cidr.collection_id, "LocationName": cidr.location},
        "AZAffinity": affinity and {"LocationType": affinity.type, "LocationId": affinity.id},
    }


def check(given: Mapping[str, Any], described: str) -> None:
    """What members may hold. `described` is how AWS names the change. Raises InvalidInput."""
    record_set = RecordSet(type=given["Type"], **fields(given))
    if (geo := record_set.geolocation) is not None:
        _check_geolocation(geo, described)
    if (near := record_set.geoproximity) is not None:
        _check_geoproximity(near, described)
    if (affinity := record_set.az_affinity) is not None and not (affinity.type and affinity.id):
        raise InvalidInput(f"Invalid request: Both LocationType and LocationId must be specified in {described}")
    if record_set.multivalue and given.get("AliasTarget") is not None:
        raise InvalidInput(f"Invalid request: MultiValueAnswer cannot be specified with AliasTarget in {described}")


def _check_geolocation(geo: GeoLocation, described: str) -> None:
    if geo.continent and (geo.country or geo.subdivision):
        raise InvalidInput(
            f"Invalid request: ContinentCode cannot be specified with CountryCode or SubdivisionCode in {described}"
        )
    if geo.subdivision and not geo.country:
        raise InvalidInput(f"Invalid request: SubdivisionCode needs a CountryCode in {described}")
    if not geo.continent and not geo.country:
        raise InvalidInput(f"Invalid request: A GeoLocation needs a continent or a country in {described}")
    known = (
        geo.continent in geo_locations.CONTINENTS
        if geo.continent
        else geo_locations.country_name(geo.country or "") is not None
        and (not geo.subdivision or geo.subdivision in geo_locations.SUBDIVISIONS.get(geo.country or "", {}))
    )
    if not known:
        raise InvalidInput(f"Invalid request: {_geo_words(geo)} is not a supported geo location in {described}")


def _check_geoproximity(near: GeoProximity, described: str) -> None:
    ways = [each for each in (near.region, near.local_zone_group, near.latitude) if each]
    if len(ways) != 1:
        found = "none" if not ways else "more than one"
        raise InvalidInput(
            "Invalid request: Expected exactly one of [AWSRegion, LocalZoneGroup, or Coordinates], "
            f"but found {found} in {described}"
        )
    if near.latitude and not (abs(float(near.latitude)) <= 90 and abs(float(near.longitude or 0)) <= 180):
        raise InvalidInput(
            f"Invalid request: Coordinates [{near.latitude}, {near.longitude}] are out of range in {described}"
        )
    if near.local_zone_group and positions.local_zone_group(near.local_zone_group) is None:
        raise InvalidInput(f"Invalid request: LocalZoneGroup {near.local_zone_group} is not known in {described}")


# -- at one name -------------------------------------------------------------------------------------------------------


def kind_problems(record_set: RecordSet, name: str, private: bool, locations: CidrLocations) -> list[str]:
    """What a record set of this policy may be by itself."""
    policy = policy_of(record_set)
    if policy is None:
        return []
    problems = []
    if record_set.type in (_MULTIVALUE_NOT if policy == policies.MULTIVALUE else _SIMPLE_ONLY):
        need = "a simple" if record_set.type in _SIMPLE_ONLY else "another"
        problems.append(f"RRSet of type {record_set.type} with DNS name {name} must have {need} routing policy.")
    if policy in ONE_VALUE and len(record_set.values) > 1:
        problems.append(
            f"RRSet with DNS name {name}, type {record_set.type} must contain exactly one resource record, "
            f"but found {len(record_set.values)}."
        )
    if (cidr := record_set.cidr) is not None:
        where = f"RRSet with DNS name {name}, type {record_set.type}, SetIdentifier {record_set.set_identifier}"
        found = locations(cidr.collection_id)
        if private:
            problems.append(f"{where} cannot be created as IP-based routing is not supported in a private hosted zone.")
        elif found is None:
            problems.append(f"{where} cannot be created as the CIDR collection {cidr.collection_id} does not exist.")
        elif cidr.location != EVERYWHERE and cidr.location not in found:
            problems.append(
                f"{where} cannot be created as the CIDR collection {cidr.collection_id} has no location "
                f"{cidr.location}."
            )
    return problems


def company_problems(record_set: RecordSet, same: Iterable[RecordSet], who: str) -> list[str]:
    """What is wrong with a record set beside the others of its name and type. `who` names it as AWS does."""
    others = list(same)
    policy = policy_of(record_set)
    if policy is None:
        return [f"{who} cannot be created as other RRSets exist with the same name and type."] if others else []
    who += f", SetIdentifier {record_set.set_identifier}{_also(record_set)}"
    if any(policy_of(each) != policy for each in others):
        return [f"{who} {_mixed(policy)}"]
    problems = []
    if problem := _twice(record_set, policy, others):
        problems.append(f"{who} {problem}")
    most = GEOPROXIMITY_SETS_MAX if policy == policies.GEOPROXIMITY else SETS_MAX
    if len(others) + 1 > most:
        problems.append(f"{who} cannot be created as there are {most} already.")
    return problems


def _also(record_set: RecordSet) -> str:
    """How AWS goes on after the set identifier."""
    if record_set.region:
        return f", and Region Name={record_set.region}"
    if record_set.failover:
        return f" that is marked as {record_set.failover.lower()}"
    if record_set.geolocation is not None:
        return f", and routing to [{_geo_words(record_set.geolocation)}]"
    return ""


def _mixed(policy: str) -> str:
    if policy == policies.WEIGHTED:
        return "cannot be created as a non-weighted set exists with the same name and type."
    if policy == policies.MULTIVALUE:
        return "cannot be created because a non multivalue answer rrset exists with the same name and type."
    return f"cannot be created because a non-{_WORDS[policy]} RRSet with the same name and type already exists."


def _twice(record_set: RecordSet, policy: str, others: list[RecordSet]) -> str | None:
    """What must differ between the record sets of one policy, or must not."""
    if policy == policies.WEIGHTED:
        plain = [each for each in others if each.alias is None]
        if record_set.alias is None and any(each.ttl != record_set.ttl for each in plain):
            return "cannot be created as weighted sets must contain the same TTL."
    elif policy == policies.LATENCY and any(each.region == record_set.region for each in others):
        return "cannot be created because a latency RRSet with the same name, type and region already exists."
    elif policy == policies.FAILOVER and any(each.failover == record_set.failover for each in others):
        marked = (record_set.failover or "").lower()
        return f"cannot be created because a {marked} RRSet with the same name and type already exists."
    elif policy == policies.GEOLOCATION and any(each.geolocation == record_set.geolocation for each in others):
        return "cannot be created because a GEO RRSet with the same name, type and geo location already exists."
    elif policy == policies.GEOPROXIMITY and any(_place(each) == _place(record_set) for each in others):
        return "cannot be created because a geoproximity RRSet with the same name, type and location already exists."
    elif policy == policies.IP_BASED and (cidr := record_set.cidr) is not None:
        if any(each.cidr == cidr for each in others):
            return "cannot be created because a CIDR RRSet with the same name, type and location already exists."
        if any(each.cidr is not None and each.cidr.collection_id != cidr.collection_id for each in others):
            return "cannot be created because a CIDR RRSet with the same name and type has another collection."
    elif policy == policies.AZ_AFFINITY and any(each.az_affinity == record_set.az_affinity for each in others):
        return "cannot be created because an AZ affinity RRSet with the same name, type and location already exists."
    return None


def _place(record_set: RecordSet) -> tuple[Any, ...]:
    near = record_set.geoproximity
    assert near is not None
    return near.region, near.local_zone_group, near.latitude, near.longitude


def _geo_words(geo: GeoLocation) -> str:
    """A location as AWS's errors show it: `continent = (NA, North America)`."""
    if geo.continent:
        return f"continent = ({geo.continent}, {geo_locations.CONTINENTS.get(geo.continent)})"
    country = geo.country or ""
    words = f"country = ({country}, {geo_locations.country_name(country)})"
    if geo.subdivision:
        name = geo_locations.SUBDIVISIONS.get(country, {}).get(geo.subdivision)
        words += f", subdivision = ({geo.subdivision}, {name})"
    return words
