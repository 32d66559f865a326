"""Deployments: asked for, watched, stopped, continued. What happens then is the controller's."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.codedeploy import errors, views
from kunren.services.codedeploy.api.base import (
    ApiBase,
    Params,
    Result,
    check_batch,
    find_application,
    find_config,
    find_deployment,
    find_group,
    page,
)
from kunren.services.codedeploy.api.groups import check_alarms, check_rollback
from kunren.services.codedeploy.api.revisions import checked_location, of_location
from kunren.services.codedeploy.model import ACTIVE, SERVER, Application, Deployment, Group
from kunren.services.codedeploy.starting import new_deployment

_FROM_REQUEST = (
    "ignoreApplicationStopFailures", "autoRollbackConfiguration", "updateOutdatedInstancesOnly", "fileExistsBehavior",
    "targetInstances", "overrideAlarmConfiguration",
)  # fmt: skip
_NOT_YET = {
    "ec2DeploymentOptions": "suspending of Auto Scaling processes",
}
STOPPED = "No more commands will be scheduled for execution in the deployment instances"


class Deployments(ApiBase):
    def create_deployment(self, ctx: RequestContext, params: Params) -> Result:
        application, now = params["applicationName"], self._clock.now()
        for member, what in _NOT_YET.items():
            if params.get(member):
                raise errors.NotYet(what)
        if params.get("deploymentMode") == "RESTART":
            raise errors.NotYet("restarts of the last revision")
        with self._store.write() as tx:
            owner = find_application(tx, ctx, application)
            if not params.get("deploymentGroupName"):
                raise errors.DeploymentGroupNameRequiredException("The deployment group name must be specified")
            group = find_group(tx, ctx, application, params["deploymentGroupName"])
            if params.get("targetInstances") and not _finds_green(group):
                raise errors.InvalidTargetInstancesException(
                    "Target instances are for blue/green deployments that find their replacement instances"
                )
            location = self._location(owner, group, params)
            config = find_config(tx, ctx, params.get("deploymentConfigName") or group.config)
            if config.platform != owner.platform:
                raise errors.InvalidComputePlatformException(
                    f"The deployment configuration {config.id} is not for the {owner.platform} compute platform"
                )
            check_alarms(params.get("overrideAlarmConfiguration"))
            check_rollback(params.get("autoRollbackConfiguration"))
            for each in tx.list(Deployment, ctx.account, ctx.region):
                if each.only or each.status not in ACTIVE:
                    continue
                if (each.application, each.group) == (application, group.name):
                    raise errors.DeploymentLimitExceededException(
                        f"The Deployment Group '{group.name}' already has an active Deployment '{each.id}'"
                    )
            asked = {member: params[member] for member in _FROM_REQUEST if params.get(member) is not None}
            made = new_deployment(
                tx, self._entropy, group, owner.platform, config, location, now, settings=asked,
                description=params.get("description"),
            )  # fmt: skip
            used = of_location(tx, ctx, application, location)
            tx.put(
                replace(
                    used,
                    first_used_at=used.first_used_at or now,
                    last_used_at=now,
                    registered_at=used.registered_at or now,
                    description=used.description or f"Application revision registered by Deployment ID: {made.id}",
                )
            )
        return {"deploymentId": made.id}

    def _location(self, owner: Application, group: Group, params: Params) -> dict[str, Any]:
        if params.get("revision"):
            return checked_location(owner, params["revision"])
        if params.get("updateOutdatedInstancesOnly") and group.revision is not None:
            return group.revision
        raise errors.RevisionRequiredException("The revision must be specified")

    def get_deployment(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        return {"deploymentInfo": views.deployment(snapshot, find_deployment(snapshot, ctx, params["deploymentId"]))}

    def batch_get_deployments(self, ctx: RequestContext, params: Params) -> Result:
        check_batch(params["deploymentIds"], 25)
        snapshot = self._store.snapshot()
        by_id = snapshot.by_id(Deployment, ctx.account, ctx.region)
        found = [by_id.get(each) for each in params["deploymentIds"]]
        return {"deploymentsInfo": [views.deployment(snapshot, each) for each in found if each is not None]}

    def list_deployments(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        application, group = params.get("applicationName"), params.get("deploymentGroupName")
        if group and application:
            find_group(snapshot, ctx, application, group)
        elif application:
            raise errors.DeploymentGroupNameRequiredException("The deployment group name must be specified")
        elif group:
            raise errors.ApplicationNameRequiredException("The application name must be specified")
        wanted, times = params.get("includeOnlyStatuses") or (), params.get("createTimeRange") or {}
        start, end = _seconds(times.get("start"), 0.0), _seconds(times.get("end"), 1e12)
        found = [
            each
            for each in snapshot.list(Deployment, ctx.account, ctx.region)
            if application in (None, each.application)
            and group in (None, each.group)
            and (not wanted or each.status in wanted)
            and start <= each.created_at <= end
            and not params.get("externalId")
        ]
        found.sort(key=_newest_first)
        shown, token = page(found, params.get("nextToken"), _newest_first)
        return {"deployments": [each.id for each in shown], "nextToken": token}

    def stop_deployment(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            found = find_deployment(tx, ctx, params["deploymentId"])
            if found.ended:
                if found.status == "Stopped":
                    return {"status": "Succeeded", "statusMessage": STOPPED}
                raise errors.DeploymentAlreadyCompletedException(f"The deployment {found.id} has already completed")
            tx.put(replace(found, stopping="request", rolls_back_when_stopped=params.get("autoRollbackEnabled")))
        return {"status": "Pending", "statusMessage": STOPPED}

    def continue_deployment(self, ctx: RequestContext, params: Params) -> None:
        wait = params.get("deploymentWaitType") or "READY_WAIT"
        with self._store.write() as tx:
            found = find_deployment(tx, ctx, params.get("deploymentId"))
            if found.ended:
                raise errors.DeploymentAlreadyCompletedException(f"The deployment {found.id} has already completed")
            if found.platform not in (SERVER, "ECS") or (
                (found.settings.get("deploymentStyle") or {}).get("deploymentType") != "BLUE_GREEN"
            ):
                raise errors.UnsupportedActionForDeploymentTypeException(
                    "Only blue/green deployments of instances and services can be continued"
                )
            if not found.waits.get(wait):
                raise errors.DeploymentIsNotInReadyStateException(f"The deployment {found.id} does not wait")
            tx.put(replace(found, waits={**found.waits, wait: 0.0}))

    def skip_wait_time_for_instance_termination(self, ctx: RequestContext, params: Params) -> None:
        """What ContinueDeployment does, by its older name."""
        self.continue_deployment(ctx, {**params, "deploymentWaitType": "TERMINATION_WAIT"})


def _finds_green(group: Group) -> bool:
    config = group.settings.get("blueGreenDeploymentConfiguration") or {}
    return bool((config.get("greenFleetProvisioningOption") or {}).get("action") == "DISCOVER_EXISTING")


def _newest_first(each: Deployment) -> str:
    return f"{1e11 - each.created_at:020.6f}{each.id}"


def _seconds(given: Any, otherwise: float) -> float:
    if isinstance(given, datetime):
        return given.timestamp()
    return otherwise if given is None else float(given)
