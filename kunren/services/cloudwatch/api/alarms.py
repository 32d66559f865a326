"""Alarms as they are made, changed, set and removed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.core.tags import tags_from_wire
from kunren.services.cloudwatch.alarms import rules
from kunren.services.cloudwatch.alarms.checks import composite_settings, metric_settings
from kunren.services.cloudwatch.alarms.reasons import stamp
from kunren.services.cloudwatch.alarms.transitions import change_state, note, state_of
from kunren.services.cloudwatch.api.base import Operations, Params, Result
from kunren.services.cloudwatch.errors import InvalidFormatFault, ResourceNotFound, ValidationError
from kunren.services.cloudwatch.model import COMPOSITE, METRIC, Alarm, AlarmState

TAGS_MAX = 50


class AlarmOperations(Operations):
    def put_metric_alarm(self, ctx: RequestContext, params: Params) -> Result:
        settings = metric_settings(ctx.account, ctx.region, params)
        self._put(ctx, params, METRIC, settings)
        return {}

    def put_composite_alarm(self, ctx: RequestContext, params: Params) -> Result:
        name = params["AlarmName"]
        known = self._store.snapshot().by_id(Alarm, ctx.account, ctx.region)
        settings = composite_settings(ctx.region, params, name, known)
        _check_circle(known, name, settings["AlarmRule"])
        self._put(ctx, params, COMPOSITE, settings)
        return {}

    def _put(self, ctx: RequestContext, params: Params, kind: str, settings: dict[str, Any]) -> None:
        now = self._clock.now()
        with self._store.write() as tx:
            old = tx.get(Alarm, ctx.account, ctx.region, params["AlarmName"])
            if old is not None and old.type != kind:
                raise ValidationError(f"An alarm of another type has the name {old.id}.")
            tags = old.tags if old is not None else tags_from_wire(params.get("Tags"))
            if len(tags) > TAGS_MAX:
                raise ValidationError(f"An alarm has at most {TAGS_MAX} tags.")
            alarm = Alarm(
                account=ctx.account, region=ctx.region, id=params["AlarmName"], type=kind, settings=settings,
                configured_at=now, tags=tags,
            )  # fmt: skip
            tx.put(alarm)
            told: dict[str, Any] = {"version": "1.0", "type": "Create" if old is None else "Update"}
            if old is None:
                tx.put(state_of(tx, alarm))
                told["createdAlarm"] = _configuration(alarm)
            else:
                tx.put(replace(state_of(tx, alarm), evaluated=False))
                told["updatedAlarm"] = _configuration(alarm)
            done = "created" if old is None else "updated"
            note(tx, self._entropy, alarm, "ConfigurationUpdate", f'Alarm "{alarm.id}" {done}', told, now)

    def delete_alarms(self, ctx: RequestContext, params: Params) -> Result:
        now = self._clock.now()
        with self._store.write() as tx:
            found = []
            for name in params["AlarmNames"]:
                alarm = tx.get(Alarm, ctx.account, ctx.region, name)
                if alarm is None:
                    raise ResourceNotFound("No alarms found")
                found.append(alarm)
            leaving = {each.id for each in found}
            if len(found) > 1 and sum(each.type == COMPOSITE for each in found) > 1:
                raise ValidationError("You can delete at most one composite alarm in one operation.")
            for other in tx.list(Alarm, ctx.account, ctx.region):
                if other.type == COMPOSITE and other.id not in leaving and (used := _named(other) & leaving):
                    raise ValidationError(
                        f"Cannot delete {sorted(used)[0]} as there are composite alarm(s) depending on it. Please "
                        "update the composite alarm(s) to remove the dependency and try again. Dependent alarm(s): "
                        f"[{other.id}]"
                    )
            for alarm in found:
                told = {"version": "1.0", "type": "Delete", "deletedAlarm": _configuration(alarm)}
                note(tx, self._entropy, alarm, "ConfigurationUpdate", f'Alarm "{alarm.id}" deleted', told, now)
                tx.delete(alarm)
                tx.delete(state_of(tx, alarm))
        return {}

    def set_alarm_state(self, ctx: RequestContext, params: Params) -> Result:
        data = params.get("StateReasonData") or ""
        if data:
            try:
                json.loads(data)
            except (ValueError, RecursionError):
                raise InvalidFormatFault("StateReasonData is not valid JSON.") from None
        now = self._clock.now()
        with self._store.write() as tx:
            alarm = tx.get(Alarm, ctx.account, ctx.region, params["AlarmName"])
            if alarm is None:
                raise ResourceNotFound("Alarm does not exist")
            old = state_of(tx, alarm)
            new: AlarmState = replace(
                old, value=params["StateValue"], reason=params["StateReason"], reason_data=data, updated_at=now
            )
            if new.value == old.value:
                tx.put(new)
            else:
                change_state(tx, self._entropy, alarm, replace(new, transitioned_at=now, evaluated=True))
        return {}

    def enable_alarm_actions(self, ctx: RequestContext, params: Params) -> Result:
        return self._switch(ctx, params, True)

    def disable_alarm_actions(self, ctx: RequestContext, params: Params) -> Result:
        return self._switch(ctx, params, False)

    def _switch(self, ctx: RequestContext, params: Params, on: bool) -> Result:
        now = self._clock.now()
        with self._store.write() as tx:
            for name in params["AlarmNames"]:
                alarm = tx.get(Alarm, ctx.account, ctx.region, name)
                if alarm is None or alarm.settings.get("ActionsEnabled", True) == on:
                    continue
                alarm = replace(alarm, settings={**alarm.settings, "ActionsEnabled": on}, configured_at=now)
                tx.put(alarm)
                told = {"version": "1.0", "type": "Update", "updatedAlarm": _configuration(alarm)}
                note(tx, self._entropy, alarm, "ConfigurationUpdate", f'Alarm "{alarm.id}" updated', told, now)
        return {}


def _named(alarm: Alarm) -> set[str]:
    """The alarms in a composite alarm's rule."""
    return set(map(rules.name_of, rules.alarms(rules.parse(alarm.settings["AlarmRule"]))))


def _check_circle(known: Mapping[str, Alarm], name: str, rule: str) -> None:
    """Raises ValidationError where the rule leads back to the alarm itself."""

    def rule_of(other: str) -> rules.Rule | None:
        if other == name:
            return rules.parse(rule)
        found = known.get(other)
        return rules.parse(found.settings["AlarmRule"]) if found is not None and found.type == COMPOSITE else None

    if rules.in_cycle(name, rule_of):
        raise ValidationError(f"The AlarmRule of {name} leads back to the alarm itself.")


def _configuration(alarm: Alarm) -> dict[str, Any]:
    """An alarm in its history's words."""
    found = {name[0].lower() + name[1:]: value for name, value in alarm.settings.items()}
    return {
        **found,
        "alarmName": alarm.id,
        "alarmArn": alarm.arn,
        "alarmConfigurationUpdatedTimestamp": stamp(alarm.configured_at),
    }
