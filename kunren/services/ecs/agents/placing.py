"""On which container instances the tasks of RunTask go: the choice of `services/placement.py`, from what is there."""

from __future__ import annotations

from collections.abc import Sequence

from kunren.control.store import Tx
from kunren.core.entropy import Entropy
from kunren.services.ecs import errors
from kunren.services.ecs.agents.rows import arn_of, tasks_on
from kunren.services.ecs.api.base import Params
from kunren.services.ecs.model import Cluster, ContainerInstance, Task, TaskDefinition
from kunren.services.ecs.services.expressions import BadExpression
from kunren.services.ecs.services.placement import DEFAULT, Needs, allowed, place
from kunren.services.ecs.services.places import by_instance_of, place_of, ports_of


def placement_of(params: Params) -> Params:
    """What a request, or a service's document, says of where its tasks may be."""
    return {each: params[each] for each in ("placementConstraints", "placementStrategy") if params.get(each)}


def needs_of(definition: TaskDefinition, group: str) -> Needs:
    document, containers = definition.document, definition.containers
    cpu = int(document.get("cpu") or 0) or sum(each.get("cpu") or 0 for each in containers)
    own = int(document.get("memory") or 0)
    memory = own or sum(each.get("memoryReservation") or each.get("memory") or 0 for each in containers)
    return Needs(cpu, memory, ports_of(definition), group)


def placed(
    tx: Tx, entropy: Entropy, cluster: Cluster, definition: TaskDefinition, params: Params, count: int,
    provider: str | None = None,
) -> tuple[list[str], list[dict[str, str]]]:  # fmt: skip
    """The instances of so many tasks, and why there are not more. Raises InvalidParameterException."""
    group = params.get("group") or f"family:{definition.family}"
    hosts = [
        each
        for each in tx.list(ContainerInstance, cluster.account, cluster.region)
        if each.cluster == cluster.id and each.status == "ACTIVE" and provider in (None, each.capacity_provider)
    ]
    connected = [each for each in hosts if each.agent_connected]
    constraints = [
        *(params.get("placementConstraints") or ()), *(definition.document.get("placementConstraints") or ()),
    ]  # fmt: skip
    needs, tasks = (
        needs_of(definition, group),
        by_instance_of(connected, tx.list(Task, cluster.account, cluster.region)),
    )
    places = [place_of(tx, each, tasks[each.id], group) for each in connected]
    chance = [entropy.uniform(0.0, 1.0) for _ in range(count)]
    strategies = params.get("placementStrategy") or ()
    try:
        chosen = place(places, needs, count, constraints, strategies or DEFAULT, chance)
        if len(chosen) == count:
            return chosen, []
        failures = [
            {"arn": arn_of(each), "reason": why_not(tx, each, needs, constraints, chosen.count(each.id)) or _DISTINCT}
            for each in sorted(hosts, key=lambda each: each.id)
        ]
    except BadExpression as error:
        raise errors.InvalidParameterException(f"Invalid expression: {error}") from error
    return chosen, failures


_DISTINCT = "DistinctInstance placement constraint unsatisfied."


def why_not(
    tx: Tx, instance: ContainerInstance, needs: Needs, constraints: Sequence[Params] = (), taken: int = 0
) -> str | None:
    """Why that instance takes no task beside so many of the same, as "API failure reasons" has it; None where it
    does."""
    if not instance.agent_connected:
        return "AGENT"
    found = place_of(tx, instance, tasks_on(tx, instance), needs.group)
    if not allowed(found, needs, constraints):
        return "MemberOf placement constraint unsatisfied."
    if found.memory - taken * needs.memory < needs.memory:
        return "RESOURCE:MEMORY"
    if found.cpu - taken * needs.cpu < needs.cpu:
        return "RESOURCE:CPU"
    if needs.ports & found.ports or (taken and needs.ports):
        return "RESOURCE:PORTS"
    return None
