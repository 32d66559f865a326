"""Weights are what a configuration says, never fall, and end at all of it."""

from hypothesis import given
from hypothesis import strategies as some

from kunren.services.codedeploy.predefined import canary, linear
from kunren.services.codedeploy.shifting import weight


def test_a_canary_waits_once():
    ten_of_five = canary(10, 5)
    assert weight(ten_of_five, 0) == (10, 300.0)
    assert weight(ten_of_five, 299) == (10, 1.0)
    assert weight(ten_of_five, 300) == (100, None)


def test_a_linear_shift_takes_nine_intervals_of_ten_per_cent():
    every_minute = linear(10, 1)
    assert [weight(every_minute, 60.0 * minute)[0] for minute in range(10)] == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert weight(every_minute, 61) == (20, 59.0)


def test_all_at_once_is_at_once():
    assert weight({"type": "AllAtOnce"}, 0) == (100, None)
    assert weight(None, 0) == (100, None)


@given(some.integers(1, 99), some.integers(1, 2880), some.booleans())
def test_whoever_waits_as_long_as_told_gets_everything_in_the_end(percent, minutes, steady):
    routing = linear(percent, minutes) if steady else canary(percent, minutes)
    elapsed, before, steps = 0.0, 0, 0
    while True:
        now, left = weight(routing, elapsed)
        assert now > before
        if left is None:
            break
        elapsed, before, steps = elapsed + left, now, steps + 1
    assert now == 100
    assert steps <= 100
