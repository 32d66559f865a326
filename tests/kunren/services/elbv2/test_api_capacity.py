"""Capacity reservations and IP pools, by the errors and shapes of the guides."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from kunren.services.ec2.model import InterfaceStatus
from kunren.services.elbv2.limits import Limits, raised

DAY_S = 86_400


@pytest.fixture
def reserving(elb_with: Any) -> SimpleNamespace:
    """A load balancer in two zones, in a region that may reserve 1,000 units."""
    elb = elb_with(Limits(reserved_application_units=1000, reserved_network_units=10_000))
    balancer = elb.balancer()
    arn = balancer["LoadBalancerArn"]

    def reserve(units: int | None = None, **more: Any) -> dict[str, Any]:
        wanted = {} if units is None else {"MinimumLoadBalancerCapacity": {"CapacityUnits": units}}
        return elb.call("ModifyCapacityReservation", LoadBalancerArn=more.pop("arn", arn), **wanted, **more)

    def refused(units: int | None = None, **more: Any) -> tuple[str, str]:
        wanted = {} if units is None else {"MinimumLoadBalancerCapacity": {"CapacityUnits": units}}
        return elb.refused("ModifyCapacityReservation", LoadBalancerArn=more.pop("arn", arn), **wanted, **more)

    def stand(zones: int = 9) -> None:
        with elb.store.write() as tx:
            for each in elb.interfaces()[:zones]:
                tx.put(
                    InterfaceStatus(
                        account=each.account, region=each.region, id=each.id, vpc_id="v", private_ip=each.private_ip
                    )
                )

    def shown() -> dict[str, Any]:
        return elb.call("DescribeCapacityReservation", LoadBalancerArn=arn)

    return SimpleNamespace(elb=elb, arn=arn, reserve=reserve, refused=refused, stand=stand, shown=shown)


def states(shown: dict[str, Any]) -> list[Any]:
    return [
        (each["AvailabilityZone"], each["State"]["Code"], each.get("EffectiveCapacityUnits"))
        for each in shown["CapacityReservationState"]
    ]


def test_a_reservation_is_pending_until_the_zones_nodes_stand(reserving: SimpleNamespace) -> None:
    assert reserving.shown() == {"DecreaseRequestsRemaining": 2, "CapacityReservationState": []}
    now = reserving.elb.clock.now()
    asked = reserving.reserve(267)
    pending = [("us-east-1a", "pending", None), ("us-east-1b", "pending", None)]
    assert (asked["MinimumLoadBalancerCapacity"], states(asked)) == ({"CapacityUnits": 267}, pending)
    assert (asked["LastModifiedTime"], asked["DecreaseRequestsRemaining"]) == (now, 2)
    assert states(reserving.shown()) == pending
    assert reserving.refused(300)[0] == "CapacityReservationPending"
    reserving.stand()
    assert states(reserving.shown()) == [("us-east-1a", "provisioned", 133.5), ("us-east-1b", "provisioned", 133.5)]
    assert states(reserving.reserve(300)) == pending
    third = [each.id for each in reserving.elb.subnets[:3]]
    reserving.elb.call("SetSubnets", LoadBalancerArn=reserving.arn, Subnets=third)
    assert states(reserving.shown()) == [
        ("us-east-1a", "provisioned", 100.0), ("us-east-1b", "provisioned", 100.0), ("us-east-1c", "rebalancing", None),
    ]  # fmt: skip
    assert reserving.refused(400)[0] == "CapacityReservationPending"


def test_a_reservation_can_be_decreased_twice_a_day(reserving: SimpleNamespace) -> None:
    reserving.stand()
    reserving.reserve(500)
    assert reserving.reserve(400)["DecreaseRequestsRemaining"] == 1
    assert reserving.reserve(450)["DecreaseRequestsRemaining"] == 1
    reset = reserving.reserve(ResetCapacityReservation=True)
    assert (reset["DecreaseRequestsRemaining"], reset["MinimumLoadBalancerCapacity"]) == (0, {"CapacityUnits": 0})
    assert [code for _, code, _ in states(reset)] == ["pending", "pending"]
    after = reserving.shown()
    assert (after["DecreaseRequestsRemaining"], after["CapacityReservationState"]) == (0, [])
    assert "MinimumLoadBalancerCapacity" not in after
    reserving.reserve(450)
    assert reserving.refused(100)[0] == "CapacityDecreaseRequestLimitExceeded"
    assert reserving.refused(ResetCapacityReservation=True)[0] == "CapacityDecreaseRequestLimitExceeded"
    assert reserving.reserve(460)["DecreaseRequestsRemaining"] == 0
    reserving.elb.clock.advance(DAY_S)
    assert reserving.shown()["DecreaseRequestsRemaining"] == 2
    assert reserving.reserve(100)["DecreaseRequestsRemaining"] == 1


def test_what_cannot_be_reserved(reserving: SimpleNamespace) -> None:
    elb = reserving.elb
    assert reserving.refused()[0] == "ValidationError"
    assert reserving.refused(100, ResetCapacityReservation=True)[0] == "ValidationError"
    assert reserving.refused(99) == ("ValidationError", "CapacityUnits '99' must be greater than or equal to '100'")
    assert reserving.refused(15_001) == (
        "CapacityUnitsLimitExceeded",
        f"The maximum number of reserved capacity units on load balancer '{reserving.arn}' is '15000'",
    )
    other = elb.balancer("other")["LoadBalancerArn"]
    reserving.reserve(600)
    assert reserving.refused(401, arn=other)[0] == "CapacityUnitsLimitExceeded"
    reserving.reserve(400, arn=other)
    elb.call("DeleteLoadBalancer", LoadBalancerArn=reserving.arn)
    another = elb.balancer("another")["LoadBalancerArn"]
    reserving.reserve(600, arn=another)
    assert reserving.refused(100)[0] == "LoadBalancerNotFound"
    network = elb.balancer("net", Type="network")
    assert reserving.refused(5_499, arn=network["LoadBalancerArn"])[0] == "ValidationError"
    reserving.reserve(5_500, arn=network["LoadBalancerArn"])
    secure = elb.balancer("secure", Type="network")
    group = elb.group("tls", Protocol="TCP")["TargetGroupArn"]
    elb.listener(
        secure, 443, Protocol="TLS", Certificates=[{"CertificateArn": elb.certificate()}],
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )  # fmt: skip
    assert reserving.refused(5_500, arn=secure["LoadBalancerArn"])[0] == "InvalidConfigurationRequest"


def test_as_on_aws_nothing_can_be_reserved_until_the_regions_quota_is_raised(elb: Any) -> None:
    arn = elb.balancer()["LoadBalancerArn"]
    wanted = {"MinimumLoadBalancerCapacity": {"CapacityUnits": 100}}
    assert elb.refused("ModifyCapacityReservation", LoadBalancerArn=arn, **wanted)[0] == "CapacityUnitsLimitExceeded"
    assert raised("reserved-application-load-balancer-lcus=500").reserved_application_units == 500


def test_there_are_no_ipam_pools_but_to_have_none_is_fine(elb: Any) -> None:
    arn = elb.balancer()["LoadBalancerArn"]
    assert elb.call("ModifyIpPools", LoadBalancerArn=arn, RemoveIpamPools=["ipv4"]) == {"IpamPools": {}}
    pool = {"Ipv4IpamPoolId": "ipam-pool-0123456789abcdef0"}
    missing = ("ValidationError", "The IPAM pool ID 'ipam-pool-0123456789abcdef0' is not found")
    assert elb.refused("ModifyIpPools", LoadBalancerArn=arn, IpamPools=pool) == missing
    assert elb.refused("ModifyIpPools", LoadBalancerArn=arn)[0] == "ValidationError"
    both = elb.refused("ModifyIpPools", LoadBalancerArn=arn, IpamPools=pool, RemoveIpamPools=["ipv4"])
    assert both[0] == "ValidationError"
    subnets = [each.id for each in elb.subnets[:2]]
    create = {"Name": "pooled", "Subnets": subnets, "IpamPools": pool}
    assert elb.refused("CreateLoadBalancer", **create) == missing
    assert elb.refused("CreateLoadBalancer", Scheme="internal", **create)[0] == "InvalidConfigurationRequest"
    network = elb.balancer("net", Type="network")["LoadBalancerArn"]
    for each in ({"IpamPools": pool}, {"RemoveIpamPools": ["ipv4"]}):
        assert elb.refused("ModifyIpPools", LoadBalancerArn=network, **each)[0] == "InvalidConfigurationRequest"


def test_the_day_of_decreases_is_utc() -> None:
    from kunren.services.elbv2.capacity import decreases_left
    from kunren.services.elbv2.model import CapacityReservation

    late = datetime(2026, 3, 1, 23, 59, tzinfo=UTC).timestamp()
    given = CapacityReservation(
        account="1", region="r", id="a", units=1, zones=(), modified_time=late, decreases=(late - 9, late)
    )
    assert [decreases_left(given, late + seconds) for seconds in (30, 61)] == [0, 2]
