from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from kunren.services.route53 import alarms
from kunren.services.route53.errors import InvalidInput
from kunren.services.route53.model import AlarmIdentifier, AlarmSettings

FOUND = {
    "Namespace": "App", "MetricName": "Errors", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 2,
    "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold", "Dimensions": [{"Name": "Site", "Value": "a"}],
}  # fmt: skip


def settings(**given: Any) -> AlarmSettings:
    defaults = {
        "namespace": "App", "metric_name": "Errors", "statistic": "Sum", "period_s": 60, "evaluation_periods": 2,
        "threshold": 5.0, "comparison": "GreaterThanThreshold", "dimensions": {"Site": "a"},
    }  # fmt: skip
    return AlarmSettings(**{**defaults, **given})


def read(*found: Mapping[str, Any]) -> AlarmSettings:
    async def call(*asked: Any) -> Mapping[str, Any]:
        assert asked == ("1", "eu-west-1", "cloudwatch", "DescribeAlarms", {"AlarmNames": ["a"]})
        return {"MetricAlarms": found}

    return asyncio.run(alarms.read_settings(call, "1", AlarmIdentifier(region="eu-west-1", name="a")))


def test_an_alarms_settings_are_read_from_cloudwatch() -> None:
    assert read(FOUND) == settings()
    assert read({**FOUND, "TreatMissingData": "breaching"}) == settings(treat_missing="breaching")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"Period": 10}, "high-resolution"),
        ({"Statistic": None, "ExtendedStatistic": "p99"}, "extended statistics"),
        ({"Metrics": [{"Id": "m"}]}, "single metric"),
        ({"DatapointsToAlarm": 1}, '"M out of N"'),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "comparison"),
    ],
)
def test_alarms_that_route_53_does_not_support_are_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        read({**FOUND, **change})
    with pytest.raises(InvalidInput, match="does not exist"):
        read()


@pytest.mark.parametrize(
    ("values", "missing", "state"),
    [
        ([6, 7], "missing", "ALARM"),
        ([6, 5], "missing", "OK"),
        ([5, 5], "missing", "OK"),
        ([None, None], "missing", "INSUFFICIENT_DATA"),
        ([None, None], "ignore", "INSUFFICIENT_DATA"),
        ([None, None], "breaching", "ALARM"),
        ([None, None], "notBreaching", "OK"),
        ([6, None], "missing", "ALARM"),
        ([6, None], "breaching", "ALARM"),
        ([6, None], "notBreaching", "OK"),
        ([5, None], "breaching", "OK"),
    ],
)
def test_every_period_must_breach_and_missing_ones_count_as_the_alarm_says(
    values: list[float | None], missing: str, state: str
) -> None:
    assert alarms.judged(settings(treat_missing=missing), values) == state


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanOrEqualToThreshold", [5, 6]),
        ("GreaterThanThreshold", [6]),
        ("LessThanThreshold", [4]),
        ("LessThanOrEqualToThreshold", [4, 5]),
    ],
)
def test_values_are_compared_as_the_alarm_says(comparison: str, breaching: list[float]) -> None:
    one = settings(comparison=comparison, evaluation_periods=1)
    assert [each for each in (4, 5, 6) if alarms.judged(one, [each]) == "ALARM"] == breaching


def test_the_last_complete_periods_are_asked_for_one_by_one() -> None:
    asked = []

    async def call(account: str, region: str, service: str, operation: str, params: Mapping[str, Any]) -> Any:
        assert (account, region, service, operation) == ("1", "eu-west-1", "cloudwatch", "GetMetricStatistics")
        asked.append((params["StartTime"], params["EndTime"]))
        assert params["Dimensions"] == [{"Name": "Site", "Value": "a"}]
        return {"Datapoints": [{"Sum": 6.0}]}

    alarm = alarms.WatchedAlarm("1", "eu-west-1", "a", settings())
    assert asyncio.run(alarms.read_state(call, alarm, now=1000.0)) == "ALARM"
    assert asked == [
        (datetime.fromtimestamp(840, UTC), datetime.fromtimestamp(900, UTC)),
        (datetime.fromtimestamp(900, UTC), datetime.fromtimestamp(960, UTC)),
    ]


@pytest.mark.parametrize(
    ("state", "insufficient", "last_known", "healthy"),
    [
        ("OK", "Unhealthy", False, True),
        ("ALARM", "Healthy", True, False),
        ("INSUFFICIENT_DATA", "Healthy", False, True),
        ("INSUFFICIENT_DATA", "Unhealthy", True, False),
        ("INSUFFICIENT_DATA", "LastKnownStatus", True, True),
        ("INSUFFICIENT_DATA", "LastKnownStatus", False, False),
    ],
)
def test_health_follows_the_state_and_without_data_the_setting(
    state: str, insufficient: str, last_known: bool, healthy: bool
) -> None:
    assert alarms.is_healthy(state, insufficient, last_known) is healthy
