"""Deployments and stages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.errors import NotImplementedByKunren
from kunren.services.apigateway import tables
from kunren.services.apigateway.api.base import given, id_of, paged, shape_of
from kunren.services.apigateway.api.rest_apis import RestApiOperations
from kunren.services.apigateway.errors import (
    BadRequestException,
    ConflictException,
    LimitExceededException,
)
from kunren.services.apigateway.freezing import check_deployable, freeze
from kunren.services.apigateway.model import (
    METHODS,
    Deployment,
    DocumentationVersion,
    RestApi,
    Stage,
    UsagePlan,
)
from kunren.services.apigateway.patching import decode, patched, typed

STAGES_MAX = 10
CACHE_SIZES = ("0.5", "1.6", "6.1", "13.5", "28.4", "58.2", "118", "237")
_STAGE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_VARIABLE = re.compile(r"[A-Za-z0-9_]{1,64}")
_VALUE = re.compile(r"[A-Za-z0-9\-._~:/?#&=,]{0,512}")
_SETTING_DEFAULTS: dict[str, Any] = {
    "metricsEnabled": False,
    "loggingLevel": "OFF",
    "dataTraceEnabled": False,
    "throttlingBurstLimit": 5000,
    "throttlingRateLimit": 10000.0,
    "cachingEnabled": False,
    "cacheTtlInSeconds": 300,
    "cacheDataEncrypted": False,
    "requireAuthorizationForCacheControl": True,
    "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
}


def check_stage(shape: Mapping[str, Any]) -> None:
    """Raises BadRequestException, and NotImplemented for what is not here."""
    if not _STAGE_NAME.fullmatch(shape["stageName"]):
        raise BadRequestException("Stage name only allows a-zA-Z0-9_-")
    for name, value in (shape.get("variables") or {}).items():
        check_variable(name, value)
    size = shape.get("cacheClusterSize")
    if size not in (None, *CACHE_SIZES):
        raise BadRequestException(
            f"Invalid cache cluster size specified: {size}. Must be one of: [{', '.join(CACHE_SIZES)}]"
        )
    if shape.get("clientCertificateId"):
        raise NotImplementedByKunren("apigateway", "client certificates of stages")
    if shape.get("tracingEnabled"):
        raise NotImplementedByKunren("apigateway", "X-Ray tracing of stages")
    canary = shape.get("canarySettings")
    if canary is not None and not 0 <= canary.get("percentTraffic", 0.0) <= 100:
        raise BadRequestException("Percent traffic must be between 0.0 and 100.0")
    log = shape.get("accessLogSettings") or {}
    arn = log.get("destinationArn")
    if arn is not None and not re.match(r"arn:aws:(logs:[a-z0-9-]+:\d{12}:log-group:.+|firehose:.+)", arn):
        raise BadRequestException("Invalid ARN specified in the request")
    if arn is not None and ":firehose:" in arn:
        raise NotImplementedByKunren("apigateway", "access logs to Firehose")


def check_variable(name: str, value: str) -> None:
    if not _VARIABLE.fullmatch(name):
        raise BadRequestException("Stage variable name is invalid, must match the following pattern: [A-Za-z0-9_]+")
    if not _VALUE.fullmatch(value):
        raise BadRequestException(
            "Stage variable value is invalid, must match the following pattern: [A-Za-z0-9-._~:/?#&=,]+"
        )


class DeploymentOperations(RestApiOperations):
    def create_deployment(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            api = self._rest_api(tx, ctx, params)
            frozen = freeze(tx, api)
            check_deployable(frozen)
            id = self._id()
            shape = {"id": id, **given(params, "description"), "createdDate": self._now()}
            tx.put(Deployment(account=api.account, region=api.region, id=f"{api.id}/{id}", shape=shape, frozen=frozen))
            if params.get("stageName"):
                self._deploy_to(tx, api, id, params)
            elif params.get("canarySettings"):
                raise BadRequestException("Canary settings need a stage to be deployed to")
        return shape

    def _deploy_to(self, tx: Tx, api: RestApi, deployment: str, params: Mapping[str, Any]) -> None:
        """Point a stage, new or not, to a new deployment; or its canary."""
        stage = tx.get(Stage, api.account, api.region, f"{api.id}/{params['stageName']}")
        canary = params.get("canarySettings")
        if canary is not None:
            if stage is None:
                raise BadRequestException("Invalid stage identifier specified")
            told = {"deploymentId": deployment, **_canary(canary)}
            self._put_stage(tx, stage, {**stage.shape, "canarySettings": told})
            return
        told = given(params, "variables", "cacheClusterSize", "tracingEnabled", "cacheClusterEnabled")
        if params.get("stageDescription") is not None:
            told["description"] = params["stageDescription"]
        if stage is None:
            self._new_stage(tx, api, {**told, "stageName": params["stageName"], "deploymentId": deployment})
        else:
            self._put_stage(tx, stage, {**stage.shape, **told, "deploymentId": deployment})

    def get_deployment(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        row = self._part(self._store.snapshot(), Deployment, ctx, params, params["deploymentId"])
        return {**row.shape, "apiSummary": _summary(row)} if "apisummary" in (params.get("embed") or []) else row.shape

    def get_deployments(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        return paged(self._parts(snapshot, Deployment, self._rest_api(snapshot, ctx, params)), params, shape_of, id_of)

    def update_deployment(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            row = self._part(tx, Deployment, ctx, params, params["deploymentId"])
            return self._put(tx, row, patched(row.shape, params.get("patchOperations"), tables.DEPLOYMENT)).shape

    def delete_deployment(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            row = self._part(tx, Deployment, ctx, params, params["deploymentId"])
            for stage in self._parts(tx, Stage, self._rest_api(tx, ctx, params)):
                canary = stage.shape.get("canarySettings") or {}
                if row.name in (stage.shape["deploymentId"], canary.get("deploymentId")):
                    raise BadRequestException("Active stages pointing to this deployment must be moved or deleted")
            tx.delete(row)

    # --- stages ---------------------------------------------------------------------------------------------------

    def create_stage(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            api = self._rest_api(tx, ctx, params)
            if tx.get(Stage, ctx.account, ctx.region, f"{api.id}/{params['stageName']}") is not None:
                raise ConflictException("Stage already exists")
            told = given(
                params, "stageName", "deploymentId", "description", "cacheClusterSize", "cacheClusterEnabled",
                "variables", "documentationVersion", "tracingEnabled", "tags",
            )  # fmt: skip
            if params.get("canarySettings"):
                told["canarySettings"] = _canary(params["canarySettings"])
            return self._new_stage(tx, api, told).shape

    def _new_stage(self, tx: Tx, api: RestApi, told: Mapping[str, Any]) -> Stage:
        if len(self._parts(tx, Stage, api)) >= STAGES_MAX:
            raise LimitExceededException("Maximum number of stages for this API has been reached")
        now = self._now()
        shape: dict[str, Any] = {
            "cacheClusterEnabled": False, "cacheClusterStatus": "NOT_AVAILABLE", "methodSettings": {},
            "tracingEnabled": False, "createdDate": now, **told,
        }  # fmt: skip
        stage = Stage(account=api.account, region=api.region, id=f"{api.id}/{told['stageName']}", shape=shape)
        return self._put_stage(tx, stage, shape)

    def _put_stage(self, tx: Tx, stage: Stage, shape: dict[str, Any]) -> Stage:
        check_stage(shape)
        cached = bool(shape.get("cacheClusterEnabled"))
        shape = {**shape, "cacheClusterStatus": "AVAILABLE" if cached else "NOT_AVAILABLE"}
        if cached:
            shape.setdefault("cacheClusterSize", CACHE_SIZES[0])
        api = stage.id.partition("/")[0]
        deployments = [shape["deploymentId"]]
        if shape.get("canarySettings"):
            deployments.append(shape["canarySettings"].setdefault("deploymentId", shape["deploymentId"]))
        for each in deployments:
            if tx.get(Deployment, stage.account, stage.region, f"{api}/{each}") is None:
                raise BadRequestException("Invalid deployment ID specified")
        version = shape.get("documentationVersion")
        if version and tx.get(DocumentationVersion, stage.account, stage.region, f"{api}/{version}") is None:
            raise BadRequestException("Invalid Documentation version identifier specified")
        return self._put(tx, stage, {**shape, "lastUpdatedDate": self._now()})

    def get_stage(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._part(self._store.snapshot(), Stage, ctx, params, params["stageName"]).shape

    def get_stages(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        wanted = params.get("deploymentId")
        rows = self._parts(snapshot, Stage, self._rest_api(snapshot, ctx, params))
        return {"item": [each.shape for each in rows if wanted in (None, each.shape["deploymentId"])]}

    def update_stage(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            row = self._part(tx, Stage, ctx, params, params["stageName"])
            shape = row.shape
            for operation in params.get("patchOperations") or ():
                shape = patched_stage(shape, operation)
            return self._put_stage(tx, row, shape).shape

    def delete_stage(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            row = self._part(tx, Stage, ctx, params, params["stageName"])
            self.check_unmapped(tx, ctx, params["restApiId"], params["stageName"])
            for plan in tx.list(UsagePlan, ctx.account, ctx.region):
                if any((each["apiId"], each["stage"]) == (params["restApiId"], row.name)
                       for each in plan.shape["apiStages"]):  # fmt: skip
                    raise BadRequestException(
                        "Deleting stages referenced in a usage plan is not permitted. Please disassociate stages from "
                        "all usage plans before deleting the stage."
                    )
            tx.delete(row)


def patched_stage(shape: dict[str, Any], operation: Mapping[str, Any]) -> dict[str, Any]:
    """A stage after one patch operation: its own members by the table, method settings by their paths."""
    path = operation.get("path") or ""
    segments = path.removeprefix("/").split("/")
    own = segments[0] in {rule.names[0] for rule in tables.STAGE}
    if own or operation.get("op") == "copy":
        return patched(shape, [operation], tables.STAGE)
    settings: dict[str, Any] = dict(shape["methodSettings"])
    if operation.get("op") == "remove" and len(segments) >= 2:
        settings.pop(_setting_key(segments), None)
        return {**shape, "methodSettings": settings}
    rule = tables.METHOD_SETTINGS.get("/".join(segments[-2:])) if len(segments) >= 4 else None
    if rule is None or operation.get("op") not in ("replace", "add"):
        known = [each.path for each in tables.STAGE]
        known += [f"/{{resourcePath}}/{{httpMethod}}/{each}" for each in tables.METHOD_SETTINGS]
        raise BadRequestException(f"Invalid method setting path: {path}. Must be one of: [{', '.join(known)}]")
    key = _setting_key(segments[:-2])
    if key.rpartition("/")[2] not in ("*", *METHODS):
        raise BadRequestException(f"Invalid method setting path: {path}")
    value = typed(rule, operation.get("value"))
    if rule.path == "cacheTtlInSeconds" and not 0 <= (value or 0) <= 3600:
        raise BadRequestException("Invalid cache TTL, must be between 0 and 3600")
    settings[key] = {**_SETTING_DEFAULTS, **settings.get(key, {}), rule.path: value}
    return {**shape, "methodSettings": settings}


def _setting_key(segments: list[str]) -> str:
    """`resource path/METHOD`, the path without its first slash ("*" for all). Slashes in the path may be escaped."""
    *path, method = (decode(each) for each in segments)
    return f"{'/'.join(path).strip('/')}/{method}"


def _canary(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "percentTraffic": told.get("percentTraffic") or 0.0,
        "useStageCache": bool(told.get("useStageCache")),
        **given(told, "deploymentId", "stageVariableOverrides"),
    }


def _summary(row: Deployment) -> dict[str, Any]:
    return {
        resource["path"]: {
            name: {
                "authorizationType": method["authorizationType"], "apiKeyRequired": bool(method.get("apiKeyRequired"))
            }
            for name, method in resource["methods"].items()
        }
        for resource in row.frozen["resources"]
    }  # fmt: skip
