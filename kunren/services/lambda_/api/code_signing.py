"""Code signing configurations, and which function has which. Enforced in `code_signing.py` beside this package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from kunren.core.context import RequestContext
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.checks import check_tags
from kunren.services.lambda_.code_signing import attachable, find_config
from kunren.services.lambda_.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from kunren.services.lambda_.lookup import Source
from kunren.services.lambda_.model import CodeSigningConfig, Function
from kunren.services.lambda_.view import timestamp

_PAGE_MAX = 10_000
_PROFILE_VERSION = re.compile(
    r"arn:aws[a-zA-Z-]*:signer:[a-z0-9-]+:\d{12}:/signing-profiles/[a-zA-Z0-9_]{2,}/[a-zA-Z0-9]{10}"
)


class CodeSigningOperations(ApiBase):
    def create_code_signing_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        tags = params.get("Tags") or {}
        check_tags(tags)
        config = CodeSigningConfig(
            account=ctx.account,
            region=ctx.region,
            id="csc-" + self._entropy.lower(17),
            publishers=_publishers(params),
            policy=_policy(params) or "Warn",
            description=params.get("Description") or "",
            modified=self._clock.now(),
            tags=dict(tags),
        )
        with self._store.write() as tx:
            tx.put(config)
        return {"CodeSigningConfig": _shown(config)}

    def update_code_signing_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        changes: dict[str, Any] = {"modified": self._clock.now()}
        if params.get("AllowedPublishers") is not None:
            changes["publishers"] = _publishers(params)
        if params.get("Description") is not None:
            changes["description"] = params["Description"]
        if policy := _policy(params):
            changes["policy"] = policy
        with self._store.write() as tx:
            config = msgspec.structs.replace(self._signing(tx, ctx, params), **changes)
            tx.put(config)
        return {"CodeSigningConfig": _shown(config)}

    def get_code_signing_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"CodeSigningConfig": _shown(self._signing(self._store.snapshot(), ctx, params))}

    def list_code_signing_configs(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        configs = self._store.snapshot().list(CodeSigningConfig, ctx.account, ctx.region)
        page, marker = self._page(configs, params, lambda each: each.id, _PAGE_MAX)
        return {"CodeSigningConfigs": [_shown(each) for each in page], "NextMarker": marker}

    def delete_code_signing_config(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            config = self._signing(tx, ctx, params)
            if _users(tx, config):
                raise ResourceConflictException(
                    f"The code signing configuration {config.arn} cannot be deleted because it is in use by functions."
                )
            tx.delete(config)

    def list_functions_by_code_signing_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        users = _users(snapshot, self._signing(snapshot, ctx, params))
        page, marker = self._page(users, params, lambda each: each.id, _PAGE_MAX)
        return {"FunctionArns": [each.arn for each in page], "NextMarker": marker}

    # Of one function

    def put_function_code_signing_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            function = self._function(tx, self._name(ctx, params))
            config = attachable(tx, function.account, function.region, params["CodeSigningConfigArn"])
            tx.put(self._revised(function, code_signing_config=config.arn))
        return {"CodeSigningConfigArn": config.arn, "FunctionName": function.id}

    def get_function_code_signing_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """A function without one is answered with nothing in it."""
        function = self._function(self._store.snapshot(), self._name(ctx, params))
        if not function.code_signing_config:
            return {}
        return {"CodeSigningConfigArn": function.code_signing_config, "FunctionName": function.id}

    def delete_function_code_signing_config(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            function = self._function(tx, self._name(ctx, params))
            if function.code_signing_config:
                tx.put(self._revised(function, code_signing_config=""))

    def _signing(self, source: Source, ctx: RequestContext, params: Mapping[str, Any]) -> CodeSigningConfig:
        arn = params["CodeSigningConfigArn"]
        found = find_config(source, ctx.account, ctx.region, arn)
        if found is None:
            raise ResourceNotFoundException(f"The Lambda code signing configuration {arn} can not be found.")
        return found


def _users(source: Source, config: CodeSigningConfig) -> list[Function]:
    functions = source.list(Function, config.account, config.region)
    return [each for each in functions if each.code_signing_config == config.arn]


def _publishers(params: Mapping[str, Any]) -> tuple[str, ...]:
    arns = tuple(params["AllowedPublishers"]["SigningProfileVersionArns"])
    for arn in arns:
        if not _PROFILE_VERSION.fullmatch(arn):
            raise InvalidParameterValueException(f"Invalid signing profile version ARN: {arn}")
    return arns


def _policy(params: Mapping[str, Any]) -> str | None:
    return (params.get("CodeSigningPolicies") or {}).get("UntrustedArtifactOnDeployment")


def _shown(config: CodeSigningConfig) -> dict[str, Any]:
    return {
        "CodeSigningConfigId": config.id,
        "CodeSigningConfigArn": config.arn,
        "Description": config.description,
        "AllowedPublishers": {"SigningProfileVersionArns": list(config.publishers)},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": config.policy},
        "LastModified": timestamp(config.modified),
    }
