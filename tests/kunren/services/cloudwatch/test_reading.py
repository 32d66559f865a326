"""Queries that refer to one another."""

import pytest

from kunren.services.cloudwatch.errors import ValidationError
from kunren.services.cloudwatch.reading import Queries

METRIC = {"Id": "m", "MetricStat": {"Metric": {"Namespace": "a", "MetricName": "b"}, "Period": 300, "Stat": "Sum"}}


def layers(number, wide):
    """Each expression adds all of the layer below: wide ** number ways lead from the first to the metric."""
    for layer in range(number):
        below = "+".join(f"e{layer + 1}x{each}" for each in range(wide)) if layer + 1 < number else "m"
        yield from ({"Id": f"e{layer}x{each}", "Expression": below} for each in range(wide))


def test_many_ways_to_one_metric_cost_no_more_than_one():
    queries = Queries("0", "us-east-1", [METRIC, *layers(20, 8)])
    assert queries.period("e0x0") == 300


def test_too_deep_and_in_a_circle():
    with pytest.raises(ValidationError, match="nested too deeply"):
        Queries("0", "us-east-1", [METRIC, *layers(21, 1)])
    with pytest.raises(ValidationError, match="refers to itself"):
        Queries("0", "us-east-1", [{"Id": "a", "Expression": "b"}, {"Id": "b", "Expression": "a"}])


def test_the_period_of_an_expression_is_one_that_a_metric_may_have():
    with pytest.raises(ValidationError, match="Period must be"):
        Queries("0", "us-east-1", [{"Id": "a", "Expression": "TIME_SERIES(1)", "Period": 7}])
