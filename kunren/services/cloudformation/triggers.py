"""Rollback triggers: alarms that are watched while a stack is deployed, and for some minutes afterwards.

"Roll back your CloudFormation stack on alarm breach".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.model import Stack

ASK_EVERY_S = 5.0
TRIGGERS_MAX, MINUTES_MAX = 5, 180
TYPES = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """A RollbackConfiguration. Raises ValidationError."""
    triggers, minutes = given.get("RollbackTriggers") or [], given.get("MonitoringTimeInMinutes")
    if len(triggers) > TRIGGERS_MAX:
        raise ValidationError(f"Rollback triggers cannot be more than {TRIGGERS_MAX}.")
    if minutes is not None and not 0 <= minutes <= MINUTES_MAX:
        raise ValidationError(f"MonitoringTimeInMinutes must be between 0 and {MINUTES_MAX}.")
    for each in triggers:
        if each["Type"] not in TYPES or ":alarm:" not in each["Arn"]:
            raise ValidationError(f"Invalid rollback trigger {each['Arn']} of type {each['Type']}")
    return dict(given)


async def breached(call: CallService, stack: Stack, given: Mapping[str, Any]) -> str | None:
    """Why to roll back: an alarm that is in ALARM, or does not exist."""
    for each in given.get("RollbackTriggers") or ():
        name = each["Arn"].partition(":alarm:")[2]
        kind = "CompositeAlarm" if each["Type"].endswith("CompositeAlarm") else "MetricAlarm"
        try:
            shown = await call(
                stack.account,
                stack.region,
                "cloudwatch",
                "DescribeAlarms",
                {"AlarmNames": [name], "AlarmTypes": [kind]},
            )
        except AwsError as error:
            return f"Rollback trigger {each['Arn']} could not be read: {error.message}"
        held = shown.get(f"{kind}s") or []
        if not held:
            return f"Rollback trigger {each['Arn']} does not exist"
        if held[0]["StateValue"] == "ALARM":
            return f"Rollback trigger {each['Arn']} is in ALARM state"
    return None


async def watched(
    ask: Callable[[], Awaitable[str | None]], clock: Clock, given_up: Callable[[], bool], until: float | None
) -> str | None:
    """Ask again and again until there is a reason, the time is over, or the operation is given up."""
    while True:
        if (why := await ask()) is not None or given_up():
            return why
        now = clock.now()
        if until is not None and now >= until:
            return None
        await clock.sleep(ASK_EVERY_S if until is None else max(0.0, min(ASK_EVERY_S, until - now)))
