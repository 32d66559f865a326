"""Tags of whatever has an ARN, and the account's settings."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Tx
from kunren.core.arn import parse_arn
from kunren.core.context import RequestContext
from kunren.services.ecs import errors
from kunren.services.ecs.api.base import Operations, Params, Result, page, tags_of, tags_to_wire
from kunren.services.ecs.model import AccountSetting, Cluster, ContainerInstance, Service, Task, TaskDefinition

TAGS_MAX = 50
_DEFAULTS = {
    "awsvpcTrunking": "disabled",
    "containerInsights": "disabled",
    "containerInstanceLongArnFormat": "enabled",
    "defaultLogDriverMode": "non-blocking",
    "dualStackIPv6": "disabled",
    "fargateFIPSMode": "disabled",
    "fargateTaskRetirementWaitPeriod": "7",
    "guardDutyActivate": "off",
    "serviceLongArnFormat": "enabled",
    "tagResourceAuthorization": "off",
    "taskLongArnFormat": "enabled",
}
_EVERYBODY = "default"


class TagOperations(Operations):
    def list_tags_for_resource(self, ctx: RequestContext, params: Params) -> Result:
        return {"tags": tags_to_wire(_tagged(self._store.snapshot(), ctx, params["resourceArn"]).tags)}

    def tag_resource(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            found = _tagged(tx, ctx, params["resourceArn"])
            tags = {**found.tags, **tags_of(params)}
            if len(tags) > TAGS_MAX:
                raise errors.InvalidParameterException(f"The number of tags must not be more than {TAGS_MAX}.")
            tx.put(replace(found, tags=tags))
        return {}

    def untag_resource(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            found = _tagged(tx, ctx, params["resourceArn"])
            tx.put(replace(found, tags={k: v for k, v in found.tags.items() if k not in params["tagKeys"]}))
        return {}

    # -- account settings --------------------------------------------------------------------------------------------

    def list_account_settings(self, ctx: RequestContext, params: Params) -> Result:
        principal = params.get("principalArn") or _caller(ctx)
        found = []
        for name, default in _DEFAULTS.items():
            own = self._setting(ctx, name, principal)
            everybody = self._setting(ctx, name, _EVERYBODY)
            value = own or everybody or (default if params.get("effectiveSettings") else None)
            if value is None or params.get("name") not in (None, name) or params.get("value") not in (None, value):
                continue
            found.append(_shown(name, value, principal))
        chosen, token = page(found, params, lambda each: str(each["name"]), 10)
        return {"settings": chosen, "nextToken": token}

    def put_account_setting(self, ctx: RequestContext, params: Params) -> Result:
        return self._put(ctx, params, params.get("principalArn") or _caller(ctx))

    def put_account_setting_default(self, ctx: RequestContext, params: Params) -> Result:
        return self._put(ctx, params, _EVERYBODY)

    def delete_account_setting(self, ctx: RequestContext, params: Params) -> Result:
        principal = params.get("principalArn") or _caller(ctx)
        with self._store.write() as tx:
            before = tx.get(AccountSetting, ctx.account, ctx.region, f"{params['name']}|{principal}")
            if before is not None:
                tx.delete(before)
        value = self._setting(ctx, params["name"], _EVERYBODY) or _DEFAULTS.get(params["name"], "")
        return {"setting": _shown(params["name"], value, principal)}

    def _put(self, ctx: RequestContext, params: Params, principal: str) -> Result:
        name, value = params["name"], params["value"]
        if name not in _DEFAULTS:
            raise errors.InvalidParameterException(f"Invalid account setting name {name}.")
        with self._store.write() as tx:
            tx.put(AccountSetting(account=ctx.account, region=ctx.region, id=f"{name}|{principal}", value=value))
        return {"setting": _shown(name, value, _caller(ctx) if principal == _EVERYBODY else principal)}

    def _setting(self, ctx: RequestContext, name: str, principal: str) -> str | None:
        found = self._store.snapshot().get(AccountSetting, ctx.account, ctx.region, f"{name}|{principal}")
        return found.value if found is not None else None


def _shown(name: str, value: str, principal: str) -> dict[str, Any]:
    kind = "aws_managed" if name == "guardDutyActivate" else "user"
    return {"name": name, "value": value, "principalArn": principal, "type": kind}


def _caller(ctx: RequestContext) -> str:
    return ctx.caller.arn if ctx.caller is not None else f"arn:aws:iam::{ctx.account}:root"


def _tagged(
    reader: Snapshot | Tx, ctx: RequestContext, named: str
) -> Cluster | TaskDefinition | Task | Service | ContainerInstance:
    """Raises InvalidParameterException and the errors for what is not there."""
    arn = parse_arn(named)
    if arn is None or arn.service != "ecs" or (arn.account, arn.region) != (ctx.account, ctx.region):
        raise errors.InvalidParameterException("Invalid ARN.")
    kind, _, path = arn.resource.partition("/")
    of = (ctx.account, ctx.region)
    found: Cluster | TaskDefinition | Task | Service | ContainerInstance | None
    if kind == "cluster":
        found = reader.get(Cluster, *of, path)
        if found is None:
            raise errors.ClusterNotFoundException()
        return found
    if kind == "service":
        found = reader.get(Service, *of, path)
    elif kind == "task-definition":
        found = reader.get(TaskDefinition, *of, path)
    elif kind == "task":
        found = reader.get(Task, *of, path.rpartition("/")[2])
    elif kind == "container-instance":
        found = reader.get(ContainerInstance, *of, path.rpartition("/")[2])
    else:
        raise errors.InvalidParameterException("Invalid ARN.")
    if found is None:
        raise errors.ResourceNotFoundException("The specified resource could not be found.")
    return found
