"""Blue/green, linear and canary deployments: their stages, and how much traffic the new revision has in each. Pure.

"Amazon ECS blue/green deployments: deployment lifecycle stages", "Linear deployments", "Canary deployments".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RECONCILE, PRE_SCALE_UP, SCALE_UP, POST_SCALE_UP = "RECONCILE_SERVICE", "PRE_SCALE_UP", "SCALE_UP", "POST_SCALE_UP"
TEST_SHIFT, POST_TEST_SHIFT = "TEST_TRAFFIC_SHIFT", "POST_TEST_TRAFFIC_SHIFT"
PRE_PRODUCTION_SHIFT, PRODUCTION_SHIFT = "PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT"
POST_PRODUCTION_SHIFT, BAKE, CLEAN_UP = "POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP"
STAGES = (
    RECONCILE, PRE_SCALE_UP, SCALE_UP, POST_SCALE_UP, TEST_SHIFT, POST_TEST_SHIFT, PRE_PRODUCTION_SHIFT,
    PRODUCTION_SHIFT, POST_PRODUCTION_SHIFT, BAKE, CLEAN_UP,
)  # fmt: skip
SHIFTING = ("BLUE_GREEN", "LINEAR", "CANARY")
STAGE_MAX_S = 24 * 3600.0
_TENTH = 0.1


@dataclass(frozen=True, slots=True)
class Shape:
    """How a deployment goes: the production traffic's steps (per cent), the waits between and behind them (seconds)."""

    steps: tuple[float, ...] = (100.0,)
    step_wait_s: float = 0.0
    bake_s: float = 0.0
    reconciles: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """The stage, since when, and the step of the production traffic's shift."""

    stage: str
    since: float
    step: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """What is so: all new tasks are healthy; traffic is as the stage wants it; hooks of stage and step have answered
    well ("done"), not yet ("waiting") or badly ("failed"); no old task is left."""

    now: float
    ready: bool = False
    shifted: bool = False
    hooks: str = "done"
    old_gone: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    reason: str


DONE = "done"


def shape(configuration: Mapping[str, Any], first: bool, reconciles: bool = False) -> Shape:
    """Of a deploymentConfiguration. The first deployment of a service has nobody to take traffic from: one step, and
    no time in which both run."""
    if first:
        return Shape()
    strategy = configuration.get("strategy")
    bake_s = 60.0 * (configuration.get("bakeTimeInMinutes") or 0)
    if strategy == "LINEAR":
        told = configuration.get("linearConfiguration") or {}
        size = told.get("stepPercent", 10.0)
        return Shape(linear(size), 60.0 * told.get("stepBakeTimeInMinutes", 6), bake_s, reconciles)
    if strategy == "CANARY":
        told = configuration.get("canaryConfiguration") or {}
        share = float(told.get("canaryPercent", 5.0))
        steps = (share, 100.0) if share < 100 else (100.0,)
        return Shape(steps, 60.0 * told.get("canaryBakeTimeInMinutes", 10), bake_s, reconciles)
    return Shape(bake_s=bake_s, reconciles=reconciles)


def linear(size: float) -> tuple[float, ...]:
    """Equal steps up to 100 per cent; the last may be smaller."""
    steps: list[float] = []
    while not steps or steps[-1] < 100:
        steps.append(min(round((len(steps) + 1) * size, 1), 100.0))
    return tuple(steps)


def begun(now: float, shape: Shape) -> Progress:
    return Progress(RECONCILE if shape.reconciles else PRE_SCALE_UP, now)


def after(progress: Progress, seen: Seen, shape: Shape) -> Progress | Failed | str | None:
    """The next stage or step; None where it stays; DONE at the end; why it failed."""
    stage, waited_s = progress.stage, seen.now - progress.since
    if seen.hooks == "failed":
        return Failed(f"A lifecycle hook of the stage {stage} did not succeed")
    if waited_s >= STAGE_MAX_S + (shape.bake_s if stage == BAKE else 0) + (
        shape.step_wait_s if stage == PRODUCTION_SHIFT else 0
    ):
        return Failed(f"The stage {stage} took longer than 24 hours")
    if seen.hooks != "done":
        return None
    if stage in (RECONCILE, TEST_SHIFT, PRODUCTION_SHIFT) and not seen.shifted:
        return None
    if stage == SCALE_UP and not seen.ready:
        return None
    if stage == PRODUCTION_SHIFT and progress.step < len(shape.steps) - 1:
        return Progress(stage, seen.now, progress.step + 1) if waited_s >= shape.step_wait_s else None
    if stage == BAKE and waited_s < shape.bake_s:
        return None
    if stage == CLEAN_UP:
        return DONE if seen.old_gone else None
    return Progress(STAGES[STAGES.index(stage) + 1], seen.now, progress.step)


def looks_again_at(progress: Progress, shape: Shape) -> float | None:
    """AWS time at which the stage may end by itself."""
    if progress.stage == BAKE:
        return progress.since + shape.bake_s
    if progress.stage == PRODUCTION_SHIFT and progress.step < len(shape.steps) - 1:
        return progress.since + shape.step_wait_s
    return None


def production_share(progress: Progress, shape: Shape) -> float:
    """Per cent of the production traffic that the new revision gets."""
    if progress.stage == PRODUCTION_SHIFT:
        return shape.steps[progress.step]
    return 100.0 if STAGES.index(progress.stage) > STAGES.index(PRODUCTION_SHIFT) else 0.0


def test_share(progress: Progress) -> float:
    return 100.0 if STAGES.index(progress.stage) >= STAGES.index(TEST_SHIFT) else 0.0


def new_runs(progress: Progress) -> bool:
    """Whether the new revision has tasks."""
    return STAGES.index(progress.stage) >= STAGES.index(SCALE_UP)


def old_runs(progress: Progress) -> bool:
    return progress.stage != CLEAN_UP


def weights(share: float) -> tuple[int, int]:
    """A load balancer's weights (of 999 at most) of old and new, where the new one is to get so many per cent."""
    if share == int(share):
        return 100 - int(share), int(share)
    tenths = round(share / _TENTH)
    return min(1000 - tenths, 999), tenths
