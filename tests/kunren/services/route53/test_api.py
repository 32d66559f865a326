from __future__ import annotations

from typing import Any

import pytest

from kunren.core.entropy import Entropy
from kunren.services.route53 import errors
from kunren.services.route53.api import Route53Api
from kunren.services.route53.name_servers import choose

SETS = "list_resource_record_sets"


def a(name: str, **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}], **more}


def test_a_new_zone_has_four_name_servers_an_soa_and_its_paths(service: Any) -> None:
    made = service.call(
        "create_hosted_zone", Name="Example.COM", CallerReference="1", HostedZoneConfig={"Comment": "c"}
    )
    zone, servers = made["HostedZone"], made["DelegationSet"]["NameServers"]
    assert zone["Id"].startswith("/hostedzone/Z") and zone["Name"] == "example.com."
    assert zone["Config"] == {"Comment": "c", "PrivateZone": False, "HostedZoneTier": "STANDARD"}
    assert made["Location"] == f"https://route53.amazonaws.com/2013-04-01{zone['Id']}"
    assert made["ChangeInfo"]["Status"] == "PENDING" and made["ChangeInfo"]["Id"].startswith("/change/C")
    assert sorted(each.split(".", 2)[2] for each in servers) == ["co.uk", "com", "net", "org"]
    ns, soa = service.call(SETS, HostedZoneId=zone["Id"])["ResourceRecordSets"]
    assert (ns["Type"], ns["TTL"], [each["Value"] for each in ns["ResourceRecords"]]) == (
        "NS",
        172800,
        [f"{each}." for each in servers],
    )
    assert (soa["Type"], soa["TTL"], soa["ResourceRecords"]) == (
        "SOA",
        900,
        [{"Value": f"{servers[0]}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"}],
    )


def test_a_caller_reference_works_once_even_after_deletion(service: Any) -> None:
    zone = service.zone(reference="once")
    for _ in range(2):
        with pytest.raises(errors.HostedZoneAlreadyExists):
            service.zone("other.com", reference="once")
        if service.call("get_hosted_zone_count")["HostedZoneCount"]:
            service.call("delete_hosted_zone", Id=zone)
    service.call("create_hosted_zone", account="111111111111", Name="other.com", CallerReference="once")


def test_ids_are_taken_with_and_without_their_path(service: Any) -> None:
    zone = service.zone()
    for given in (zone, zone.removeprefix("/"), zone.removeprefix("/hostedzone/")):
        assert service.call("get_hosted_zone", Id=given)["HostedZone"]["Id"] == zone
    with pytest.raises(errors.NoSuchHostedZone, match="No hosted zone found with ID: Z1"):
        service.call("get_hosted_zone", Id="/hostedzone/Z1")
    with pytest.raises(errors.NoSuchHostedZone):
        service.call("get_hosted_zone", account="111111111111", Id=zone)


@pytest.mark.parametrize("name", ["a..b", ".", "a" * 64 + ".com", "caf\u00e9.com"])
def test_a_bad_domain_is_refused(service: Any, name: str) -> None:
    with pytest.raises(errors.InvalidDomainName):
        service.zone(name)


def test_a_zone_with_records_is_not_deleted(service: Any) -> None:
    zone = service.zone()
    service.change(zone, ("CREATE", a("a.example.com")))
    with pytest.raises(errors.HostedZoneNotEmpty):
        service.call("delete_hosted_zone", Id=zone)
    service.change(zone, ("DELETE", a("a.example.com")))
    service.settle()
    gone = service.call("delete_hosted_zone", Id=zone)["ChangeInfo"]["Id"]
    assert service.call("get_change", Id=gone)["ChangeInfo"]["Status"] == "PENDING"
    service.settle()
    assert service.call("get_change", Id=gone)["ChangeInfo"]["Status"] == "INSYNC"
    assert service.dns.zones.counts()["zones"] == 0


def test_record_sets_are_listed_by_reversed_labels_then_type_then_identifier_over_pages(service: Any) -> None:
    zone = service.zone()
    service.change(
        zone,
        *[("CREATE", a(f"{each}.example.com")) for each in ("b", "a", "x.a", "a-b", "*")],
        *[("CREATE", a("w.example.com", SetIdentifier=each, Weight=1)) for each in ("two", "one")],
    )
    expected = [
        ("example.com.", "NS"), ("example.com.", "SOA"), ("\\052.example.com.", "A"), ("a-b.example.com.", "A"),
        ("a.example.com.", "A"), ("x.a.example.com.", "A"), ("b.example.com.", "A"), ("w.example.com.", "A"),
        ("w.example.com.", "A"),
    ]  # fmt: skip
    assert service.names(zone) == expected
    found: list[tuple[str, str]] = []
    params: dict[str, Any] = {}
    while True:
        page = service.call(SETS, HostedZoneId=zone, MaxItems="2", **params)
        found += [(each["Name"], each["Type"]) for each in page["ResourceRecordSets"]]
        if not page["IsTruncated"]:
            break
        params = {"StartRecordName": page["NextRecordName"], "StartRecordType": page["NextRecordType"]}
        if page["NextRecordIdentifier"]:
            params["StartRecordIdentifier"] = page["NextRecordIdentifier"]
    assert found == expected
    assert service.names(zone, StartRecordName="a.example.com")[0] == ("a.example.com.", "A")
    with pytest.raises(errors.InvalidInput):
        service.call(SETS, HostedZoneId=zone, StartRecordType="A")


def test_the_listing_follows_changes_made_after_it_was_first_asked_for(service: Any) -> None:
    zone = service.zone()
    service.names(zone)
    service.change(zone, ("CREATE", a("b.example.com")), ("CREATE", a("a.example.com")))
    service.change(zone, ("DELETE", a("b.example.com")))
    assert service.names(zone)[2:] == [("a.example.com.", "A")]


def test_zones_are_listed_by_name_with_reversed_labels_over_pages(service: Any) -> None:
    for at, name in enumerate(("b.com", "a.org", "z.b.com", "a.com")):
        service.zone(name, str(at))
    first = service.call("list_hosted_zones_by_name", MaxItems="3")
    assert [each["Name"] for each in first["HostedZones"]] == ["a.com.", "b.com.", "z.b.com."]
    assert first["IsTruncated"] and first["NextDNSName"] == "a.org."
    rest = service.call(
        "list_hosted_zones_by_name", DNSName=first["NextDNSName"], HostedZoneId=first["NextHostedZoneId"]
    )
    assert [each["Name"] for each in rest["HostedZones"]] == ["a.org."]
    page = service.call("list_hosted_zones", MaxItems="3")
    more = service.call("list_hosted_zones", Marker=page["NextMarker"])
    assert len(page["HostedZones"]) == 3 and len(more["HostedZones"]) == 1 and not more["IsTruncated"]


def test_a_change_is_in_sync_only_when_the_name_servers_have_it(service: Any) -> None:
    zone = service.zone()
    service.settle()
    change = service.change(zone, ("CREATE", a("a.example.com")))
    assert service.call("get_change", Id=change)["ChangeInfo"]["Status"] == "PENDING"
    asked = {"HostedZoneId": zone, "RecordName": "a.example.com", "RecordType": "A"}
    assert service.call("test_dns_answer", **asked)["ResponseCode"] == "NXDOMAIN"
    service.settle()
    assert service.call("get_change", Id=change)["ChangeInfo"]["Status"] == "INSYNC"
    answer = service.call("test_dns_answer", **asked)
    assert (answer["ResponseCode"], answer["RecordData"], answer["Protocol"]) == ("NOERROR", ["192.0.2.1"], "UDP")
    with pytest.raises(errors.NoSuchChange):
        service.call("get_change", Id="C1")


def test_two_zones_of_one_name_share_no_name_server(service: Any) -> None:
    sets = [
        set(
            service.call("create_hosted_zone", account=account, Name=name, CallerReference="1")["DelegationSet"][
                "NameServers"
            ]
        )
        for account, name in (("1" * 12, "example.com"), ("2" * 12, "example.com"), ("3" * 12, "sub.example.com"))
    ]
    assert len(set.union(*sets)) == 12


def test_name_servers_run_out_in_the_end() -> None:
    taken: list[tuple[str, ...]] = []
    while (chosen := choose(Entropy(1), taken)) is not None:
        taken.append(chosen)
    assert len(taken) == 62


def test_a_reusable_delegation_set_gives_zones_the_same_servers(service: Any) -> None:
    made = service.call("create_reusable_delegation_set", CallerReference="d")["DelegationSet"]
    zone = service.zone(DelegationSetId=made["Id"])
    assert service.call("get_hosted_zone", Id=zone)["DelegationSet"] == made
    with pytest.raises(errors.ConflictingDomainExists):
        service.zone("sub.example.com", "2", DelegationSetId=made["Id"])
    with pytest.raises(errors.DelegationSetInUse):
        service.call("delete_reusable_delegation_set", Id=made["Id"])
    assert service.call("list_reusable_delegation_sets")["DelegationSets"] == [made]
    service.call("delete_hosted_zone", Id=zone)
    service.call("delete_reusable_delegation_set", Id=made["Id"])
    with pytest.raises(errors.NoSuchDelegationSet):
        service.call("get_reusable_delegation_set", Id=made["Id"])


def test_tags_comment_and_limits(service: Any) -> None:
    zone = service.zone(HostedZoneConfig={"Comment": "old"})
    tagged = {"ResourceType": "hostedzone", "ResourceId": zone.removeprefix("/hostedzone/")}
    service.call("change_tags_for_resource", AddTags=[{"Key": "b", "Value": "1"}, {"Key": "a", "Value": "2"}], **tagged)
    service.call("change_tags_for_resource", RemoveTagKeys=["b"], **tagged)
    assert service.call("list_tags_for_resource", **tagged)["ResourceTagSet"]["Tags"] == [{"Key": "a", "Value": "2"}]
    assert service.call("update_hosted_zone_comment", Id=zone)["HostedZone"]["Config"]["Comment"] is None
    limit = service.call("get_hosted_zone_limit", HostedZoneId=zone, Type="MAX_RRSETS_BY_ZONE")
    assert limit == {"Limit": {"Type": "MAX_RRSETS_BY_ZONE", "Value": 10_000}, "Count": 2}
    assert service.call("get_account_limit", Type="MAX_HOSTED_ZONES_BY_OWNER")["Count"] == 1


def test_the_service_is_named_for_its_model() -> None:
    assert Route53Api.service == "route53"
