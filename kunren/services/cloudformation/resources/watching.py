"""Logs, metrics and alarms: AWS::Logs::…, AWS::CloudWatch::…"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.resources.kind import Declared, Kind, Setting, Taken, change, small, tagging
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

    async def somebodys(self, work: Work) -> Any:
        shown = await work.read("logs", "DescribeLogGroups", {"logGroupNamePrefix": work.physical})
        return any(each["logGroupName"] == work.physical for each in shown["logGroups"])

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


def _group_arn(work: Work) -> str:
    arn: str = work.attributes["Arn"]
    return arn.removesuffix(":*")


_COMPOSITE = (
    "ActionsEnabled ActionsSuppressor ActionsSuppressorExtensionPeriod ActionsSuppressorWaitPeriod AlarmActions "
    "AlarmDescription AlarmRule InsufficientDataActions OKActions"
)


def _metric_filter(work: Work) -> dict[str, Any]:
    wire = [{small(key): each for key, each in one.items()} for one in work.properties["MetricTransformations"]]
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


def _alarm(type: str, put: str, takes: str) -> Alarm:
    return Alarm(
        type,
        "cloudwatch",
        create=put,
        taken=_ALARM_TAKEN,
        takes=takes,
        name="AlarmName",
        longest=255,
        key="AlarmName",
        settings=[change(put, "AlarmName", takes)],
        gives={"Arn": ""},
        tags=tagging("ResourceARN", by="Arn"),
        delete="DeleteAlarms",
        delete_by="AlarmNames[]",
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
        settings=[change("PutMetricFilter", "filterName", "FilterPattern MetricTransformations", _metric_filter)],
        delete="DeleteMetricFilter",
    ),
    _alarm("AWS::CloudWatch::CompositeAlarm", "PutCompositeAlarm", _COMPOSITE),
    Declared(
        "AWS::CloudWatch::Dashboard",
        "cloudwatch",
        create="PutDashboard",
        taken=Taken("GetDashboard", lambda work, name: {"DashboardName": name}),
        takes="DashboardBody",
        name="DashboardName",
        longest=255,
        key="DashboardName",
        settings=[change("PutDashboard", "DashboardName", "DashboardBody")],
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
        tags=tagging("resourceArn", by=_group_arn, tags="tags", keys="tagKeys", as_map=True),
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
    _alarm("AWS::CloudWatch::Alarm", "PutMetricAlarm", _ALARM),
)
