"""Lifecycle hooks of deployments: functions that are asked whether a stage may end, and pauses. The pure part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.core.entropy import Entropy
from kunren.services.ecs.services.model import HookRun, ServiceDeployment

LAMBDA, PAUSE = "AWS_LAMBDA", "PAUSE"
ASK_AGAIN_S = 30.0
PAUSE_MAX_S = 20_160 * 60.0
LAMBDA_MAX_S = 24 * 3600.0


def hooks_of(course: ServiceDeployment) -> list[dict[str, Any]]:
    return list(course.configuration.get("lifecycleHooks") or ())


def begun_hooks(course: ServiceDeployment, entropy: Entropy, now: float) -> tuple[HookRun, ...]:
    """The hooks that the course's present stage has."""
    found = []
    for index, hook in enumerate(hooks_of(course)):
        if course.stage not in hook.get("lifecycleStages", ()):
            continue
        pauses = hook.get("targetType") == PAUSE
        minutes = (hook.get("timeoutConfiguration") or {}).get("timeoutInMinutes")
        limit_s = 60.0 * minutes if minutes else PAUSE_MAX_S if pauses else LAMBDA_MAX_S
        found.append(
            HookRun(
                id=entropy.uuid(),
                index=index,
                stage=course.stage or "",
                step=course.step,
                since=now,
                ask_at=now,
                status="AWAITING_ACTION" if pauses else "IN_PROGRESS",
                expires_at=now + limit_s,
            )
        )
    return tuple(found)


def present(course: ServiceDeployment) -> list[HookRun]:
    return [each for each in course.hooks if (each.stage, each.step) == (course.stage, course.step)]


def hooks_are(course: ServiceDeployment, now: float) -> str:
    """ "done", "waiting" or "failed", of those of the present stage and step."""
    answers = []
    for each in present(course):
        action = (hooks_of(course)[each.index].get("timeoutConfiguration") or {}).get("action", "ROLLBACK")
        if each.status == "SUCCEEDED":
            answers.append("done")
        elif each.status == "FAILED":
            answers.append("failed")
        elif each.status == "TIMED_OUT" or (each.expires_at is not None and now >= each.expires_at):
            answers.append("done" if action == "CONTINUE" else "failed")
        else:
            answers.append("waiting")
    return "failed" if "failed" in answers else "waiting" if "waiting" in answers else "done"


def answered(run: HookRun, payload: bytes, failed: bool, now: float) -> HookRun:
    """The hook after its function answered: `{"hookStatus": "SUCCEEDED" | "FAILED" | "IN_PROGRESS"}`; what is not that
    is a failure. `callBackDelay` (seconds) is when it is asked again."""
    try:
        told = json.loads(payload or b"null")
    except ValueError:
        told = None
    status = told.get("hookStatus") if isinstance(told, Mapping) and not failed else None
    if status == "IN_PROGRESS":
        assert isinstance(told, Mapping)
        delay = told.get("callBackDelay", told.get("callBackDelaySeconds", ASK_AGAIN_S))
        wait_s = float(delay) if isinstance(delay, int | float) and 0 <= delay <= LAMBDA_MAX_S else ASK_AGAIN_S
        return replace(run, ask_at=now + wait_s)
    return replace(run, status="SUCCEEDED" if status == "SUCCEEDED" else "FAILED")
