"""Alarms, what became of them, and dashboards. Datapoints lie elsewhere (`metrics/storage.py`)."""

from __future__ import annotations

from typing import Any, ClassVar

from kunren.control.store import Resource

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
METRIC, COMPOSITE = "MetricAlarm", "CompositeAlarm"
INITIAL_REASON = "Unchecked: Initial alarm creation"
ACTIONS = {OK: "OKActions", ALARM: "AlarmActions", INSUFFICIENT_DATA: "InsufficientDataActions"}
"""The setting that holds the actions of a state."""


class Alarm(Resource, frozen=True, kw_only=True):
    """Its id is its name. `type` is METRIC or COMPOSITE; `settings` as PutMetricAlarm or PutCompositeAlarm was told,
    with its defaults, without name and tags."""

    kind: ClassVar[str] = "cloudwatch.alarm"

    type: str
    settings: dict[str, Any]
    configured_at: float
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudwatch:{self.region}:{self.account}:alarm:{self.id}"


class AlarmState(Resource, frozen=True, kw_only=True):
    """What an alarm says. `reason_data` is JSON text or "". Times are AWS time; `evaluated` is False until its first
    evaluation."""

    kind: ClassVar[str] = "cloudwatch.alarm-state"

    value: str = INSUFFICIENT_DATA
    reason: str = INITIAL_REASON
    reason_data: str = ""
    updated_at: float
    transitioned_at: float
    evaluated: bool = False


class HistoryItem(Resource, frozen=True, kw_only=True):
    """An alarm's history; `data` is JSON text. Ids sort by time."""

    kind: ClassVar[str] = "cloudwatch.alarm-history"

    alarm: str
    alarm_type: str
    type: str
    at: float
    summary: str
    data: str


class ActionDue(Resource, frozen=True, kw_only=True):
    """An action of an alarm that is not yet taken: `target` is its ARN, "" for the event to EventBridge; `change` is
    what the messages are made from (`alarms/messages.py`). `repeated` where no state changed."""

    kind: ClassVar[str] = "cloudwatch.action-due"

    alarm: str
    target: str
    change: dict[str, Any]
    at: float
    repeated: bool = False


class Dashboard(Resource, frozen=True, kw_only=True):
    """Its id is its name; `body` is JSON text."""

    kind: ClassVar[str] = "cloudwatch.dashboard"

    body: str
    modified_at: float
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudwatch::{self.account}:dashboard/{self.id}"


KINDS = (Alarm, AlarmState, HistoryItem, ActionDue, Dashboard)
