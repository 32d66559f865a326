"""Event buses, their policies, and tags."""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace

from kunren.core.arn import parse_arn
from kunren.core.context import RequestContext
from kunren.core.tags import tags_from_wire, tags_to_wire
from kunren.services.events.api.base import Operations, Params, Result, View, moment, paged, present
from kunren.services.events.errors import (
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
    ValidationException,
)
from kunren.services.events.model import DEFAULT, Bus, Rule


class BusOperations(Operations):
    def create_event_bus(self, ctx: RequestContext, params: Params) -> Result:
        name, now = params["Name"], self._clock.now()
        if "/" in name:
            raise ValidationException("Event bus name must not contain '/'.")
        with self._store.write() as tx:
            if name == DEFAULT or tx.get(Bus, ctx.account, ctx.region, name) is not None:
                raise ResourceAlreadyExistsException(f"Event bus {name} already exists.")
            bus = Bus(
                account=ctx.account, region=ctx.region, id=name, description=params.get("Description") or "",
                dead_letter=(params.get("DeadLetterConfig") or {}).get("Arn"), created_at=now, modified_at=now,
                tags=tags_from_wire(params.get("Tags")),
            )  # fmt: skip
            tx.put(bus)
        return present(EventBusArn=bus.arn, Description=bus.description or None)

    def update_event_bus(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            bus = self._bus(tx, ctx, params.get("Name"))
            if params.get("Description") is not None:
                bus = replace(bus, description=params["Description"])
            if params.get("DeadLetterConfig") is not None:
                bus = replace(bus, dead_letter=params["DeadLetterConfig"].get("Arn"))
            tx.put(replace(bus, modified_at=self._clock.now()))
        return present(Arn=bus.arn, Name=bus.id, Description=bus.description or None)

    def describe_event_bus(self, ctx: RequestContext, params: Params) -> Result:
        return _view(self._bus(self._store.snapshot(), ctx, params.get("Name")))

    def delete_event_bus(self, ctx: RequestContext, params: Params) -> Result:
        name = params["Name"]
        if name == DEFAULT:
            raise ValidationException("Cannot delete event bus default.")
        with self._store.write() as tx:
            found = tx.get(Bus, ctx.account, ctx.region, name)
            if found is not None:
                if any(each.bus == name for each in tx.list(Rule, ctx.account, ctx.region)):
                    raise ValidationException(f"Cannot delete event bus {name} since it has rules.")
                tx.delete(found)
        return {}

    def list_event_buses(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        found = {each.id: each for each in snapshot.list(Bus, ctx.account, ctx.region)}
        found.setdefault(DEFAULT, self._bus(snapshot, ctx, None))
        prefix = params.get("NamePrefix") or ""
        chosen = [found[name] for name in sorted(found) if name.startswith(prefix)]
        shown, token = paged(chosen, params, lambda each: each.id)
        return {"EventBuses": [_view(each) for each in shown], "NextToken": token}

    def put_permission(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            bus = self._bus(tx, ctx, params.get("EventBusName"))
            if params.get("Policy"):
                bus = replace(bus, statements=_statements(params["Policy"]))
            else:
                for name in ("Action", "Principal", "StatementId"):
                    if not params.get(name):
                        raise ValidationException(f"Parameter {name} must be specified.")
                bus = replace(bus, statements={**bus.statements, params["StatementId"]: _statement(bus, params)})
            tx.put(replace(bus, modified_at=self._clock.now()))
        return {}

    def remove_permission(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            bus = self._bus(tx, ctx, params.get("EventBusName"))
            id = params.get("StatementId")
            if params.get("RemoveAllPermissions"):
                kept: dict[str, Any] = {}
            elif id not in bus.statements:
                raise ResourceNotFoundException("Statement with the provided id does not exist.")
            else:
                kept = {key: value for key, value in bus.statements.items() if key != id}
            tx.put(replace(bus, statements=kept, modified_at=self._clock.now()))
        return {}

    def list_tags_for_resource(self, ctx: RequestContext, params: Params) -> Result:
        return {"Tags": tags_to_wire(self._tagged(self._store.snapshot(), ctx, params["ResourceARN"]).tags)}

    def tag_resource(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            found = self._tagged(tx, ctx, params["ResourceARN"])
            tx.put(replace(found, tags={**found.tags, **tags_from_wire(params["Tags"])}))
        return {}

    def untag_resource(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            found = self._tagged(tx, ctx, params["ResourceARN"])
            kept = {key: value for key, value in found.tags.items() if key not in params["TagKeys"]}
            tx.put(replace(found, tags=kept))
        return {}

    def _tagged(self, view: View, ctx: RequestContext, text: str) -> Bus | Rule:
        """Raises ResourceNotFoundException."""
        arn = parse_arn(text)
        kind, _, name = arn.resource.partition("/") if arn is not None else ("", "", "")
        if kind == "event-bus":
            return self._bus(view, ctx, name)
        id = name if "/" in name else f"{DEFAULT}/{name}"
        found = view.get(Rule, ctx.account, ctx.region, id) if kind == "rule" else None
        if found is None:
            raise ResourceNotFoundException(f"Resource {text} does not exist.")
        return found


def _statements(policy: str) -> dict[str, Any]:
    try:
        told = json.loads(policy)["Statement"]
        return {each["Sid"]: each for each in (told if isinstance(told, list) else [told])}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValidationException("The policy is not valid: it needs statements that each have a Sid.") from None


def _statement(bus: Bus, params: Params) -> dict[str, Any]:
    principal = params["Principal"]
    made = {
        "Sid": params["StatementId"],
        "Effect": "Allow",
        "Principal": "*" if principal == "*" else {"AWS": f"arn:aws:iam::{principal}:root"},
        "Action": params["Action"],
        "Resource": bus.arn,
    }
    if condition := params.get("Condition"):
        made["Condition"] = {condition["Type"]: {condition["Key"]: condition["Value"]}}
    return made


def _view(bus: Bus) -> dict[str, Any]:
    policy = {"Version": "2012-10-17", "Statement": list(bus.statements.values())}
    return present(
        Name=bus.id,
        Arn=bus.arn,
        Description=bus.description or None,
        Policy=json.dumps(policy, separators=(",", ":")) if bus.statements else None,
        DeadLetterConfig={"Arn": bus.dead_letter} if bus.dead_letter else None,
        CreationTime=moment(bus.created_at) if bus.created_at else None,
        LastModifiedTime=moment(bus.modified_at) if bus.modified_at else None,
    )
