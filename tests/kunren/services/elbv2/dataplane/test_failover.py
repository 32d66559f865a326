"""Which nodes' addresses are in DNS, by the thresholds of target groups."""

from __future__ import annotations

from kunren.services.elbv2.dataplane.failover import in_dns
from kunren.services.elbv2.model import AvailabilityZone

DNS = "target_group_health.dns_failover.minimum_healthy_targets."


def zones_given_out(kit, healthy, *, cross_zone=False, **thresholds):
    """Two zones with four targets each, of which so many are healthy."""
    nodes = [
        AvailabilityZone(zone_name=f"us-east-1{z}", subnet_id=z, interface_id=z, private_ip="127.0.0.1") for z in "ab"
    ]
    made = [
        kit.Target(id=f"10.0.{z}.{n}", port=80, availability_zone=nodes[z].zone_name)
        for z in range(2)
        for n in range(4)
    ]
    attributes = {DNS + key: value for key, value in thresholds.items()}
    if not cross_zone:
        attributes["load_balancing.cross_zone.enabled"] = "false"
    group = kit.target_group("a", *made, attributes=attributes)
    store = kit.new_store()
    well = [*made[: healthy[0]], *made[4 : 4 + healthy[1]]]
    kit.put(store, group, *(kit.seen(group, each, "healthy") for each in well))
    return "".join(node.zone_name[-1] for node in in_dns(store.snapshot(), [group], nodes))


def test_a_zone_without_a_healthy_target_of_its_own_leaves_dns(kit):
    assert zones_given_out(kit, (4, 0)) == "a"
    assert zones_given_out(kit, (4, 1)) == "ab"


def test_thresholds_are_counted_per_zone_where_cross_zone_is_off(kit):
    assert zones_given_out(kit, (3, 2), count="3") == "a"
    assert zones_given_out(kit, (1, 2), percentage="50") == "b"
    assert zones_given_out(kit, (2, 3), count="1", percentage="75") == "b"


def test_thresholds_are_counted_over_all_zones_where_cross_zone_is_on(kit):
    assert zones_given_out(kit, (4, 0), cross_zone=True, percentage="50") == "ab"
    assert zones_given_out(kit, (3, 0), cross_zone=True, percentage="50") == "ab"


def test_all_addresses_return_when_every_zone_fails(kit):
    assert zones_given_out(kit, (0, 0)) == "ab"
    assert zones_given_out(kit, (1, 1), count="2") == "ab"


def test_thresholds_that_are_off_keep_every_zone(kit):
    assert zones_given_out(kit, (4, 0), count="off") == "ab"
