"""Writes what becomes of an alarm: its state, its history, and the actions that are due."""

from __future__ import annotations

import json
from typing import Any

from kunren.control.store import Tx
from kunren.core.entropy import Entropy
from kunren.services.cloudwatch.alarms.messages import change_of
from kunren.services.cloudwatch.model import ACTIONS, ActionDue, Alarm, AlarmState, HistoryItem

HISTORY_DAYS = 30
DATA_MAX = 4095


def change_state(tx: Tx, entropy: Entropy, alarm: Alarm, new: AlarmState, *, value: float | None = None) -> None:
    """The alarm is in another state from now on; `value` is the datapoint that says so, for scaling policies."""
    old = state_of(tx, alarm)
    tx.put(new)
    change = {**change_of(alarm, old, new), "value": value}
    told = {"version": "1.0", "oldState": _shown(old), "newState": _shown(new)}
    note(tx, entropy, alarm, "StateUpdate", f"Alarm updated from {old.value} to {new.value}", told, new.updated_at)
    _due(tx, entropy, alarm, "", change, new.updated_at)
    if alarm.settings.get("ActionsEnabled", True):
        for target in alarm.settings.get(ACTIONS[new.value]) or ():
            _due(tx, entropy, alarm, target, change, new.updated_at)


def repeat_scaling(tx: Tx, entropy: Entropy, alarm: Alarm, state: AlarmState, now: float, value: float | None) -> None:
    """While an alarm stays in a state, its scaling policies are asked again, every minute (user guide, "Alarm
    actions")."""
    if alarm.settings.get("ActionsEnabled", True):
        for target in alarm.settings.get(ACTIONS[state.value]) or ():
            if is_scaling(target):
                _due(tx, entropy, alarm, target, {**change_of(alarm, state, state), "value": value}, now, repeated=True)


def is_scaling(target: str) -> bool:
    return ":autoscaling:" in target and ":scalingPolicy:" in target


def state_of(tx: Any, alarm: Alarm) -> AlarmState:
    """Also of a snapshot."""
    found: AlarmState | None = tx.get(AlarmState, alarm.account, alarm.region, alarm.id)
    if found is not None:
        return found
    at = alarm.configured_at
    return AlarmState(account=alarm.account, region=alarm.region, id=alarm.id, updated_at=at, transitioned_at=at)


def note(tx: Tx, entropy: Entropy, alarm: Alarm, kind: str, summary: str, told: dict[str, Any], at: float) -> None:
    """A line of the alarm's history."""
    item = HistoryItem(
        account=alarm.account, region=alarm.region, id=f"{at:020.6f}-{entropy.hex(6)}", alarm=alarm.id,
        alarm_type=alarm.type, type=kind, at=at, summary=summary[:255],
        data=json.dumps(told, separators=(",", ":"))[:DATA_MAX],
    )  # fmt: skip
    tx.put(item)


def _shown(state: AlarmState) -> dict[str, Any]:
    found: dict[str, Any] = {"stateValue": state.value, "stateReason": state.reason}
    if state.reason_data:
        try:
            found["stateReasonData"] = json.loads(state.reason_data)
        except ValueError:
            found["stateReasonData"] = state.reason_data
    return found


def _due(
    tx: Tx, entropy: Entropy, alarm: Alarm, target: str, change: dict[str, Any], at: float, *, repeated: bool = False
) -> None:
    due = ActionDue(
        account=alarm.account, region=alarm.region, id=f"{at:020.6f}-{entropy.hex(8)}", alarm=alarm.id, target=target,
        change=change, at=at, repeated=repeated,
    )  # fmt: skip
    tx.put(due)
