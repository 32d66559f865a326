from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kunren.control.store import Store
from kunren.dataplane.dns import names
from kunren.dataplane.dns.zones import A, Alias, Records, Weighted
from kunren.services.route53.dataplane import zone_of, zone_owner
from kunren.services.route53.model import HostedZone, OwnerName


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
    whole = zone_of(hosted, snapshot.list(OwnerName, "000000000000", bare))
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
    assert served.nodes[names.to_wire("w.example.com")] == {A: Weighted(((3, records), (0, alias)))}


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
