"""What CreateService, UpdateService and CreateTaskSet take: checks against the rows, and AWS's defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.ec2.model import Subnet
from kunren.services.ecs import errors
from kunren.services.ecs.api.base import Params, find_definition
from kunren.services.ecs.api.capacity_providers import check_strategy
from kunren.services.ecs.api.execute_command import check_role
from kunren.services.ecs.connect import offering
from kunren.services.ecs.connect.offering import CONFIGURATION
from kunren.services.ecs.model import Cluster, TaskDefinition
from kunren.services.ecs.names import arn
from kunren.services.ecs.services.expressions import BadExpression, matches
from kunren.services.ecs.services.stages import SHIFTING
from kunren.services.elbv2.associations import group_users
from kunren.services.elbv2.model import TargetGroup

NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
REVISED = (
    "taskDefinition", "capacityProviderStrategy", "networkConfiguration", "platformVersion", "loadBalancers",
    "serviceRegistries", "launchType", CONFIGURATION,
)  # fmt: skip
"""What a deployment is of; a change of one begins a new one."""
KEPT = (
    "placementConstraints", "placementStrategy", "healthCheckGracePeriodSeconds", "propagateTags",
    "enableECSManagedTags", "enableExecuteCommand", "availabilityZoneRebalancing",
)  # fmt: skip
_NOT_YET = {
    "volumeConfigurations": "volumes that a service configures at launch",
    "vpcLatticeConfigurations": "VPC Lattice",
    "gatewayConnectors": "gateway connectors",
    "monitoring": "monitoring configurations of services",
}
_FARGATE = ("FARGATE", "FARGATE_SPOT")


def refuse(params: Params) -> None:
    """Raises NotYet for what is asked and not there."""
    for member, what in _NOT_YET.items():
        if params.get(member):
            raise errors.NotYet(what)
    if (params.get("launchType")) in ("EXTERNAL", "MANAGED_INSTANCES"):
        raise errors.NotYet(f"launch type {params['launchType']}")


def definition_named(tx: Tx, ctx: RequestContext, named: str) -> TaskDefinition:
    found = find_definition(tx, ctx, named)
    if found is None:
        raise errors.ClientException("Unable to describe task definition.")
    if found.status != "ACTIVE":
        raise errors.ClientException("TaskDefinition is inactive")
    return found


def revision_document(
    tx: Tx, ctx: RequestContext, cluster: Cluster, before: Mapping[str, Any], params: Params, strategy: str
) -> dict[str, Any]:
    """What a deployment is to be of: the one before, with what is asked to be other. Raises ClientException,
    InvalidParameterException, NotYet."""
    document = {**before, **{each: params[each] for each in REVISED if params.get(each) is not None}}
    if not document.get("taskDefinition"):
        raise errors.InvalidParameterException("TaskDefinition cannot be blank.")
    definition = definition_named(tx, ctx, document["taskDefinition"])
    document["taskDefinition"] = arn(definition, "task-definition", definition.id)
    check_role(definition, {}, params, f"service couldn't be {'updated' if before else 'created'}")
    _launch(cluster, document, params)
    network = (document.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    in_vpc = definition.document.get("networkMode") == "awsvpc"
    if in_vpc and network is None:
        raise errors.InvalidParameterException(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        )
    if network is not None:
        if not in_vpc:
            raise errors.InvalidParameterException(
                "Network Configuration is not valid for the given networkMode of this task definition."
            )
        if network.get("assignPublicIp") == "ENABLED" and not is_fargate(document):
            raise errors.InvalidParameterException("Assign public IP is not supported for this launch type.")
        document["networkConfiguration"] = {"awsvpcConfiguration": _network(tx, ctx, network)}
    kinds = set(definition.document.get("requiresCompatibilities") or ())
    if is_fargate(document) and "FARGATE" not in kinds:
        raise errors.InvalidParameterException("Task definition does not support launch_type FARGATE.")
    if is_fargate(document):
        document.setdefault("platformVersion", "LATEST")
    _registries(tx, ctx, document.get("serviceRegistries") or ())
    connect, same = document.get(CONFIGURATION), document["taskDefinition"] == before.get("taskDefinition")
    if connect is not None and not (same and connect == before.get(CONFIGURATION)):
        document[CONFIGURATION] = offering.checked(tx, cluster, definition, connect)
    document["loadBalancers"] = [
        _balancer(tx, ctx, definition, each, strategy) for each in document.get("loadBalancers") or ()
    ]
    return document


def _launch(cluster: Cluster, document: dict[str, Any], params: Params) -> None:
    if params.get("launchType") and params.get("capacityProviderStrategy"):
        raise errors.InvalidParameterException(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
        )
    if params.get("capacityProviderStrategy"):
        document.pop("launchType", None)
    elif params.get("capacityProviderStrategy") is not None:
        document.pop("capacityProviderStrategy", None)
    strategy = document.get("capacityProviderStrategy")
    if not strategy and not document.get("launchType"):
        if cluster.strategy:
            strategy = document["capacityProviderStrategy"] = [dict(each) for each in cluster.strategy]
        else:
            document["launchType"] = "EC2"
    if strategy:
        known = {*cluster.capacity_providers}
        for each in strategy:
            if each["capacityProvider"] not in known:
                raise errors.InvalidParameterException(
                    f"The specified capacity provider '{each['capacityProvider']}' was not found. Specify a valid name "
                    "or ARN and try again."
                )
        check_strategy(strategy)
        document["capacityProviderStrategy"] = [{"weight": 0, "base": 0, **each} for each in strategy]


def is_fargate(document: Mapping[str, Any]) -> bool:
    strategy = document.get("capacityProviderStrategy") or ()
    return document.get("launchType") == "FARGATE" or any(each["capacityProvider"] in _FARGATE for each in strategy)


def _network(tx: Tx, ctx: RequestContext, told: Mapping[str, Any]) -> dict[str, Any]:
    subnets = list(told.get("subnets") or ())
    if not subnets:
        raise errors.InvalidParameterException("subnets can not be empty.")
    for each in subnets:
        if tx.get(Subnet, ctx.account, ctx.region, each) is None:
            raise errors.InvalidParameterException(
                f"Error retrieving subnet information for [{each}]: The subnet ID '{each}' does not exist "
                "(ErrorCode: InvalidSubnetID.NotFound)"
            )
    return {
        "subnets": subnets, "securityGroups": list(told.get("securityGroups") or ()),
        "assignPublicIp": told.get("assignPublicIp") or "DISABLED",
    }  # fmt: skip


def _balancer(
    tx: Tx, ctx: RequestContext, definition: TaskDefinition, told: Mapping[str, Any], strategy: str
) -> dict[str, Any]:
    if told.get("loadBalancerName"):
        raise errors.NotYet("Classic Load Balancers")
    group, name, port = told.get("targetGroupArn"), told.get("containerName"), told.get("containerPort")
    if not group:
        raise errors.InvalidParameterException("Target Group Arn can not be blank.")
    held = next((each for each in definition.containers if each["name"] == name), None)
    if held is None:
        raise errors.InvalidParameterException(f"The container {name} does not exist in the task definition.")
    ports = [each.get("containerPort") for each in held.get("portMappings") or ()]
    if port not in ports:
        raise errors.InvalidParameterException(f"The container {name} did not have a container port {port} defined.")
    users = group_users(tx, ctx.account, ctx.region)
    advanced = told.get("advancedConfiguration")
    for arn_given in [group, *_alternates(advanced)]:
        _group(tx, ctx, definition, arn_given)
    if not users.get(group) and not (advanced and users.get(advanced.get("alternateTargetGroupArn"))):
        raise errors.InvalidParameterException(
            f"The target group with targetGroupArn {group} does not have an associated load balancer."
        )
    if strategy in SHIFTING and not (_alternates(advanced) and advanced and advanced.get("productionListenerRule")):
        raise errors.InvalidParameterException(
            f"The deployment strategy {strategy} needs advancedConfiguration with alternateTargetGroupArn and "
            "productionListenerRule for each load balancer."
        )
    return dict(told)


def _registries(tx: Tx, ctx: RequestContext, registries: Sequence[Mapping[str, Any]]) -> None:
    from kunren.services.servicediscovery.model import Service as Registry

    for each in registries:
        named = each.get("registryArn") or ""
        if tx.get(Registry, ctx.account, ctx.region, named.rpartition("/")[2]) is None:
            raise errors.InvalidParameterException(f"The service registry {named} does not exist.")


def _alternates(advanced: Mapping[str, Any] | None) -> list[str]:
    found = (advanced or {}).get("alternateTargetGroupArn")
    return [found] if found else []


def _group(tx: Tx, ctx: RequestContext, definition: TaskDefinition, named: str) -> None:
    found = tx.get(TargetGroup, ctx.account, ctx.region, named)
    if found is None:
        raise errors.InvalidParameterException(f"The specified target group does not exist: {named}")
    if definition.document.get("networkMode") == "awsvpc" and found.target_type != "ip":
        raise errors.InvalidParameterException(
            f"The provided target group {named} has target type {found.target_type}, which is incompatible with the "
            "awsvpc network mode specified in the task definition."
        )


def deployment_configuration(
    told: Mapping[str, Any] | None, before: Mapping[str, Any], scheduling: str, controller: str
) -> dict[str, Any]:
    """With AWS's defaults; what is not told stays. Raises InvalidParameterException."""
    found = {**before, **{name: value for name, value in (told or {}).items() if value is not None}}
    daemon = scheduling == "DAEMON"
    found.setdefault("maximumPercent", 100 if daemon else 200)
    found.setdefault("minimumHealthyPercent", 0 if daemon else 100)
    if controller == "ECS":
        found.setdefault("strategy", "ROLLING")
        found.setdefault("bakeTimeInMinutes", 0)
        found.setdefault("deploymentCircuitBreaker", {"enable": False, "rollback": False})
    if found["maximumPercent"] < 1 or found["minimumHealthyPercent"] < 0:
        raise errors.InvalidParameterException("maximumPercent and minimumHealthyPercent must not be negative.")
    if found["minimumHealthyPercent"] >= found["maximumPercent"] and not daemon and found["maximumPercent"] < 100:
        raise errors.InvalidParameterException("The maximumPercent must be greater than the minimumHealthyPercent.")
    strategy = found.get("strategy", "ROLLING")
    if strategy in SHIFTING and (daemon or controller != "ECS"):
        raise errors.InvalidParameterException(
            f"The deployment strategy {strategy} needs scheduling strategy REPLICA and deployment controller ECS."
        )
    if strategy == "LINEAR":
        found.setdefault("linearConfiguration", {})
        found["linearConfiguration"] = {"stepPercent": 10.0, "stepBakeTimeInMinutes": 6, **found["linearConfiguration"]}
        _share("stepPercent", found["linearConfiguration"]["stepPercent"], 3.0)
        _minutes("stepBakeTimeInMinutes", found["linearConfiguration"]["stepBakeTimeInMinutes"])
    if strategy == "CANARY":
        found["canaryConfiguration"] = {
            "canaryPercent": 5.0, "canaryBakeTimeInMinutes": 10, **(found.get("canaryConfiguration") or {}),
        }  # fmt: skip
        _share("canaryPercent", found["canaryConfiguration"]["canaryPercent"], 0.1)
        _minutes("canaryBakeTimeInMinutes", found["canaryConfiguration"]["canaryBakeTimeInMinutes"])
    _minutes("bakeTimeInMinutes", found.get("bakeTimeInMinutes") or 0)
    if (found.get("earlySuccessCriteria") or {}).get("enable"):
        raise errors.NotYet("early success criteria")
    for hook in found.get("lifecycleHooks") or ():
        if hook.get("targetType") != "PAUSE" and not hook.get("hookTargetArn"):
            raise errors.InvalidParameterException("hookTargetArn must be provided for a lifecycle hook.")
    return found


def _share(name: str, value: float, least: float) -> None:
    if not least <= value <= 100 or round(value * 10) != round(value * 10, 6):
        raise errors.InvalidParameterException(f"{name} must be a multiple of 0.1 from {least} to 100.0.")


def _minutes(name: str, value: int) -> None:
    if not 0 <= value <= 1440:
        raise errors.InvalidParameterException(f"{name} must be between 0 and 1440.")


def placement(params: Params, scheduling: str, fargate: bool) -> None:
    """Raises InvalidParameterException."""
    strategy, constraints = params.get("placementStrategy") or (), params.get("placementConstraints") or ()
    if fargate and strategy:
        raise errors.InvalidParameterException("Placement strategies are not supported with FARGATE launch type.")
    if fargate and constraints:
        raise errors.InvalidParameterException("Placement constraints are not supported with FARGATE launch type.")
    if scheduling == "DAEMON" and strategy:
        raise errors.InvalidParameterException("Placement strategies are not supported with the DAEMON strategy.")
    if len(strategy) > 5 or len(constraints) > 10:
        raise errors.InvalidParameterException("There are at most 5 placement strategies and 10 constraints.")
    for each in constraints:
        if each.get("type") == "memberOf":
            try:
                matches("", {}, each.get("expression") or "")
            except BadExpression as error:
                raise errors.InvalidParameterException(f"Invalid expression: {error}.") from error
