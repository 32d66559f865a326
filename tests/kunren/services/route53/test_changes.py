from __future__ import annotations

from typing import Any

import pytest

from kunren.services.route53.errors import InvalidChangeBatch, InvalidInput

ELB = "lb-1.us-east-1.elb.amazonaws.com"
ALB_ZONE = "Z35SXDOTRQ7X7K"


def record(name: str, rtype: str, *values: str, ttl: int = 300, **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": rtype, "TTL": ttl, "ResourceRecords": [{"Value": each} for each in values], **more}


def alias(name: str, rtype: str, target: str, zone: str = ALB_ZONE, **more: Any) -> dict[str, Any]:
    target_given = {"HostedZoneId": zone, "DNSName": target, "EvaluateTargetHealth": False}
    return {"Name": name, "Type": rtype, "AliasTarget": target_given, **more}


def weighted(name: str, weight: int, value: str, ttl: int = 60) -> dict[str, Any]:
    return record(name, "A", value, ttl=ttl, SetIdentifier=value, Weight=weight)


def refusal(service: Any, zone: str, *changes: tuple[str, dict[str, Any]]) -> str:
    before = service.call("list_resource_record_sets", HostedZoneId=zone)
    with pytest.raises(InvalidChangeBatch) as caught:
        service.change(zone, *changes)
    assert service.call("list_resource_record_sets", HostedZoneId=zone) == before, "a refused batch changes nothing"
    return caught.value.message


def test_creating_what_exists_is_refused_with_aws_text(service: Any) -> None:
    zone = service.zone()
    www = record("www.example.com", "A", "192.0.2.1")
    service.change(zone, ("CREATE", www))
    assert refusal(service, zone, ("CREATE", www)) == (
        "[Tried to create resource record set [name='www.example.com.', type='A'] but it already exists]"
    )


def test_deleting_needs_every_value_as_it_is(service: Any) -> None:
    zone = service.zone()
    service.change(zone, ("CREATE", record("www.example.com", "A", "192.0.2.1", "192.0.2.2")))
    assert refusal(service, zone, ("DELETE", record("no.example.com", "A", "192.0.2.1"))) == (
        "[Tried to delete resource record set [name='no.example.com.', type='A'] but it was not found]"
    )
    mismatch = (
        "[Tried to delete resource record set [name='www.example.com.', type='A'] but the values provided do not "
        "match the current values]"
    )
    assert refusal(service, zone, ("DELETE", record("www.example.com", "A", "192.0.2.1"))) == mismatch
    ttl = record("www.example.com", "A", "192.0.2.1", "192.0.2.2", ttl=60)
    assert refusal(service, zone, ("DELETE", ttl)) == mismatch
    service.change(zone, ("DELETE", record("WWW.example.com.", "A", "192.0.2.2", "192.0.2.1")))
    assert len(service.names(zone)) == 2


def test_a_cname_stands_alone_and_never_at_the_apex(service: Any) -> None:
    zone = service.zone()
    service.change(zone, ("CREATE", record("a.example.com", "A", "192.0.2.1")))
    service.change(zone, ("CREATE", record("c.example.com", "CNAME", "x.example.net")))
    assert refusal(service, zone, ("CREATE", record("a.example.com", "CNAME", "b.example.com"))) == (
        "[RRSet of type CNAME with DNS name a.example.com. is not permitted as it conflicts with other records with "
        "the same DNS name in zone example.com.]"
    )
    assert refusal(service, zone, ("UPSERT", record("c.example.com", "A", "192.0.2.1"))) == (
        "[RRSet of type A with DNS name c.example.com. is not permitted because a conflicting RRSet of type CNAME "
        "with the same DNS name already exists in zone example.com.]"
    )
    apex = refusal(service, zone, ("CREATE", record("example.com", "CNAME", "b.example.com")))
    assert "[RRSet of type CNAME with DNS name example.com. is not permitted at apex in zone example.com." in apex
    service.change(
        zone,
        ("DELETE", record("a.example.com", "A", "192.0.2.1")),
        ("CREATE", record("a.example.com", "CNAME", "b.example.com")),
    )


def test_a_name_outside_of_the_zone_is_refused(service: Any) -> None:
    zone = service.zone("database.")
    assert refusal(service, zone, ("CREATE", record("prod.redis.scooby.doo", "A", "192.0.2.1"))) == (
        "[RRSet with DNS name prod.redis.scooby.doo. is not permitted in zone database.]"
    )


@pytest.mark.parametrize(
    ("rtype", "value", "text"),
    [
        ("A", "1.2.3", "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with '1.2.3'"),
        ("AAAA", "x", "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address) encountered with 'x'"),
        ("TXT", "x", "InvalidCharacterString (Value should be enclosed in quotation marks) encountered with 'x'"),
        ("CNAME", "a b", "RRDATANotSingleField (Value contains spaces) encountered with 'a b'"),
        ("CNAME", "a..b", "DomainLabelEmpty (Domain label is empty) encountered with 'a..b'"),
    ],
)
def test_a_bad_value_is_refused_with_aws_text(service: Any, rtype: str, value: str, text: str) -> None:
    given = record("a.example.com", rtype, value)
    assert refusal(service, service.zone(), ("CREATE", given)) == f"[Invalid Resource Record: 'FATAL problem: {text}']"


def test_all_that_is_wrong_is_said_at_once(service: Any) -> None:
    bad = [("CREATE", record(f"{each}.example.com", "A", "x")) for each in "ab"]
    assert refusal(service, service.zone(), *bad).count("ARRDATAIllegalIPv4Address") == 1, "the same text once"
    two = [("CREATE", record(f"{each}.example.com", "A", each)) for each in "ab"]
    assert refusal(service, service.zone("example.com", "2"), *two).count("Invalid Resource Record") == 2


def test_the_same_record_twice_in_a_set_or_in_a_batch_is_refused(service: Any) -> None:
    zone = service.zone()
    www = record("www.example.com", "A", "192.0.2.1")
    twice = record("www.example.com", "A", "192.0.2.1", "192.0.2.1")
    assert refusal(service, zone, ("CREATE", twice)) == "[Duplicate Resource Record: '192.0.2.1']"
    assert refusal(service, zone, ("UPSERT", www), ("UPSERT", www)) == (
        "[The request contains an invalid set of changes for a resource record set 'A www.example.com.']"
    )


def test_the_zones_own_soa_and_ns_stay(service: Any) -> None:
    zone = service.zone()
    for each in service.call("list_resource_record_sets", HostedZoneId=zone)["ResourceRecordSets"]:
        given = {key: value for key, value in each.items() if value is not None}
        expected = "exactly one SOA record." if each["Type"] == "SOA" else "at least one NS record for the zone itself."
        assert refusal(service, zone, ("DELETE", given)).endswith(f"{expected}]")


def test_weighted_records_have_an_identifier_one_value_and_one_ttl(service: Any) -> None:
    zone = service.zone()
    service.change(zone, ("CREATE", weighted("w.example.com", 1, "192.0.2.1")))
    assert "weighted sets must contain the same TTL." in refusal(
        service, zone, ("CREATE", weighted("w.example.com", 1, "192.0.2.2", ttl=30))
    )
    assert refusal(service, zone, ("CREATE", record("w.example.com", "A", "192.0.2.9"))) == (
        "[RRSet with DNS name w.example.com., type A cannot be created as other RRSets exist with the same name and type.]"
    )
    service.change(zone, ("CREATE", record("s.example.com", "A", "192.0.2.9")))
    assert refusal(service, zone, ("UPSERT", weighted("s.example.com", 1, "192.0.2.1"))) == (
        "[RRSet with DNS name s.example.com., type A, SetIdentifier 192.0.2.1 cannot be created as a non-weighted set "
        "exists with the same name and type.]"
    )
    two_values = record("x.example.com", "A", "192.0.2.1", "192.0.2.2", SetIdentifier="x", Weight=1)
    assert "exactly one resource record" in refusal(service, zone, ("CREATE", two_values))
    for bad in ({"SetIdentifier": "x"}, {"Weight": 1}):
        with pytest.raises(InvalidInput):
            service.change(zone, ("CREATE", record("x.example.com", "A", "192.0.2.1", **bad)))


def test_all_weighted_records_change_their_ttl_in_one_batch(service: Any) -> None:
    zone = service.zone()
    sets = [weighted("w.example.com", 1, f"192.0.2.{each}") for each in (1, 2)]
    service.change(zone, *[("CREATE", each) for each in sets])
    service.change(zone, *[("UPSERT", {**each, "TTL": 5}) for each in sets])


def test_alias_targets_are_checked_with_aws_text(service: Any) -> None:
    zone = service.zone()
    bare = zone.removeprefix("/hostedzone/")
    service.change(zone, ("CREATE", alias("example.com", "A", f"dualstack.{ELB}")))
    tried = f"Tried to create an alias that targets {ELB}., type A in zone {bare}"
    assert refusal(service, zone, ("CREATE", alias("a.example.com", "A", ELB, bare))) == (
        f"[{tried}, but the alias target name does not lie within the target zone, {tried}, but that target was not found]"
    )
    tried = f"Tried to create an alias that targets no.us-east-1.elb.amazonaws.com., type A in zone {ALB_ZONE}"
    assert refusal(service, zone, ("CREATE", alias("a.example.com", "A", "no.us-east-1.elb.amazonaws.com"))) == (
        f"[{tried}, but that target was not found]"
    )
    assert "was not found" in refusal(service, zone, ("CREATE", alias("a.example.com", "AAAA", "b.example.com", zone)))
    service.change(
        zone,
        ("CREATE", alias("a.example.com", "A", "b.example.com", zone)),
        ("CREATE", record("b.example.com", "A", "192.0.2.1")),
    )


@pytest.mark.parametrize(
    "more",
    [
        {"TTL": None},
        {"ResourceRecords": None},
        {"TTL": None, "ResourceRecords": None},
        {"AliasTarget": {"HostedZoneId": ALB_ZONE, "DNSName": ELB, "EvaluateTargetHealth": True}},
    ],
)
def test_members_that_do_not_go_together_are_invalid_input(service: Any, more: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"Change with \[Action=CREATE, Name=a\.example\.com, Type=A, SetId"):
        service.change(service.zone(), ("CREATE", {**record("a.example.com", "A", "192.0.2.1"), **more}))


def test_an_upsert_counts_double_against_the_limits(service: Any) -> None:
    zone = service.zone()
    sets = [record(f"h{each}.example.com", "A", "192.0.2.1") for each in range(501)]
    assert refusal(service, zone, *[("UPSERT", each) for each in sets]) == "[Number of records limit of 1000 exceeded.]"
    service.change(zone, *[("CREATE", each) for each in sets])
    assert service.call("get_hosted_zone", Id=zone)["HostedZone"]["ResourceRecordSetCount"] == 503


def test_a_zone_holds_10_000_record_sets_and_not_one_more(service: Any) -> None:
    zone = service.zone()
    left = 10_000 - 2
    for first in range(0, left, 1000):
        service.change(
            zone,
            *(
                ("CREATE", record(f"h{at}.example.com", "A", "192.0.2.1"))
                for at in range(first, min(first + 1000, left))
            ),
        )
    assert service.call("get_hosted_zone", Id=zone)["HostedZone"]["ResourceRecordSetCount"] == 10_000
    with pytest.raises(InvalidChangeBatch, match="MAX_RRSETS_BY_ZONE"):
        service.change(zone, ("CREATE", record("more.example.com", "A", "192.0.2.1")))
    with pytest.raises(InvalidChangeBatch, match="Number of changes limit of 1000 exceeded"):
        service.change(zone, *[("CREATE", record("more.example.com", "A", "192.0.2.1"))] * 10_000)
    service.settle()
    (served,) = service.dns.zones.zones_of(f"route53/{zone.rpartition('/')[2]}")
    assert len(served.nodes) == left + 1
