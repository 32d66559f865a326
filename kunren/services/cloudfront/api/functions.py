"""CloudFront Functions: code in two stages, of which LIVE serves."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from kunren.core.arn import build_arn
from kunren.core.context import RequestContext
from kunren.core.tags import tags_from_wire
from kunren.dataplane.edge.scripts import ScriptError, Scripts
from kunren.dataplane.edge.site import Script
from kunren.services.cloudfront.api.base import API, Base, Reader, matched, page
from kunren.services.cloudfront.api.key_value_stores import associated, functions_with
from kunren.services.cloudfront.checks import behaviours_of, items
from kunren.services.cloudfront.errors import (
    FunctionAlreadyExists,
    FunctionInUse,
    FunctionSizeLimitExceeded,
    InvalidArgument,
    NoSuchFunctionExists,
    TestFunctionFailed,
)
from kunren.services.cloudfront.key_values.controllers import views
from kunren.services.cloudfront.key_values.limits import FUNCTIONS_PER_STORE_MAX, STORES_PER_FUNCTION_MAX
from kunren.services.cloudfront.key_values.model import READY, status_of, store_of
from kunren.services.cloudfront.model import DEVELOPMENT, LIVE, Distribution, Function, FunctionStage

CODE_BYTES_MAX = 10_240
FUNCTIONS_MAX = 100  # Quotas, per account
_NAME = re.compile(r"[a-zA-Z0-9-_]{1,64}")


class Functions(Base):
    def create_function(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = params["Name"]
        if not _NAME.fullmatch(name):
            raise InvalidArgument("The parameter Name is not valid.")
        code, config = _checked(params)
        with self._store.write() as tx:
            if tx.get(Function, ctx.account, "", name) is not None:
                raise FunctionAlreadyExists
            _check_stores(tx, ctx.account, name, config)
            if len(tx.list(Function, ctx.account, "")) >= FUNCTIONS_MAX:
                raise InvalidArgument(f"You have reached the maximum of {FUNCTIONS_MAX} functions.")
            now = self._clock.now()
            stage = FunctionStage(code=code, config=config, etag=self._new_id(), created_time=now, modified_time=now)
            tags = tags_from_wire((params.get("Tags") or {}).get("Items"))
            made = Function(account=ctx.account, region="", id=name, development=stage, tags=tags)
            tx.put(made)
        shown = {"FunctionSummary": _summary(made, DEVELOPMENT), "ETag": stage.etag}
        return {**shown, "Location": f"{API}/function/{_arn(made)}"}

    def describe_function(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found, stage = self._function(self._store.snapshot(), ctx, params)
        return {"FunctionSummary": _summary(found, stage), "ETag": _stage(found, stage).etag}

    def get_function(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found, stage = self._function(self._store.snapshot(), ctx, params)
        kept = _stage(found, stage)
        return {"FunctionCode": kept.code.encode(), "ETag": kept.etag, "ContentType": "application/octet-stream"}

    def list_functions(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        wanted = params.get("Stage")
        found = [
            (each, stage)
            for each in self._store.snapshot().list(Function, ctx.account, "")
            for stage in (DEVELOPMENT, LIVE)
            if wanted in (None, stage) and (stage == DEVELOPMENT or each.live is not None)
        ]
        shown, members = page(found, params, lambda each: f"{each[0].id}/{each[1]}")
        made = [_summary(each, stage) for each, stage in shown]
        return {"FunctionList": {**members, **({"Items": made} if made else {})}}

    def update_function(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        code, config = _checked(params)
        with self._store.write() as tx:
            before, _ = self._function(tx, ctx, params)
            matched(params.get("IfMatch"), before.development.etag)
            _check_stores(tx, ctx.account, before.id, config)
            stage = msgspec.structs.replace(
                before.development, code=code, config=config, etag=self._new_id(), modified_time=self._clock.now()
            )
            after = msgspec.structs.replace(before, development=stage)
            tx.put(after)
        return {"FunctionSummary": _summary(after, DEVELOPMENT), "ETag": stage.etag}

    def publish_function(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            before, _ = self._function(tx, ctx, params)
            matched(params.get("IfMatch"), before.development.etag)
            now = self._clock.now()
            created = before.live.created_time if before.live is not None else now
            live = msgspec.structs.replace(before.development, created_time=created, modified_time=now)
            after = msgspec.structs.replace(before, live=live)
            tx.put(after)
        return {"FunctionSummary": _summary(after, LIVE)}

    def delete_function(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found, _ = self._function(tx, ctx, params)
            matched(params.get("IfMatch"), found.development.etag)
            arn = _arn(found)
            users = sum(_uses(each, arn) for each in tx.list(Distribution, ctx.account, ""))
            if users:
                raise FunctionInUse(f"Cannot delete function, it is in use by {users} distributions.")
            tx.delete(found)

    def test_function(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found, name = self._function(snapshot, ctx, params)
        stage = _stage(found, name)
        matched(params.get("IfMatch"), stage.etag)
        try:
            event = json.dumps(json.loads(params["EventObject"]))
        except ValueError as error:
            raise InvalidArgument("The parameter EventObject is not valid JSON.") from error
        result: dict[str, Any] = {"FunctionSummary": _summary(found, name)}
        try:
            own = tuple(each.rpartition("/")[2] for each in associated(stage.config))
            script = Script(found.id, stage.config["Runtime"], stage.code, stage.etag, own)
            ran = Scripts(views(snapshot, ctx.account, own)).run(script, event, logs=True)
        except ScriptError as error:
            said = {"ComputeUtilization": "0", "FunctionExecutionLogs": [], "FunctionErrorMessage": str(error)}
            return {"TestResult": {**result, **said, "FunctionOutput": ""}}
        if ran.output is None:
            raise TestFunctionFailed("The function returned nothing.")
        made = json.loads(ran.output)
        kind = "response" if isinstance(made, dict) and "statusCode" in made else "request"
        return {
            "TestResult": {
                **result,
                "ComputeUtilization": str(ran.utilization),
                "FunctionExecutionLogs": list(ran.logs),
                "FunctionErrorMessage": "",
                "FunctionOutput": json.dumps({kind: made}),
            }
        }

    def _function(self, reader: Reader, ctx: RequestContext, params: dict[str, Any]) -> tuple[Function, str]:
        """The function and the stage that is meant (DEVELOPMENT unless the caller says LIVE)."""
        found, stage = reader.get(Function, ctx.account, "", params["Name"]), params.get("Stage") or DEVELOPMENT
        if found is None or (stage == LIVE and found.live is None):
            raise NoSuchFunctionExists
        return found, stage


def _checked(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    code, config = params["FunctionCode"], params["FunctionConfig"]
    if len(code) > CODE_BYTES_MAX:
        raise FunctionSizeLimitExceeded
    try:
        text = bytes(code).decode()
        Scripts().check(Script("new", config["Runtime"], text, ""))
    except UnicodeDecodeError as error:
        raise InvalidArgument("The function's code is not UTF-8.") from error
    except ScriptError as error:
        raise InvalidArgument(f"The function's code is not valid: {error}") from error
    return text, {"KeyValueStoreAssociations": {"Quantity": 0}, **config}


def _check_stores(reader: Reader, account: str, name: str, config: dict[str, Any]) -> None:
    """The key value stores that a function is to read. Raises InvalidArgument."""
    arns = associated(config)
    if len(arns) > STORES_PER_FUNCTION_MAX:
        raise InvalidArgument("A function can be associated with one key value store.")
    if arns and config["Runtime"] != "cloudfront-js-2.0":
        raise InvalidArgument("A function with a key value store must have the runtime cloudfront-js-2.0.")
    for arn in arns:
        found = store_of(reader, account, arn)
        if found is None:
            raise InvalidArgument(f"The key value store {arn} does not exist.")
        if status_of(reader, found) != READY:
            raise InvalidArgument(f"The key value store {arn} is not ready.")
        if len({*functions_with(reader, found), name}) > FUNCTIONS_PER_STORE_MAX:
            raise InvalidArgument(f"The key value store {arn} is associated with {FUNCTIONS_PER_STORE_MAX} functions.")


def _stage(function: Function, name: str) -> FunctionStage:
    stage = function.live if name == LIVE else function.development
    assert stage is not None
    return stage


def _arn(function: Function) -> str:
    return build_arn("cloudfront", "", function.account, f"function/{function.id}")


def _uses(distribution: Distribution, arn: str) -> bool:
    return any(
        each["FunctionARN"] == arn
        for behaviour in behaviours_of(distribution.config)
        for each in items(behaviour["FunctionAssociations"])
    )


def _summary(function: Function, name: str) -> dict[str, Any]:
    stage = _stage(function, name)
    published = function.live is not None and function.live.etag == function.development.etag
    return {
        "Name": function.id,
        "Status": "DEPLOYED" if name == LIVE else "UNASSOCIATED" if published else "UNPUBLISHED",
        "FunctionConfig": stage.config,
        "FunctionMetadata": {
            "FunctionARN": _arn(function),
            "Stage": name,
            "CreatedTime": stage.created_time,
            "LastModifiedTime": stage.modified_time,
        },
    }
