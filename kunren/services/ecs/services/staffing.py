"""Starts and stops a service's tasks, within one look: whom each deployment is to have, by the limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from kunren.services.ec2.model import Subnet
from kunren.services.ecs.agents.placing import needs_of, placement_of
from kunren.services.ecs.capacity.waiting import may_wait
from kunren.services.ecs.model import Cluster, ContainerInstance, Deployment, TaskDefinition
from kunren.services.ecs.services import scheduling, stages, words
from kunren.services.ecs.services.desk import ACTION, Desk
from kunren.services.ecs.services.expressions import BadExpression
from kunren.services.ecs.services.facts import group_of
from kunren.services.ecs.services.model import Member
from kunren.services.ecs.services.placement import DEFAULT, Place, allowed, place, reason
from kunren.services.ecs.services.places import places
from kunren.services.ecs.services.progress import progress_of, shifting
from kunren.services.ecs.services.scheduling import TaskView
from kunren.services.ecs.tasks.ask import SCHEDULER_INITIATED, ask_for_task, ask_to_stop

FARGATE = ("FARGATE", "FARGATE_SPOT")
PLACE_AGAIN_S = 15.0


def staff(desk: Desk) -> None:
    """One step towards what is wanted."""
    service = desk.service
    if service.controller != "ECS":
        for each in service.deployments:
            count = 0 if each.status == "DRAINING" else each.desired_count
            _keep(desk, each, desk.of(each), [], count)
        kept = tuple(each for each in desk.service.deployments if each.status != "DRAINING" or desk.present(each))
        desk.service = replace(desk.service, deployments=kept)
        return
    primary = service.primary
    if primary is None:
        return
    if service.document["schedulingStrategy"] == "DAEMON":
        _keep_daemons(desk, primary)
        return
    course = desk.course
    if course is not None and shifting(course) and course.status == "IN_PROGRESS":
        _keep_both(desk, primary)
        return
    if primary.rollout_state == "FAILED":
        return
    others = [view for each in service.deployments if each.id != primary.id for view in desk.of(each)]
    if course is not None and shifting(course) and course.status == "ROLLBACK_IN_PROGRESS" and not desk.shifted:
        others = []  # they serve until the traffic is back
    _keep(desk, primary, desk.of(primary), others, service.desired_count, rebalance=not others)


def _keep_both(desk: Desk, primary: Deployment) -> None:
    """Old and new side by side, each as many as the stage wants; none of those before them."""
    assert desk.course is not None
    progress = progress_of(desk.course)
    for each in desk.service.deployments:
        is_new, is_old = each.id == primary.id, each.id == desk.course.source
        runs = (is_new and stages.new_runs(progress)) or (is_old and stages.old_runs(progress))
        _keep(desk, each, desk.of(each), [], desk.service.desired_count if runs else 0)


def _keep(
    desk: Desk,
    deployment: Deployment,
    wanted: Sequence[TaskView],
    others: Sequence[TaskView],
    count: int,
    rebalance: bool = False,
) -> None:
    told = desk.service.document["deploymentConfiguration"]
    bounds = scheduling.limits(count, told["minimumHealthyPercent"], told["maximumPercent"])
    stays, leaves = _leaving(desk, wanted)
    made = scheduling.plan(stays, [*others, *leaves], count, bounds)
    if made.start == 0 and not made.stop and not leaves and rebalance and _rebalances(desk):
        made = scheduling.rebalanced(stays, count, bounds, _zones(desk, deployment))
    for each in made.stop:
        stop(desk, each)
    if made.start and desk.now >= deployment.retry_at:
        _start(desk, deployment, made.start, made.zone)
    _say_stopped(desk, made.stop)


def _leaving(desk: Desk, views: Sequence[TaskView]) -> tuple[list[TaskView], list[TaskView]]:
    """Those that stay, and those on container instances that drain: they are replaced; those that do not run yet end
    at once."""
    stays: list[TaskView] = []
    leaves: list[TaskView] = []
    for each in views:
        instance = None
        if each.instance is not None:
            instance = desk.snapshot.get(ContainerInstance, desk.service.account, desk.service.region, each.instance)
        drains = instance is not None and instance.status == "DRAINING"
        (leaves if drains else stays).append(each)
    return stays, leaves


def _rebalances(desk: Desk) -> bool:
    return desk.service.document.get("availabilityZoneRebalancing") == "ENABLED"


# -- starting ----------------------------------------------------------------------------------------------------------


def _start(desk: Desk, deployment: Deployment, count: int, zone: str | None) -> None:
    service = desk.service
    definition = desk.snapshot.get(TaskDefinition, service.account, service.region, deployment.definition)
    cluster = desk.snapshot.get(Cluster, service.account, service.region, service.cluster)
    if definition is None or cluster is None:
        return
    having = Counter(
        each.capacity_provider or ""
        for each in desk.tasks.values()
        if each.started_by == deployment.id and each.desired_status == "RUNNING"
    )
    strategy = deployment.document.get("capacityProviderStrategy") or ()
    providers: list[str | None] = list(scheduling.shares(strategy, having, count)) if strategy else [None] * count
    taken = [each.zone for each in desk.of(deployment)]
    ids: list[str] = []
    for provider in dict.fromkeys(providers):
        number = providers.count(provider)
        if provider in FARGATE or (provider is None and deployment.launch_type == "FARGATE"):
            zones = _next_zones(desk, deployment, taken, number, zone)
            spots: list[tuple[str | None, str]] = [(None, each) for each in zones]
        else:
            spots = [(each, "") for each in _instances(desk, deployment, definition, number, provider)]
            if may_wait(desk.snapshot, service.account, service.region, provider):
                spots += [(None, "")] * (number - len(spots))
        for instance, chosen in spots:
            ids.append(_ask(desk, deployment, cluster, definition, provider, instance, chosen))
    if ids:
        desk.say(words.started(service, ids))
        desk.service = replace(desk.service, steady=False)


def _ask(
    desk: Desk,
    deployment: Deployment,
    cluster: Cluster,
    definition: TaskDefinition,
    provider: str | None,
    instance: str | None,
    zone: str,
) -> str:
    service, network = desk.service, deployment.network
    if network is not None and zone:
        subnets = tuple(id for id, each in _subnets(desk, deployment).items() if each == zone)
        network = replace(network, subnets=subnets or network.subnets)
    launch = deployment.launch_type or ("FARGATE" if provider in FARGATE else "EC2")
    task = ask_for_task(
        desk.tx, desk.entropy, at=desk.now, cluster=cluster, definition=definition, launch_type=launch,
        network=network, instance=instance, group=group_of(service), started_by=deployment.id,
        placement=placement_of(service.document), capacity_provider=provider,
        platform_version=deployment.document.get("platformVersion"),
        execute_command=bool(service.document.get("enableExecuteCommand")), tags=_tags(desk, definition),
        connect=deployment.connect,
    )  # fmt: skip
    account, region = task.account, task.region
    desk.put_member(Member(account=account, region=region, id=task.id, service=service.id, deployment=deployment.id))
    desk.tasks[task.id] = task
    return task.id


def _tags(desk: Desk, definition: TaskDefinition) -> dict[str, str]:
    service = desk.service
    propagated = {"SERVICE": service.tags, "TASK_DEFINITION": definition.tags}
    tags = dict(propagated.get(service.document.get("propagateTags") or "NONE", {}))
    if service.document.get("enableECSManagedTags"):
        tags |= {"aws:ecs:clusterName": service.cluster, "aws:ecs:serviceName": service.name}
    return tags


def _subnets(desk: Desk, deployment: Deployment) -> dict[str, str]:
    """Subnet → zone."""
    service = desk.service
    found = {}
    for id in deployment.network.subnets if deployment.network is not None else ():
        subnet = desk.snapshot.get(Subnet, service.account, service.region, id)
        if subnet is not None:
            found[id] = subnet.availability_zone
    return found


def _zones(desk: Desk, deployment: Deployment) -> list[str]:
    return sorted(set(_subnets(desk, deployment).values()))


def _next_zones(desk: Desk, deployment: Deployment, taken: list[str], count: int, zone: str | None) -> list[str]:
    zones, chosen = _zones(desk, deployment), []
    for _ in range(count):
        chosen.append(zone or (scheduling.next_zone(zones, taken) if zones else ""))
        taken.append(chosen[-1])
    return chosen


def _instances(
    desk: Desk, deployment: Deployment, definition: TaskDefinition, count: int, provider: str | None
) -> list[str]:
    service = desk.service
    spots = places(desk.snapshot, service.account, service.region, service.cluster, group_of(service), provider)
    needs, constraints = needs_of(definition, group_of(service)), _constraints(desk, definition)
    luck = [desk.entropy.uniform(0.0, 1.0) for _ in range(count)]
    strategies = service.document.get("placementStrategy") or DEFAULT
    try:
        chosen = place(spots, needs, count, constraints, strategies, luck)
        waits = may_wait(desk.snapshot, service.account, service.region, provider)
        why = reason(spots, needs, constraints) if len(chosen) < count and not waits else ""
    except BadExpression as error:
        chosen, why = [], f"A placement constraint can't be read: {error}."
    if why:
        not_placed(desk, deployment, why)
    return chosen


def _constraints(desk: Desk, definition: TaskDefinition) -> list[dict[str, Any]]:
    return [
        *(desk.service.document.get("placementConstraints") or ()),
        *(definition.document.get("placementConstraints") or ()),
    ]


def not_placed(desk: Desk, deployment: Deployment, why: str) -> None:
    """Say so, once in a while, and try again later."""
    text = words.not_placed(desk.service, why)
    if not desk.service.events or desk.service.events[0]["message"] != text:
        desk.say(text)
        desk.tell(ACTION, "ERROR", words.NO_PLACE, {"reason": why})
    current = desk.deployment(deployment.id)
    if current is not None:
        desk.put(replace(current, retry_at=desk.now + PLACE_AGAIN_S))


# -- stopping ----------------------------------------------------------------------------------------------------------


def stop(desk: Desk, view: TaskView) -> None:
    task = desk.tasks[view.id]
    member, deployment = desk.members.get(view.id), desk.deployment(view.deployment)
    why = f"Scaling activity initiated by (deployment {_cause(desk, view)})"
    if view.health == scheduling.UNHEALTHY:
        why = "Task failed container health checks"
        if deployment is not None and deployment.loads:
            why = f"Task failed ELB health checks in (target-group {deployment.loads[0].group})"
        if member is not None and not member.proven and deployment is not None:
            desk.put_member(replace(member, failed=True))
            desk.put(replace(deployment, failed_tasks=deployment.failed_tasks + 1))
    ask_to_stop(desk.tx, task, why, SCHEDULER_INITIATED)
    desk.service = replace(desk.service, steady=False)


def _cause(desk: Desk, view: TaskView) -> str:
    primary = desk.service.primary
    return primary.id if primary is not None else view.deployment


def _say_stopped(desk: Desk, stopped: Sequence[TaskView]) -> None:
    drained = [each for each in stopped if (member := desk.members.get(each.id)) is not None and member.targets]
    if drained:
        desk.say(words.draining(desk.service, len(drained)))
    if stopped:
        desk.say(words.stopped(desk.service, [each.id for each in stopped]))


# -- daemons -----------------------------------------------------------------------------------------------------------


def _keep_daemons(desk: Desk, primary: Deployment) -> None:
    service = desk.service
    definition = desk.snapshot.get(TaskDefinition, service.account, service.region, primary.definition)
    cluster = desk.snapshot.get(Cluster, service.account, service.region, service.cluster)
    if definition is None or cluster is None or primary.rollout_state == "FAILED":
        return
    spots = daemon_places(desk, definition) if service.status == "ACTIVE" else []
    told = service.document["deploymentConfiguration"]
    bounds = scheduling.limits(len(spots), told["minimumHealthyPercent"], told["maximumPercent"])
    others = [view for each in service.deployments if each.id != primary.id for view in desk.of(each)]
    start, ends = scheduling.daemons(desk.of(primary), others, [each.id for each in spots], bounds)
    for each in ends:
        stop(desk, each)
    _say_stopped(desk, ends)
    if start and desk.now >= primary.retry_at:
        ids = [_ask(desk, primary, cluster, definition, None, each, "") for each in start]
        desk.say(words.started(service, ids))


def recount(desk: Desk) -> None:
    """A DAEMON service wants as many tasks as there are instances for them."""
    service, primary = desk.service, desk.service.primary
    if service.document["schedulingStrategy"] != "DAEMON" or primary is None or service.status != "ACTIVE":
        return
    definition = desk.snapshot.get(TaskDefinition, service.account, service.region, primary.definition)
    count = len(daemon_places(desk, definition)) if definition is not None else 0
    if service.desired_count != count:
        desk.service = replace(service, desired_count=count, steady=False)
        desk.put(replace(primary, desired_count=count))


def daemon_places(desk: Desk, definition: TaskDefinition) -> list[Place]:
    service, needs = desk.service, needs_of(definition, "")
    spots = places(desk.snapshot, service.account, service.region, service.cluster, group_of(service))
    constraints = [each for each in _constraints(desk, definition) if each.get("type") == "memberOf"]
    try:
        return sorted((each for each in spots if allowed(each, needs, constraints)), key=lambda each: each.id)
    except BadExpression:
        return []
