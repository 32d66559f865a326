"""Registered targets and the health that is shown of them."""

from __future__ import annotations

from typing import Any

import pytest

from kunren.services.elbv2.limits import Limits
from kunren.services.elbv2.model import Target, TargetAnomaly, TargetGroup, TargetHealth, target_health_id

ACCOUNT, REGION = "123456789012", "us-east-1"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:redirect"


def health(elb: Any, arn: str, **more: Any) -> list[dict[str, Any]]:
    return elb.call("DescribeTargetHealth", TargetGroupArn=arn, **more)["TargetHealthDescriptions"]


def states(elb: Any, arn: str, **more: Any) -> list[tuple[str, str | None]]:
    return [(each["TargetHealth"]["State"], each["TargetHealth"].get("Reason")) for each in health(elb, arn, **more)]


def in_use(elb: Any, group: dict[str, Any]) -> str:
    """A listener on :80 that forwards to the group; its ARN."""
    actions = [{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}]
    return elb.listener(elb.balancer(), DefaultActions=actions)["ListenerArn"]


def address(elb: Any, subnet: int = 0, host: int = 50) -> str:
    from ipaddress import IPv4Network

    return str(IPv4Network(elb.subnets[subnet].cidr)[host])


def observe(elb: Any, arn: str, target: str, port: int, state: str, **more: str) -> None:
    key = target_health_id(arn, Target(id=target, port=port))
    with elb.store.write() as tx:
        tx.put(TargetHealth(account=ACCOUNT, region=REGION, id=key, state=state, **more))


def test_registered_targets_have_the_groups_port_and_their_subnets_zone(elb: Any) -> None:
    arn = elb.group()["TargetGroupArn"]
    here = address(elb, 1)
    elb.call(
        "RegisterTargets",
        TargetGroupArn=arn,
        Targets=[{"Id": here}, {"Id": here, "Port": 9090}, {"Id": "10.1.2.3", "AvailabilityZone": "all"}],
    )
    unused = {
        "State": "unused",
        "Reason": "Target.NotInUse",
        "Description": "Target group is not configured to receive traffic from the load balancer",
    }
    assert health(elb, arn) == [
        {
            "Target": {"Id": here, "Port": 8080, "AvailabilityZone": "us-east-1b"},
            "HealthCheckPort": "8080",
            "TargetHealth": unused,
        },
        {
            "Target": {"Id": here, "Port": 9090, "AvailabilityZone": "us-east-1b"},
            "HealthCheckPort": "9090",
            "TargetHealth": unused,
        },
        {
            "Target": {"Id": "10.1.2.3", "Port": 8080, "AvailabilityZone": "all"},
            "HealthCheckPort": "8080",
            "TargetHealth": unused,
        },
    ]


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ({"Id": "8.8.8.8", "AvailabilityZone": "all"}, "InvalidTarget"),
        ({"Id": "10.1.2.3"}, "ValidationError"),
        ({"Id": "host.example.com"}, "ValidationError"),
        ({"Id": "10.1.2.3", "AvailabilityZone": "mars-1a"}, "ValidationError"),
    ],
)
def test_addresses_that_cannot_be_targets(elb: Any, target: dict[str, str], code: str) -> None:
    arn = elb.group()["TargetGroupArn"]
    assert elb.refused("RegisterTargets", TargetGroupArn=arn, Targets=[target])[0] == code


def test_health_is_what_was_observed(elb: Any) -> None:
    group = elb.group()
    arn, here = group["TargetGroupArn"], address(elb)
    elb.call("RegisterTargets", TargetGroupArn=arn, Targets=[{"Id": here}])
    in_use(elb, group)
    assert states(elb, arn) == [("initial", "Elb.RegistrationInProgress")]
    observe(elb, arn, here, 8080, "healthy")
    assert health(elb, arn)[0]["TargetHealth"] == {"State": "healthy"}
    text = "Health checks failed with these codes: [503]"
    observe(elb, arn, here, 8080, "unhealthy", reason="Target.ResponseCodeMismatch", description=text)
    assert health(elb, arn)[0]["TargetHealth"] == {
        "State": "unhealthy",
        "Reason": "Target.ResponseCodeMismatch",
        "Description": text,
    }
    assert states(elb, arn, Targets=[{"Id": here, "Port": 1}]) == [("unused", "Target.NotRegistered")]


def test_targets_out_of_reach_are_unused(elb: Any) -> None:
    group = elb.group()
    arn = group["TargetGroupArn"]
    in_use(elb, group)  # in zones a and b
    node = elb.interfaces()[0].private_ip
    elb.call("RegisterTargets", TargetGroupArn=arn, Targets=[{"Id": address(elb, 2)}, {"Id": node}])
    assert states(elb, arn) == [("unused", "Target.NotInUse"), ("unused", "Target.IpUnusable")]


def test_a_deregistered_target_drains_for_the_whole_delay(elb: Any) -> None:
    group = elb.group()
    arn, target = group["TargetGroupArn"], [{"Id": address(elb)}]
    in_use(elb, group)
    elb.call("RegisterTargets", TargetGroupArn=arn, Targets=target)
    elb.call("DeregisterTargets", TargetGroupArn=arn, Targets=target)
    assert states(elb, arn) == [("draining", "Target.DeregistrationInProgress")]
    elb.clock.advance(100)
    elb.call("DeregisterTargets", TargetGroupArn=arn, Targets=target)  # does not begin anew
    elb.clock.advance(199)
    assert states(elb, arn) == [("draining", "Target.DeregistrationInProgress")]
    elb.clock.advance(1)
    assert states(elb, arn) == []
    assert states(elb, arn, Targets=target) == [("unused", "Target.NotRegistered")]


def test_registering_a_draining_target_again_waits_for_the_delay(elb: Any) -> None:
    group = elb.group()
    arn, target = group["TargetGroupArn"], [{"Id": address(elb)}]
    in_use(elb, group)
    elb.call("RegisterTargets", TargetGroupArn=arn, Targets=target)
    elb.call("DeregisterTargets", TargetGroupArn=arn, Targets=target)
    elb.call("RegisterTargets", TargetGroupArn=arn, Targets=target)
    assert states(elb, arn) == [("draining", "Target.DeregistrationInProgress")]
    elb.clock.advance(300)
    assert states(elb, arn) == [("initial", "Elb.RegistrationInProgress")]


def test_targets_of_an_unused_group_leave_at_once_and_unknown_ones_do_not_matter(elb: Any) -> None:
    arn, target = elb.group()["TargetGroupArn"], [{"Id": address(elb)}]
    elb.call("RegisterTargets", TargetGroupArn=arn, Targets=target)
    for _ in range(2):
        assert elb.call("DeregisterTargets", TargetGroupArn=arn, Targets=target) == {}
    stored = elb.store.snapshot().get(TargetGroup, ACCOUNT, REGION, arn)
    assert stored is not None
    assert stored.targets == ()


def test_registering_twice_changes_nothing(elb: Any) -> None:
    arn, target = elb.group()["TargetGroupArn"], [{"Id": address(elb)}]
    elb.call("RegisterTargets", TargetGroupArn=arn, Targets=target)
    before = elb.store.snapshot().get(TargetGroup, ACCOUNT, REGION, arn)
    elb.clock.advance(10)
    elb.call("RegisterTargets", TargetGroupArn=arn, Targets=[*target, *target])
    assert elb.store.snapshot().get(TargetGroup, ACCOUNT, REGION, arn) == before


def test_a_function_needs_a_permission_for_the_load_balancing_service(elb: Any) -> None:
    arn = elb.call("CreateTargetGroup", Name="fn", TargetType="lambda")["TargetGroups"][0]["TargetGroupArn"]
    target = [{"Id": FUNCTION}]
    assert elb.refused("RegisterTargets", TargetGroupArn=arn, Targets=target)[0] == "InvalidTarget"
    elb.functions[FUNCTION] = False
    assert elb.refused("RegisterTargets", TargetGroupArn=arn, Targets=target) == (
        "AccessDenied",
        f"elasticloadbalancing principal does not have permission to invoke {FUNCTION} from target group {arn}",
    )
    elb.functions[FUNCTION] = True
    elb.call("RegisterTargets", TargetGroupArn=arn, Targets=target)
    elb.functions[FUNCTION + "2"] = True
    more = [{"Id": FUNCTION + "2"}]
    assert elb.refused("RegisterTargets", TargetGroupArn=arn, Targets=more)[0] == "TooManyTargets"
    in_use(elb, {"TargetGroupArn": arn})
    assert health(elb, arn) == [  # the example of `aws elbv2 describe-target-health`
        {
            "Target": {"Id": FUNCTION, "AvailabilityZone": "all"},
            "TargetHealth": {
                "State": "unavailable",
                "Reason": "Target.HealthCheckDisabled",
                "Description": "Health checks are not enabled for this target",
            },
        }
    ]


def test_instances_are_refused_because_none_runs(elb: Any) -> None:
    arn = elb.group(TargetType="instance")["TargetGroupArn"]
    assert elb.refused("RegisterTargets", TargetGroupArn=arn, Targets=[{"Id": "i-0123456789abcdef0"}]) == (
        "InvalidTarget",
        "The following targets are not in a running state and cannot be registered: 'i-0123456789abcdef0'",
    )


def test_the_quotas_of_groups_and_targets(small_elb: Any) -> None:
    arn = small_elb.group("one")["TargetGroupArn"]
    small_elb.group("two")
    asked = {"Protocol": "HTTP", "Port": 80, "VpcId": small_elb.vpc.id}
    assert small_elb.refused("CreateTargetGroup", Name="three", **asked)[0] == "TooManyTargetGroups"
    targets = [{"Id": address(small_elb), "Port": port} for port in (1, 2, 3)]
    assert small_elb.refused("RegisterTargets", TargetGroupArn=arn, Targets=targets)[0] == "TooManyTargets"


def test_a_target_is_registered_so_often_with_a_load_balancer_and_no_more(elb_with: Any) -> None:
    elb = elb_with(Limits(target_id_registrations_per_load_balancer=2, targets_per_load_balancer=3))
    one, two = elb.group("one")["TargetGroupArn"], elb.group("two")["TargetGroupArn"]
    here, there = address(elb), address(elb, host=51)
    listener = elb.listener(elb.balancer(), DefaultActions=[{"Type": "forward", "TargetGroupArn": one}])
    elb.call("RegisterTargets", TargetGroupArn=one, Targets=[{"Id": here, "Port": port} for port in (1, 2)])
    third = {"TargetGroupArn": one, "Targets": [{"Id": here, "Port": 3}]}
    assert elb.refused("RegisterTargets", **third)[0] == "TooManyRegistrationsForTargetId"
    elb.call("RegisterTargets", TargetGroupArn=two, Targets=[{"Id": here, "Port": 3}])
    rule = {
        "ListenerArn": listener["ListenerArn"], "Priority": 1,
        "Conditions": [{"Field": "path-pattern", "Values": ["/x"]}],
        "Actions": [{"Type": "forward", "TargetGroupArn": two}],
    }  # fmt: skip
    assert elb.refused("CreateRule", **rule)[0] == "TooManyRegistrationsForTargetId"
    more = [{"Id": there, "Port": port} for port in (1, 2)]
    assert elb.refused("RegisterTargets", TargetGroupArn=one, Targets=more)[0] == "TooManyTargets"


def test_anomalies_are_told_when_asked_for(elb: Any) -> None:
    group = elb.group()
    arn, here = group["TargetGroupArn"], address(elb)
    elb.call("RegisterTargets", TargetGroupArn=arn, Targets=[{"Id": here}])
    in_use(elb, group)
    observe(elb, arn, here, 8080, "healthy")
    (plain,) = health(elb, arn)
    assert "AnomalyDetection" not in plain
    assert plain["AdministrativeOverride"] == {
        "State": "no_override",
        "Reason": "AdministrativeOverride.NoOverride",
        "Description": "No override is currently active on target",
    }
    for include in ("AnomalyDetection", "All"):
        (asked,) = health(elb, arn, Include=[include])
        assert asked["AnomalyDetection"] == {"Result": "normal", "MitigationInEffect": "no"}
    row = TargetAnomaly(account=ACCOUNT, region=REGION, id=f"{arn}|{here}|8080", anomalous=True, weight=25)
    with elb.store.write() as tx:
        tx.put(row)
    (found,) = health(elb, arn, Include=["All"])
    assert found["AnomalyDetection"] == {"Result": "anomalous", "MitigationInEffect": "no"}
    attributes = [
        {"Key": "load_balancing.algorithm.type", "Value": "weighted_random"},
        {"Key": "load_balancing.algorithm.anomaly_mitigation", "Value": "on"},
    ]
    elb.call("ModifyTargetGroupAttributes", TargetGroupArn=arn, Attributes=attributes)
    (found,) = health(elb, arn, Include=["All"])
    assert found["AnomalyDetection"] == {"Result": "anomalous", "MitigationInEffect": "yes"}
