"""Tasks: asked for, asked to stop, and shown. What follows is the tasks' controller's (`tasks/`)."""

from __future__ import annotations

import json
from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
from kunren.services.ec2 import interfaces
from kunren.services.ec2 import store as ec2_store
from kunren.services.ecs import errors
from kunren.services.ecs.agents.placing import needs_of, placed, placement_of, why_not
from kunren.services.ecs.agents.rows import arn_of
from kunren.services.ecs.api.base import (
    Operations,
    Params,
    Result,
    find_cluster,
    find_definition,
    find_task,
    page,
    tags_of,
)
from kunren.services.ecs.api.capacity_providers import check_associated, check_strategy
from kunren.services.ecs.api.execute_command import check_role
from kunren.services.ecs.api.service_checks import placement as check_placement
from kunren.services.ecs.capacity.waiting import may_wait
from kunren.services.ecs.definitions import checks
from kunren.services.ecs.model import Cluster, ContainerInstance, Network, Service, Task, TaskDefinition
from kunren.services.ecs.names import arn, last_part
from kunren.services.ecs.services.scheduling import shares
from kunren.services.ecs.tasks.ask import ask_for_task, ask_to_stop
from kunren.services.ecs.views import task_to_wire

COUNT_MAX = 10
DESCRIBED_MAX = 100
OVERRIDES_BYTES_MAX = 8192
FARGATE_PROVIDERS = ("FARGATE", "FARGATE_SPOT")
_PLATFORMS = ("LATEST", "1.4.0", "1.3.0")
_SUBNETS_MAX, _GROUPS_MAX = 16, 5


class TaskOperations(Operations):
    def run_task(self, ctx: RequestContext, params: Params) -> Result:
        count = params["count"] if params.get("count") is not None else 1
        if not 1 <= count <= COUNT_MAX:
            raise errors.InvalidParameterException(f"Tasks count must be between 1 and {COUNT_MAX}.")
        with self._store.write() as tx:
            cluster = find_cluster(tx, ctx, params.get("cluster"))
            check_placement(params, "REPLICA", fargate=False)
            if (before := _asked_before(tx, ctx, params)) is not None:
                return {"tasks": [task_to_wire(tx, each) for each in before], "failures": []}
            definition = runnable(tx, ctx, params["taskDefinition"])
            launch_type, provider = launch_of(cluster, params)
            check_launch(definition, launch_type, params)
            network = network_of(tx, ctx, definition, params)
            members = self._members(ctx, cluster, definition, params)
            places, failures = self._places(tx, ctx, cluster, definition, params, count, (launch_type, provider))
            made = [
                ask_for_task(
                    tx, self._entropy, at=self._clock.now(), cluster=cluster, definition=definition,
                    launch_type=launch_type, capacity_provider=chosen, network=network, instance=instance,
                    client_request=_request(params), placement=placement_of(params), **members,
                )
                for chosen, instance in places
            ]  # fmt: skip
            return {"tasks": [task_to_wire(tx, each) for each in made], "failures": failures}

    def _places(
        self, tx: Tx, ctx: RequestContext, cluster: Cluster, definition: TaskDefinition, params: Params, count: int,
        launch: tuple[str, str | None],
    ) -> tuple[list[tuple[str | None, str | None]], list[dict[str, str]]]:  # fmt: skip
        """Capacity provider and instance of each task that there is a place for, or that may wait for one; why there
        are not more. Raises InvalidParameterException."""
        launch_type, provider = launch
        strategy = () if provider is None else params.get("capacityProviderStrategy") or cluster.strategy
        check_strategy(strategy)
        check_associated(tx, ctx, cluster, [each["capacityProvider"] for each in strategy])
        chosen: list[str | None] = list(shares(strategy, {}, count)) or [provider] * count
        if launch_type != "EC2":
            return [(each, None) for each in chosen], []
        found = tx.list(ContainerInstance, cluster.account, cluster.region)
        waits = {each for each in chosen if may_wait(tx, cluster.account, cluster.region, each)}
        if not waits and not any(each.cluster == cluster.id and each.status != "INACTIVE" for each in found):
            raise errors.InvalidParameterException("No Container Instances were found in your cluster.")
        places: list[tuple[str | None, str | None]] = []
        failures: list[dict[str, str]] = []
        for each in dict.fromkeys(chosen):
            number = chosen.count(each)
            instances, why = placed(tx, self._entropy, cluster, definition, params, number, each)
            places += [(each, one) for one in instances]
            if each in waits:
                places += [(each, None)] * (number - len(instances))
            else:
                failures += why
        return places, failures

    def start_task(self, ctx: RequestContext, params: Params) -> Result:
        if len(params["containerInstances"]) > COUNT_MAX:
            raise errors.InvalidParameterException(f"Container instances cannot have more than {COUNT_MAX} elements.")
        with self._store.write() as tx:
            cluster = find_cluster(tx, ctx, params.get("cluster"))
            definition = runnable(tx, ctx, params["taskDefinition"])
            check_launch(definition, "EC2", params)
            network = network_of(tx, ctx, definition, params)
            members = self._members(ctx, cluster, definition, params)
            made, failures = [], []
            for named in params["containerInstances"]:
                instance = tx.get(ContainerInstance, ctx.account, ctx.region, last_part(named))
                if instance is None or instance.cluster != cluster.id or instance.status != "ACTIVE":
                    where = arn(cluster, "container-instance", cluster.id, last_part(named))
                    failures.append({"arn": where, "reason": "MISSING" if instance is None else "INACTIVE"})
                    continue
                if (why := why_not(tx, instance, needs_of(definition, members["group"]))) is not None:
                    failures.append({"arn": arn_of(instance), "reason": why})
                    continue
                made.append(
                    ask_for_task(
                        tx, self._entropy, at=self._clock.now(), cluster=cluster, definition=definition,
                        launch_type="EC2", network=network, instance=instance.id, **members,
                    )
                )  # fmt: skip
            return {"tasks": [task_to_wire(tx, each) for each in made], "failures": failures}

    def stop_task(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            cluster = find_cluster(tx, ctx, params.get("cluster"))
            task = find_task(tx, ctx, cluster, params["task"])
            if task is None:
                raise errors.InvalidParameterException("The referenced task was not found.")
            task = ask_to_stop(tx, task, params.get("reason") or "Task stopped by user")
            return {"task": task_to_wire(tx, task)}

    def describe_tasks(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        cluster = find_cluster(snapshot, ctx, params.get("cluster"))
        if not params["tasks"]:
            raise errors.InvalidParameterException("Tasks cannot be empty.")
        if len(params["tasks"]) > DESCRIBED_MAX:
            raise errors.InvalidParameterException(f"Tasks cannot have more than {DESCRIBED_MAX} elements.")
        shown, failures = [], []
        for named in params["tasks"]:
            task = find_task(snapshot, ctx, cluster, named)
            if task is not None:
                shown.append(task_to_wire(snapshot, task, tags="TAGS" in (params.get("include") or ())))
            else:
                where = named if named.startswith("arn:") else arn(cluster, "task", cluster.id, named)
                failures.append({"arn": where, "reason": "MISSING"})
        return {"tasks": shown, "failures": failures}

    def list_tasks(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        cluster = find_cluster(snapshot, ctx, params.get("cluster"))
        if params.get("startedBy") and (params.get("family") or params.get("serviceName")):
            raise errors.InvalidParameterException("startedBy must be the only filter.")
        if params.get("serviceName"):
            service = f"{cluster.id}/{last_part(params['serviceName'])}"
            if snapshot.get(Service, ctx.account, ctx.region, service) is None:
                raise errors.ServiceNotFoundException()
        chosen, token = page(
            [each for each in snapshot.list(Task, ctx.account, ctx.region) if _matches(each, cluster, params)],
            params, lambda each: each.id,
        )  # fmt: skip
        return {"taskArns": [arn(each, "task", cluster.id, each.id) for each in chosen], "nextToken": token}

    def _members(
        self, ctx: RequestContext, cluster: Cluster, definition: TaskDefinition, params: Params
    ) -> dict[str, Any]:
        """What a task has of the request itself. Raises InvalidParameterException."""
        if len(params.get("startedBy") or "") > 128:
            raise errors.InvalidParameterException("startedBy must be at most 128 characters long.")
        if (params.get("group") or "").startswith("service:"):
            raise errors.InvalidParameterException("Invalid namespace for group: service.")
        check_role(definition, params.get("overrides") or {}, params, "task couldn't be started")
        if params.get("volumeConfigurations"):
            raise errors.NotYet("volumes that are configured at launch")
        tags = tags_of(params)
        if params.get("propagateTags") == "TASK_DEFINITION":
            tags = {**definition.tags, **tags}
        if params.get("enableECSManagedTags"):
            tags = {**tags, "aws:ecs:clusterName": cluster.id}
        return {
            "group": params.get("group") or "",
            "started_by": params.get("startedBy"),
            "platform_version": None if params.get("platformVersion") == "LATEST" else params.get("platformVersion"),
            "overrides": _overrides(definition, params),
            "execute_command": bool(params.get("enableExecuteCommand")),
            "client_token": params.get("clientToken"),
            "tags": tags,
        }


# -- what may run, where: as services ask it too -----------------------------------------------------------------------


def runnable(reader: Snapshot | Tx, ctx: RequestContext, named: str) -> TaskDefinition:
    """Raises ClientException."""
    found = find_definition(reader, ctx, named)
    if found is None:
        raise errors.ClientException("TaskDefinition not found.")
    if found.status != "ACTIVE":
        raise errors.ClientException("TaskDefinition is inactive")
    return found


def launch_of(cluster: Cluster, params: Params) -> tuple[str, str | None]:
    """Launch type and capacity provider. Raises InvalidParameterException, and NotYet."""
    strategy = params.get("capacityProviderStrategy") or ()
    if strategy and params.get("launchType"):
        raise errors.InvalidParameterException(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
        )
    if params.get("launchType"):
        return params["launchType"], None
    strategy = strategy or cluster.strategy
    if not strategy:
        return "EC2", None
    chosen = max(strategy, key=lambda each: (each.get("base") or 0, each.get("weight") or 0))["capacityProvider"]
    if chosen in FARGATE_PROVIDERS:
        return "FARGATE", chosen
    return "EC2", chosen


def check_launch(definition: TaskDefinition, launch_type: str, params: Params) -> None:
    """Raises InvalidParameterException, PlatformUnknownException, and NotYet."""
    if launch_type not in ("FARGATE", "EC2"):
        raise errors.NotYet(f"launch type {launch_type}")
    required = definition.document.get("requiresCompatibilities") or definition.document["compatibilities"]
    if launch_type not in required and launch_type not in definition.document["compatibilities"]:
        raise errors.InvalidParameterException(f"Task definition does not support launch_type {launch_type}.")
    platform = params.get("platformVersion")
    if platform and launch_type == "EC2":
        raise errors.InvalidParameterException("The platform version must be null when specifying an EC2 launch type.")
    if platform and platform not in _PLATFORMS:
        raise errors.PlatformUnknownException("The specified platform does not exist.")
    network = (params.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    if launch_type == "EC2" and network.get("assignPublicIp") == "ENABLED":
        raise errors.InvalidParameterException("Assign public IP is not supported for this launch type.")


def network_of(
    reader: Snapshot | Tx, ctx: RequestContext, definition: TaskDefinition, params: Params
) -> Network | None:
    """The network that tasks of the definition get; None where its mode is not awsvpc. Raises
    InvalidParameterException."""
    given = (params.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if definition.document["networkMode"] != "awsvpc":
        if given is not None:
            raise errors.InvalidParameterException(
                "Network Configuration is not valid for the given networkMode of this task definition."
            )
        return None
    if given is None:
        raise errors.InvalidParameterException(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        )
    subnets, groups = tuple(given.get("subnets") or ()), tuple(given.get("securityGroups") or ())
    if not subnets:
        raise errors.InvalidParameterException("subnets can not be empty.")
    for what, named, most in (("subnets", subnets, _SUBNETS_MAX), ("securityGroups", groups, _GROUPS_MAX)):
        if len(named) > most:
            raise errors.InvalidParameterException(f"{what} can have at most {most} items.")
    vpc = None
    for each in subnets:
        try:
            found = ec2_store.find_subnet(reader, ctx.account, ctx.region, each)
        except AwsError as error:
            raise _unknown("subnet", each, error) from error
        if vpc is not None and vpc.id != found.vpc_id:
            raise errors.InvalidParameterException("subnets must all be in the same VPC.")
        vpc = ec2_store.find_vpc(reader, ctx.account, ctx.region, found.vpc_id)
    assert vpc is not None
    for each in groups:
        try:
            ec2_store.find_group(reader, ctx.account, ctx.region, each)
        except AwsError as error:
            raise _unknown("security group", each, error) from error
    try:
        interfaces.check_groups(reader, vpc, groups)
    except AwsError as error:
        raise errors.InvalidParameterException("Subnets and security groups must be in the same VPC.") from error
    return Network(subnets=subnets, groups=groups, public=given.get("assignPublicIp") == "ENABLED")


def _unknown(what: str, id: str, error: AwsError) -> errors.InvalidParameterException:
    return errors.InvalidParameterException(
        f"Error retrieving {what} information for [{id}]: {error.message} (ErrorCode: {error.code})"
    )


def _overrides(definition: TaskDefinition, params: Params) -> dict[str, Any]:
    given = params.get("overrides") or {}
    names = {each["name"] for each in definition.containers}
    for each in given.get("containerOverrides") or ():
        if each.get("name") not in names:
            raise errors.InvalidParameterException(
                f"Override for container named {each.get('name')} is not a container in the TaskDefinition."
            )
        if each.get("resourceRequirements"):
            raise errors.NotYet("GPUs and accelerators")
    if given.get("inferenceAcceleratorOverrides"):
        raise errors.NotYet("Elastic Inference")
    if len(json.dumps(given)) > OVERRIDES_BYTES_MAX:
        raise errors.InvalidParameterException(f"Container Overrides length must be at most {OVERRIDES_BYTES_MAX}")
    try:
        checks.check_storage(given)
        given = {**given, **checks.sizes(given)}
    except errors.ClientException as error:
        raise errors.InvalidParameterException(error.message) from error
    if given.get("cpu") or given.get("memory"):
        sized = {each: given[each] for each in ("cpu", "memory") if given.get(each)}
        wrong = checks.why_not_fargate({**definition.document, **sized})
        if wrong is not None and "FARGATE" in definition.document["compatibilities"]:
            raise errors.InvalidParameterException(wrong)
    return {name: value for name, value in given.items() if value}


# -- finding -----------------------------------------------------------------------------------------------------------


def _matches(task: Task, cluster: Cluster, params: Params) -> bool:
    return (
        task.cluster == cluster.id
        and task.desired_status == (params.get("desiredStatus") or "RUNNING")
        and params.get("family") in (None, task.definition.rpartition(":")[0])
        and params.get("startedBy") in (None, task.started_by)
        and params.get("launchType") in (None, task.launch_type)
        and (params.get("serviceName") is None or task.group == f"service:{last_part(params['serviceName'])}")
        and (params.get("containerInstance") is None or task.instance == last_part(params["containerInstance"]))
    )


def _request(params: Params) -> str | None:
    return json.dumps(params, sort_keys=True, default=str) if params.get("clientToken") else None


def _asked_before(tx: Tx, ctx: RequestContext, params: Params) -> list[Task] | None:
    """The tasks of a request with the same token. Raises ConflictException where it was another request."""
    token = params.get("clientToken")
    if token is None:
        return None
    found = [each for each in tx.list(Task, ctx.account, ctx.region) if each.client_token == token]
    if found and found[0].client_request != _request(params):
        raise errors.ConflictException(
            "The specified client token was used before with other parameters.",
            resourceIds=[arn(each, "task", each.cluster, each.id) for each in found],
        )
    return found or None
