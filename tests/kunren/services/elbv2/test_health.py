"""The target state machine: thresholds, reason codes, and one state out of several nodes'."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.health.prober import Outcome
from kunren.services.elbv2.health import Seen, combined, failure_of, judged, slow_since
from kunren.services.elbv2.model import HealthCheck, Matcher, TargetHealth

OK, REFUSED, LATE = Outcome("status", 200), Outcome("failed"), Outcome("timeout")


def check(**given):
    defaults = {
        "enabled": True, "protocol": "HTTP", "port": "traffic-port", "path": "/", "interval": 30, "timeout": 5,
        "healthy_threshold": 5, "unhealthy_threshold": 2, "matcher": Matcher(http_code="200"),
    }  # fmt: skip
    return HealthCheck(**{**defaults, **given})


def after(*outcomes, settings=None, seen=None):
    seen = seen or Seen()
    for each in outcomes:
        seen = judged(seen, each, settings or check())
    return seen


def test_a_new_target_is_healthy_after_one_success():
    assert after().state == "initial"
    assert (after().reason, after().description) == (
        "Elb.InitialHealthChecking",
        "Initial health checks in progress",
    )
    assert after(OK) == Seen("healthy", 1, 0, None, None)
    assert after(REFUSED).state == "initial"
    assert after(REFUSED, OK).state == "healthy"


def test_unhealthy_after_the_threshold_of_failures_in_a_row():
    assert after(OK, REFUSED).state == "healthy"
    assert after(OK, REFUSED, OK, REFUSED).state == "healthy"
    assert after(OK, REFUSED, REFUSED).state == "unhealthy"
    assert after(REFUSED, REFUSED).state == "unhealthy"
    assert after(OK, *[REFUSED] * 9, settings=check(unhealthy_threshold=10)).state == "healthy"


def test_recovery_takes_the_threshold_of_successes_in_a_row():
    down = after(REFUSED, REFUSED)
    assert after(OK, OK, OK, OK, seen=down).state == "unhealthy"
    assert after(OK, OK, OK, OK, OK, seen=down).state == "healthy"
    assert after(OK, OK, OK, OK, REFUSED, OK, OK, OK, OK, seen=down).state == "unhealthy"


@pytest.mark.parametrize(
    ("outcome", "matcher", "expected"),
    [
        (LATE, "200", ("Target.Timeout", "Request timed out")),
        (REFUSED, "200", ("Target.FailedHealthChecks", "Health checks failed")),
        (Outcome("status", 503), "200", ("Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]")),
        (Outcome("status", 204), "200-299", None),
        (Outcome("status", 301), "200,301", None),
        (Outcome("status", 300), "200-299,302", ("Target.ResponseCodeMismatch", "Health checks failed with these codes: [300]")),
    ],
)  # fmt: skip
def test_reasons_are_elb_s(outcome, matcher, expected):
    assert failure_of(outcome, check(matcher=Matcher(http_code=matcher))) == expected


def test_the_reason_is_that_of_the_latest_failure():
    down = after(REFUSED, LATE)
    assert (down.reason, down.description) == ("Target.Timeout", "Request timed out")
    assert after(Outcome("status", 500), seen=down).description == "Health checks failed with these codes: [500]"
    assert after(OK, seen=down).reason == "Target.Timeout"


def test_one_node_that_sees_it_healthy_is_enough_and_all_must_find_it_unhealthy():
    up, down, new = after(OK), after(REFUSED, REFUSED), Seen()
    assert combined([]) == new
    assert combined([down, up]) is up
    assert combined([down, new]) is new
    assert combined([down, down]) is down


@given(
    st.lists(st.sampled_from([OK, REFUSED, LATE, Outcome("status", 404)]), max_size=60),
    st.integers(2, 10),
    st.integers(2, 10),
)
def test_states_change_only_by_their_thresholds(outcomes, healthy, unhealthy):
    settings = check(healthy_threshold=healthy, unhealthy_threshold=unhealthy)
    seen = Seen()
    for position, outcome in enumerate(outcomes):
        before, seen = seen, judged(seen, outcome, settings)
        if before.state != seen.state and seen.state == "unhealthy":
            assert all(each is not OK for each in outcomes[position + 1 - unhealthy : position + 1])
        if (before.state, seen.state) == ("unhealthy", "healthy"):
            assert all(each is OK for each in outcomes[position + 1 - healthy : position + 1])
        assert seen.state != "initial" or before.state == "initial"
        assert (seen.reason is None) == (seen.state == "healthy")


def test_slow_start_begins_when_a_target_turns_healthy_in_a_warm_group():
    def row(state, since=None):
        return TargetHealth(account="1", region="r", id="x", state=state, slow_since=since)

    assert slow_since(None, "healthy", 5.0, True) == 5.0
    assert slow_since(row("initial"), "healthy", 5.0, True) == 5.0
    assert slow_since(row("unhealthy"), "healthy", 5.0, True) == 5.0
    assert slow_since(row("initial"), "healthy", 5.0, False) is None
    assert slow_since(row("healthy", 3.0), "healthy", 5.0, True) == 3.0
    assert slow_since(row("healthy"), "healthy", 5.0, True) is None
    assert slow_since(row("healthy", 3.0), "unhealthy", 5.0, True) is None
