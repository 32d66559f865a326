"""Traffic policies: the document's rules, and instances as records that the name servers answer from."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kunren.core.entropy import Entropy
from kunren.dataplane.dns import names
from kunren.dataplane.dns.answer import answer
from kunren.dataplane.dns.policies import Client
from kunren.dataplane.dns.zones import A
from kunren.services.route53.dataplane import zone_owner
from kunren.services.route53.errors import (
    ConflictingTypes,
    InvalidInput,
    InvalidTrafficPolicyDocument,
    NoSuchTrafficPolicy,
    TooManyTrafficPolicyInstances,
    TrafficPolicyAlreadyExists,
    TrafficPolicyInstanceAlreadyExists,
    TrafficPolicyInUse,
)
from kunren.services.route53.model import HealthCheck, HealthCheckConfig, HealthCheckStatus

ELB = "lb-1.us-east-1.elb.amazonaws.com"
VALUE = {"a": {"Type": "value", "Value": "192.0.2.1"}, "b": {"Type": "value", "Value": "192.0.2.2"}}


def document(rules: dict[str, Any] | None = None, start: str = "top", **more: Any) -> str:
    given: dict[str, Any] = {
        "AWSPolicyFormatVersion": "2015-10-01", "RecordType": "A", "Endpoints": VALUE, "Rules": rules or {}, **more,
    }  # fmt: skip
    return json.dumps(given if "StartEndpoint" in given else {"StartRule": start, **given})


def weighted(*items: tuple[str, str]) -> dict[str, Any]:
    return {"RuleType": "weighted", "Items": [{"Weight": weight, "EndpointReference": to} for to, weight in items]}


TREE = {
    "top": {
        "RuleType": "geo",
        "Locations": [
            {"Continent": "EU", "RuleReference": "pair"},
            {"IsDefault": True, "EndpointReference": "b", "HealthCheck": "check-1"},
        ],
    },
    "pair": {
        "RuleType": "failover",
        "Primary": {"RuleReference": "split", "EvaluateTargetHealth": "true"},
        "Secondary": {"EndpointReference": "b"},
    },
    "split": {"RuleType": "weighted", "Items": [{"Weight": "1", "EndpointReference": "a", "HealthCheck": "check-1"}]},
}


def policy(service: Any, text: str, name: str = "p") -> dict[str, Any]:
    made: dict[str, Any] = service.call("create_traffic_policy", Name=name, Document=text)["TrafficPolicy"]
    return made


def instance(service: Any, zone: str, made: dict[str, Any], name: str = "www.example.com") -> dict[str, Any]:
    found: dict[str, Any] = service.call(
        "create_traffic_policy_instance", HostedZoneId=zone, Name=name, TTL=60, TrafficPolicyId=made["Id"],
        TrafficPolicyVersion=made["Version"],
    )["TrafficPolicyInstance"]  # fmt: skip
    return found


def state(service: Any, id: str) -> tuple[str, str]:
    found = service.call("get_traffic_policy_instance", Id=id)["TrafficPolicyInstance"]
    return found["State"], found["Message"]


def addresses(service: Any, zone: str, client: Client = Client(), name: str = "www.example.com") -> set[str]:
    (served,) = service.dns.zones.zones_of(zone_owner(zone.rpartition("/")[2]))
    reply = answer(service.dns.zones, served, names.to_wire(name), A, client, Entropy(1))
    return {".".join(map(str, rdata)) for rrset in reply.answer for rdata in rrset.rdatas}


def check(service: Any, healthy: bool) -> None:
    with service.store.write() as tx:
        config = HealthCheckConfig(type="TCP")
        tx.put(HealthCheck(account="000000000000", region="", id="check-1", caller_reference="1", config=config))
        tx.put(HealthCheckStatus(account="000000000000", region="", id="check-1", healthy=healthy))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not valid JSON"),
        (document({"top": weighted(("a", "1"))}, AWSPolicyFormatVersion="2014-01-01"), "AWSPolicyFormatVersion"),
        (document({"top": weighted(("a", "1"))}, RecordType="SOA"), "RecordType"),
        (document({"top": weighted(("a", "1"))}, start="other"), "nothing called other"),
        (document({"top": weighted(("a", "1"))}, StartEndpoint="a", StartRule="top"), "Exactly one of StartEndpoint"),
        (document({"top": weighted(("z", "1"))}), "refers to z, which is not there"),
        (document({"top": weighted(("a", "256"))}), "a Weight of 256"),
        (document({"top": {"RuleType": "weighted", "Items": [{"EndpointReference": "a"}]}}), "not complete"),
        (document({"top": {"RuleType": "simple"}}), "unknown RuleType simple"),
        (document({"top": {"RuleType": "latency", "Regions": []}}), "leads nowhere"),
        (document({"top": {"RuleType": "failover", "Primary": {"RuleReference": "top"}}}), "leads back to itself"),
        (document(StartEndpoint="c", Endpoints={"c": {"Type": "elastic-load-balancer", "Value": "x.test"}}), "not the name"),
        (document(StartEndpoint="c", Endpoints={"c": {"Type": "value"}}), "must have a Value"),
    ],
)  # fmt: skip
def test_a_document_that_says_nothing_sound_is_refused(service: Any, text: str, problem: str) -> None:
    with pytest.raises(InvalidTrafficPolicyDocument, match=problem):
        policy(service, text)
    assert service.call("list_traffic_policies")["TrafficPolicySummaries"] == []


def test_versions_are_numbered_and_deleted_ones_can_still_be_looked_at(service: Any) -> None:
    text = document({"top": weighted(("a", "1"))})
    made = policy(service, text)
    assert (made["Version"], made["Type"], made["Document"]) == (1, "A", text)
    with pytest.raises(TrafficPolicyAlreadyExists):
        policy(service, text)
    second = service.call("create_traffic_policy_version", Id=made["Id"], Document=text, Comment="c")["TrafficPolicy"]
    assert (second["Version"], second["Name"], second["Comment"]) == (2, "p", "c")
    (shown,) = service.call("list_traffic_policies")["TrafficPolicySummaries"]
    assert (shown["LatestVersion"], shown["TrafficPolicyCount"]) == (2, 2)
    service.call("delete_traffic_policy", Id=made["Id"], Version=2)
    assert service.call("get_traffic_policy", Id=made["Id"], Version=2)["TrafficPolicy"]["Comment"] == "c"
    listed = service.call("list_traffic_policy_versions", Id=made["Id"])
    assert [each["Version"] for each in listed["TrafficPolicies"]] == [1]
    third = service.call("create_traffic_policy_version", Id=made["Id"], Document=text)["TrafficPolicy"]
    assert third["Version"] == 3, "a number is not given twice"
    with pytest.raises(NoSuchTrafficPolicy):
        service.call("delete_traffic_policy", Id=made["Id"], Version=2)
    changed = service.call("update_traffic_policy_comment", Id=made["Id"], Version=1, Comment="new")["TrafficPolicy"]
    assert changed["Comment"] == "new"


def test_an_instance_is_records_that_the_name_servers_answer_from(service: Any) -> None:
    zone = service.zone()
    check(service, healthy=True)
    made = instance(service, zone, policy(service, document(TREE)))
    assert (made["State"], made["TrafficPolicyType"], made["Name"]) == ("Creating", "A", "www.example.com.")
    service.settle()
    assert state(service, made["Id"]) == ("Applied", "")
    london = Client(location=service.dns.geography.place("london"))
    london = Client(location=type(london.location)("london", areas=("country GB", "continent EU", "*")))
    assert (addresses(service, zone, london), addresses(service, zone)) == ({"192.0.2.1"}, {"192.0.2.2"})
    check(service, healthy=False)
    service.settle()
    assert addresses(service, zone, london) == {"192.0.2.2"}, "the branch behind the primary is down"
    listed = service.call("list_resource_record_sets", HostedZoneId=zone)["ResourceRecordSets"]
    own = [each for each in listed if each["TrafficPolicyInstanceId"] == made["Id"]]
    assert len(own) == 6 and own[-1]["Name"] == "www.example.com."
    count = service.call("get_hosted_zone", Id=zone)["HostedZone"]["ResourceRecordSetCount"]
    service.call("delete_traffic_policy_instance", Id=made["Id"])
    service.settle()
    assert addresses(service, zone) == set()
    assert service.call("get_hosted_zone", Id=zone)["HostedZone"]["ResourceRecordSetCount"] == count - 6 == 2


def test_an_update_leads_the_name_to_new_records(service: Any) -> None:
    zone = service.zone()
    one = policy(service, document({"top": weighted(("a", "1"))}))
    made = instance(service, zone, one)
    service.settle()
    assert addresses(service, zone) == {"192.0.2.1"}
    two = document({"top": weighted(("b", "1"))})
    service.call("create_traffic_policy_version", Id=one["Id"], Document=two)
    updated = service.call(
        "update_traffic_policy_instance", Id=made["Id"], TTL=5, TrafficPolicyId=one["Id"], TrafficPolicyVersion=2
    )["TrafficPolicyInstance"]
    assert updated["State"] == "Updating"
    service.settle()
    assert (state(service, made["Id"]), addresses(service, zone)) == (("Applied", ""), {"192.0.2.2"})
    assert len(service.names(zone)) == 4, "the old records are gone"
    with pytest.raises(TrafficPolicyInUse):
        service.call("delete_traffic_policy", Id=one["Id"], Version=2)
    other = policy(service, document({"top": weighted(("a", "1"))}, RecordType="TXT"), "t")
    with pytest.raises(ConflictingTypes):
        service.call(
            "update_traffic_policy_instance", Id=made["Id"], TTL=5, TrafficPolicyId=other["Id"], TrafficPolicyVersion=1
        )


def test_an_instance_that_the_zone_does_not_take_has_failed_and_says_why(service: Any) -> None:
    zone = service.zone()
    www = {"Name": "www.example.com", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "x.test"}]}
    service.change(zone, ("CREATE", www))
    made = instance(service, zone, policy(service, document({"top": weighted(("a", "1"))})))
    assert made["State"] == "Failed" and "conflicting RRSet of type CNAME" in made["Message"]
    assert len(service.names(zone)) == 3, "nothing of it is in the zone"
    service.call("delete_traffic_policy_instance", Id=made["Id"])


def test_an_endpoint_of_aws_is_an_alias(service: Any) -> None:
    zone = service.zone()
    endpoints = {"lb": {"Type": "application-load-balancer", "Value": ELB}}
    made = policy(service, document(StartEndpoint="lb", Endpoints=endpoints))
    instance(service, zone, made)
    service.settle()
    assert addresses(service, zone) == {"198.19.0.16"}
    with pytest.raises(TrafficPolicyInstanceAlreadyExists):
        instance(service, zone, made)
    with pytest.raises(InvalidInput):
        instance(service, zone, made, "www.example.net")


def test_instances_are_limited_and_listed_by_zone_and_by_policy(service: Any) -> None:
    zone, other = service.zone(), service.zone("example.net", "2")
    made = policy(service, document(StartEndpoint="a"))
    for name in ("a", "b", "c"):
        instance(service, zone, made, f"{name}.example.com")
    for name in ("a", "b"):
        instance(service, other, made, f"{name}.example.net")
    with pytest.raises(TooManyTrafficPolicyInstances):
        instance(service, zone, made, "d.example.com")
    assert service.call("get_traffic_policy_instance_count") == {"TrafficPolicyInstanceCount": 5}
    by_zone = service.call("list_traffic_policy_instances_by_hosted_zone", HostedZoneId=zone, MaxItems="2")
    assert [each["Name"] for each in by_zone["TrafficPolicyInstances"]] == ["a.example.com.", "b.example.com."]
    assert (by_zone["IsTruncated"], by_zone["TrafficPolicyInstanceNameMarker"]) == (True, "c.example.com.")
    rest = service.call(
        "list_traffic_policy_instances_by_hosted_zone", HostedZoneId=zone,
        TrafficPolicyInstanceNameMarker="c.example.com.", TrafficPolicyInstanceTypeMarker="A",
    )  # fmt: skip
    assert [each["Name"] for each in rest["TrafficPolicyInstances"]] == ["c.example.com."]
    found = service.call(
        "list_traffic_policy_instances_by_policy", TrafficPolicyId=made["Id"], TrafficPolicyVersion=1
    )  # fmt: skip
    assert len(found["TrafficPolicyInstances"]) == 5
    assert len(service.call("list_traffic_policy_instances")["TrafficPolicyInstances"]) == 5


def test_a_record_of_an_instance_is_only_deleted_by_its_id(service: Any) -> None:
    zone = service.zone()
    made = instance(service, zone, policy(service, document(StartEndpoint="a")))
    own = {"Name": "www.example.com", "Type": "A", "TrafficPolicyInstanceId": made["Id"]}
    with pytest.raises(InvalidInput):
        service.change(zone, ("UPSERT", own))
    service.change(zone, ("DELETE", own))
    assert len(service.names(zone)) == 2
    service.call("delete_traffic_policy_instance", Id=made["Id"])
