"""The texts as CloudWatch writes them; the sentences are those of alarms seen on AWS."""

import json

import pytest

from kunren.services.cloudwatch.alarms.reasons import reason, reason_data, shown, stamp
from kunren.services.cloudwatch.alarms.watch import Datapoint, judged

AT = 1_710_591_300.0  # 16/03/24 12:15:00


def told(values, *, breaching=None, periods=1, threshold=1.0, operator="GreaterThanOrEqualToThreshold", treatment=None):
    settings = {"EvaluationPeriods": periods, "Threshold": threshold, "ComparisonOperator": operator}
    if breaching:
        settings["DatapointsToAlarm"] = breaching
    if treatment:
        settings["TreatMissingData"] = treatment
    datapoints = [Datapoint(AT - 60 * age, value, 1.0) for age, value in enumerate(values)]
    return reason(settings, judged(settings, datapoints))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"values": [2.0]}, "Threshold Crossed: 1 datapoint [2.0 (16/03/24 12:15:00)] was greater than or equal to the "
                            "threshold (1.0)."),
        ({"values": [0.0], "operator": "GreaterThanThreshold"},
         "Threshold Crossed: 1 datapoint [0.0 (16/03/24 12:15:00)] was not greater than the threshold (1.0)."),
        ({"values": [2.0, 3.0, 1.0], "periods": 3, "operator": "GreaterThanThreshold", "threshold": 0.0},
         "Threshold Crossed: 3 datapoints [2.0 (16/03/24 12:15:00), 3.0 (16/03/24 12:14:00), 1.0 (16/03/24 12:13:00)] "
         "were greater than the threshold (0.0)."),
        ({"values": [613.0, *[None] * 21], "periods": 20, "breaching": 1, "treatment": "notBreaching"},
         "Threshold Crossed: 1 out of the last 20 datapoints [613.0 (16/03/24 12:15:00)] was greater than or equal to "
         "the threshold (1.0) and 19 missing datapoints were treated as [NonBreaching] (minimum 1 datapoint for OK -> "
         "ALARM transition)."),
        ({"values": [2.0], "breaching": 1}, "Threshold Crossed: 1 out of the last 1 datapoints [2.0 (16/03/24 12:15:00)] "
         "was greater than or equal to the threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition)."),
        ({"values": [None] * 3, "treatment": "breaching"},
         "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [Breaching]."),
        ({"values": [None] * 10, "periods": 8, "treatment": "notBreaching"},
         "Threshold Crossed: no datapoints were received for 8 periods and 8 missing datapoints were treated as "
         "[NonBreaching]."),
        ({"values": [None] * 3}, "Insufficient Data: 1 datapoint was unknown."),
        ({"values": [None] * 7, "periods": 5}, "Insufficient Data: 5 datapoints were unknown."),
        ({"values": [2.0, *[None] * 9], "periods": 8, "threshold": 0.0, "operator": "LessThanOrEqualToThreshold",
          "treatment": "breaching"},
         "Threshold Crossed: 1 datapoint [2.0 (16/03/24 12:15:00)] was not less than or equal to the threshold (0.0) and "
         "7 missing datapoints were treated as [Breaching]."),
    ],
)  # fmt: skip
def test_a_reason_is_what_aws_writes(given, text):
    assert told(**given) == text


def test_numbers_and_times_are_as_in_cloudwatchs_documents():
    assert [shown(each) for each in (4.0, 0.5, 1e7, 1.5e-5, -25_000_000.0)] == [
        "4.0", "0.5", "1.0E7", "1.5E-5", "-2.5E7"
    ]  # fmt: skip
    assert stamp(1_691_152_575.49) == "2023-08-04T12:36:15.490+0000"


def test_the_data_of_a_reason_names_what_was_looked_at():
    settings = {
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "Statistic": "Sum",
    }
    verdict = judged(settings, [Datapoint(AT, 10.0, 1.0), Datapoint(AT - 60, None)])
    assert json.loads(reason_data(settings, verdict, 60, AT + 90)) == {
        "version": "1.0",
        "queryDate": "2024-03-16T12:16:30.000+0000",
        "startDate": "2024-03-16T12:15:00.000+0000",
        "statistic": "Sum",
        "period": 60,
        "recentDatapoints": [10.0],
        "threshold": 1.0,
        "evaluatedDatapoints": [{"timestamp": "2024-03-16T12:15:00.000+0000", "sampleCount": 1.0, "value": 10.0}],
    }
