"""Deployment groups: where an application's revisions go, and by which rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.tags import tags_from_wire
from kunren.services.autoscaling.model import Group as AutoScalingGroup
from kunren.services.codedeploy import errors, predefined, views
from kunren.services.codedeploy.api.base import (
    ApiBase,
    Params,
    Result,
    check_batch,
    find_application,
    find_config,
    find_group,
    page,
)
from kunren.services.codedeploy.model import ACTIVE, ECS, LAMBDA, SERVER, Application, Deployment, Group

ECHOED = (
    "ec2TagFilters", "ec2TagSet", "triggerConfigurations", "alarmConfiguration", "autoRollbackConfiguration",
    "outdatedInstancesStrategy", "deploymentStyle", "blueGreenDeploymentConfiguration", "loadBalancerInfo",
    "ecsServices",
)  # fmt: skip
"""Members of a request that the group's description has under the same name."""
_NOT_YET = {
    "onPremisesInstanceTagFilters": "on-premises instances",
    "onPremisesTagSet": "on-premises instances",
    "terminationHookEnabled": "termination hooks",
    "ec2DeploymentOptions": "suspending of Auto Scaling processes",
}
_STYLES = {
    SERVER: {"deploymentType": "IN_PLACE", "deploymentOption": "WITHOUT_TRAFFIC_CONTROL"},
    LAMBDA: {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
    ECS: {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
}
_ALARMS_MAX = 10


class Groups(ApiBase):
    def create_deployment_group(self, ctx: RequestContext, params: Params) -> Result:
        application, name = params["applicationName"], params["deploymentGroupName"]
        with self._store.write() as tx:
            owner = find_application(tx, ctx, application)
            if tx.get(Group, ctx.account, ctx.region, f"{application}/{name}") is not None:
                raise errors.DeploymentGroupAlreadyExistsException(f"Deployment group already exists: {name}")
            config = params.get("deploymentConfigName") or predefined.DEFAULTS[owner.platform]
            _check_config(tx, ctx, config, owner)
            settings = {"outdatedInstancesStrategy": "UPDATE", "deploymentStyle": _STYLES[owner.platform]}
            settings |= _settings(tx, ctx, params, owner)
            made = Group(
                account=ctx.account, region=ctx.region, id=f"{application}/{name}", group_id=self._entropy.uuid(),
                application=application, name=name, config=config, role=_role(params["serviceRoleArn"]),
                settings=settings, tags=tags_from_wire(params.get("tags")),
            )  # fmt: skip
            _check(owner, settings)
            tx.put(made)
        return {"deploymentGroupId": made.group_id}

    def update_deployment_group(self, ctx: RequestContext, params: Params) -> Result:
        application = params["applicationName"]
        with self._store.write() as tx:
            found = find_group(tx, ctx, application, params["currentDeploymentGroupName"])
            owner = find_application(tx, ctx, application)
            settings = {**found.settings, **_settings(tx, ctx, params, owner)}
            if "ec2TagFilters" in params and params["ec2TagFilters"] is not None:
                settings.pop("ec2TagSet", None)
            if params.get("ec2TagSet"):
                settings.pop("ec2TagFilters", None)
            _check(owner, settings)
            config = params.get("deploymentConfigName") or found.config
            _check_config(tx, ctx, config, owner)
            changed = replace(
                found, settings=settings, config=config,
                role=_role(params["serviceRoleArn"]) if params.get("serviceRoleArn") else found.role,
            )  # fmt: skip
            new = params.get("newDeploymentGroupName")
            if new and new != found.name:
                if tx.get(Group, ctx.account, ctx.region, f"{application}/{new}") is not None:
                    raise errors.DeploymentGroupAlreadyExistsException(f"Deployment group already exists: {new}")
                tx.delete(found)
                changed = replace(changed, id=f"{application}/{new}", name=new)
                for run in tx.list(Deployment, ctx.account, ctx.region):
                    if (run.application, run.group) == (application, found.name):
                        tx.put(replace(run, group=new))
            tx.put(changed)
        return {"hooksNotCleanedUp": []}

    def get_deployment_group(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        found = find_group(snapshot, ctx, params["applicationName"], params["deploymentGroupName"])
        return {"deploymentGroupInfo": views.group(snapshot, found)}

    def batch_get_deployment_groups(self, ctx: RequestContext, params: Params) -> Result:
        check_batch(params["deploymentGroupNames"], 100)
        snapshot, application = self._store.snapshot(), params["applicationName"]
        find_application(snapshot, ctx, application)
        by_id = snapshot.by_id(Group, ctx.account, ctx.region)
        found = [by_id.get(f"{application}/{each}") for each in params["deploymentGroupNames"]]
        return {"deploymentGroupsInfo": [views.group(snapshot, each) for each in found if each is not None]}

    def list_deployment_groups(self, ctx: RequestContext, params: Params) -> Result:
        snapshot, application = self._store.snapshot(), params["applicationName"]
        find_application(snapshot, ctx, application)
        groups = snapshot.list(Group, ctx.account, ctx.region)
        names = sorted(each.name for each in groups if each.application == application)
        shown, token = page(names, params.get("nextToken"), str)
        return {"applicationName": application, "deploymentGroups": shown, "nextToken": token}

    def delete_deployment_group(self, ctx: RequestContext, params: Params) -> Result:
        application, name = params["applicationName"], params["deploymentGroupName"]
        with self._store.write() as tx:
            found = tx.get(Group, ctx.account, ctx.region, f"{application}/{name}")
            if found is not None:
                tx.delete(found)
                for run in tx.list(Deployment, ctx.account, ctx.region):
                    if (run.application, run.group) == (application, name) and run.status in ACTIVE:
                        tx.put(replace(run, stopping="request", rolls_back_when_stopped=False))
        return {"hooksNotCleanedUp": []}


def _role(arn: str) -> str:
    if ":iam::" not in arn or ":role/" not in arn:
        raise errors.InvalidRoleException(f"The service role ARN is not valid: {arn}")
    return arn


def _check_config(tx: Tx, ctx: RequestContext, name: str, owner: Application) -> None:
    if find_config(tx, ctx, name).platform != owner.platform:
        raise errors.InvalidDeploymentConfigNameException(
            f"The deployment configuration {name} is not for the {owner.platform} compute platform"
        )


def _settings(tx: Tx, ctx: RequestContext, params: Params, owner: Application) -> dict[str, Any]:
    """What a request sets of the group."""
    for member, what in _NOT_YET.items():
        if params.get(member):
            raise errors.NotYet(what)
    found = {member: params[member] for member in ECHOED if params.get(member) is not None}
    if params.get("autoScalingGroups") is not None:
        for name in params["autoScalingGroups"]:
            if tx.get(AutoScalingGroup, ctx.account, ctx.region, name) is None:
                raise errors.InvalidAutoScalingGroupException(
                    f"The specified Auto Scaling group does not exist: {name}"
                )
        found["autoScalingGroups"] = [{"name": each} for each in params["autoScalingGroups"]]
    return found


def _check(owner: Application, settings: Mapping[str, Any]) -> None:
    """Raises what is wrong with the group as a whole."""
    style = settings.get("deploymentStyle") or {}
    blue_green = style.get("deploymentType") == "BLUE_GREEN"
    if owner.platform != SERVER and (not blue_green or style.get("deploymentOption") != "WITH_TRAFFIC_CONTROL"):
        raise errors.InvalidDeploymentStyleException(
            f"For {owner.platform} deployment groups, only blue/green deployments with traffic control are supported"
        )
    if owner.platform == ECS:
        _check_service(settings)
    if owner.platform == SERVER:
        if blue_green and style.get("deploymentOption") != "WITH_TRAFFIC_CONTROL":
            raise errors.InvalidDeploymentStyleException("Blue/green deployments of instances need traffic control")
        if blue_green and not settings.get("blueGreenDeploymentConfiguration"):
            raise errors.InvalidBlueGreenDeploymentConfigurationException(
                "The deployment group must have a blue/green deployment configuration"
            )
        if settings.get("ec2TagFilters") and settings.get("ec2TagSet"):
            raise errors.InvalidEC2TagCombinationException("A group has either EC2 tag filters or an EC2 tag set")
        balancers = settings.get("loadBalancerInfo") or {}
        if style.get("deploymentOption") == "WITH_TRAFFIC_CONTROL" and not any(balancers.values()):
            raise errors.InvalidLoadBalancerInfoException(
                "A load balancer is required for deployments with traffic control"
            )
        if not all(each.get("name") for each in balancers.get("targetGroupInfoList") or ()):
            raise errors.InvalidLoadBalancerInfoException("A target group is given by its name")
        if balancers.get("elbInfoList"):
            raise errors.NotYet("Classic Load Balancers")
    check_alarms(settings.get("alarmConfiguration"))
    check_rollback(settings.get("autoRollbackConfiguration"))
    for each in settings.get("triggerConfigurations") or ():
        if ":sns:" not in (each.get("triggerTargetArn") or "") or not each.get("triggerEvents"):
            raise errors.InvalidTriggerConfigException("A trigger has a name, an Amazon SNS topic and events")


def _check_service(settings: Mapping[str, Any]) -> None:
    """What a group of an ECS service has to have."""
    services = settings.get("ecsServices") or []
    if len(services) != 1 or not all(services[0].get(each) for each in ("clusterName", "serviceName")):
        raise errors.InvalidECSServiceException("The deployment group must have one Amazon ECS service and its cluster")
    pairs = (settings.get("loadBalancerInfo") or {}).get("targetGroupPairInfoList") or []
    if len(pairs) != 1:
        raise errors.InvalidLoadBalancerInfoException("The deployment group must have one target group pair")
    routes = [pairs[0].get("prodTrafficRoute"), pairs[0].get("testTrafficRoute") or {"listenerArns": ["none"]}]
    names = {each.get("name") for each in pairs[0].get("targetGroups") or ()}
    if len(names) != 2 or not all(names) or any(len((each or {}).get("listenerArns") or ()) != 1 for each in routes):
        raise errors.InvalidTargetGroupPairException(
            "A target group pair has two target groups, and one listener for each of its routes"
        )
    if not settings.get("blueGreenDeploymentConfiguration"):
        raise errors.InvalidBlueGreenDeploymentConfigurationException(
            "The deployment group must have a blue/green deployment configuration"
        )


def check_alarms(given: Mapping[str, Any] | None) -> None:
    alarms = [each.get("name") for each in (given or {}).get("alarms") or ()]
    if len(alarms) > _ALARMS_MAX:
        raise errors.AlarmsLimitExceededException(f"The maximum number of alarms is {_ALARMS_MAX}")
    if len(set(alarms)) < len(alarms) or not all(alarms):
        raise errors.InvalidAlarmConfigException("Each alarm must have a name, and no two the same")
    if (given or {}).get("enabled") and not alarms:
        raise errors.InvalidAlarmConfigException("An enabled alarm configuration must have alarms")


def check_rollback(given: Mapping[str, Any] | None) -> None:
    if given and given.get("enabled") and not given.get("events"):
        raise errors.InvalidAutoRollbackConfigException("An enabled automatic rollback must have events")
