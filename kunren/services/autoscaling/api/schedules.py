"""Scheduled actions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
from kunren.core.schedules import Crontab, zone_of
from kunren.services.autoscaling import errors, views
from kunren.services.autoscaling.api.base import Operations, Params, Result, find, paged
from kunren.services.autoscaling.model import Group, Schedule

MOST = 125


class ScheduleOperations(Operations):
    def put_scheduled_update_group_action(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            tx.put(self._with(group, params))
        return {}

    def batch_put_scheduled_update_group_action(self, ctx: RequestContext, params: Params) -> Result:
        failed = []
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            for each in params["ScheduledUpdateGroupActions"]:
                try:
                    group = self._with(group, each)
                except AwsError as error:
                    failed.append({"ScheduledActionName": each["ScheduledActionName"], "ErrorCode": error.code,
                                   "ErrorMessage": error.message})  # fmt: skip
            tx.put(group)
        return {"FailedScheduledUpdateGroupActions": failed}

    def delete_scheduled_action(self, ctx: RequestContext, params: Params) -> Result:
        name = params["ScheduledActionName"]
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            if name not in group.schedules:
                raise errors.ValidationError("Scheduled action name not found")
            tx.put(replace(group, schedules={k: v for k, v in group.schedules.items() if k != name}))
        return {}

    def batch_delete_scheduled_action(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            names = params["ScheduledActionNames"]
            failed = [
                {"ScheduledActionName": each, "ErrorCode": "ValidationError",
                 "ErrorMessage": "Scheduled action name not found"}
                for each in names if each not in group.schedules
            ]  # fmt: skip
            tx.put(replace(group, schedules={k: v for k, v in group.schedules.items() if k not in names}))
        return {"FailedScheduledActions": failed}

    def describe_scheduled_actions(self, ctx: RequestContext, params: Params) -> Result:
        name, wanted = params.get("AutoScalingGroupName"), params.get("ScheduledActionNames") or ()
        snapshot = self._store.snapshot()
        groups = [find(snapshot, ctx, name)] if name else snapshot.list(Group, ctx.account, ctx.region)
        found = [
            views.schedule_to_wire(group, key, group.schedules[key])
            for group in groups
            for key in sorted(group.schedules)
            if (not wanted or key in wanted) and _is_between(group.schedules[key], params)
        ]
        page, token = paged(found, params, lambda each: str(each["ScheduledActionARN"]), 50)
        return {"ScheduledUpdateGroupActions": page, "NextToken": token}

    def _with(self, group: Group, params: Mapping[str, Any]) -> Group:
        """The group with that action. Raises AwsError."""
        name, now = params["ScheduledActionName"], self._clock.now()
        before = group.schedules.get(name)
        made = schedule(params, before.id if before is not None else self._entropy.uuid(), now)
        if before is None and len(group.schedules) >= MOST:
            raise errors.LimitExceededFault(f"You already have {MOST} scheduled actions in this group")
        if made.next_at is not None and any(
            each.next_at == made.next_at for key, each in group.schedules.items() if key != name
        ):
            raise errors.AlreadyExistsFault("There is already an action scheduled for this time")
        return replace(group, schedules={**group.schedules, name: made})


def schedule(params: Mapping[str, Any], id: str, now: float) -> Schedule:
    """The action as it is kept, with when it is due first. Raises ValidationError."""
    start, end = seconds(params.get("StartTime") or params.get("Time")), seconds(params.get("EndTime"))
    repeats = params.get("Recurrence")
    sizes = [params.get(each) for each in ("MinSize", "MaxSize", "DesiredCapacity")]
    if all(each is None for each in sizes):
        raise errors.ValidationError("At least one of MaxSize, MinSize or DesiredCapacity must be specified")
    if start is not None and start < now:
        raise errors.ValidationError("Given start time is in the past")
    if end is not None and end < max(now, start or 0.0):
        raise errors.ValidationError("Given end time is before the start time, or in the past")
    if sizes[0] is not None and sizes[1] is not None and sizes[0] > sizes[1]:
        raise errors.ValidationError(f"Max bound, {sizes[1]}, must be greater than or equal to min bound, {sizes[0]}")
    if not repeats and start is None:
        raise errors.ValidationError("Either StartTime or Recurrence must be specified")
    try:
        parsed = Crontab(repeats, params.get("TimeZone")) if repeats else None
        zone_of(params.get("TimeZone"))
    except ValueError as error:
        raise errors.ValidationError(f"Given recurrence string: {repeats} is invalid: {error}") from error
    due = start if start is not None else parsed.after(now) if parsed is not None else None
    return Schedule(
        id=id, next_at=due if due is not None and (end is None or due <= end) else None, start=start, end=end,
        recurrence=repeats, time_zone=params.get("TimeZone"), min_size=sizes[0], max_size=sizes[1], desired=sizes[2],
    )  # fmt: skip


def _is_between(each: Schedule, params: Params) -> bool:
    """Whether it is due between those times, where they are given."""
    due = each.next_at
    first, last = seconds(params.get("StartTime")), seconds(params.get("EndTime"))
    if due is None:
        return first is None and last is None
    return (first is None or due >= first) and (last is None or due <= last)


def seconds(given: datetime | float | None) -> float | None:
    """A time of the API in seconds since 1970."""
    return given.timestamp() if isinstance(given, datetime) else given
