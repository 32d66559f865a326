"""Tier, Change History, protections and public DNS fallback of hosted zones."""

from __future__ import annotations

from typing import Any

import pytest

from kunren.core.entropy import Entropy
from kunren.core.errors import NotImplementedByKunren
from kunren.dataplane.dns import names
from kunren.dataplane.dns.policies import Client
from kunren.dataplane.dns.vpc_names import VpcNames, vpc_answer
from kunren.dataplane.dns.zones import A
from kunren.services.ec2.model import Vpc
from kunren.services.route53.errors import (
    FeatureNotEnabled,
    HostedZoneNotEmpty,
    InvalidChangeBatch,
    InvalidInput,
    InvalidResourceRecordSetProtectionBatch,
    NoSuchChange,
    ProtectionAlreadyExists,
)


def a(name: str, value: str = "192.0.2.1", ttl: int = 60) -> dict[str, Any]:
    return {"Name": name, "Type": "A", "TTL": ttl, "ResourceRecords": [{"Value": value}]}


def test_an_advanced_zone_remembers_every_batch(service: Any) -> None:
    zone = service.zone(HostedZoneConfig={"HostedZoneTier": "ADVANCED"})
    features = service.call("get_hosted_zone", Id=zone)["HostedZone"]["Features"]
    assert features["ChangeHistory"] == {"Status": "ENABLED", "RetentionStartsAt": service.clock.now()}
    service.clock.advance(10)
    one = service.change(zone, ("CREATE", a("WWW.example.com")), ("CREATE", a("b.example.com")))
    service.clock.advance(10)
    two = service.change(zone, ("DELETE", a("b.example.com")))
    found = service.call("list_hosted_zone_change_batches", HostedZoneId=zone)["ChangeBatchSummaries"]
    assert [each["Operation"] for each in found] == [
        "ChangeResourceRecordSets", "ChangeResourceRecordSets", "CreateHostedZone",
    ]  # fmt: skip
    assert [(f"/change/{each['ChangeId']}", each["ChangeCount"]) for each in found[:2]] == [(two, 1), (one, 2)]
    assert found[2]["ChangeCount"] == 0
    batch = service.call("get_hosted_zone_change_batch", HostedZoneId=zone, ChangeId=one)["ChangeBatch"]
    assert [(each["Action"], each["ResourceRecordSet"]["Name"]) for each in batch["Changes"]] == [
        ("CREATE", "www.example.com."), ("CREATE", "b.example.com."),
    ]  # fmt: skip
    changes = service.call(
        "list_resource_record_set_changes", HostedZoneId=zone, RecordName="b.example.com", RecordType="A"
    )["ResourceRecordSetChanges"]  # fmt: skip
    assert [each["Action"] for each in changes] == ["DELETE", "CREATE"]
    page = service.call("list_resource_record_set_changes", HostedZoneId=zone, MaxResults="2", SortOrder="ASCENDING")
    rest = service.call(
        "list_resource_record_set_changes", HostedZoneId=zone, SortOrder="ASCENDING", NextToken=page["NextToken"]
    )  # fmt: skip
    told = [*page["ResourceRecordSetChanges"], *rest["ResourceRecordSetChanges"]]
    assert [each["Action"] for each in told] == ["CREATE", "CREATE", "DELETE"] and rest["NextToken"] is None
    later = service.call(
        "list_hosted_zone_change_batches", HostedZoneId=zone, SortOrder="ASCENDING", StartAfterChangeId=one
    )["ChangeBatchSummaries"]  # fmt: skip
    assert [each["ChangeId"] for each in later] == [two.rpartition("/")[2]]
    with pytest.raises(InvalidInput):
        service.call("list_hosted_zone_change_batches", HostedZoneId=zone, SubmittedAfter="2000-01-01T00:00:00Z")
    with pytest.raises(NoSuchChange):
        service.call("get_hosted_zone_change_batch", HostedZoneId=zone, ChangeId="C1")


def test_a_zone_has_its_history_while_it_is_advanced(service: Any) -> None:
    zone = service.zone()
    assert service.call("get_hosted_zone", Id=zone)["HostedZone"]["Config"]["HostedZoneTier"] == "STANDARD"
    with pytest.raises(FeatureNotEnabled):
        service.call("list_hosted_zone_change_batches", HostedZoneId=zone)
    service.call("update_hosted_zone_tier", HostedZoneId=zone, HostedZoneTier="ADVANCED", DryRun=True)
    assert service.call("get_hosted_zone", Id=zone)["HostedZone"]["Config"]["HostedZoneTier"] == "STANDARD"
    service.call("update_hosted_zone_tier", HostedZoneId=zone, HostedZoneTier="ADVANCED")
    assert service.call("list_hosted_zone_change_batches", HostedZoneId=zone)["ChangeBatchSummaries"] == []
    service.call("update_hosted_zone_tier", HostedZoneId=zone, HostedZoneTier="STANDARD")
    with pytest.raises(FeatureNotEnabled):
        service.call("list_hosted_zone_change_batches", HostedZoneId=zone)
    for member in ({"EnableAcceleratedRecovery": True}, {"ChangeGuardrails": [{"Name": "x", "Status": "ENABLED"}]}):
        with pytest.raises(NotImplementedByKunren):
            service.call("update_hosted_zone_features", HostedZoneId=zone, **member)


def test_a_protected_record_set_does_not_change(service: Any) -> None:
    zone = service.zone()
    service.change(zone, ("CREATE", a("www.example.com")))
    entry = {"RecordName": "www.example.com", "RecordType": "A", "Comment": "ask us"}
    service.call("create_resource_record_set_protections", HostedZoneId=zone, Protections=[entry])
    for change in (("UPSERT", a("www.example.com", ttl=5)), ("DELETE", a("www.example.com"))):
        with pytest.raises(InvalidChangeBatch, match="protection: ask us"):
            service.change(zone, change, ("CREATE", a("other.example.com")))
    assert len(service.names(zone)) == 3, "the whole batch is refused"
    with pytest.raises(ProtectionAlreadyExists) as caught:
        service.call("create_resource_record_set_protections", HostedZoneId=zone, Protections=[entry])
    assert caught.value.members["Errors"][0]["Code"] == "ProtectionAlreadyExists"
    new = {"RecordName": "new.example.com", "RecordType": "A"}
    with pytest.raises(InvalidResourceRecordSetProtectionBatch):
        service.call("create_resource_record_set_protections", HostedZoneId=zone, Protections=[entry, new])
    for bad in ([new, new], [{"RecordName": "x.example.net", "RecordType": "A"}], [{**new, "RecordName": "a..b"}]):
        with pytest.raises(InvalidResourceRecordSetProtectionBatch):
            service.call("create_resource_record_set_protections", HostedZoneId=zone, Protections=bad)
    service.call("create_resource_record_set_protections", HostedZoneId=zone, Protections=[new])
    shown = service.call("list_resource_record_set_protections", HostedZoneId=zone)["ResourceRecordSetProtections"]
    assert [(each["RecordName"], each["Comment"]) for each in shown] == [
        ("new.example.com.", None), ("www.example.com.", "ask us"),
    ]  # fmt: skip
    with pytest.raises(InvalidResourceRecordSetProtectionBatch):
        gone = [entry, {"RecordName": "no.example.com", "RecordType": "A"}]
        service.call("delete_resource_record_set_protections", HostedZoneId=zone, Protections=gone)
    service.call("delete_resource_record_set_protections", HostedZoneId=zone, Protections=[entry])
    service.change(zone, ("DELETE", a("www.example.com")))
    with pytest.raises(HostedZoneNotEmpty):
        service.call("delete_hosted_zone", Id=zone)
    service.call("delete_resource_record_set_protections", HostedZoneId=zone, Protections=[new])
    service.call("delete_hosted_zone", Id=zone)


def test_public_dns_fallback_asks_the_internet_for_names_that_are_not_there(service: Any) -> None:
    service.store.register(Vpc)
    with service.store.write() as tx:
        tx.put(Vpc(account="000000000000", region="us-east-1", id="vpc-1", cidr="10.0.0.0/16"))
    zone = service.zone(VPC={"VPCId": "vpc-1", "VPCRegion": "us-east-1"})
    service.change(zone, ("CREATE", a("www.example.com")))
    service.settle()

    def own(name: str, rtype: int = A) -> bool:
        vpc = VpcNames("vpc-1")
        found = vpc_answer(service.dns.zones, vpc, names.to_wire(name), rtype, Client(), Entropy(1))
        return found is not None

    assert own("www.example.com") and own("no.example.com")
    service.call("update_hosted_zone_features", HostedZoneId=zone, EnablePublicDNSFallback=True)

    def status() -> str:
        found: str = service.call("get_hosted_zone", Id=zone)["HostedZone"]["Features"]["PublicDNSFallbackStatus"]
        return found

    assert status() == "ENABLING"
    service.settle()
    assert status() == "ENABLED"
    assert own("www.example.com") and own("www.example.com", 28), (
        "a name that is there is the zone's, whatever its types"
    )
    assert not own("no.example.com")
    with pytest.raises(InvalidInput):
        service.call(
            "update_hosted_zone_features", HostedZoneId=service.zone("x.test", "2"), EnablePublicDNSFallback=True
        )
