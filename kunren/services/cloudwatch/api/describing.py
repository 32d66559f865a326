"""Alarms and their history, as they are shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kunren.control.store import Snapshot
from kunren.core.context import RequestContext
from kunren.services.cloudwatch.alarms import rules
from kunren.services.cloudwatch.alarms.transitions import state_of
from kunren.services.cloudwatch.api.base import Operations, Params, Result, paged, seconds
from kunren.services.cloudwatch.errors import InvalidParameterCombinationException, NotYet, ResourceNotFound
from kunren.services.cloudwatch.model import ACTIONS, COMPOSITE, METRIC, Alarm, HistoryItem

PAGE, HISTORY_PAGE = 50, 100


class DescribingOperations(Operations):
    def describe_alarms(self, ctx: RequestContext, params: Params) -> Result:
        names, prefix = params.get("AlarmNames"), params.get("AlarmNamePrefix")
        if names and prefix:
            raise InvalidParameterCombinationException(
                "AlarmNames and AlarmNamePrefix are mutually exclusive and both were specified."
            )
        snapshot = self._store.snapshot()
        related = _related(snapshot, ctx, params)
        types = params.get("AlarmTypes") or [METRIC]
        if names and not params.get("AlarmTypes"):
            types = [METRIC, COMPOSITE]
        if related is not None:
            types = [METRIC, COMPOSITE]

        def wanted(alarm: Alarm) -> bool:
            actions = [each for setting in ACTIONS.values() for each in alarm.settings.get(setting) or ()]
            action = params.get("ActionPrefix")
            return (
                alarm.type in types
                and (not names or alarm.id in names)
                and (not prefix or alarm.id.startswith(prefix))
                and params.get("StateValue") in (None, state_of(snapshot, alarm).value)
                and (action is None or any(each.startswith(action) for each in actions))
                and (related is None or alarm.id in related)
            )

        found = [each for each in snapshot.list(Alarm, ctx.account, ctx.region) if wanted(each)]
        limit = max(params.get("MaxRecords") or PAGE, len(names or ()))
        shown, token = paged(found, params.get("NextToken"), limit, lambda each: each.id)
        return {
            "MetricAlarms": [_metric_view(snapshot, each) for each in shown if each.type == METRIC],
            "CompositeAlarms": [_composite_view(snapshot, each) for each in shown if each.type == COMPOSITE],
            "NextToken": token,
        }

    def describe_alarms_for_metric(self, ctx: RequestContext, params: Params) -> Result:
        dimensions = _dimensions(params)

        def wanted(alarm: Alarm) -> bool:
            settings = alarm.settings
            return (
                alarm.type == METRIC
                and settings.get("MetricName") == params["MetricName"]
                and settings.get("Namespace") == params["Namespace"]
                and _dimensions(settings) == dimensions
                and all(
                    params.get(name) in (None, settings.get(name))
                    for name in ("Statistic", "ExtendedStatistic", "Period", "Unit")
                )
            )

        snapshot = self._store.snapshot()
        found = filter(wanted, snapshot.list(Alarm, ctx.account, ctx.region))
        return {"MetricAlarms": [_metric_view(snapshot, each) for each in found]}

    def describe_alarm_history(self, ctx: RequestContext, params: Params) -> Result:
        types = params.get("AlarmTypes") or [METRIC]
        if params.get("AlarmName") and not params.get("AlarmTypes"):
            types = [METRIC, COMPOSITE]
        start, end = params.get("StartDate"), params.get("EndDate")
        found = [
            each
            for each in self._store.snapshot().list(HistoryItem, ctx.account, ctx.region)
            if each.alarm_type in types
            and params.get("AlarmName") in (None, each.alarm)
            and params.get("HistoryItemType") in (None, each.type)
            and (start is None or each.at >= seconds(start))
            and (end is None or each.at <= seconds(end))
        ]
        key: Callable[[HistoryItem], str] = lambda each: each.id  # noqa: E731
        if params.get("ScanBy") != "TimestampAscending":
            found.reverse()
            key = lambda each: _reversed(each.id)  # noqa: E731
        shown, token = paged(found, params.get("NextToken"), params.get("MaxRecords") or HISTORY_PAGE, key)
        return {"AlarmHistoryItems": [_history_view(each) for each in shown], "NextToken": token}

    def describe_anomaly_detectors(self, ctx: RequestContext, params: Params) -> Result:
        return {"AnomalyDetectors": []}

    def put_anomaly_detector(self, ctx: RequestContext, params: Params) -> Result:
        raise NotYet("anomaly detection")


def _reversed(text: str) -> str:
    """Sorts the other way round; ids are of digits, letters of hexadecimal numbers and signs between them."""
    return "".join(chr(0x7F - ord(each)) for each in text)


def _related(snapshot: Snapshot, ctx: RequestContext, params: Params) -> set[str] | None:
    """The children or parents that are asked for. Raises ResourceNotFound."""
    if child_of := params.get("ChildrenOfAlarmName"):
        found = snapshot.get(Alarm, ctx.account, ctx.region, child_of)
        if found is None or found.type != COMPOSITE:
            raise ResourceNotFound(f"No composite alarm {child_of} found")
        return _children(found)
    if parent_of := params.get("ParentsOfAlarmName"):
        every = snapshot.list(Alarm, ctx.account, ctx.region)
        return {each.id for each in every if each.type == COMPOSITE and parent_of in _children(each)}
    return None


def _children(alarm: Alarm) -> set[str]:
    named = rules.alarms(rules.parse(alarm.settings["AlarmRule"]))
    return {each.rpartition(":alarm:")[2] if each.startswith("arn:") else each for each in named}


def _dimensions(told: Any) -> list[tuple[str, str]]:
    return sorted((each["Name"], each["Value"]) for each in told.get("Dimensions") or ())


def _view(snapshot: Snapshot, alarm: Alarm) -> dict[str, Any]:
    state = state_of(snapshot, alarm)
    found = {
        **alarm.settings,
        "AlarmName": alarm.id,
        "AlarmArn": alarm.arn,
        "AlarmConfigurationUpdatedTimestamp": datetime.fromtimestamp(alarm.configured_at, UTC),
        "StateValue": state.value,
        "StateReason": state.reason,
        "StateUpdatedTimestamp": datetime.fromtimestamp(state.updated_at, UTC),
        "StateTransitionedTimestamp": datetime.fromtimestamp(state.transitioned_at, UTC),
    }
    if state.reason_data:
        found["StateReasonData"] = state.reason_data
    for setting in ACTIONS.values():
        found.setdefault(setting, [])
    return found


def _metric_view(snapshot: Snapshot, alarm: Alarm) -> dict[str, Any]:
    found = _view(snapshot, alarm)
    if not alarm.settings.get("Metrics"):
        found.setdefault("Dimensions", [])
    return found


def _composite_view(snapshot: Snapshot, alarm: Alarm) -> dict[str, Any]:
    return _view(snapshot, alarm)


def _history_view(item: HistoryItem) -> dict[str, Any]:
    return {
        "AlarmName": item.alarm,
        "AlarmType": item.alarm_type,
        "Timestamp": datetime.fromtimestamp(item.at, UTC),
        "HistoryItemType": item.type,
        "HistorySummary": item.summary,
        "HistoryData": item.data,
    }
