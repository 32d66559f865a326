"""Stages and deployments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.services.apigatewayv2 import checks, views
from kunren.services.apigatewayv2.api.base import ApiBase, changed_config, config_of, parts_of, replaced
from kunren.services.apigatewayv2.deploying import deploy
from kunren.services.apigatewayv2.domains.state import mappings_to
from kunren.services.apigatewayv2.errors import (
    BadRequestException,
    ConflictException,
    NotFoundException,
    TooManyRequestsException,
)
from kunren.services.apigatewayv2.model import Api, Deployment, Route, Stage

STAGES_MAX = 10
"""Quota of an API."""
_MEMBERS = (
    "Description", "AutoDeploy", "StageVariables", "DefaultRouteSettings", "RouteSettings", "AccessLogSettings",
)  # fmt: skip
_NO_ROUTE = "At least one route is required before deploying the Api."


class StageOperations(ApiBase):
    forget_authorizations: Callable[[str, str, str, str], None]
    """Told account, region, API and stage whose kept authorizer results are to be forgotten."""

    # --- stages

    def create_stage(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name, config, now = params["StageName"], config_of(params, _MEMBERS), self._clock.now()
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            self._check_stage(tx, api, name, config, params)
            if tx.get(Stage, api.account, api.region, f"{api.id}/{name}") is not None:
                raise ConflictException("Stage already exists")
            if len(parts_of(tx, Stage, api)) >= STAGES_MAX:
                raise TooManyRequestsException("Maximum number of stages for this Api has been reached.")
            made = Stage(
                account=api.account, region=api.region, id=f"{api.id}/{name}", config=config, created=now, updated=now,
                deployment=params.get("DeploymentId", ""), tags=params.get("Tags") or {},
            )  # fmt: skip
            tx.put(made)
            if config.get("AutoDeploy"):
                self._changed(tx, api)
        return self._shown(ctx, params)

    def _check_stage(self, tx: Tx, api: Api, name: str, config: dict[str, Any], params: dict[str, Any]) -> None:
        checks.check_stage(name, config)
        checks.check_tags(params.get("Tags"))
        if params.get("ClientCertificateId"):
            raise BadRequestException("ClientCertificateId is not supported for HTTP protocol Apis")
        if params.get("DeploymentId"):
            if config.get("AutoDeploy"):
                raise BadRequestException("DeploymentId cannot be set to a stage with AutoDeploy enabled")
            self._part(tx, Deployment, api, params["DeploymentId"])
        keys = {each.config["RouteKey"] for each in parts_of(tx, Route, api)}
        for key in config.get("RouteSettings", {}):
            if key not in keys:
                raise NotFoundException(f"Unable to find Route by key {key} within the provided RouteSettings")

    def update_stage(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            stage = self._part(tx, Stage, api, params["StageName"])
            config = changed_config(stage.config, params, _MEMBERS)
            if params.get("RouteSettings"):
                config["RouteSettings"] = {**stage.config.get("RouteSettings", {}), **params["RouteSettings"]}
            if params.get("StageVariables"):  # an empty value takes a variable away
                merged = {**stage.config.get("StageVariables", {}), **params["StageVariables"]}
                config["StageVariables"] = {key: value for key, value in merged.items() if value}
            self._check_stage(tx, api, stage.own_id, config, params)
            deployment = params.get("DeploymentId") or stage.deployment
            stage = replaced(stage, config=config, deployment=deployment, updated=self._clock.now())
            tx.put(stage)
            if params.get("AutoDeploy"):
                self._changed(tx, api)
        return self._shown(ctx, params)

    def get_stage(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._shown(ctx, params)

    def _shown(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        api = self._api(snapshot, ctx, params["ApiId"])
        return self._view(snapshot, api, self._part(snapshot, Stage, api, params["StageName"]))

    def _view(self, snapshot: Snapshot, api: Api, stage: Stage) -> dict[str, Any]:
        return views.stage(stage, has_routes=bool(parts_of(snapshot, Route, api)))

    def get_stages(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        api = self._api(snapshot, ctx, params["ApiId"])
        found = self._page(parts_of(snapshot, Stage, api), params, lambda each: each.own_id)
        return {**found, "Items": [self._view(snapshot, api, each) for each in found["Items"]]}

    def delete_stage(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            stage = self._part(tx, Stage, api, params["StageName"])
            if mappings_to(tx, api.account, api.region, api.id, stage.own_id):
                raise BadRequestException(
                    f"Deleting stage '{stage.own_id}' is not supported while API mappings lead to it. Delete the API "
                    "mappings first."
                )
            tx.delete(stage)

    def delete_route_settings(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._without(ctx, params, "RouteSettings", params["RouteKey"])

    def delete_access_log_settings(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._without(ctx, params, "AccessLogSettings")

    def _without(self, ctx: RequestContext, params: dict[str, Any], member: str, key: str | None = None) -> None:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            stage = self._part(tx, Stage, api, params["StageName"])
            if key is not None and key not in stage.config.get(member, {}):
                raise NotFoundException(f"Unable to find Route by key {key} within the provided RouteSettings")
            config = {name: value for name, value in stage.config.items() if name != member}
            if key is not None:
                config[member] = {each: value for each, value in stage.config[member].items() if each != key}
            tx.put(replaced(stage, config=config, updated=self._clock.now()))

    def reset_authorizers_cache(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        snapshot = self._store.snapshot()
        api = self._api(snapshot, ctx, params["ApiId"])
        stage = self._part(snapshot, Stage, api, params["StageName"])
        self.forget_authorizations(api.account, api.region, api.id, stage.own_id)

    # --- deployments

    def create_deployment(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        now = self._clock.now()
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            if not parts_of(tx, Route, api):
                raise BadRequestException(_NO_ROUTE)
            stage = self._part(tx, Stage, api, params["StageName"]) if params.get("StageName") else None
            if stage is not None and stage.config.get("AutoDeploy"):
                raise BadRequestException(
                    "Deployment ID cannot be updated on a stage with AutoDeploy enabled. Turn AutoDeploy off first."
                )
            made = deploy(tx, api, self._entropy.lower(6), now, description=params.get("Description", ""))
            if stage is not None:
                tx.put(replaced(stage, deployment=made.own_id, updated=now))
        return views.deployment(made)

    def update_deployment(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            found = self._part(tx, Deployment, api, params["DeploymentId"])
            found = replaced(found, config=changed_config(found.config, params, ("Description",)))
            tx.put(found)
        return views.deployment(found)

    def get_deployment(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        api = self._api(snapshot, ctx, params["ApiId"])
        return views.deployment(self._part(snapshot, Deployment, api, params["DeploymentId"]))

    def get_deployments(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        parts = parts_of(snapshot, Deployment, self._api(snapshot, ctx, params["ApiId"]))
        found = self._page(parts, params, lambda each: each.own_id)
        return {**found, "Items": [views.deployment(each) for each in found["Items"]]}

    def delete_deployment(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            found = self._part(tx, Deployment, api, params["DeploymentId"])
            if any(each.deployment == found.own_id for each in parts_of(tx, Stage, api)):
                raise BadRequestException(
                    "Active stages pointing to this deployment must be moved or deleted before deleting the deployment"
                )
            tx.delete(found)
