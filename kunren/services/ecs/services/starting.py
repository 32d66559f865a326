"""A new deployment of a service: its revision, its target groups, and the deployments before it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.entropy import Entropy
from kunren.services.ecs.connect.offering import connect
from kunren.services.ecs.model import Deployment, Load, Network, Service, TaskDefinition
from kunren.services.ecs.services.model import ServiceDeployment, ServiceRevision
from kunren.services.ecs.services.progress import strategy_of
from kunren.services.ecs.services.stages import SHIFTING

KEPT_S = 90 * 24 * 3600.0


def new_id(entropy: Entropy) -> str:
    """Of a deployment or a task set."""
    return f"ecs-svc/{entropy.integer(1, 9)}{entropy.digits(18)}"


def network_of(document: dict[str, Any]) -> Network | None:
    told = (document.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if told is None:
        return None
    return Network(
        subnets=tuple(told["subnets"]), groups=tuple(told.get("securityGroups") or ()),
        public=told.get("assignPublicIp") == "ENABLED",
    )  # fmt: skip


def loads_of(service: Service, document: dict[str, Any], before: Deployment | None) -> tuple[Load, ...]:
    """The target groups of a new deployment. Where traffic is shifted, those that the one before does not have."""
    taken = {each.group for each in before.loads} if before is not None else set()
    shifts = strategy_of(service) in SHIFTING
    found = []
    for each in document.get("loadBalancers") or ():
        group = each.get("targetGroupArn")
        other = (each.get("advancedConfiguration") or {}).get("alternateTargetGroupArn")
        if group is None:
            continue
        chosen = other if shifts and other is not None and group in taken else group
        found.append(Load(group=chosen, container=each["containerName"], port=each["containerPort"]))
    return tuple(found)


def revise(tx: Tx, entropy: Entropy, now: float, service: Service, document: dict[str, Any]) -> ServiceRevision:
    revision = ServiceRevision(
        account=service.account, region=service.region, service=service.id, document=document, created_at=now,
        id=f"{service.id}/{entropy.integer(1, 9)}{entropy.digits(18)}",
    )  # fmt: skip
    tx.put(revision)
    return revision


def begin(tx: Tx, entropy: Entropy, now: float, service: Service, document: dict[str, Any], by: str) -> Service:
    """The service with a new PRIMARY deployment of that revision; a service deployment that was under way is stopped.
    `by` is where the definition is: FAMILY:REVISION. The service is not written. Raises InvalidParameterException where
    what it offers to a namespace is not its own."""
    before = [each for each in service.deployments if each.status in ("PRIMARY", "ACTIVE")]
    source = next((each for each in before if each.completed), None)
    superseded = end(tx, now, service, "A new service deployment was started.")
    _forget_old(tx, service, now)
    revision = revise(tx, entropy, now, service, document)
    configuration = service.document["deploymentConfiguration"]
    id = new_id(entropy)
    definition = tx.get(TaskDefinition, service.account, service.region, by)
    assert definition is not None
    deployment = Deployment(
        id=id, status="PRIMARY", revision=revision.id, definition=by, desired_count=service.desired_count,
        launch_type=document.get("launchType"), network=network_of(document), document=document,
        connect=connect(tx, entropy, now, service, definition, document),
        loads=loads_of(service, document, source), rollout_reason=f"ECS deployment {id} in progress.",
        created_at=now, updated_at=now,
    )  # fmt: skip
    course = ServiceDeployment(
        account=service.account, region=service.region, id=f"{service.id}/{entropy.lower(22)}", service=service.id,
        source=source.id if source is not None else None,
        source_revisions=tuple(each.revision for each in before), target=id, target_revision=revision.id,
        configuration=configuration, reconciles=superseded and strategy_of(service) in SHIFTING,
        breaker=_watched(configuration.get("deploymentCircuitBreaker")), alarms=_watched(configuration.get("alarms")),
        created_at=now, updated_at=now,
    )  # fmt: skip
    tx.put(course)
    older = tuple(replace(each, status="ACTIVE", desired_count=0, updated_at=now) for each in before)
    return replace(service, deployments=(deployment, *older), current=course.id, steady=False)


def end(tx: Tx, now: float, service: Service, why: str) -> bool:
    """Stop the service deployment that is under way; whether one was. Nobody asks its hooks any more."""
    running = tx.get(ServiceDeployment, service.account, service.region, service.current)
    if running is None or not running.open:
        return False
    tx.put(replace(running, status="STOPPED", reason=why, stopped_at=now, finished_at=now, updated_at=now))
    return True


def _forget_old(tx: Tx, service: Service, now: float) -> None:
    """What was deployed a quarter of a year ago is described no more, but for the revisions that are there."""
    held = {each.revision for each in service.deployments}
    for course in tx.list(ServiceDeployment, service.account, service.region):
        if course.service == service.id and not course.open and course.created_at < now - KEPT_S:
            tx.delete(course)
    for revision in tx.list(ServiceRevision, service.account, service.region):
        if revision.service == service.id and revision.id not in held and revision.created_at < now - KEPT_S:
            tx.delete(revision)


def _watched(told: dict[str, Any] | None) -> str:
    return "MONITORING" if told is not None and told.get("enable") else "DISABLED"
