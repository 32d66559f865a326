"""Who serves what is offered in a namespace, and with which share of the traffic. Pure.

Of a service deployment that shifts traffic the new tasks get as much of the production traffic as its stage says, and
all requests with the test header while that stage lasts ("Service Connect resources for Amazon ECS blue/green, linear,
and canary deployments"). In any other, all tasks that run are equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kunren.control.store import Snapshot
from kunren.dataplane.envoy.resources import Endpoint
from kunren.services.ecs.connect.model import Offer
from kunren.services.ecs.model import Service, Task
from kunren.services.ecs.services.facts import containers_well
from kunren.services.ecs.services.model import ServiceDeployment
from kunren.services.ecs.services.progress import progress_of, shape_of, shifting
from kunren.services.ecs.services.stages import production_share, test_share

_WHOLE = 10_000_000
"""The sum of weights of a service's endpoints, about; Envoy counts them in 32 bits."""


@dataclass(frozen=True, slots=True)
class Share:
    """Of a deployment: per cent of the production traffic, and whether it has the test traffic."""

    production: float
    test: bool = False


@dataclass(frozen=True, slots=True)
class Serving:
    """Endpoints by the id of an offer's registry: of all traffic, and of requests that have the test header, which are
    like all others where nobody is tested."""

    production: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    test: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)


def serves(snapshot: Snapshot, task: Task) -> bool:
    """One that is to stop does so no more."""
    return task.desired_status == task.last_status == "RUNNING" and containers_well(snapshot, task)


def places(task: Task) -> Iterator[tuple[Offer, str, int]]:
    """What the task offers, with the address and the port where its proxy takes it."""
    proxy = task.proxy
    for number, offer in enumerate(proxy.offers if proxy is not None else ()):
        if proxy is not None and proxy.ports:
            yield offer, proxy.address, proxy.ports[number]
        elif task.private_ip and offer.ingress_port:
            yield offer, task.private_ip, offer.ingress_port


def serving(snapshot: Snapshot, account: str, region: str) -> Serving:
    shares: dict[str, Share] = {}
    for service in snapshot.by_id(Service, account, region).values():
        course = snapshot.get(ServiceDeployment, account, region, service.current)
        if course is not None and shifting(course):
            shares |= shares_of([each.id for each in service.deployments], course)
    tasks = [
        each
        for each in snapshot.by_id(Task, account, region).values()
        if each.proxy is not None and each.proxy.offers and serves(snapshot, each)
    ]
    counts = Counter(each.started_by or "" for each in tasks)
    production: dict[str, list[Endpoint]] = {}
    test: dict[str, list[Endpoint]] = {}
    for task in tasks:
        share = shares.get(task.started_by or "")
        weight = _weight(share, counts[task.started_by or ""])
        for offer, address, port in places(task):
            if weight:
                production.setdefault(offer.registry, []).append(Endpoint(address, port, weight=weight))
            if share is not None and share.test:
                test.setdefault(offer.registry, []).append(Endpoint(address, port))
    every = _sorted(production)
    return Serving(every, {**every, **_sorted(test)})


def shares_of(deployments: Iterable[str], course: ServiceDeployment) -> dict[str, Share]:
    """Of a service's deployments (ids) in a course that shifts traffic. Where nobody was complete before, all that was
    there has what the new one does not have yet."""
    new, tested = 0.0, False
    if course.status == "SUCCESSFUL":
        new = 100.0
    elif not course.status.startswith("ROLLBACK_") and course.stage is not None:
        progress = progress_of(course)
        new, tested = production_share(progress, shape_of(course)), test_share(progress) > 0
    found = {}
    for id in deployments:
        if id == course.target:
            found[id] = Share(new, tested)
        else:
            found[id] = Share(100.0 - new if course.source in (None, id) else 0.0)
    return found


def _weight(share: Share | None, count: int) -> int:
    """Of each of so many endpoints."""
    if share is None:
        return 1
    return max(round(share.production * _WHOLE / 100 / count), 1) if share.production else 0


def _sorted(found: Mapping[str, list[Endpoint]]) -> dict[str, tuple[Endpoint, ...]]:
    return {registry: tuple(sorted(each)) for registry, each in found.items()}
