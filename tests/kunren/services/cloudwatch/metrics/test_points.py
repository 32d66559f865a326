"""Statistics of points."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.cloudwatch.metrics.points import VALUES_MAX, merged, of_set, of_values, statistic

HUNDRED = of_values({float(each): 1.0 for each in range(1, 101)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sum", 5050.0), ("Average", 50.5), ("SampleCount", 100.0), ("Minimum", 1.0), ("Maximum", 100.0), ("p50", 50.0),
        ("p99", 99.0), ("p99.9", 100.0), ("p0", 1.0), ("p100", 100.0), ("tm90", 45.5), ("TM(10%:90%)", 50.5),
        ("TC(90%:100%)", 10.0), ("TS(99%:100%)", 100.0), ("PR(:50)", 50.0), ("PR(10:20)", 10.0), ("IQM", 50.5),
        ("WM(0%:90%)", 49.95),
    ],
)  # fmt: skip
def test_a_statistic(name, value):
    assert statistic(name)(HUNDRED) == pytest.approx(value)


@pytest.mark.parametrize("name", ["p101", "Median", "p", "TM(:)", "TM(90%:10%)", "PR(1%:2%)", ""])
def test_what_is_no_statistic(name):
    assert statistic(name) is None


def test_percentiles_of_statistic_sets_are_known_only_where_all_values_are_one():
    assert statistic("p90")(of_set(2.0, 10.0, 5.0, 5.0)) == 5.0
    assert statistic("p90")(of_set(2.0, 10.0, 4.0, 6.0)) is None
    assert merged([of_set(2.0, 10.0, 4.0, 6.0), of_values({7.0: 1.0})])[:4] == (3.0, 17.0, 4.0, 7.0)


@given(st.lists(st.floats(0.1, 1e3), min_size=1, max_size=3000), st.integers(1, 99))
def test_many_values_are_bounded_and_keep_their_percentiles(values, share):
    points = [of_values({each: 1.0}) for each in values]
    whole = merged(points)
    assert len(whole.values) <= VALUES_MAX
    assert (whole.samples, whole.min, whole.max) == (len(values), min(values), max(values))
    exact = sorted(values)[max(0, math.ceil(share / 100 * len(values)) - 1)]
    assert statistic(f"p{share}")(whole) == pytest.approx(exact, rel=0.011)


def test_values_of_any_size_are_bounded():
    assert (
        len(merged(of_values({2.0**each: 1.0, -(2.0**each): 1.0}) for each in range(-359, 360, 1)).values) <= VALUES_MAX
    )
