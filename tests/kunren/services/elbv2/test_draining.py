"""What becomes of targets that drain."""

from __future__ import annotations

from kunren.services.elbv2.draining import delay_seconds, drained_at, settled
from kunren.services.elbv2.health_checks import defaults
from kunren.services.elbv2.model import Target, TargetGroup


def group(*targets: Target, target_type: str = "ip", **attributes: str) -> TargetGroup:
    return TargetGroup(
        account="1",
        region="us-east-1",
        id="arn",
        name="app",
        target_type=target_type,
        health_check=defaults(target_type, None),
        targets=targets,
        attributes={key.replace("__", "."): value for key, value in attributes.items()},
    )


def test_the_delay_is_300_seconds_unless_said_and_functions_have_none() -> None:
    assert delay_seconds(group()) == 300
    assert delay_seconds(group(deregistration_delay__timeout_seconds="20")) == 20
    assert delay_seconds(group(target_type="lambda")) == 0


def test_a_target_leaves_when_its_delay_is_over_and_not_before() -> None:
    staying, leaving = Target(id="10.0.0.1", port=80), Target(id="10.0.0.2", port=80, draining_since=1000.0)
    whole = group(staying, leaving)
    assert drained_at(whole, staying) is None
    assert drained_at(whole, leaving) == 1300.0
    assert settled(whole, 1299.9) is whole
    assert settled(whole, 1300.0).targets == (staying,)


def test_one_registered_again_is_new_when_the_delay_is_over() -> None:
    target = Target(id="10.0.0.2", port=80, draining_since=1000.0, register_again=True, registered_at=1.0)
    assert settled(group(target), 5000.0).targets == (Target(id="10.0.0.2", port=80, registered_at=1300.0),)
