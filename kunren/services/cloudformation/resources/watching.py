"""Logs, metrics and alarms: AWS::Logs::…, AWS::CloudWatch::…"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.resources.kind import Declared, Kind, Setting, Taken, tagging
from kunren.services.cloudformation.work import Work

_ALARM = (
    "ActionsEnabled AlarmActions AlarmDescription ComparisonOperator DatapointsToAlarm Dimensions "
    "EvaluateLowSampleCountPercentile EvaluationPeriods ExtendedStatistic InsufficientDataActions "
    "MetricName Metrics Namespace "
    "OKActions Period Statistic Threshold ThresholdMetricId TreatMissingData Unit"
)


class Alarm(Declared):
    async def settle(self, work: Work) -> None:
        work.attributes = {"Arn": f"arn:aws:cloudwatch:{work.region}:{work.account}:alarm:{work.physical}"}


class LogGroup(Declared):
    async def settle(self, work: Work) -> None:
        work.attributes = {"Arn": f"arn:aws:logs:{work.region}:{work.account}:log-group:{work.physical}:*"}

    async def update(self, work: Work) -> None:
        if work.changed("RetentionInDays") and "RetentionInDays" not in work.properties:
            await work.write("logs", "DeleteRetentionPolicy", {"logGroupName": work.physical})
            work.before = {key: each for key, each in work.before.items() if key != "RetentionInDays"}
        await super().update(work)


class SubscriptionFilter(Declared):
    def id_params(self, work: Work) -> dict[str, Any]:
        return {"filterName": work.physical, "logGroupName": work.properties["LogGroupName"]}


def _retention(work: Work) -> Mapping[str, Any]:
    return {"logGroupName": work.physical, "retentionInDays": work.properties["RetentionInDays"]}


def _group_tags(work: Work, added: dict[str, str], removed: list[str]) -> list[tuple[str, Mapping[str, Any]]]:
    arn = work.attributes["Arn"].removesuffix(":*")
    calls: list[tuple[str, Mapping[str, Any]]] = []
    if removed:
        calls.append(("UntagResource", {"resourceArn": arn, "tagKeys": removed}))
    if added:
        calls.append(("TagResource", {"resourceArn": arn, "tags": added}))
    return calls


_COMPOSITE = (
    "ActionsEnabled ActionsSuppressor ActionsSuppressorExtensionPeriod ActionsSuppressorWaitPeriod AlarmActions "
    "AlarmDescription AlarmRule InsufficientDataActions OKActions"
)


def _metric_filter(work: Work) -> dict[str, Any]:
    wire = [
        {key[:1].lower() + key[1:]: each for key, each in one.items()}
        for one in work.properties["MetricTransformations"]
    ]
    for each in wire:
        if "dimensions" in each:
            each["dimensions"] = {one["Key"]: one["Value"] for one in each["dimensions"]}
    names = work.pick("FilterPattern=filterPattern", "LogGroupName=logGroupName")
    return {**names, "metricTransformations": wire}


_ALARM_TAKEN = Taken(
    "DescribeAlarms",
    lambda work, name: {"AlarmNames": [name], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]},
    "[MetricAlarms, CompositeAlarms][][]",
)


def _filter_taken(operation: str, member: str) -> Taken:
    return Taken(
        operation,
        lambda work, name: {"logGroupName": work.properties["LogGroupName"], "filterNamePrefix": name},
        lambda answer, name: name in [each["filterName"] for each in answer[member]],
    )


class LogStream(Kind):
    type = "AWS::Logs::LogStream"
    properties = frozenset({"LogGroupName", "LogStreamName"})

    async def create(self, work: Work) -> None:
        name = work.get("LogStreamName") or work.name(512)
        at = {"logGroupName": work.properties["LogGroupName"], "logStreamName": name}
        await work.write("logs", "CreateLogStream", at)
        work.known(name)

    async def update(self, work: Work) -> None:
        return

    async def delete(self, work: Work) -> None:
        at = {"logGroupName": work.properties["LogGroupName"], "logStreamName": work.physical}
        await work.write("logs", "DeleteLogStream", at, missing_ok=True)


_GROUP_TAGS = tagging("resourceArn", tags="tags", as_map=True)
_GROUP_TAGS.change = _group_tags
KINDS: tuple[Kind, ...] = (
    LogStream(),
    SubscriptionFilter(
        "AWS::Logs::MetricFilter",
        "logs",
        create="PutMetricFilter",
        taken=_filter_taken("DescribeMetricFilters", "metricFilters"),
        extra=_metric_filter,
        also="FilterPattern LogGroupName MetricTransformations",
        name="FilterName",
        longest=512,
        key="filterName",
        settings=[
            Setting(
                "PutMetricFilter",
                "FilterPattern MetricTransformations",
                lambda work: {"filterName": work.physical, **_metric_filter(work)},
                on_create=False,
            )
        ],
        delete="DeleteMetricFilter",
    ),
    Alarm(
        "AWS::CloudWatch::CompositeAlarm",
        "cloudwatch",
        create="PutCompositeAlarm",
        taken=_ALARM_TAKEN,
        takes=_COMPOSITE,
        name="AlarmName",
        longest=255,
        key="AlarmName",
        settings=[
            Setting(
                "PutCompositeAlarm",
                _COMPOSITE,
                lambda work: {"AlarmName": work.physical, **work.pick(*_COMPOSITE.split())},
                on_create=False,
            )
        ],
        gives={"Arn": ""},
        tags=tagging("ResourceARN", by="Arn"),
        delete="DeleteAlarms",
        delete_by="AlarmNames[]",
    ),
    Declared(
        "AWS::CloudWatch::Dashboard",
        "cloudwatch",
        create="PutDashboard",
        taken=Taken("GetDashboard", lambda work, name: {"DashboardName": name}),
        takes="DashboardBody",
        name="DashboardName",
        longest=255,
        key="DashboardName",
        settings=[
            Setting(
                "PutDashboard",
                "DashboardBody",
                lambda work: {"DashboardName": work.physical, **work.pick("DashboardBody")},
                on_create=False,
            )
        ],
        delete="DeleteDashboards",
        delete_by="DashboardNames[]",
    ),
    LogGroup(
        "AWS::Logs::LogGroup",
        "logs",
        create="CreateLogGroup",
        takes="KmsKeyId=kmsKeyId LogGroupClass=logGroupClass",
        name="LogGroupName",
        longest=512,
        key="logGroupName",
        gives={"Arn": ""},
        settings=[Setting("PutRetentionPolicy", "RetentionInDays", _retention)],
        tags=_GROUP_TAGS,
        delete="DeleteLogGroup",
    ),
    SubscriptionFilter(
        "AWS::Logs::SubscriptionFilter",
        "logs",
        create="PutSubscriptionFilter",
        taken=_filter_taken("DescribeSubscriptionFilters", "subscriptionFilters"),
        takes=(
            "DestinationArn=destinationArn Distribution=distribution FilterPattern=filterPattern "
            "LogGroupName=logGroupName RoleArn=roleArn"
        ),
        name="FilterName",
        longest=512,
        key="filterName",
        delete="DeleteSubscriptionFilter",
    ),
    Alarm(
        "AWS::CloudWatch::Alarm",
        "cloudwatch",
        create="PutMetricAlarm",
        taken=_ALARM_TAKEN,
        takes=_ALARM,
        name="AlarmName",
        longest=255,
        key="AlarmName",
        settings=[
            Setting(
                "PutMetricAlarm",
                _ALARM,
                lambda work: {"AlarmName": work.physical, **work.pick(*_ALARM.split())},
                on_create=False,
            )
        ],
        gives={"Arn": ""},
        tags=tagging("ResourceARN", by="Arn"),
        delete="DeleteAlarms",
        delete_by="AlarmNames[]",
    ),
)
