"""Slow start and mitigation: what share of its group's requests a target gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.envoy.resources import Endpoint
from kunren.services.elbv2.dataplane import targets
from kunren.services.elbv2.dataplane.weights import FULL, next_step, ramp
from kunren.services.elbv2.model import TargetAnomaly


@pytest.mark.parametrize(
    ("elapsed", "share"), [(0.0, 1), (0.2, 1), (3.0, 10), (15.0, 50), (29.9, 99), (30.0, 100), (1e9, 100)]
)
def test_the_share_grows_linearly_over_the_slow_start(elapsed, share):
    assert ramp(30.0, 1000.0, 1000.0 + elapsed) == share


@given(st.floats(30, 900), st.floats(0, 2000), st.floats(0, 100))
def test_a_share_never_falls_and_never_is_nothing(duration, elapsed, more):
    early, late = ramp(duration, 0.0, elapsed), ramp(duration, 0.0, elapsed + more)
    assert 1 <= early <= late <= FULL


def test_weights_of_a_group_with_slow_start_and_of_one_without(kit):
    store = kit.new_store()
    old, young = kit.Target(id="10.0.0.1", port=80), kit.Target(id="10.0.0.2", port=80)
    slow = kit.target_group("a", old, young, attributes={"slow_start.duration_seconds": "100"})
    began = kit.TargetHealth(id=kit.target_health_id(slow.id, young), state="healthy", slow_since=500.0, **kit.SCOPE)
    kit.put(store, slow, kit.seen(slow, old, "healthy"), began)
    assert targets.endpoints(store.snapshot(), slow, None, 540.0) == (
        Endpoint("10.0.0.1", 80, "HEALTHY", 100),
        Endpoint("10.0.0.2", 80, "HEALTHY", 40),
    )
    assert next_step(store.snapshot(), slow, 540.0) == 2.0
    assert next_step(store.snapshot(), slow, 600.0) is None
    plain = kit.target_group("a", old, young)
    assert {each.weight for each in targets.endpoints(store.snapshot(), plain, None, 540.0)} == {1}


def test_anomalies_take_weight_only_where_mitigation_is_on(kit):
    store = kit.new_store()
    target = kit.Target(id="10.0.0.1", port=80)
    for mitigation, weight in (("on", 25), ("off", 1)):
        attributes = {
            "load_balancing.algorithm.type": "weighted_random",
            "load_balancing.algorithm.anomaly_mitigation": mitigation,
        }
        group = kit.target_group("a", target, attributes=attributes)
        anomaly = TargetAnomaly(id=kit.target_health_id(group.id, target), anomalous=True, weight=25, **kit.SCOPE)
        kit.put(store, group, anomaly)
        assert [each.weight for each in targets.endpoints(store.snapshot(), group)] == [weight]
