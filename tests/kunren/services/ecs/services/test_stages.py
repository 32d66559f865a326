from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.ecs.services import stages
from kunren.services.ecs.services.stages import DONE, STAGES, Failed, Progress, Seen, Shape, after, begun

WELL = Seen(now=0.0, ready=True, shifted=True, old_gone=True)


@pytest.mark.parametrize(
    ("configuration", "steps", "wait", "bake"),
    [
        ({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5}, (100.0,), 0, 300),
        ({"strategy": "LINEAR"}, tuple(float(each) for each in range(10, 101, 10)), 360, 0),
        ({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 33.3, "stepBakeTimeInMinutes": 0}}, (33.3, 66.6, 99.9, 100.0), 0, 0),
        ({"strategy": "CANARY"}, (5.0, 100.0), 600, 0),
        ({"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 0.1, "canaryBakeTimeInMinutes": 1}}, (0.1, 100.0), 60, 0),
    ],
)  # fmt: skip
def test_steps_of_each_strategy(configuration, steps, wait, bake):
    shape = stages.shape(configuration, first=False)
    assert (shape.steps, shape.step_wait_s, shape.bake_s) == (steps, wait, bake)


def test_the_first_deployment_shifts_at_once():
    assert stages.shape({"strategy": "LINEAR", "bakeTimeInMinutes": 5}, first=True) == Shape()


def test_stages_come_in_aws_s_order():
    shape, now, passed = Shape(steps=(10.0, 100.0), step_wait_s=60, bake_s=300, reconciles=True), 0.0, []
    progress = begun(now, shape)
    while progress != DONE:
        passed.append((progress.stage, progress.step, stages.production_share(progress, shape)))
        nxt = after(progress, replace(WELL, now=now), shape)
        if nxt is None:
            now = stages.looks_again_at(progress, shape)
            nxt = after(progress, replace(WELL, now=now), shape)
        progress = nxt
    assert passed == [
        ("RECONCILE_SERVICE", 0, 0.0),
        ("PRE_SCALE_UP", 0, 0.0),
        ("SCALE_UP", 0, 0.0),
        ("POST_SCALE_UP", 0, 0.0),
        ("TEST_TRAFFIC_SHIFT", 0, 0.0),
        ("POST_TEST_TRAFFIC_SHIFT", 0, 0.0),
        ("PRE_PRODUCTION_TRAFFIC_SHIFT", 0, 0.0),
        ("PRODUCTION_TRAFFIC_SHIFT", 0, 10.0),
        ("PRODUCTION_TRAFFIC_SHIFT", 1, 100.0),
        ("POST_PRODUCTION_TRAFFIC_SHIFT", 1, 100.0),
        ("BAKE_TIME", 1, 100.0),
        ("CLEAN_UP", 1, 100.0),
    ]
    assert now == 360


@pytest.mark.parametrize("stage", STAGES)
def test_hooks_hold_every_stage_and_fail_it(stage):
    progress = Progress(stage, 0.0)
    assert after(progress, replace(WELL, hooks="waiting"), Shape()) is None
    assert isinstance(after(progress, replace(WELL, hooks="failed"), Shape()), Failed)


@pytest.mark.parametrize(("stage", "lacks"), [("SCALE_UP", "ready"), ("TEST_TRAFFIC_SHIFT", "shifted"), ("PRODUCTION_TRAFFIC_SHIFT", "shifted"), ("CLEAN_UP", "old_gone")])  # fmt: skip
def test_a_stage_waits_for_what_it_is_about(stage, lacks):
    assert after(Progress(stage, 0.0), replace(WELL, **{lacks: False}), Shape()) is None


def test_a_day_is_the_longest_that_a_stage_takes():
    waiting = replace(WELL, ready=False, now=24 * 3600.0)
    assert after(Progress("SCALE_UP", 0.0), waiting, Shape()) == Failed("The stage SCALE_UP took longer than 24 hours")


def test_old_tasks_stay_until_the_bake_time_is_over():
    assert all(stages.old_runs(Progress(each, 0.0)) for each in STAGES[:-1])
    assert [each for each in STAGES if not stages.new_runs(Progress(each, 0.0))] == [
        "RECONCILE_SERVICE",
        "PRE_SCALE_UP",
    ]


@pytest.mark.parametrize(("share", "expected"), [(0.0, (100, 0)), (10.0, (90, 10)), (100.0, (0, 100)), (0.1, (999, 1)), (33.3, (667, 333))])  # fmt: skip
def test_shares_as_weights_of_a_load_balancer(share, expected):
    assert stages.weights(share) == expected


@given(st.integers(30, 1000))
def test_linear_steps_are_equal_and_end_at_a_hundred(tenths):
    steps = stages.linear(tenths / 10)
    assert steps[-1] == 100.0
    assert list(steps) == sorted(set(steps))
    assert all(round(b - a, 1) == tenths / 10 for a, b in pairwise(steps[:-1]))
