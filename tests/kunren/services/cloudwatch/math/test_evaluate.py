"""Metric math: "Using math expressions with CloudWatch metrics"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.cloudwatch.math.evaluate import Evaluator, Range
from kunren.services.cloudwatch.math.parse import BadExpression, parse
from kunren.services.cloudwatch.math.series import Series

M1 = Series("m1", "m1", 60, {0.0: 1.0, 60.0: 2.0, 180.0: 4.0})
M2 = Series("m2", "m2", 60, {0.0: 10.0, 60.0: 20.0, 120.0: 30.0})


def value(text):
    found = Evaluator({"m1": M1, "m2": M2}, [M1, M2], Range(0.0, 240.0, 60)).value(parse(text))
    if isinstance(found, Series):
        return list(found.points.values())
    return [list(each.points.values()) for each in found] if isinstance(found, tuple) else found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("m1 + m2", [11.0, 22.0]),
        ("100 * m1 / m2", [10.0, 10.0]),
        ("-2 ^ 2 + 1", -3.0),
        ("2 ^ 3 ^ 2", 512.0),
        ("m1 > 1", [0.0, 1.0, 1.0]),
        ("m1 > 1 AND m2 > 15", [0.0, 1.0]),
        ("IF(m1 > 1, m1, 0)", [0.0, 2.0, 4.0]),
        ("IF(m1 > 1, m2)", [20.0]),
        ("FILL(m1, 0)", [1.0, 2.0, 0.0, 4.0]),
        ("FILL(m1, REPEAT)", [1.0, 2.0, 2.0, 4.0]),
        ("FILL(m1, LINEAR)", [1.0, 2.0, 3.0, 4.0]),
        ("FILL(METRICS(), 7)", [[1.0, 2.0, 7.0, 4.0], [10.0, 20.0, 30.0, 7.0]]),
        ("SUM(METRICS())", [11.0, 22.0, 30.0, 4.0]),
        ("SUM([m1, m2])", [11.0, 22.0, 30.0, 4.0]),
        ("AVG(m1)", 7 / 3),
        ("MAX(METRICS('m2'))", [10.0, 20.0, 30.0]),
        ("RATE(m1)", [1 / 60, 2 / 120]),
        ("DIFF(m1)", [1.0, 2.0]),
        ("DIFF_TIME(m1)", [60.0, 120.0]),
        ("RUNNING_SUM(m1)", [1.0, 3.0, 7.0]),
        ("PERIOD(m1)", 60.0),
        ("m1 / PERIOD(m1)", [1 / 60, 2 / 60, 4 / 60]),
        ("METRIC_COUNT(METRICS())", 2.0),
        ("SORT(METRICS(), MAX, DESC, 1)", [[10.0, 20.0, 30.0]]),
        ("SLICE(SORT(METRICS(), MAX, DESC), 1, 2)", [1.0, 2.0, 4.0]),
        ("FIRST(METRICS())", [1.0, 2.0, 4.0]),
        ("TIME_SERIES(5)", [5.0] * 4),
        ("CEIL(m1 / 2) + ABS(-1)", [2.0, 2.0, 3.0]),
        ("MINUTE(m1)", [0.0, 1.0, 3.0]),
        ("m1 / 0", []),
        ("(m1 == 2) || (m1 == 4)", [0.0, 1.0, 1.0]),
    ],
)
def test_an_expression(text, wanted):
    found = value(text)
    assert found == (pytest.approx(wanted) if not isinstance(wanted, list) or not wanted or isinstance(wanted[0], float)
                     else wanted)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "m1 +", "(m1", "m1 m2", "SUM(", "m3", "NOPE(m1)", "SUM(m1, m2)", "FILL(m1)", "(" * 500, "'x'", "m1 $ m2"],
)
def test_what_is_no_expression_is_refused(text):
    with pytest.raises(BadExpression):
        value(text)


@given(st.text("m12+-*/^()[], AVGSUMIF<>=&|'", max_size=40))
def test_any_text_is_an_expression_or_refused(text):
    try:
        value(text)
    except BadExpression:
        pass
