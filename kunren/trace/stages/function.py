"""Lambda targets: the function of a chosen group, and whether the load balancer may invoke it."""

from __future__ import annotations

from kunren.services.elbv2.model import TargetGroup
from kunren.services.elbv2.words import percent
from kunren.services.lambda_.policy import may_invoke
from kunren.trace.course import Course
from kunren.trace.model import ANSWER, Considered, Step, Target

STAGE = "function"


def stage(course: Course) -> Step | None:
    groups = [(group, share) for group, share in course.groups if group.target_type == "lambda"]
    if not groups:
        return None
    considered, statuses = [], set()
    for group, share in groups:
        what, good, because, status = _judged(course, group)
        considered.append(Considered(what=what, taken=good, because=because))
        statuses.add(status)
        if good:
            target = Target(group=group.name, id=group.targets[0].id, probability=share)
            course.expected.targets = (*course.expected.targets, target)
    chosen = " or ".join(
        f"{each.what}" + (f" ({percent(share, 1)})" if share < 1 else "")
        for each, (_, share) in zip(considered, groups, strict=True)
    )
    only = len(groups) == len(course.groups)
    course.expected.outcome = ANSWER
    if only and None not in statuses:
        return course.ended(
            STAGE, chosen, considered[0].because, tuple(considered), statuses=tuple(sorted(filter(None, statuses))),
            answered_by="load balancer" if 503 in statuses else None,
        )  # fmt: skip
    course.expected.answered_by = "function" if only and statuses == {None} else None
    because = "; ".join(each.because for each in considered)
    shown = tuple(considered) if len(considered) > 1 else ()
    return Step(stage=STAGE, chosen=chosen, because=because, considered=shown, ends=only)


def _judged(course: Course, group: TargetGroup) -> tuple[str, bool, str, int | None]:
    """What is in the group, whether it is invoked, why, and the status where the load balancer answers instead."""
    if not group.targets:
        return "503", False, f"target group {group.name} has no function", 503
    arn = group.targets[0].id
    name = arn.partition(":function:")[2]
    allowed = may_invoke(course.snapshot, arn, group.id)
    if allowed is None:
        return name, False, f"function {name} does not exist, so the answer is 502", 502
    if not allowed:
        return name, False, f"the policy of {name} does not let the load balancer invoke it: 502", 502
    return name, True, f"target group {group.name} invokes function {name}, whose policy allows it", None
