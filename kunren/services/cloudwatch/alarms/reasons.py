"""The texts of a state: StateReason, and StateReasonData as CloudWatch writes it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from kunren.services.cloudwatch.alarms.watch import Datapoint, Verdict, needed
from kunren.services.cloudwatch.model import ALARM, INSUFFICIENT_DATA

REASON_MAX = 1023
_WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}
_TREATED = {"breaching": "Breaching", "notBreaching": "NonBreaching"}
_SHOWN_MAX = 10


def stamp(at: float) -> str:
    """A time as CloudWatch's documents have it: 2023-08-04T12:36:15.490+0000."""
    moment = datetime.fromtimestamp(at, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def shown(value: float) -> str:
    """A number as reasons have it: 4.0, 1.0E7, 1.5E-5."""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(float(value))
    digits, _, exponent = f"{value:.16e}".partition("e")
    power = int(exponent)
    digits = repr(float(f"{value / 10.0**power:.15g}")) if abs(power) < 300 else digits
    return f"{digits}E{power}"


def reason(settings: Mapping[str, Any], verdict: Verdict) -> str:
    """Why the alarm is now as `verdict` says."""
    to_alarm, periods = needed(settings)
    if verdict.state == INSUFFICIENT_DATA:
        return f"Insufficient Data: {_counted(verdict.filled)} unknown."
    told = ""
    if verdict.filled:
        how = "was" if verdict.filled == 1 else "were"
        word = _TREATED[settings["TreatMissingData"]]
        told = f" and {verdict.filled} missing {_datapoints(verdict.filled)} {how} treated as [{word}]"
    if not verdict.crossing:
        real = sum(each.value is not None for each in verdict.evaluated)
        received = _counted(real) if real else "no datapoints were"
        return f"Threshold Crossed: {received} received for {periods} {_periods(periods)}{told}."
    negation = "" if verdict.state == ALARM else "not "
    crossing = verdict.crossing
    listed = ", ".join(f"{shown(each.value or 0.0)} ({_short(each.at)})" for each in crossing[:_SHOWN_MAX])
    out_of = f"{len(crossing)} out of the last {periods} datapoints"
    head = out_of if settings.get("DatapointsToAlarm") else f"{len(crossing)} {_datapoints(len(crossing))}"
    was = "was" if len(crossing) == 1 else "were"
    text = (
        f"Threshold Crossed: {head} [{listed}] {was} {negation}{_WORDS[settings['ComparisonOperator']]} the threshold "
        f"({shown(settings['Threshold'])}){told}"
    )
    if settings.get("DatapointsToAlarm"):
        alarming = verdict.state == ALARM
        least = to_alarm if alarming else periods - to_alarm + 1
        change = "OK -> ALARM" if alarming else "ALARM -> OK"
        text += f" (minimum {least} {_datapoints(least)} for {change} transition)"
    return text[: REASON_MAX - 1] + "."


def reason_data(settings: Mapping[str, Any], verdict: Verdict, period: int, now: float) -> str:
    """JSON text of what was looked at."""
    real = [each for each in verdict.evaluated if each.value is not None]
    found: dict[str, Any] = {"version": "1.0", "queryDate": stamp(now)}
    if real:
        found["startDate"] = stamp(min(each.at for each in real))
    if settings.get("Unit"):
        found["unit"] = settings["Unit"]
    if statistic := settings.get("Statistic") or settings.get("ExtendedStatistic"):
        found["statistic"] = statistic
    found["period"] = period
    found["recentDatapoints"] = [each.value for each in reversed(real)]
    found["threshold"] = settings["Threshold"]
    found["evaluatedDatapoints"] = [_evaluated(each) for each in verdict.evaluated[:50]]
    return json.dumps(found, separators=(",", ":"))


def _evaluated(each: Datapoint) -> dict[str, Any]:
    found: dict[str, Any] = {"timestamp": stamp(each.at)}
    if each.value is not None:
        if each.samples is not None:
            found["sampleCount"] = each.samples
        found["value"] = each.value
    return found


def composite_reason(name_arn: str, triggering: Sequence[tuple[str, str, float]], state: str) -> str:
    """Of a composite alarm: the alarms that changed last (ARN, state, since), or none at its creation."""
    if not triggering:
        return f"{name_arn} was created and its alarm rule evaluates to {state}"
    arn, changed, at = triggering[0]
    when = datetime.fromtimestamp(at, UTC).strftime("%A %d %B, %Y %H:%M:%S UTC")
    return f"{arn} transitioned to {changed} at {when}"


def composite_data(triggering: Sequence[tuple[str, str, float]]) -> str:
    """JSON text of the alarms that a composite alarm follows, the one that changed last first."""
    found = [{"arn": arn, "state": {"value": state, "timestamp": stamp(at)}} for arn, state, at in triggering[:20]]
    return json.dumps({"triggeringAlarms": found}, separators=(",", ":"))


def _short(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%d/%m/%y %H:%M:%S")


def _datapoints(count: int) -> str:
    return "datapoint" if count == 1 else "datapoints"


def _periods(count: int) -> str:
    return "period" if count == 1 else "periods"


def _counted(count: int) -> str:
    return f"{count} {_datapoints(count)} {'was' if count == 1 else 'were'}"
