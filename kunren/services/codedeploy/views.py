"""Rows as the wire has them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.core.arn import build_arn
from kunren.services.codedeploy.managed_hooks import hook_name, scaling_groups
from kunren.services.codedeploy.model import (
    ECS,
    LAMBDA,
    Application,
    Config,
    Deployment,
    Event,
    Group,
    Revision,
    Target,
)

_OVERVIEW = ("Pending", "InProgress", "Succeeded", "Failed", "Skipped", "Ready")
_TYPES = {LAMBDA: ("LambdaTarget", "lambdaTarget"), ECS: ("ECSTarget", "ecsTarget")}


def application_arn(account: str, region: str, name: str) -> str:
    return build_arn("codedeploy", region, account, f"application:{name}")


def group_arn(account: str, region: str, application: str, name: str) -> str:
    return build_arn("codedeploy", region, account, f"deploymentgroup:{application}/{name}")


def application(each: Application) -> dict[str, Any]:
    return {
        "applicationId": each.application_id,
        "applicationName": each.id,
        "createTime": each.created_at,
        "linkedToGitHub": False,
        "computePlatform": each.platform,
    }


def config(each: Config) -> dict[str, Any]:
    return {
        "deploymentConfigId": each.config_id,
        "deploymentConfigName": each.id,
        "minimumHealthyHosts": each.minimum,
        "createTime": each.created_at,
        "computePlatform": each.platform,
        "trafficRoutingConfig": each.routing,
        "zonalConfig": each.zonal,
    }


def group(snapshot: Snapshot, each: Group) -> dict[str, Any]:
    owner = snapshot.get(Application, each.account, each.region, each.application)
    return {
        "ec2TagFilters": [],
        "onPremisesInstanceTagFilters": [],
        "triggerConfigurations": [],
        **each.settings,
        "autoScalingGroups": [{"name": name, "hook": hook_name(each)} for name in scaling_groups(each)],
        "applicationName": each.application,
        "deploymentGroupId": each.group_id,
        "deploymentGroupName": each.name,
        "deploymentConfigName": each.config,
        "serviceRoleArn": each.role,
        "targetRevision": each.revision,
        "lastSuccessfulDeployment": _last(snapshot, each, each.succeeded),
        "lastAttemptedDeployment": _last(snapshot, each, each.attempted),
        "computePlatform": owner.platform if owner is not None else None,
    }


def _last(snapshot: Snapshot, each: Group, id: str) -> dict[str, Any] | None:
    found = snapshot.get(Deployment, each.account, each.region, id) if id else None
    if found is None:
        return None
    return {
        "deploymentId": id,
        "status": found.status,
        "endTime": found.completed_at,
        "createTime": found.created_at,
    }


def revision(each: Revision) -> dict[str, Any]:
    return {
        "description": each.description or None,
        "deploymentGroups": list(each.groups),
        "firstUsedTime": each.first_used_at,
        "lastUsedTime": each.last_used_at,
        "registerTime": each.registered_at,
    }


def targets_of(snapshot: Snapshot | Tx, each: Deployment) -> list[Target]:
    found = snapshot.list(Target, each.account, each.region)
    return [target for target in found if target.deployment == each.id]


def overview(targets: Iterable[Target]) -> dict[str, int]:
    counted = dict.fromkeys(_OVERVIEW, 0)
    for each in targets:
        counted[each.status] += 1
    return counted


def deployment(snapshot: Snapshot, each: Deployment) -> dict[str, Any]:
    return {
        "ignoreApplicationStopFailures": False,
        "updateOutdatedInstancesOnly": False,
        "fileExistsBehavior": "DISALLOW",
        **each.settings,
        "applicationName": each.application,
        "deploymentGroupName": each.group,
        "deploymentConfigName": each.config,
        "deploymentId": each.id,
        "previousRevision": each.previous,
        "revision": each.revision,
        "status": each.status,
        "errorInformation": each.error,
        "createTime": each.created_at,
        "startTime": each.started_at,
        "completeTime": each.completed_at,
        "deploymentOverview": overview(targets_of(snapshot, each)),
        "description": each.description,
        "creator": each.creator,
        "rollbackInfo": each.rollback,
        "instanceTerminationWaitTimeStarted": "TERMINATION_WAIT" in each.waits,
        "deploymentStatusMessages": list(each.messages),
        "computePlatform": each.platform,
    }


def event(each: Event, diagnosed: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "lifecycleEventName": each.name,
        "startTime": each.started_at,
        "endTime": each.ended_at,
        "status": each.status,
    }
    if each.diagnostics is not None:
        shown["diagnostics"] = each.diagnostics
    elif diagnosed and each.status == "Succeeded":
        shown["diagnostics"] = {"errorCode": "Success", "scriptName": "", "message": "Succeeded", "logTail": ""}
    return shown


def target(of: Deployment, each: Target) -> dict[str, Any]:
    """A DeploymentTarget."""
    kind, member = _TYPES.get(of.platform, ("InstanceTarget", "instanceTarget"))
    shown: dict[str, Any] = {
        "deploymentId": each.deployment,
        "targetId": each.target,
        "targetArn": each.arn,
        "status": each.status,
        "lastUpdatedAt": each.updated_at,
        "lifecycleEvents": [event(one, kind == "InstanceTarget") for one in each.events],
    }
    if kind == "LambdaTarget":
        shown["lambdaFunctionInfo"] = each.info
    elif kind == "ECSTarget":
        shown["taskSetsInfo"] = each.info.get("taskSetsInfo")
    else:
        shown["instanceLabel"] = each.label
    return {"deploymentTargetType": kind, member: shown}


def instance_summary(each: Target) -> dict[str, Any]:
    """The older shape of an instance's target."""
    return {
        "deploymentId": each.deployment,
        "instanceId": each.arn,
        "status": each.status,
        "lastUpdatedAt": each.updated_at,
        "lifecycleEvents": [event(one, True) for one in each.events],
        "instanceType": each.label,
    }
