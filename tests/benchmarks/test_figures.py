"""What benchmark tables are computed with."""

from __future__ import annotations

import pytest

from benchmarks.figures import median, percentile, ratios, spread, table, verdict


def test_a_percentile_is_a_measured_value_by_nearest_rank() -> None:
    values = [float(each) for each in range(1, 31)]
    assert percentile(values, 50) == 15
    assert percentile(values, 99) == 30
    assert percentile([7.0], 99) == 7


def test_a_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError):
        percentile([], 50)


def test_a_ratio_compares_round_by_round() -> None:
    # the machine was three times slower in the second round: the ratio does not see it
    assert ratios([300.0, 100.0, 290.0], [100.0, 33.0, 100.0]) == 3.0


def test_spread_shows_median_and_range() -> None:
    assert spread([1000.0, 3000.0, 2000.0]) == "2,000 [1,000..3,000]"
    assert spread([0.5, 0.25], 2) == "0.38 [0.25..0.50]"
    assert median([1, 2]) == 1.5


def test_a_table_is_markdown_with_figures_to_the_right() -> None:
    assert table(["", "calls/s"], [["kunren", "10"]]) == "|  | calls/s |\n| --- | ---: |\n| kunren | 10 |"


def test_a_miss_stands_out() -> None:
    assert verdict(True) == "met"
    assert verdict(False) == "**missed**"
