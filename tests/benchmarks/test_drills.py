"""The recovery time by curl, from its requests alone."""

import math

import pytest

from benchmarks.drills import Request, Seen, agree, recovery, requests_of


def seen(*faults, steady=5.0, timeout=1.0):
    return Seen("made", steady, faults, {}, timeout)


def requests(*bad, until=100, took=0.01, status=503):
    """One a second; those of these spans fail."""
    wrong = [any(first <= at < last for first, last in bad) for at in range(until)]
    return [Request(float(at), took, status if each else 200) for at, each in enumerate(wrong)]


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ([(10, 30)], 20.01),
        ([(12, 20), (22, 30)], 20.01),  # less than the steady time apart: one outage
        ([(12, 20), (40, 44)], 34.01),
        ([(12, 20), (61, 70)], 10.01),  # began after it was healed
        ([(12, 20), (58, 70)], 60.01),
        ([(90, 200)], 0.0),
        ([(50, 200)], math.inf),
        ([], 0.0),
        ([(0, 5)], 0.0),
    ],
)
def test_it_is_from_the_fault_to_the_first_good_answer_after_the_last_bad_one(bad, expected):
    assert recovery(requests(*bad), seen((10.0, 60.0))) == pytest.approx(expected)


def test_an_answer_that_took_longer_than_clients_wait_is_bad():
    slow = [Request(20.0, 1.2, 200), *requests()[25:]]
    assert recovery(slow, seen((10.0, 60.0))) == pytest.approx(15.01)


def test_two_recovery_times_agree_within_a_tenth_or_a_fifth_of_a_second():
    assert [agree(*each) for each in ((20, 22), (20, 22.1), (1, 1.2), (1, 1.3), (0, 0), (20, math.inf))] == [
        True, False, True, False, True, False,
    ]  # fmt: skip


def test_lines_of_the_loop_are_read_and_half_a_line_is_left_out():
    assert requests_of("10.5 200 0.01\n11.0 000 2.0\n11.5 20") == [Request(10.5, 0.01, 200), Request(11.0, 2.0, 0)]
