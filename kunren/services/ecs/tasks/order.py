"""In what order containers of a task start and stop, when one starts again, and what the task is by them. Pure.

Source: "Container dependency", "Restart individual containers in Amazon ECS tasks with container restart policies".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kunren.services.ecs.tasks.plan import ContainerPlan

GO, WAIT, NEVER = "go", "wait", "never"
SIGKILLED = 137


@dataclass(slots=True)
class Live:
    """One container as it is now. `exit_code` is of the last time that it ended."""

    started: bool = False
    running: bool = False
    exit_code: int | None = None
    health: str = "UNKNOWN"
    began: float = 0.0
    """AWS time of its last start."""
    done: bool = False
    """Whether it has ended and won't start again, or never will."""


def may_start(plan: ContainerPlan, live: Mapping[str, Live]) -> str:
    """GO, WAIT, or NEVER, where what it waits for can't come any more."""
    answers = [_met(live[name], condition) for name, condition in plan.waits_for.items()]
    return NEVER if NEVER in answers else WAIT if WAIT in answers else GO


def _met(other: Live, condition: str) -> str:
    if condition == "START":
        return GO if other.started else NEVER if other.done else WAIT
    if condition == "HEALTHY":
        return GO if other.health == "HEALTHY" else NEVER if other.done else WAIT
    if not other.done:
        return WAIT
    if condition == "SUCCESS" and other.exit_code != 0:
        return NEVER
    return GO if other.started else NEVER


def may_stop(name: str, plans: Mapping[str, ContainerPlan], live: Mapping[str, Live]) -> bool:
    """Whether all that wait for this one's being there have ended."""
    return not any(live[each.name].running for each in plans.values() if name in each.waits_for)


def starts_again(plan: ContainerPlan, code: int, ran_s: float) -> bool:
    """Whether its restart policy has a container that ended after so many seconds start again."""
    return plan.restarts and code not in plan.ignored_codes and ran_s >= plan.restart_period_s


def all_started(live: Mapping[str, Live]) -> bool:
    return all(each.started or each.done for each in live.values())


def exit_code(code: int) -> int:
    """As Docker has it: 128 and the signal's number where one ended it."""
    return code if code >= 0 else 128 - code


def health(plans: Mapping[str, ContainerPlan], live: Mapping[str, Live]) -> str:
    """A task's health by its essential containers that have a check."""
    checked = [live[each.name].health for each in plans.values() if each.essential and each.health is not None]
    if "UNHEALTHY" in checked:
        return "UNHEALTHY"
    return "UNKNOWN" if not checked or "UNKNOWN" in checked else "HEALTHY"
