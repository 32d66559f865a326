"""Functions: create, read, update, delete, list, and the account's limits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from kunren.core.context import RequestContext
from kunren.core.errors import WireError
from kunren.core.pagination import InvalidToken, page
from kunren.dataplane.runtime.interpreters import RuntimeUnavailable
from kunren.dataplane.runtime.runtime import ACCOUNT_CONCURRENCY
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.checks import check_configuration, check_name, check_package_members, check_tags
from kunren.services.lambda_.code import UNZIPPED_BYTES_MAX, ZIPPED_BYTES_MAX
from kunren.services.lambda_.errors import (
    CodeStorageExceededException,
    InvalidParameterValueException,
    ResourceConflictException,
)
from kunren.services.lambda_.model import LATEST, Code, Function
from kunren.services.lambda_.names import parse_function_name
from kunren.services.lambda_.view import configuration

PAGE_ITEMS_MAX = 50
TOTAL_CODE_BYTES_MAX = 80_530_636_800
UNRESERVED_MIN = 100
_REQUEST_BYTES_MAX = 70_167_211
_NOT_LISTED = (
    "State",
    "StateReason",
    "StateReasonCode",
    "LastUpdateStatus",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
)


class FunctionOperations(ApiBase):
    async def create_function(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
        check_name(name.name)
        check_package_members(params)
        check_configuration(params)
        tags = params.get("Tags") or {}
        check_tags(tags)
        exists = ResourceConflictException(f"Function already exist: {name.name}")
        if self._store.snapshot().get(Function, ctx.account, ctx.region, name.name) is not None:
            raise exists
        await self._check_runtime(params["Runtime"])
        code = await self._keep_code(ctx, params["Code"], "CreateFunction")
        environment = params.get("Environment")
        function = Function(
            account=ctx.account,
            region=ctx.region,
            id=name.name,
            arn=name.arn,
            role=params["Role"],
            runtime=params["Runtime"],
            handler=params["Handler"],
            code=code,
            description=params.get("Description") or "",
            timeout=params.get("Timeout") or 3,
            memory_size=params.get("MemorySize") or 128,
            environment=dict(environment["Variables"]) if environment and "Variables" in environment else None,
            architecture=(params.get("Architectures") or ["x86_64"])[0],
            ephemeral_storage=(params.get("EphemeralStorage") or {}).get("Size", 512),
            log_group=(params.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name.name}",
            last_modified=self._clock.now(),
            revision_id=self._entropy.uuid(),
            update_id=self._entropy.hex(16),
            tags=dict(tags),
        )
        with self._store.write() as tx:
            if tx.get(Function, ctx.account, ctx.region, name.name) is not None:
                raise exists
            tx.put(function)
        return configuration(function, None)

    def get_function(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = self._name(ctx, params)
        function = self._get(self._store.snapshot(), name)
        answer: dict[str, Any] = {"Configuration": self._shown(function, qualified=bool(name.qualifier))}
        if self._code_url is not None:
            url = self._code_url(function.account, function.region, function.id, function.code.sha256)
            if url is not None:
                answer["Code"] = {"RepositoryType": "S3", "Location": url}
        if function.tags:
            answer["Tags"] = function.tags
        if function.reserved_concurrency is not None:
            answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved_concurrency}
        return answer

    def get_function_configuration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = self._name(ctx, params)
        return self._shown(self._get(self._store.snapshot(), name), qualified=bool(name.qualifier))

    def list_functions(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        functions = self._store.snapshot().list(Function, ctx.account, ctx.region)
        qualified = params.get("FunctionVersion") == "ALL"
        shown, marker = self._page(functions, params)
        return {"Functions": [_listed(self._shown(each, qualified=qualified)) for each in shown], "NextMarker": marker}

    def list_versions_by_function(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        function = self._get(self._store.snapshot(), self._name(ctx, params))
        shown, marker = self._page([function], params)
        return {"Versions": [_listed(self._shown(each, qualified=True)) for each in shown], "NextMarker": marker}

    def _page(self, functions: list[Function], params: Mapping[str, Any]) -> tuple[list[Function], str | None]:
        limit = min(params.get("MaxItems") or PAGE_ITEMS_MAX, PAGE_ITEMS_MAX)
        try:
            return page(functions, params.get("Marker"), limit, lambda each: each.id)
        except InvalidToken:
            raise InvalidParameterValueException("Invalid Marker") from None

    async def update_function_code(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
        function = self._get(self._store.snapshot(), name)
        self._guard_revision(function, params)
        self._updatable(self._store.snapshot(), function)
        if params.get("ImageUri") or params.get("Publish") or params.get("PublishTo"):
            what = "container images" if params.get("ImageUri") else "published versions"
            raise InvalidParameterValueException(f"Kunren does not have {what} yet.")
        code = await self._keep_code(ctx, params, "UpdateFunctionCode")
        architecture = (params.get("Architectures") or [function.architecture])[0]
        with self._store.write() as tx:
            now = self._get(tx, name)
            self._guard_revision(now, params)
            self._updatable(tx, now)
            updated = self._updated(now, code=code, architecture=architecture)
            if not params.get("DryRun"):
                tx.put(updated)
        return self._shown(updated)

    async def update_function_configuration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
        check_configuration(params)
        self._get(self._store.snapshot(), name)
        if params.get("Runtime"):
            await self._check_runtime(params["Runtime"])
        with self._store.write() as tx:
            function = self._get(tx, name)
            self._guard_revision(function, params)
            self._updatable(tx, function)
            updated = self._updated(function, **_changes(params, function))
            tx.put(updated)
        return self._shown(updated)

    def delete_function(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = self._name(ctx, params)
        if name.qualifier == LATEST:
            raise InvalidParameterValueException("$LATEST version cannot be deleted without deleting the function.")
        with self._store.write() as tx:
            tx.delete(self._get(tx, name))
        return {"StatusCode": 204}

    def get_account_settings(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        functions = self._store.snapshot().list(Function, ctx.account, ctx.region)
        reserved = sum(each.reserved_concurrency or 0 for each in functions)
        return {
            "AccountLimit": {
                "TotalCodeSize": TOTAL_CODE_BYTES_MAX,
                "CodeSizeUnzipped": UNZIPPED_BYTES_MAX,
                "CodeSizeZipped": ZIPPED_BYTES_MAX,
                "ConcurrentExecutions": ACCOUNT_CONCURRENCY,
                "UnreservedConcurrentExecutions": ACCOUNT_CONCURRENCY - reserved,
            },
            "AccountUsage": {
                "TotalCodeSize": sum(each.code.size for each in functions),
                "FunctionCount": len(functions),
            },
        }

    def put_function_concurrency(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
        wanted = params["ReservedConcurrentExecutions"]
        with self._store.write() as tx:
            function = self._get(tx, name)
            others = sum(
                each.reserved_concurrency or 0
                for each in tx.list(Function, name.account, name.region)
                if each.id != function.id
            )
            if ACCOUNT_CONCURRENCY - others - wanted < UNRESERVED_MIN:
                raise InvalidParameterValueException(
                    "Specified ReservedConcurrentExecutions for function decreases account's "
                    f"UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_MIN}]."
                )
            tx.put(self._revised(function, reserved_concurrency=wanted))
        return {"ReservedConcurrentExecutions": wanted}

    def get_function_concurrency(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        function = self._get(self._store.snapshot(), self._name(ctx, params))
        return {"ReservedConcurrentExecutions": function.reserved_concurrency}

    def delete_function_concurrency(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            tx.put(self._revised(self._get(tx, self._name(ctx, params)), reserved_concurrency=None))

    async def _check_runtime(self, runtime: str) -> None:
        try:
            await self._invoker.runtime.check_runtime(runtime)
        except RuntimeUnavailable as error:
            raise InvalidParameterValueException(f"This machine cannot run the runtime: {error}") from None

    async def _keep_code(self, ctx: RequestContext, source: Mapping[str, Any], operation: str) -> Code:
        package = await self._package(source, operation)
        code = await asyncio.to_thread(self._code.put, package)
        functions = self._store.snapshot().list(Function, ctx.account, ctx.region)
        if sum(each.code.size for each in functions) + code.size > TOTAL_CODE_BYTES_MAX:
            raise CodeStorageExceededException("Code storage limit exceeded.")
        return code

    async def _package(self, source: Mapping[str, Any], operation: str) -> bytes:
        """The bytes of the deployment package, from the request or from S3."""
        if source.get("ImageUri"):
            raise InvalidParameterValueException("Kunren does not have functions as container images yet.")
        bucket, key = source.get("S3Bucket"), source.get("S3Key")
        package = source.get("ZipFile")
        if package is not None:
            if bucket or key:
                raise InvalidParameterValueException(
                    "Please do not provide other FunctionCode parameters when providing a ZipFile."
                )
            if len(package) * 4 // 3 > _REQUEST_BYTES_MAX:
                raise WireError(
                    "RequestEntityTooLargeException",
                    f"Request must be smaller than {_REQUEST_BYTES_MAX} bytes for the {operation} operation",
                    413,
                )
            return bytes(package)
        if not bucket or not key:
            raise InvalidParameterValueException("Please provide a source for function code.")
        if self._fetch_s3 is None:
            raise InvalidParameterValueException("This Kunren runs without S3: give the package as ZipFile.")
        try:
            return await self._fetch_s3(bucket, key, source.get("S3ObjectVersion"))
        except LookupError as error:
            raise InvalidParameterValueException(
                f"Error occurred while GetObject. {error.args[0] if error.args else error}"
            ) from None


def _changes(params: Mapping[str, Any], function: Function) -> dict[str, Any]:
    """The fields that an UpdateFunctionConfiguration names."""
    simple = {
        "Role": "role",
        "Handler": "handler",
        "Description": "description",
        "Timeout": "timeout",
        "MemorySize": "memory_size",
        "Runtime": "runtime",
    }
    changes = {field: params[member] for member, field in simple.items() if params.get(member) is not None}
    if params.get("Environment") is not None:
        changes["environment"] = dict(params["Environment"].get("Variables") or {}) or None
    if params.get("EphemeralStorage") is not None:
        changes["ephemeral_storage"] = params["EphemeralStorage"]["Size"]
    if (params.get("LoggingConfig") or {}).get("LogGroup"):
        changes["log_group"] = params["LoggingConfig"]["LogGroup"]
    return changes


def _listed(shown: dict[str, Any]) -> dict[str, Any]:
    """Lists leave states out (API reference, ListFunctions)."""
    return {member: value for member, value in shown.items() if member not in _NOT_LISTED}
