"""In what order containers start and stop, and what a check says of health."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.ecs.tasks import order
from kunren.services.ecs.tasks.health import judged
from kunren.services.ecs.tasks.order import GO, NEVER, WAIT, Live
from kunren.services.ecs.tasks.plan import ContainerPlan, HealthCheck
from kunren.services.ecs.tasks.resources import variables

CHECK = HealthCheck(("true",), 30.0, 5.0, 3, 60.0)


def plan(name, waits_for=None, **more):
    given = {"environment": {}, "environment_files": (), "secrets": {}, "working_directory": None, "cpu": 0, "user": ""}
    return ContainerPlan(
        name=name, image="i", essential=True, entry_point=None, command=None, memory_bytes=1, waits_for=waits_for or {},
        **given, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "other", "answer"),
    [
        ("START", Live(), WAIT),
        ("START", Live(started=True, running=True), GO),
        ("START", Live(done=True), NEVER),
        ("HEALTHY", Live(started=True, running=True), WAIT),
        ("HEALTHY", Live(started=True, running=True, health="HEALTHY"), GO),
        ("HEALTHY", Live(started=True, done=True, exit_code=0), NEVER),
        ("COMPLETE", Live(started=True, running=True), WAIT),
        ("COMPLETE", Live(started=True, done=True, exit_code=9), GO),
        ("SUCCESS", Live(started=True, done=True, exit_code=0), GO),
        ("SUCCESS", Live(started=True, done=True, exit_code=9), NEVER),
    ],
)
def test_a_container_starts_when_the_other_is_as_it_wants(condition, other, answer):
    assert order.may_start(plan("app", {"db": condition}), {"db": other}) == answer


def test_a_container_stops_after_those_that_wait_for_it():
    plans = {"db": plan("db"), "app": plan("app", {"db": "START"})}
    live = {"db": Live(started=True, running=True), "app": Live(started=True, running=True)}
    assert not order.may_stop("db", plans, live)
    assert order.may_stop("app", plans, live)
    live["app"].running = False
    assert order.may_stop("db", plans, live)


def test_a_restart_policy_leaves_out_codes_and_those_that_end_at_once():
    restarting = plan("app", restarts=True, restart_period_s=60.0, ignored_codes=(0,))
    assert order.starts_again(restarting, 1, 60.0)
    assert not order.starts_again(restarting, 1, 59.0)
    assert not order.starts_again(restarting, 0, 61.0)
    assert not order.starts_again(plan("app"), 1, 61.0)


@given(st.lists(st.booleans(), max_size=12))
def test_a_container_is_unhealthy_after_its_retries_in_a_row_alone(passed):
    health, failures = "UNKNOWN", 0
    for each in passed:
        health, failures = judged(health, failures, each, CHECK, 100.0)
    row = len(passed) - 1 - max((place for place, each in enumerate(passed) if each), default=-1)
    assert (health == "UNHEALTHY") == (row >= 3)
    assert (health == "HEALTHY") == (row < 3 and any(passed))


def test_failures_in_the_start_period_do_not_count():
    assert judged("UNKNOWN", 0, False, CHECK, 59.0) == ("UNKNOWN", 0)
    assert judged("UNKNOWN", 0, False, CHECK, 60.0) == ("UNKNOWN", 1)
    assert judged("UNKNOWN", 0, True, CHECK, 1.0) == ("HEALTHY", 0)


def test_a_file_of_variables_has_comments_and_values_with_signs():
    assert variables("# no\nA=1\n\nB=x=y\nC\n") == {"A": "1", "B": "x=y"}
