"""From single requests to what is told of an architecture."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.drills.redirect.compared import effect, percentile, speed, told


def sample(at, seconds=0.01, problem=""):
    return {"at": at, "seconds": seconds, "problem": problem}


def test_a_breakage_that_passes_is_told_by_its_last_failure():
    samples = [sample(9.0, problem="before"), *(sample(10 + n, 0.5, "no answer in time") for n in range(3))]
    samples += [sample(13 + n) for n in range(4)]
    found = effect("tokyo", samples, 10.0, 20.0)
    assert (found.sent, found.failed, found.down_s, found.recovered) == (7, 3, 2.5, True)
    assert told(found) == "3 of 7 fail, well after 2.5 s"


def test_what_was_asked_before_and_answered_after_the_healing_is_not_counted():
    samples = [sample(10.0, 1.0, "no answer in time"), sample(11.8, 0.5), sample(12.1)]
    found = effect("tokyo", samples, 10.0, 12.0)
    assert (found.sent, found.failed, found.recovered, told(found)) == (1, 1, False, "1 of 1 fail, until healed")


def test_a_second_address_that_answers_is_slow_and_no_failure():
    found = effect("virginia", [sample(1.0), sample(1.1, 1.02)], 0.5, 5.0)
    assert told(found) == "nothing fails, slowest 1.0 s"
    assert told(effect("virginia", [], 0.5, 5.0)) == "not measured"


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 50), (0.99, 99), (1.0, 100)])
def test_percentiles_are_values_that_were_measured(share, wanted):
    assert percentile(list(range(1, 101)), share) == wanted


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_a_percentile_is_no_less_than_the_smallest_and_rises_with_the_share(values):
    ordered = sorted(values)
    found = [percentile(ordered, share) for share in (0.0, 0.5, 0.99, 1.0)]
    assert found == sorted(found) and found[-1] == ordered[-1]


def test_nothing_answered_is_no_speed():
    assert speed("tokyo", 8, {"requests": 0, "failed": 8, "seconds": 0.5, "latencies_ms": []}).per_second == 0.0
