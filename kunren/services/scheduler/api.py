"""The operations of EventBridge Scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from msgspec.structs import replace

from kunren.control.store import Snapshot, Store, Tx
from kunren.core.arn import parse_arn
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.pagination import InvalidToken, page
from kunren.core.schedules import BadSchedule
from kunren.core.schedules import Schedule as Expression
from kunren.core.tags import tags_from_wire, tags_to_wire
from kunren.services.scheduler.errors import ConflictException, ResourceNotFoundException, ValidationException
from kunren.services.scheduler.model import DEFAULT, Group, Schedule

Params = dict[str, Any]
Result = dict[str, Any]
View = Snapshot | Tx
PAGE = 100


class SchedulerApi:
    """Constructed once its resources are registered (`SchedulerService` does both)."""

    service: ClassVar[str] = "scheduler"

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def create_schedule(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            schedule = self._made(tx, ctx, params, self._clock.now())
            if tx.get(Schedule, ctx.account, ctx.region, schedule.id) is not None:
                raise ConflictException(f"Schedule {schedule.name} already exists.")
            tx.put(schedule)
        return {"ScheduleArn": schedule.arn}

    def update_schedule(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            old = self._schedule(tx, ctx, params)
            tx.put(replace(self._made(tx, ctx, params, self._clock.now()), created_at=old.created_at))
        return {"ScheduleArn": old.arn}

    def get_schedule(self, ctx: RequestContext, params: Params) -> Result:
        found = self._schedule(self._store.snapshot(), ctx, params)
        return _present(
            Arn=found.arn, GroupName=found.group, Name=found.name, ScheduleExpression=found.expression,
            StartDate=_moment(found.start), EndDate=_moment(found.end), Description=found.description,
            ScheduleExpressionTimezone=found.zone or "UTC", State=found.state, KmsKeyArn=found.kms_key,
            CreationDate=_moment(found.created_at), LastModificationDate=_moment(found.modified_at),
            Target=found.target, FlexibleTimeWindow=found.window, ActionAfterCompletion=found.after_completion,
        )  # fmt: skip

    def delete_schedule(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            tx.delete(self._schedule(tx, ctx, params))
        return {}

    def list_schedules(self, ctx: RequestContext, params: Params) -> Result:
        group, prefix, state = params.get("GroupName"), params.get("NamePrefix") or "", params.get("State")
        found = [
            each
            for each in self._store.snapshot().list(Schedule, ctx.account, ctx.region)
            if group in (None, each.group) and each.name.startswith(prefix) and state in (None, each.state)
        ]
        shown, token = _paged(found, params)
        summaries = [
            {
                "Arn": each.arn, "Name": each.name, "GroupName": each.group, "State": each.state,
                "CreationDate": _moment(each.created_at), "LastModificationDate": _moment(each.modified_at),
                "Target": {"Arn": each.target["Arn"]},
            }
            for each in shown
        ]  # fmt: skip
        return {"Schedules": summaries, "NextToken": token}

    def create_schedule_group(self, ctx: RequestContext, params: Params) -> Result:
        name, now = params["Name"], self._clock.now()
        with self._store.write() as tx:
            if name == DEFAULT or tx.get(Group, ctx.account, ctx.region, name) is not None:
                raise ConflictException(f"Schedule group {name} already exists.")
            group = Group(
                account=ctx.account, region=ctx.region, id=name, created_at=now, modified_at=now,
                tags=tags_from_wire(params.get("Tags")),
            )  # fmt: skip
            tx.put(group)
        return {"ScheduleGroupArn": group.arn}

    def get_schedule_group(self, ctx: RequestContext, params: Params) -> Result:
        return _group_view(self._group(self._store.snapshot(), ctx, params["Name"]))

    def delete_schedule_group(self, ctx: RequestContext, params: Params) -> Result:
        if params["Name"] == DEFAULT:
            raise ValidationException("Cannot delete the default schedule group.")
        with self._store.write() as tx:
            group = self._group(tx, ctx, params["Name"])
            for each in tx.list(Schedule, ctx.account, ctx.region):
                if each.group == group.id:
                    tx.delete(each)
            tx.delete(group)
        return {}

    def list_schedule_groups(self, ctx: RequestContext, params: Params) -> Result:
        snapshot, prefix = self._store.snapshot(), params.get("NamePrefix") or ""
        every = [*snapshot.list(Group, ctx.account, ctx.region), self._group(snapshot, ctx, DEFAULT)]
        found = sorted((each for each in every if each.id.startswith(prefix)), key=lambda each: each.id)
        shown, token = _paged(found, params)
        return {"ScheduleGroups": [_group_view(each) for each in shown], "NextToken": token}

    def list_tags_for_resource(self, ctx: RequestContext, params: Params) -> Result:
        return {"Tags": tags_to_wire(self._tagged(self._store.snapshot(), ctx, params).tags)}

    def tag_resource(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            group = self._tagged(tx, ctx, params)
            tx.put(replace(group, tags={**group.tags, **tags_from_wire(params["Tags"])}))
        return {}

    def untag_resource(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            group = self._tagged(tx, ctx, params)
            kept = {key: value for key, value in group.tags.items() if key not in params["TagKeys"]}
            tx.put(replace(group, tags=kept))
        return {}

    def _made(self, view: View, ctx: RequestContext, params: Params, now: float) -> Schedule:
        """Raises ValidationException, ResourceNotFoundException."""
        group = self._group(view, ctx, params.get("GroupName") or DEFAULT)
        expression, zone = params["ScheduleExpression"], params.get("ScheduleExpressionTimezone")
        try:
            Expression(expression, once=True, zone=zone)
        except BadSchedule as error:
            if "time zone" in str(error):
                raise ValidationException(f"Provided ScheduleExpressionTimezone is invalid: {zone}") from None
            raise ValidationException(f"Invalid Schedule Expression {expression}.") from None
        window = params["FlexibleTimeWindow"]
        if (window["Mode"] == "FLEXIBLE") != (window.get("MaximumWindowInMinutes") is not None):
            raise ValidationException("A flexible time window needs MaximumWindowInMinutes, and no other takes it.")
        if parse_arn(params["Target"]["Arn"]) is None:
            raise ValidationException("Provided Arn is not in correct format.")
        start, end = (_seconds(params.get(name)) for name in ("StartDate", "EndDate"))
        if start is not None and end is not None and start >= end:
            raise ValidationException("The StartDate must come before the EndDate.")
        return Schedule(
            account=ctx.account, region=ctx.region, id=f"{group.id}/{params['Name']}", group=group.id,
            name=params["Name"], expression=expression, zone=zone, start=start, end=end,
            state=params.get("State") or "ENABLED", description=params.get("Description"), window=dict(window),
            target=_target(params["Target"]), after_completion=params.get("ActionAfterCompletion") or "NONE",
            kms_key=params.get("KmsKeyArn"), created_at=now, modified_at=now, since=start if start is not None else now,
        )  # fmt: skip

    def _schedule(self, view: View, ctx: RequestContext, params: Params) -> Schedule:
        id = f"{params.get('GroupName') or DEFAULT}/{params['Name']}"
        found = view.get(Schedule, ctx.account, ctx.region, id)
        if found is None:
            raise ResourceNotFoundException(f"Schedule {params['Name']} does not exist.")
        return found

    def _group(self, view: View, ctx: RequestContext, name: str) -> Group:
        if name == DEFAULT:
            return Group(account=ctx.account, region=ctx.region, id=DEFAULT, created_at=0.0, modified_at=0.0)
        found = view.get(Group, ctx.account, ctx.region, name)
        if found is None:
            raise ResourceNotFoundException(f"Schedule group {name} does not exist.")
        return found

    def _tagged(self, view: View, ctx: RequestContext, params: Params) -> Group:
        return self._group(view, ctx, params["ResourceArn"].rpartition("schedule-group/")[2])


def _target(given: Mapping[str, Any]) -> dict[str, Any]:
    policy = {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185, **(given.get("RetryPolicy") or {})}
    return {**{key: value for key, value in given.items() if value is not None}, "RetryPolicy": policy}


def _group_view(group: Group) -> dict[str, Any]:
    return _present(
        Arn=group.arn, Name=group.id, State="ACTIVE", CreationDate=_moment(group.created_at),
        LastModificationDate=_moment(group.modified_at),
    )  # fmt: skip


def _paged(items: list[Any], params: Mapping[str, Any]) -> tuple[list[Any], str | None]:
    try:
        return page(items, params.get("NextToken"), params.get("MaxResults") or PAGE, lambda each: str(each.id))
    except InvalidToken:
        raise ValidationException("Invalid NextToken.") from None


def _moment(at: float | None) -> datetime | None:
    return datetime.fromtimestamp(at, UTC) if at is not None else None


def _seconds(at: Any) -> float | None:
    if at is None:
        return None
    return at.timestamp() if isinstance(at, datetime) else float(at)


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
