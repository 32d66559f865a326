"""Where a service deployment that shifts traffic is, and what it wants of load balancers' rules. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kunren.control.store import Snapshot
from kunren.services.ecs.model import Deployment, Service
from kunren.services.ecs.services import stages
from kunren.services.ecs.services.model import ServiceDeployment
from kunren.services.ecs.services.stages import Progress, Shape
from kunren.services.elbv2.model import Listener, Rule


@dataclass(frozen=True, slots=True)
class Weighted:
    """What a rule (or a listener) is to forward to: target group → weight."""

    rule: str
    weights: Mapping[str, int]
    alone: bool = False
    """Whether a rule that knows only the group with all the weight is as good."""


def strategy_of(service: Service) -> str:
    return str(service.document["deploymentConfiguration"].get("strategy") or "ROLLING")


def shifting(course: ServiceDeployment) -> bool:
    return course.configuration.get("strategy") in stages.SHIFTING


def progress_of(course: ServiceDeployment) -> Progress:
    return Progress(course.stage or stages.PRE_SCALE_UP, course.stage_since, course.step)


def shape_of(course: ServiceDeployment) -> Shape:
    return stages.shape(course.configuration, first=course.source is None, reconciles=course.reconciles)


def shares(course: ServiceDeployment) -> tuple[float, float]:
    """Per cent of production and test traffic that the new revision is to have now."""
    if course.status in ("SUCCESSFUL",):
        return 100.0, 100.0
    if course.status != "IN_PROGRESS" or course.stage is None:
        return 0.0, 0.0
    progress = progress_of(course)
    return stages.production_share(progress, shape_of(course)), stages.test_share(progress)


def wanted(service: Service, course: ServiceDeployment) -> list[Weighted]:
    """The rules that the course has its say about, as they are to be."""
    if not shifting(course) or course.status not in ("IN_PROGRESS", "ROLLBACK_IN_PROGRESS"):
        return []
    by_id = {each.id: each for each in service.deployments}
    new, old = by_id.get(course.target), by_id.get(course.source or "")
    if new is None or (old is None and course.status != "IN_PROGRESS"):
        return []
    production, test = shares(course)
    found = []
    for index, told in enumerate(new.document.get("loadBalancers") or ()):
        advanced = told.get("advancedConfiguration") or {}
        green = new.loads[index].group
        blue = _counterpart(told, green, old, index)
        for member, share in (("productionListenerRule", production), ("testListenerRule", test)):
            if member not in advanced:
                continue
            if old is None and share == 0.0:
                continue  # nobody has had this traffic yet: it stays as its owner left it
            before, after = stages.weights(share)
            found.append(Weighted(advanced[member], {blue: before, green: after}, alone=old is None))
    return found


def _counterpart(told: Mapping[str, Any], green: str, old: Deployment | None, index: int) -> str:
    if old is not None and index < len(old.loads):
        return old.loads[index].group
    pair = (told["targetGroupArn"], told["advancedConfiguration"]["alternateTargetGroupArn"])
    return str(pair[1] if green == pair[0] else pair[0])


def actions_at(snapshot: Snapshot, account: str, region: str, rule: str) -> tuple[dict[str, Any], ...] | None:
    """The actions of a rule, or of a listener by default; None where there is neither."""
    found = snapshot.get(Rule, account, region, rule)
    if found is not None:
        return found.actions
    listener = snapshot.get(Listener, account, region, rule)
    return listener.default_actions if listener is not None else None


def is_so(actions: tuple[dict[str, Any], ...] | None, wanted: Weighted) -> bool:
    """Whether these actions forward as wanted."""
    forward = next((each for each in actions or () if each.get("Type") == "forward"), None)
    if forward is None:
        return False
    told = (forward.get("ForwardConfig") or {}).get("TargetGroups") or ()
    present = {each["TargetGroupArn"]: each.get("Weight", 1) for each in told}
    if not present and forward.get("TargetGroupArn"):
        present = {forward["TargetGroupArn"]: 1}
    if wanted.alone and len(present) == 1:
        return list(present) == [group for group, weight in wanted.weights.items() if weight]
    return present == dict(wanted.weights)
