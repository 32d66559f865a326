"""What may stand beside what: routing policies in change batches, with AWS's texts where users have met them."""

from __future__ import annotations

from typing import Any

import pytest

from kunren.services.route53.errors import InvalidChangeBatch, InvalidInput, NoSuchHealthCheck
from kunren.services.route53.model import HealthCheck, HealthCheckConfig

NAME = "w.example.com"
VPC = {"VPCId": "vpc-1", "VPCRegion": "us-east-1"}


def a(
    identifier: str | None, value: str = "192.0.2.1", name: str = NAME, rtype: str = "A", **more: Any
) -> dict[str, Any]:
    given = {"Name": name, "Type": rtype, "TTL": 60, "ResourceRecords": [{"Value": value}], **more}
    return given if identifier is None else {**given, "SetIdentifier": identifier}


def create(*given: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [("CREATE", each) for each in given]


def refusal(service: Any, zone: str, *given: dict[str, Any]) -> str:
    with pytest.raises(InvalidChangeBatch) as caught:
        service.change(zone, *create(*given))
    return caught.value.message


def collection(service: Any, *blocks: tuple[str, str]) -> str:
    made: str = service.call("create_cidr_collection", Name="c", CallerReference="1")["Collection"]["Id"]
    changes = [{"LocationName": where, "Action": "PUT", "CidrList": [block]} for where, block in blocks]
    if changes:
        service.call("change_cidr_collection", Id=made, Changes=changes)
    return made


WEIGHTED = {"Weight": 1}
LATENCY = {"Region": "eu-west-1"}
PRIMARY = {"Failover": "PRIMARY"}
AFRICA = {"GeoLocation": {"ContinentCode": "AF"}}
NEAR = {"GeoProximityLocation": {"AWSRegion": "us-east-1"}}
MULTIVALUE = {"MultiValueAnswer": True}

WHO = "RRSet with DNS name w.example.com., type A, SetIdentifier x"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (WEIGHTED, f"{WHO} cannot be created as a non-weighted set exists with the same name and type."),
        (
            LATENCY,
            f"{WHO}, and Region Name=eu-west-1 cannot be created because a non-latency RRSet with the same name and type "
            "already exists.",
        ),
        (
            PRIMARY,
            f"{WHO} that is marked as primary cannot be created because a non-failover RRSet with the same name and type "
            "already exists.",
        ),
        (
            AFRICA,
            f"{WHO}, and routing to [continent = (AF, Africa)] cannot be created because a non-GEO RRSet with the same "
            "name and type already exists.",
        ),
        (
            NEAR,
            f"{WHO} cannot be created because a non-geoproximity RRSet with the same name and type already exists.",
        ),
        (
            MULTIVALUE,
            f"{WHO} cannot be created because a non multivalue answer rrset exists with the same name and type.",
        ),
    ],
    ids=["weighted", "latency", "failover", "geolocation", "geoproximity", "multivalue"],
)
def test_one_name_and_type_has_one_policy(service: Any, more: dict[str, Any], text: str) -> None:
    zone = service.zone()
    service.change(zone, *create(a(None)))
    assert refusal(service, zone, a("x", "192.0.2.2", **more)) == f"[{text}]"
    service.change(zone, ("DELETE", a(None)), ("CREATE", a("x", "192.0.2.2", **more)))
    other = WEIGHTED if more is not WEIGHTED else MULTIVALUE
    assert "cannot be created" in refusal(service, zone, a("y", "192.0.2.3", **other))
    assert refusal(service, zone, a(None)) == (
        "[RRSet with DNS name w.example.com., type A cannot be created as other RRSets exist with the same name and type.]"
    )


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (LATENCY, "because a latency RRSet with the same name, type and region already exists."),
        (PRIMARY, "because a primary RRSet with the same name and type already exists."),
        (AFRICA, "because a GEO RRSet with the same name, type and geo location already exists."),
        (NEAR, "because a geoproximity RRSet with the same name, type and location already exists."),
    ],
    ids=["latency", "failover", "geolocation", "geoproximity"],
)
def test_what_a_policy_tells_records_apart_by_is_there_once(service: Any, more: dict[str, Any], text: str) -> None:
    zone = service.zone()
    service.change(zone, *create(a("x", **more)))
    assert text in refusal(service, zone, a("y", "192.0.2.2", **more))
    service.change(zone, ("DELETE", a("x", **more)), ("CREATE", a("y", "192.0.2.2", **more)))


def test_a_set_identifier_is_there_once(service: Any) -> None:
    zone = service.zone()
    service.change(zone, *create(a("x", **LATENCY)))
    assert refusal(service, zone, a("x", "192.0.2.2", Region="us-east-1")) == (
        "[Tried to create resource record set [name='w.example.com.', type='A', set-identifier='x'] but it already exists]"
    )


@pytest.mark.parametrize("more", [LATENCY, WEIGHTED])
def test_weighted_and_latency_records_have_one_value(service: Any, more: dict[str, Any]) -> None:
    two = a("x", **more, ResourceRecords=[{"Value": "192.0.2.1"}, {"Value": "192.0.2.2"}])
    assert "must contain exactly one resource record, but found 2." in refusal(service, service.zone(), two)
    service.change(service.zone("example.com", "2"), *create({**two, "Region": None, "Weight": None, **PRIMARY}))


@pytest.mark.parametrize(("rtype", "value"), [("NS", "ns.example.net"), ("DS", f"1 13 2 {'a' * 64}")])
def test_delegations_have_a_simple_policy(service: Any, rtype: str, value: str) -> None:
    given = a("x", value, rtype=rtype, **LATENCY)
    assert f"RRSet of type {rtype} with DNS name w.example.com. must have a simple routing policy." in refusal(
        service, service.zone(), given
    )


def test_a_multivalue_answer_is_no_cname_and_no_alias(service: Any) -> None:
    zone = service.zone()
    assert "must have another routing policy" in refusal(service, zone, a("x", "x.test", rtype="CNAME", **MULTIVALUE))
    target = {"HostedZoneId": "Z35SXDOTRQ7X7K", "DNSName": "x.example.com", "EvaluateTargetHealth": False}
    alias = {"Name": NAME, "Type": "A", "SetIdentifier": "x", "AliasTarget": target, **MULTIVALUE}
    with pytest.raises(InvalidInput, match="MultiValueAnswer"):
        service.change(zone, ("CREATE", alias))


def test_at_most_100_records_have_one_name_and_type_and_30_with_geoproximity(service: Any) -> None:
    zone = service.zone()
    service.change(zone, *create(*(a(str(each), f"192.0.2.{each}", Weight=1) for each in range(100))))
    assert "cannot be created as there are 100 already." in refusal(service, zone, a("100", "192.0.2.200", Weight=1))
    near = [
        a(str(each), f"192.0.2.{each}", name="p.example.com", GeoProximityLocation={"Coordinates": {"Latitude": str(each), "Longitude": "0"}})
        for each in range(31)
    ]  # fmt: skip
    assert "cannot be created as there are 30 already." in refusal(service, zone, *near)
    service.change(zone, *create(*near[:30]))


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"Weight": 1, "Region": "eu-west-1"}, "found more than one in Change with"),
        ({"GeoLocation": {"ContinentCode": "AF", "CountryCode": "EG"}}, "ContinentCode cannot be specified with"),
        ({"GeoLocation": {"SubdivisionCode": "WA"}}, "SubdivisionCode needs a CountryCode"),
        ({"GeoLocation": {"CountryCode": "XX"}}, "is not a supported geo location"),
        ({"GeoLocation": {"CountryCode": "FR", "SubdivisionCode": "WA"}}, "is not a supported geo location"),
        ({"GeoLocation": {}}, "needs a continent or a country"),
        ({"GeoProximityLocation": {"Bias": 1}}, "but found none"),
        ({"GeoProximityLocation": {"AWSRegion": "us-east-1", "LocalZoneGroup": "us-west-2-lax-1"}}, "more than one"),
        ({"GeoProximityLocation": {"Coordinates": {"Latitude": "91", "Longitude": "0"}}}, "out of range"),
        ({"GeoProximityLocation": {"LocalZoneGroup": "us-west-2-xyz-1"}}, "is not known"),
        ({"AZAffinity": {"LocationType": "Region"}}, "Both LocationType and LocationId"),
    ],
)
def test_members_that_say_nothing_or_too_much_are_invalid_input(service: Any, more: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        service.change(service.zone(), ("CREATE", a("x", **more)))


def test_a_health_check_must_exist(service: Any) -> None:
    zone = service.zone()
    with pytest.raises(NoSuchHealthCheck):
        service.change(zone, ("CREATE", a("x", **PRIMARY, HealthCheckId="abc")))
    with service.store.write() as tx:
        config = HealthCheckConfig(type="TCP")
        tx.put(HealthCheck(account="000000000000", region="", id="abc", caller_reference="1", config=config))
    service.change(zone, ("CREATE", a("x", **PRIMARY, HealthCheckId="abc")))
    with pytest.raises(InvalidChangeBatch, match="do not match the current values"):
        service.change(zone, ("DELETE", a("x", **PRIMARY)))
    service.change(zone, ("DELETE", a("x", **PRIMARY, HealthCheckId="abc")))


def test_ip_based_records_name_one_collection_and_its_locations(service: Any) -> None:
    zone = service.zone()
    one = collection(service, ("office", "198.51.100.0/24"))

    def cidr(identifier: str, where: str, id: str = one) -> dict[str, Any]:
        return a(identifier, CidrRoutingConfig={"CollectionId": id, "LocationName": where})

    assert "has no location home." in refusal(service, zone, cidr("x", "home"))
    missing = "0" * 8 + "-0000-0000-0000-" + "0" * 12
    assert f"the CIDR collection {missing} does not exist." in refusal(service, zone, cidr("x", "*", missing))
    service.change(zone, *create(cidr("x", "office"), cidr("d", "*")))
    assert "same name, type and location" in refusal(service, zone, cidr("y", "office"))
    other = service.call("create_cidr_collection", Name="d", CallerReference="2")["Collection"]["Id"]
    assert "has another collection" in refusal(service, zone, cidr("y", "*", other))


def test_record_sets_are_listed_by_name_type_and_set_identifier(service: Any) -> None:
    zone = service.zone()
    service.change(zone, *create(*(a(each, f"192.0.2.{at}", Weight=at) for at, each in enumerate(("b", "a", "B")))))
    listed = service.call("list_resource_record_sets", HostedZoneId=zone, StartRecordName=NAME)["ResourceRecordSets"]
    assert [each["SetIdentifier"] for each in listed] == ["B", "a", "b"]
    page = service.call(
        "list_resource_record_sets", HostedZoneId=zone, StartRecordName=NAME, StartRecordType="A",
        StartRecordIdentifier="a", MaxItems="1",
    )  # fmt: skip
    assert [each["Weight"] for each in page["ResourceRecordSets"]] == [1]
    assert (page["NextRecordName"], page["NextRecordType"], page["NextRecordIdentifier"]) == (
        "w.example.com.",
        "A",
        "b",
    )
