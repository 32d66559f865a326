"""How many tasks start and stop: AWS's own examples, and what must hold whatever happens."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kunren.services.ecs.services.scheduling import (
    HEALTHY,
    RUNNING,
    STARTING,
    UNHEALTHY,
    WAITING,
    Limits,
    Plan,
    TaskView,
    computed_count,
    daemons,
    limits,
    next_zone,
    plan,
    rebalanced,
    shares,
    start_wait_s,
)


def tasks(count, deployment="new", **more):
    told = {"state": RUNNING, "health": HEALTHY, "proven": True, **more}
    return [
        TaskView(f"{deployment}-{each}", deployment, since=each, zone="ab"[each % 2], **told) for each in range(count)
    ]


@pytest.mark.parametrize(
    ("desired", "minimum", "maximum", "expected"),
    [(4, 100, 200, (4, 8)), (4, 50, 100, (2, 4)), (3, 50, 150, (2, 4)), (1, 100, 150, (1, 1)), (5, 0, 100, (0, 5))],
)
def test_the_minimum_is_rounded_up_and_the_maximum_down(desired, minimum, maximum, expected):
    assert limits(desired, minimum, maximum) == Limits(*expected)


def test_a_hundred_and_two_hundred_start_first():
    old = tasks(4, "old")
    assert plan([], old, 4, limits(4, 100, 200)) == Plan(start=4)
    coming = tasks(4, health=WAITING, proven=False)
    assert plan(coming, old, 4, limits(4, 100, 200)) == Plan()
    some = [*tasks(1), *coming[1:]]
    assert len(plan(some, old, 4, limits(4, 100, 200)).stop) == 1
    assert {each.id for each in plan(tasks(4), old, 4, limits(4, 100, 200)).stop} == {each.id for each in old}


def test_fifty_and_a_hundred_stop_first():
    first = plan([], tasks(4, "old"), 4, limits(4, 50, 100))
    assert (first.start, len(first.stop)) == (0, 2)
    assert plan([], tasks(2, "old"), 4, limits(4, 50, 100)) == Plan(start=2)


def test_a_hundred_and_a_hundred_is_stuck():
    assert plan([], tasks(4, "old"), 4, limits(4, 100, 100)) == Plan()


def test_a_replacement_is_started_before_an_unhealthy_task_is_stopped():
    (ill, *well) = tasks(4)
    ill = replace(ill, health=UNHEALTHY)
    assert plan([ill, *well], [], 4, limits(4, 100, 200)) == Plan(start=1)
    cured = [ill, *well, *tasks(1, "more")]
    assert plan(cured, [], 4, limits(4, 100, 200)) == Plan(stop=(ill,))


def test_without_room_unhealthy_tasks_are_stopped_one_by_one():
    ill = [replace(each, health=UNHEALTHY) for each in tasks(3)]
    assert plan(ill, [], 3, limits(3, 100, 100)) == Plan(stop=(ill[0],))


def test_a_task_that_never_was_healthy_is_stopped_at_once():
    ill = tasks(2, health=UNHEALTHY, proven=False)
    assert plan(ill, tasks(2, "old"), 2, limits(2, 100, 200)) == Plan(stop=tuple(ill))


def test_scaling_in_keeps_the_zones_even():
    five = [replace(each, zone=zone) for each, zone in zip(tasks(5), "aaabb", strict=True)]
    stopped = plan(five, [], 2, limits(2, 100, 200)).stop
    left = [each.zone for each in five if each not in stopped]
    assert sorted(left) == ["a", "b"]


def test_protected_tasks_stay():
    kept = [replace(each, protected=True) for each in tasks(3)]
    assert plan(kept, [], 1, limits(1, 100, 200)) == Plan()


def test_a_task_goes_to_the_zone_with_the_fewest():
    assert next_zone(["b", "a", "c"], ["a", "c", "a"]) == "b"
    assert next_zone(["b", "a"], []) == "a"


def test_zones_are_evened_out_by_one_more_and_one_less():
    lopsided = [replace(each, zone="a") for each in tasks(3)]
    bounds = limits(3, 100, 200)
    assert rebalanced(lopsided, 3, bounds, ["a", "b"]) == Plan(start=1, zone="b")
    assert rebalanced(lopsided, 3, limits(3, 100, 100), ["a", "b"]) == Plan()
    more = [*lopsided, TaskView("x", "new", RUNNING, HEALTHY, "b", 9.0, proven=True)]
    (gone,) = plan(more, [], 3, bounds).stop
    assert gone.zone == "a"
    even = [each for each in more if each != gone]
    assert rebalanced(even, 3, bounds, ["a", "b"]) == Plan()


def test_each_instance_gets_one_daemon_and_none_stays_where_none_may():
    start, stop = daemons([TaskView("1", "new", RUNNING, HEALTHY, instance="a"), TaskView("2", "new", RUNNING, HEALTHY, instance="x")],
                          [], ["a", "b"], limits(2, 0, 100))  # fmt: skip
    assert (start, [each.id for each in stop]) == (["b"], ["2"])


def test_daemons_are_replaced_old_ones_first():
    old = [TaskView(each, "old", RUNNING, HEALTHY, instance=each) for each in "ab"]
    start, stop = daemons([], old, ["a", "b"], limits(2, 0, 100))
    assert (start, len(stop)) == ([], 2)
    start, stop = daemons([], old, ["a", "b"], limits(2, 50, 100))
    assert (start, len(stop)) == ([], 1)


@pytest.mark.parametrize(("failures", "waits"), [(0, 0), (2, 0), (3, 10), (4, 20), (30, 900)])
def test_starts_that_fail_are_throttled_up_to_a_quarter_of_an_hour(failures, waits):
    assert start_wait_s(failures) == waits


@pytest.mark.parametrize(("desired", "scale", "count"), [(4, 100.0, 4), (3, 40.0, 2), (10, 0.0, 0), (10, 10.0, 1)])
def test_a_share_is_rounded_up(desired, scale, count):
    assert computed_count(desired, scale) == count


def test_bases_come_first_then_weights():
    strategy = [
        {"capacityProvider": "FARGATE", "base": 2, "weight": 1},
        {"capacityProvider": "FARGATE_SPOT", "weight": 3},
    ]
    chosen = shares(strategy, {}, 6)
    assert chosen[:2] == ["FARGATE", "FARGATE"]
    assert sorted(chosen[2:]) == ["FARGATE", "FARGATE_SPOT", "FARGATE_SPOT", "FARGATE_SPOT"]


STEPS = 400


@settings(max_examples=150, deadline=None)
@given(
    desired=st.integers(0, 12),
    old=st.integers(0, 14),
    minimum=st.integers(0, 100),
    more=st.integers(0, 100),
    fates=st.lists(st.sampled_from(["up", "up", "up", "ill", "die"]), min_size=1, max_size=30),
)
def test_a_deployment_never_breaks_its_limits_and_ends(desired, old, minimum, more, fates):
    """Tasks start, become healthy, fall ill and die; whatever comes, what the plan does keeps within the limits, and
    when all goes well from some time on the new tasks are there and the old are gone."""
    bounds = limits(desired, minimum, 100 + more)
    new, left, number = [], tasks(old, "old"), 0
    for step in range(STEPS):
        healthy = sum(each.healthy for each in (*new, *left))
        made = plan(new, left, desired, bounds)
        assert made.start >= 0
        assert made.start == 0 or len(new) + len(left) + made.start <= bounds.maximum
        stopped = {each.id for each in made.stop}
        lost = sum(each.healthy for each in made.stop)
        assert lost == 0 or healthy - lost >= bounds.minimum
        new, left = [e for e in new if e.id not in stopped], [e for e in left if e.id not in stopped]
        for _ in range(made.start):
            new.append(TaskView(f"n{number}", "new", STARTING, since=100 + number, zone="ab"[number % 2]))
            number += 1
        for index, each in enumerate(new):
            fate = fates[(step + index) % len(fates)] if step < STEPS // 2 else "up"
            if fate == "up":
                new[index] = replace(each, state=RUNNING, health=HEALTHY, proven=True)
            elif fate == "ill":
                new[index] = replace(each, state=RUNNING, health=UNHEALTHY)
        if step < STEPS // 2 and fates[step % len(fates)] == "die" and new:
            new.pop()
    free = bounds.minimum < desired or bounds.maximum > desired
    if free or not left:
        assert (len(new), left) == (desired, [])
