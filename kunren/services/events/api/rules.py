"""Rules, their targets, and the events themselves."""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace

from kunren.core import event_patterns as patterns
from kunren.core.arn import parse_arn
from kunren.core.context import RequestContext
from kunren.core.schedules import BadSchedule, Schedule
from kunren.core.tags import tags_from_wire
from kunren.services.events.api.base import (
    Operations,
    Params,
    Result,
    View,
    bus_name,
    check_pattern,
    paged,
    present,
    seconds,
)
from kunren.services.events.errors import (
    InvalidEventPatternException,
    LimitExceededException,
    ResourceNotFoundException,
    ValidationException,
)
from kunren.services.events.model import DEFAULT, DISABLED, ENABLED, Rule
from kunren.services.events.publishing import event_of, publish

ENTRIES_MAX, TARGETS_MAX, RULES_MAX = 10, 5, 300
ENTRY_BYTES_MAX = 1024 * 1024
DETAIL_DEPTH_MAX = 100
"""Levels of JSON: patterns and targets' inputs are found by recursion."""


class RuleOperations(Operations):
    def put_rule(self, ctx: RequestContext, params: Params) -> Result:
        pattern, schedule = params.get("EventPattern"), params.get("ScheduleExpression")
        if not pattern and not schedule:
            raise ValidationException("Parameter(s) EventPattern or ScheduleExpression must be specified.")
        if pattern:
            check_pattern(pattern)
        if schedule:
            try:
                Schedule(schedule)
            except BadSchedule:
                raise ValidationException("Parameter ScheduleExpression is not valid.") from None
        now = self._clock.now()
        with self._store.write() as tx:
            bus = self._bus(tx, ctx, params.get("EventBusName"))
            if schedule and bus.id != DEFAULT:
                raise ValidationException("ScheduleExpression is supported only on the default event bus.")
            id = f"{bus.id}/{params['Name']}"
            old = tx.get(Rule, ctx.account, ctx.region, id)
            if old is None and sum(each.bus == bus.id for each in tx.list(Rule, ctx.account, ctx.region)) >= RULES_MAX:
                raise LimitExceededException(f"The requested resource exceeds the maximum number allowed: {RULES_MAX}")
            state = params.get("State") or ENABLED
            again = old is None or old.schedule != schedule or (old.state, state) == (DISABLED, ENABLED)
            rule = Rule(
                account=ctx.account, region=ctx.region, id=id, bus=bus.id, name=params["Name"], pattern=pattern or None,
                schedule=schedule or None, state=state, description=params.get("Description"),
                role=params.get("RoleArn"), since=now if old is None or again else old.since,
                targets=old.targets if old is not None else {},
                tags=old.tags if old is not None else tags_from_wire(params.get("Tags")),
            )  # fmt: skip
            tx.put(rule)
        return {"RuleArn": rule.arn}

    def describe_rule(self, ctx: RequestContext, params: Params) -> Result:
        rule = self._rule(self._store.snapshot(), ctx, params["Name"], params.get("EventBusName"))
        return {**_view(rule), "CreatedBy": rule.account}

    def delete_rule(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            bus = self._bus(tx, ctx, params.get("EventBusName"))
            found = tx.get(Rule, ctx.account, ctx.region, f"{bus.id}/{params['Name']}")
            if found is None:
                return {}
            if found.targets:
                raise ValidationException("Rule can't be deleted since it has targets.")
            tx.delete(found)
        return {}

    def enable_rule(self, ctx: RequestContext, params: Params) -> Result:
        return self._switch(ctx, params, ENABLED)

    def disable_rule(self, ctx: RequestContext, params: Params) -> Result:
        return self._switch(ctx, params, DISABLED)

    def _switch(self, ctx: RequestContext, params: Params, state: str) -> Result:
        with self._store.write() as tx:
            rule = self._rule(tx, ctx, params["Name"], params.get("EventBusName"))
            if rule.state != state:
                tx.put(replace(rule, state=state, since=self._clock.now()))
        return {}

    def list_rules(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        bus, prefix = self._bus(snapshot, ctx, params.get("EventBusName")), params.get("NamePrefix") or ""
        rules = snapshot.list(Rule, ctx.account, ctx.region)
        found = [each for each in rules if each.bus == bus.id and each.name.startswith(prefix)]
        shown, token = paged(found, params, lambda each: each.id)
        return {"Rules": [_view(each) for each in shown], "NextToken": token}

    def list_rule_names_by_target(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        bus = self._bus(snapshot, ctx, params.get("EventBusName"))
        found = [
            each
            for each in snapshot.list(Rule, ctx.account, ctx.region)
            if each.bus == bus.id and any(one["Arn"] == params["TargetArn"] for one in each.targets.values())
        ]
        shown, token = paged(found, params, lambda each: each.id)
        return {"RuleNames": [each.name for each in shown], "NextToken": token}

    def put_targets(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            rule = self._rule(tx, ctx, params["Rule"], params.get("EventBusName"))
            targets = dict(rule.targets)
            for each in params["Targets"]:
                _check_target(each)
                targets[each["Id"]] = dict(each)
            if len(targets) > TARGETS_MAX:
                raise LimitExceededException(
                    f"The requested resource exceeds the maximum number allowed: {TARGETS_MAX} targets of a rule"
                )
            tx.put(replace(rule, targets=targets))
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def remove_targets(self, ctx: RequestContext, params: Params) -> Result:
        failed = []
        with self._store.write() as tx:
            rule = self._rule(tx, ctx, params["Rule"], params.get("EventBusName"))
            for id in params["Ids"]:
                if id not in rule.targets:
                    why = f"Rule {rule.name} does not have a target with the Id {id}."
                    failed.append({"TargetId": id, "ErrorCode": "ResourceNotFoundException", "ErrorMessage": why})
            kept = {id: each for id, each in rule.targets.items() if id not in params["Ids"]}
            tx.put(replace(rule, targets=kept))
        return {"FailedEntryCount": len(failed), "FailedEntries": failed}

    def list_targets_by_rule(self, ctx: RequestContext, params: Params) -> Result:
        rule = self._rule(self._store.snapshot(), ctx, params["Rule"], params.get("EventBusName"))
        shown, token = paged(sorted(rule.targets), params, lambda each: each)
        return {"Targets": [rule.targets[each] for each in shown], "NextToken": token}

    def test_event_pattern(self, ctx: RequestContext, params: Params) -> Result:
        check_pattern(params["EventPattern"])
        try:
            event = json.loads(params["Event"])
        except (ValueError, RecursionError):
            raise InvalidEventPatternException("Event is not valid JSON.") from None
        needed = ("id", "account", "source", "time", "region", "resources", "detail-type")
        if not isinstance(event, dict) or not all(each in event for each in needed):
            raise InvalidEventPatternException(f"Parameter Event is not valid. It needs {', '.join(needed)}.")
        return {"Result": patterns.matches(patterns.parse(params["EventPattern"]), event)}

    def put_events(self, ctx: RequestContext, params: Params) -> Result:
        entries = params["Entries"]
        if not 1 <= len(entries) <= ENTRIES_MAX:
            raise ValidationException(
                "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length "
                f"less than or equal to {ENTRIES_MAX}"
            )
        answers = [self._put_event(ctx, each) for each in entries]
        return {"FailedEntryCount": sum("ErrorCode" in each for each in answers), "Entries": answers}

    def _put_event(self, ctx: RequestContext, entry: Params) -> dict[str, Any]:
        refused = _refused(ctx, entry)
        if refused is not None:
            return dict(zip(("ErrorCode", "ErrorMessage"), refused, strict=True))
        now = self._clock.now()
        arn = parse_arn(entry.get("EventBusName") or "")
        account, region = (arn.account, arn.region) if arn is not None else (ctx.account, ctx.region)
        event = event_of(
            self._entropy, ctx.account, region, source=entry["Source"], kind=entry["DetailType"],
            detail=json.loads(entry["Detail"]), at=now if entry.get("Time") is None else seconds(entry["Time"]),
            resources=entry.get("Resources") or (),
        )  # fmt: skip
        with self._store.write() as tx:
            publish(tx, self._entropy, account, region, bus_name(entry.get("EventBusName")), event, now)
        return {"EventId": event["id"]}

    def _rule(self, view: View, ctx: RequestContext, name: str, told_bus: str | None) -> Rule:
        """Raises ResourceNotFoundException."""
        bus = self._bus(view, ctx, told_bus)
        found = view.get(Rule, ctx.account, ctx.region, f"{bus.id}/{name}")
        if found is None:
            raise ResourceNotFoundException(f"Rule {name} does not exist on EventBus {bus.id}.")
        return found


def _refused(ctx: RequestContext, entry: Params) -> tuple[str, str] | None:
    """(code, message) for an entry that is no event."""
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            return (
                "InvalidArgument",
                f"Parameter {name} is not valid. Reason: {name} is a required argument.",
            )
    if entry["Source"].startswith("aws.") and ctx.host:
        return "NotAuthorizedForSourceException", "Not authorized for the source."
    if len(entry["Detail"].encode()) > ENTRY_BYTES_MAX:
        return "InvalidArgument", "Total size of the entry is over the limit."
    try:
        detail = json.loads(entry["Detail"])
    except (ValueError, RecursionError):
        detail = None
    sound = isinstance(detail, dict) and not _is_deeper(detail, DETAIL_DEPTH_MAX)
    return None if sound else ("MalformedDetail", "Detail is malformed.")


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deeper(each, levels - 1) for each in inner)


def _check_target(target: Params) -> None:
    """Raises ValidationException."""
    if parse_arn(target["Arn"]) is None:
        raise ValidationException(
            f"Parameter {target['Arn']} is not valid. Reason: Provided Arn is not in correct format."
        )
    ways = [name for name in ("Input", "InputPath", "InputTransformer") if target.get(name) is not None]
    if len(ways) > 1:
        raise ValidationException(
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {target['Id']}."
        )
    if target.get("Input") is not None:
        try:
            json.loads(target["Input"])
        except (ValueError, RecursionError):
            raise ValidationException(f"JSON syntax error in input for target {target['Id']}") from None
    if ":sqs:" in target["Arn"] and target["Arn"].endswith(".fifo") and not target.get("SqsParameters"):
        raise ValidationException(f"Parameter(s) SqsParameters must be specified for target: {target['Id']}.")
    if ":ecs:" in target["Arn"] and not target.get("EcsParameters"):
        raise ValidationException(f"Parameter(s) EcsParameters must be specified for target: {target['Id']}.")


def _view(rule: Rule) -> dict[str, Any]:
    return present(
        Name=rule.name, Arn=rule.arn, EventPattern=rule.pattern, State=rule.state, Description=rule.description,
        ScheduleExpression=rule.schedule, RoleArn=rule.role, EventBusName=rule.bus,
    )  # fmt: skip
