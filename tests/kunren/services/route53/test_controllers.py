from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from kunren.control.store import Store
from kunren.dataplane.dns import names
from kunren.dataplane.dns.zones import A, Alias, Option, Records, Routed
from kunren.services.route53.dataplane import zone_of, zone_owner
from kunren.services.route53.model import HealthCheck, HealthCheckConfig, HealthCheckStatus, HostedZone, OwnerName


def a(name: str, value: str = "192.0.2.1", **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": value}], **more}


def test_a_zone_served_after_many_changes_equals_one_translated_at_once(service: Any) -> None:
    zone = service.zone()
    service.settle()
    for round in range(20):
        service.change(zone, ("UPSERT", a(f"h{round % 7}.example.com", f"192.0.2.{round + 1}")))
        if round % 3 == 2:
            service.change(zone, ("DELETE", a(f"h{round % 7}.example.com", f"192.0.2.{round + 1}")))
        service.settle()
    bare = zone.removeprefix("/hostedzone/")
    snapshot = service.store.snapshot()
    hosted = snapshot.get(HostedZone, "000000000000", "", bare)
    whole = zone_of(hosted, snapshot.list(OwnerName, "000000000000", bare), service.dns.geography.position)
    (served,) = service.dns.zones.zones_of(zone_owner(bare))
    assert (served.version, served.nodes, served.below) == (whole.version, whole.nodes, whole.below)


def test_records_are_translated_by_policy(service: Any) -> None:
    zone = service.zone()
    target = {"HostedZoneId": zone, "DNSName": "a.example.com", "EvaluateTargetHealth": True}
    service.change(
        zone,
        ("CREATE", a("a.example.com")),
        ("CREATE", {"Name": "b.example.com", "Type": "A", "AliasTarget": target}),
        ("CREATE", a("w.example.com", SetIdentifier="x", Weight=3)),
        ("CREATE", {"Name": "w.example.com", "Type": "A", "AliasTarget": target, "SetIdentifier": "y", "Weight": 0}),
    )
    service.settle()
    (served,) = service.dns.zones.zones_of(zone_owner(zone.removeprefix("/hostedzone/")))
    records = Records(60, (b"\xc0\0\2\1",))
    alias = Alias(names.to_wire("a.example.com"), same_zone=True, evaluate=True)
    assert served.nodes[names.to_wire("a.example.com")] == {A: records}
    assert served.nodes[names.to_wire("b.example.com")] == {A: alias}
    assert served.nodes[names.to_wire("w.example.com")] == {
        A: Routed("weighted", (Option(records, "x", weight=3), Option(alias, "y", weight=0)))
    }


def test_a_restart_serves_what_was_there_and_is_in_sync_again(new_service: Callable[..., Any], tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    before = new_service(store)
    zone = before.zone()
    change = before.change(zone, ("CREATE", a("a.example.com")))
    store.close()
    again = Store(tmp_path / "state.db")
    after = new_service(again)
    assert after.call("get_change", Id=change)["ChangeInfo"]["Status"] == "PENDING"
    after.settle()
    assert after.call("get_change", Id=change)["ChangeInfo"]["Status"] == "INSYNC"
    assert after.names(zone) == before.names(zone)
    again.close()


def test_health_checks_that_fail_are_published_until_they_are_gone(service: Any) -> None:
    def put(*resources: Any) -> None:
        with service.store.write() as tx:
            for each in resources:
                tx.put(each)
        service.settle()

    check = HealthCheck(
        account="000000000000", region="", id="check-1", caller_reference="1", config=HealthCheckConfig(type="TCP")
    )
    put(check)
    assert service.dns.zones.passes("check-1"), "a new check is healthy until data arrives"
    put(HealthCheckStatus(account="000000000000", region="", id="check-1", healthy=False))
    assert not service.dns.zones.passes("check-1")
    serial = service.dns.zones.serial
    put(HealthCheckStatus(account="000000000000", region="", id="check-1", healthy=False, checkers=()))
    assert service.dns.zones.serial == serial, "the same verdict publishes nothing"
    with service.store.write() as tx:
        tx.delete(check)
    service.settle()
    assert service.dns.zones.passes("check-1")


def test_a_cidr_collection_is_served_and_then_in_sync(service: Any) -> None:
    made = service.call("create_cidr_collection", Name="offices", CallerReference="1")["Collection"]
    put = {"LocationName": "kyoto", "Action": "PUT", "CidrList": ["198.51.100.0/24"]}
    change = service.call("change_cidr_collection", Id=made["Id"], Changes=[put])["Id"]
    assert service.call("get_change", Id=change)["ChangeInfo"]["Status"] == "PENDING"
    service.settle()
    assert service.call("get_change", Id=change)["ChangeInfo"]["Status"] == "INSYNC"
    found = service.dns.zones.collection(made["Id"]).matching(ip_network("198.51.100.7/32"))
    assert list(found) == [("kyoto", 24)]


def test_members_of_every_policy_reach_the_name_servers(service: Any) -> None:
    zone = service.zone()
    with service.store.write() as tx:
        config = HealthCheckConfig(type="TCP")
        tx.put(HealthCheck(account="000000000000", region="", id="check-1", caller_reference="1", config=config))
    collection = service.call("create_cidr_collection", Name="offices", CallerReference="1")["Collection"]["Id"]
    coordinates = {"Coordinates": {"Latitude": "35.01", "Longitude": "-135.77"}, "Bias": -7}
    given: dict[str, Any] = {
        "l": {"Region": "eu-west-1"},
        "f": {"Failover": "SECONDARY", "HealthCheckId": "check-1"},
        "g": {"GeoLocation": {"CountryCode": "US", "SubdivisionCode": "WA"}},
        "p": {"GeoProximityLocation": coordinates},
        "r": {"GeoProximityLocation": {"AWSRegion": "us-east-1"}},
        "z": {"GeoProximityLocation": {"LocalZoneGroup": "us-west-2-lax-1"}},
        "m": {"MultiValueAnswer": True},
        "c": {"CidrRoutingConfig": {"CollectionId": collection, "LocationName": "*"}},
        "a": {"AZAffinity": {"LocationType": "Region", "LocationId": "us-east-1"}},
    }
    service.change(
        zone, *(("CREATE", a(f"{each}.example.com", SetIdentifier="x", **more)) for each, more in given.items())
    )
    service.settle()
    (served,) = service.dns.zones.zones_of(zone_owner(zone.removeprefix("/hostedzone/")))
    found = {each: served.nodes[names.to_wire(f"{each}.example.com")][A] for each in given}
    records = Records(60, (b"\xc0\0\2\1",))
    expected = {
        "l": ("latency", Option(records, "x", region="eu-west-1")),
        "f": ("failover", Option(Records(60, records.rdatas, "check-1"), "x", role="SECONDARY")),
        "g": ("geolocation", Option(records, "x", area="subdivision US-WA")),
        "p": ("geoproximity", Option(records, "x", position=(35.01, -135.77), bias=-7)),
        "r": ("geoproximity", Option(records, "x", position=(0, 0))),
        "z": ("geoproximity", Option(records, "x", position=(34.05, -118.24))),
        "m": ("multivalue answer", Option(records, "x")),
        "c": ("IP-based", Option(records, "x", blocks=(collection, "*"))),
        "a": ("AZ affinity", Option(records, "x", affinity=("Region", "us-east-1"))),
    }
    assert found == {each: Routed(policy, (option,)) for each, (policy, option) in expected.items()}
    listed = service.call("list_resource_record_sets", HostedZoneId=zone)["ResourceRecordSets"]
    shown = {each["Name"][0]: each for each in listed if each["SetIdentifier"]}
    for each, more in given.items():
        for member, value in more.items():
            assert _given(shown[each][member]) == value, "it comes back as it was given"
    service.change(
        zone, *(("DELETE", a(f"{each}.example.com", SetIdentifier="x", **more)) for each, more in given.items())
    )
    assert len(service.names(zone)) == 2


def _given(value: Any) -> Any:
    """Without the members that are not there."""
    return {key: each for key, each in value.items() if each is not None} if isinstance(value, dict) else value
