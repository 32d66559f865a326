"""Usage plans, API keys, and what has been used."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.services.apigateway import tables
from kunren.services.apigateway.api.base import Base, given, id_of, paged, shape_of
from kunren.services.apigateway.errors import BadRequestException, ConflictException, NotFoundException
from kunren.services.apigateway.model import ApiKey, Stage, Usage, UsagePlan, UsagePlanKey
from kunren.services.apigateway.patching import decode, patched
from kunren.services.apigateway.quotas import remaining_now

_VALUE = re.compile(r"[a-zA-Z0-9+=,.@_\-/]{20,128}")
_DAYS_MAX = 90


class UsageOperations(Base):
    # --- usage plans ----------------------------------------------------------------------------------------------

    def create_usage_plan(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        id = self._id()
        shape = {
            "id": id, **given(params, "name", "description", "throttle", "quota"),
            "apiStages": [given(each, "apiId", "stage", "throttle") for each in params.get("apiStages") or []],
            "tags": params.get("tags") or {},
        }  # fmt: skip
        with self._store.write() as tx:
            plan = UsagePlan(account=ctx.account, region=ctx.region, id=id, shape=shape)
            return self._put_plan(tx, plan, shape).shape

    def _put_plan(self, tx: Tx, plan: UsagePlan, shape: dict[str, Any]) -> UsagePlan:
        """Raises BadRequestException, NotFoundException."""
        if not shape.get("name"):
            raise BadRequestException("Usage Plan name cannot be null or empty")
        for each in shape["apiStages"]:
            self._check_stage(tx, plan, each)
        if (quota := shape.get("quota")) is not None:
            _check_quota(quota)
        if (throttle := shape.get("throttle")) is not None:
            shape["throttle"] = {"rateLimit": 0.0, "burstLimit": 0, **throttle}
        return self._put(tx, plan, shape)

    def _check_stage(self, tx: Tx, plan: UsagePlan, told: Mapping[str, Any]) -> None:
        if not told.get("apiId") or not told.get("stage"):
            raise BadRequestException("API id and stage cannot be null or empty")
        if tx.get(Stage, plan.account, plan.region, f"{told['apiId']}/{told['stage']}") is None:
            raise NotFoundException(f"API Stage not found: {told['apiId']}:{told['stage']}")

    def get_usage_plan(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._find(self._store.snapshot(), UsagePlan, ctx, params["usagePlanId"]).shape

    def get_usage_plans(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot, key = self._store.snapshot(), params.get("keyId")
        rows = snapshot.list(UsagePlan, ctx.account, ctx.region)
        if key is not None:
            plans = {each.plan for each in snapshot.list(UsagePlanKey, ctx.account, ctx.region) if each.key_id == key}
            rows = [each for each in rows if each.id in plans]
        return paged(rows, params, shape_of, id_of)

    def update_usage_plan(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            plan = self._find(tx, UsagePlan, ctx, params["usagePlanId"])
            shape = plan.shape
            for operation in params.get("patchOperations") or ():
                shape = patched_plan(shape, operation)
            return self._put_plan(tx, plan, shape).shape

    def delete_usage_plan(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            plan = self._find(tx, UsagePlan, ctx, params["usagePlanId"])
            if plan.shape["apiStages"]:
                raise BadRequestException(f"Cannot delete usage plan {plan.id} because it has associated stages.")
            for each in tx.list(UsagePlanKey, ctx.account, ctx.region):
                if each.plan == plan.id:
                    self._forget(tx, each)
            tx.delete(plan)

    def _forget(self, tx: Tx, member: UsagePlanKey) -> None:
        tx.delete(member)
        used = tx.get(Usage, member.account, member.region, member.id)
        if used is not None:
            tx.delete(used)

    # --- keys of plans --------------------------------------------------------------------------------------------

    def create_usage_plan_key(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        if params["keyType"] != "API_KEY":
            raise BadRequestException("Invalid key type specified: " + params["keyType"])
        with self._store.write() as tx:
            plan = self._find(tx, UsagePlan, ctx, params["usagePlanId"])
            key = self._find(tx, ApiKey, ctx, params["keyId"])
            id = f"{plan.id}/{key.id}"
            if tx.get(UsagePlanKey, ctx.account, ctx.region, id) is not None:
                raise ConflictException("Usage Plan Key already exists")  # fmt: skip
            self._check_one_plan_a_stage(tx, ctx, plan, key)
            tx.put(UsagePlanKey(account=ctx.account, region=ctx.region, id=id))
        return _plan_key_shape(key)

    def _check_one_plan_a_stage(self, tx: Tx, ctx: RequestContext, plan: UsagePlan, key: ApiKey) -> None:
        stages = {(each["apiId"], each["stage"]) for each in plan.shape["apiStages"]}
        for member in tx.list(UsagePlanKey, ctx.account, ctx.region):
            if member.key_id != key.id or member.plan == plan.id:
                continue
            other = tx.get(UsagePlan, ctx.account, ctx.region, member.plan)
            if other is not None and any((e["apiId"], e["stage"]) in stages for e in other.shape["apiStages"]):
                raise ConflictException(
                    f"API Key {key.id} cannot be added to Usage Plan {plan.id} because it is already subscribed to a "
                    "stage of it by another Usage Plan"
                )

    def _member(self, view: Snapshot | Tx, ctx: RequestContext, params: Mapping[str, Any]) -> UsagePlanKey:
        plan = self._find(view, UsagePlan, ctx, params["usagePlanId"])
        found = view.get(UsagePlanKey, ctx.account, ctx.region, f"{plan.id}/{params['keyId']}")
        if found is None:
            raise NotFoundException("Invalid Usage Plan Key identifier specified")
        return found

    def get_usage_plan_key(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        member = self._member(snapshot, ctx, params)
        return _plan_key_shape(self._find(snapshot, ApiKey, ctx, member.key_id))

    def get_usage_plan_keys(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        plan = self._find(snapshot, UsagePlan, ctx, params["usagePlanId"])
        members = [each for each in snapshot.list(UsagePlanKey, ctx.account, ctx.region) if each.plan == plan.id]
        keys = [self._find(snapshot, ApiKey, ctx, each.key_id) for each in members]
        name = params.get("nameQuery") or ""
        return paged([e for e in keys if (e.shape.get("name") or "").startswith(name)], params, _plan_key_shape, id_of)

    def delete_usage_plan_key(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            self._forget(tx, self._member(tx, ctx, params))

    # --- usage ----------------------------------------------------------------------------------------------------

    def get_usage(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        plan = self._find(snapshot, UsagePlan, ctx, params["usagePlanId"])
        first, last = _day(params["startDate"]), _day(params["endDate"])
        if last < first or (last - first).days > _DAYS_MAX:
            raise BadRequestException("Invalid date range: at most 90 days, and the end is not before the start")
        key = params.get("keyId")
        rows = [
            each
            for each in snapshot.list(Usage, ctx.account, ctx.region)
            if each.id.partition("/")[0] == plan.id and key in (None, each.id.partition("/")[2])
        ]
        days = [(first + timedelta(days=each)).isoformat() for each in range((last - first).days + 1)]
        items = {each.id.partition("/")[2]: _daily(each, days) for each in rows}
        return {"usagePlanId": plan.id, "startDate": params["startDate"], "endDate": params["endDate"], "items": items}

    def update_usage(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """Grants a key of a plan what remains to it in the current period."""
        with self._store.write() as tx:
            member = self._member(tx, ctx, params)
            plan = self._find(tx, UsagePlan, ctx, member.plan)
            if plan.shape.get("quota") is None:
                raise BadRequestException("Usage Plan does not have a quota")
            used = tx.get(Usage, ctx.account, ctx.region, member.id) or Usage(
                account=ctx.account, region=ctx.region, id=member.id
            )
            today = datetime.fromtimestamp(self._clock.now(), UTC).date()
            for operation in params.get("patchOperations") or ():
                if operation.get("op") != "replace" or operation.get("path") != "/remaining":
                    raise BadRequestException(
                        f"Invalid patch path '{operation.get('path')}' specified for op '{operation.get('op')}'. "
                        "Must be one of: [/remaining]"
                    )
                try:
                    remaining = int(operation.get("value") or "")
                except ValueError:
                    raise BadRequestException("Invalid number specified for path '/remaining'") from None
                count = used.days.get(today.isoformat(), (0, 0))[0]
                used = Usage(
                    account=used.account, region=used.region, id=used.id,
                    days={**used.days, today.isoformat(): (count, remaining)},
                )  # fmt: skip
            tx.put(used)
            left = remaining_now(plan.shape["quota"], used.days, today)
        day = today.isoformat()
        items = {member.key_id: [[used.days.get(day, (0, 0))[0], left]]}
        return {"usagePlanId": plan.id, "startDate": day, "endDate": day, "items": items}

    # --- keys -----------------------------------------------------------------------------------------------------

    def create_api_key(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            return self._new_key(tx, ctx, params)

    def _new_key(self, tx: Tx, ctx: RequestContext, params: Mapping[str, Any]) -> dict[str, Any]:
        value = params.get("value") or self._entropy.lower(40)
        if len(value) < 20:
            raise BadRequestException("API Key value should be at least 20 characters")
        if not _VALUE.fullmatch(value):
            raise BadRequestException("API Key value should be at most 128 characters of a-zA-Z0-9+=,.@_-/")
        if any(each.shape["value"] == value for each in tx.list(ApiKey, ctx.account, ctx.region)):
            raise ConflictException("API Key already exists")
        now = self._now()
        shape = {
            "id": self._id(10), "value": value, **given(params, "name", "description", "customerId"),
            "enabled": bool(params.get("enabled")), "createdDate": now, "lastUpdatedDate": now,
            "stageKeys": [f"{each['restApiId']}/{each['stageName']}" for each in params.get("stageKeys") or []],
            "tags": params.get("tags") or {},
        }  # fmt: skip
        tx.put(ApiKey(account=ctx.account, region=ctx.region, id=shape["id"], shape=shape))
        return shape

    def get_api_key(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._find(self._store.snapshot(), ApiKey, ctx, params["apiKey"]).shape
        return found if params.get("includeValue") else _without_value(found)

    def get_api_keys(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name, customer = params.get("nameQuery") or "", params.get("customerId")
        rows = [
            each
            for each in self._store.snapshot().list(ApiKey, ctx.account, ctx.region)
            if (each.shape.get("name") or "").startswith(name) and customer in (None, each.shape.get("customerId"))
        ]
        show = shape_of if params.get("includeValues") else (lambda row: _without_value(row.shape))
        return paged(rows, params, show, id_of)

    def update_api_key(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            row = self._find(tx, ApiKey, ctx, params["apiKey"])
            renamed = {**row.shape, "stages": row.shape["stageKeys"]}
            shape = patched(renamed, params.get("patchOperations"), tables.API_KEY)
            shape["stageKeys"] = shape.pop("stages", [])
            shape.pop("labels", None)
            return _without_value(self._put(tx, row, {**shape, "lastUpdatedDate": self._now()}).shape)

    def delete_api_key(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            row = self._find(tx, ApiKey, ctx, params["apiKey"])
            for each in tx.list(UsagePlanKey, ctx.account, ctx.region):
                if each.key_id == row.id:
                    self._forget(tx, each)
            tx.delete(row)

    def import_api_keys(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """A CSV with the columns name, key, description, enabled and usageplanIds."""
        if params["format"] != "csv":
            raise BadRequestException("Invalid format specified. Must be: csv")
        try:
            rows = list(csv.DictReader(io.StringIO(bytes(params["body"]).decode("utf-8-sig"))))
        except (UnicodeDecodeError, csv.Error):
            raise BadRequestException("Failed to parse the uploaded file of API keys") from None
        ids, warnings = [], []
        with self._store.write() as tx:
            for number, raw in enumerate(rows, 1):
                row = {(name or "").strip().lower(): (value or "") for name, value in raw.items() if name}
                if not row.get("key"):
                    raise BadRequestException(f"Failed to parse line {number}: the column key is missing")
                try:
                    told = {
                        "value": row["key"], "name": row.get("name") or None,
                        "description": row.get("description") or None,
                        "enabled": row.get("enabled", "").strip().lower() == "true",
                    }  # fmt: skip
                    key = self._new_key(tx, ctx, told)
                    for plan in filter(None, re.split(r"[,\s]+", row.get("usageplanids", ""))):
                        self.create_usage_plan_key(ctx, {"usagePlanId": plan, "keyId": key["id"], "keyType": "API_KEY"})
                    ids.append(key["id"])
                except (BadRequestException, ConflictException, NotFoundException) as error:
                    if params.get("failOnWarnings"):
                        raise
                    warnings.append(f"Line {number}: {error.message}")
        return {"ids": ids, "warnings": warnings}


def patched_plan(shape: dict[str, Any], operation: Mapping[str, Any]) -> dict[str, Any]:
    """A plan after one patch operation; stages and their throttles have paths of their own."""
    op, path, value = operation.get("op"), operation.get("path") or "", operation.get("value")
    segments = [decode(each) for each in path.removeprefix("/").split("/")]
    if segments[0] != "apiStages":
        return patched(shape, [operation], tables.USAGE_PLAN)
    stages = [dict(each) for each in shape["apiStages"]]
    if len(segments) == 1:
        api, _, stage = (value or "").partition(":")
        kept = [each for each in stages if (each["apiId"], each["stage"]) != (api, stage)]
        if op == "add":
            return {**shape, "apiStages": [*kept, {"apiId": api, "stage": stage}]}
        if op == "remove":
            if len(kept) == len(stages):
                raise NotFoundException(f"API Stage not found: {value}")
            return {**shape, "apiStages": kept}
    if len(segments) >= 3 and segments[2] == "throttle":
        for each in stages:
            if f"{each['apiId']}:{each['stage']}" == segments[1]:
                _patch_throttle(each, segments[3:], op, value)
                return {**shape, "apiStages": stages}
        raise NotFoundException(f"API Stage not found: {segments[1]}")
    raise BadRequestException(
        f"Invalid patch path '{path}' specified for op '{op}'. Must be one of: [/apiStages, "
        "/apiStages/{apiId:stage}/throttle, /apiStages/{apiId:stage}/throttle/{resourcePath}/{httpMethod}]"
    )


def _patch_throttle(stage: dict[str, Any], path: list[str], op: str | None, value: Any) -> None:
    """`path` is what stands behind `throttle`: nothing, a method's path, or also which limit."""
    throttle: dict[str, Any] = dict(stage.get("throttle") or {})
    limit = path.pop() if path and path[-1] in ("rateLimit", "burstLimit") else None
    method = "/".join(path)
    if not method and op == "remove":
        throttle = {}
    elif op == "remove":
        throttle.pop(method, None)
    else:
        try:
            if limit is None:
                told = json.loads(value or "")
                throttle = {**throttle, method: told} if method else told
            else:
                number = float(value) if limit == "rateLimit" else int(value)
                throttle[method] = {"rateLimit": 0.0, "burstLimit": 0, **throttle.get(method, {}), limit: number}
        except (ValueError, TypeError):
            raise BadRequestException(f"Invalid throttle specified: {value}") from None
    stage.pop("throttle", None)
    if throttle:
        stage["throttle"] = throttle


def _check_quota(quota: dict[str, Any]) -> None:
    if not quota.get("period"):
        raise BadRequestException("Usage Plan quota period cannot be null or empty")
    if (quota.get("limit") or 0) < 1:
        raise BadRequestException("Usage Plan quota limit must be greater than 0")
    quota.setdefault("offset", 0)
    most = {"DAY": 0, "WEEK": 6, "MONTH": 27}[quota["period"]]
    if not 0 <= quota["offset"] <= most:
        raise BadRequestException(
            f"Usage Plan quota offset must be zero in the {quota['period']} period"
            if most == 0
            else f"Usage Plan quota offset must be between 0 and {most} in the {quota['period']} period"
        )


def _without_value(shape: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in shape.items() if name != "value"}


def _plan_key_shape(key: ApiKey) -> dict[str, Any]:
    return {"id": key.id, "type": "API_KEY", "value": key.shape["value"], **given(key.shape, "name")}


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadRequestException(f"Invalid date specified: {text}") from None


def _daily(row: Usage, days: list[str]) -> list[list[int]]:
    """Used and remaining of each day; what remains on a day without requests is what remained before."""
    found, remaining = [], 0
    for day in days:
        used, remaining = row.days.get(day, (0, remaining))
        found.append([used, remaining])
    return found
