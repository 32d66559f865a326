"""The steps of a request, foretold: each stage looks at the course in turn until one ends it. Pure."""

from __future__ import annotations

from kunren.trace.course import Course, State
from kunren.trace.model import Expected, Request, Step
from kunren.trace.stages import STAGES


def predict(
    state: State, request: Request, address: str | None = None, via: str | None = None
) -> tuple[Course, tuple[Step, ...]]:
    """`address` is the one that DNS gave the client, `via` the one that an accelerator led it to; without them, the
    likeliest are taken."""
    course = Course(state, request, address, Expected(), via)
    steps: list[Step] = []
    for stage in STAGES:
        step = stage(course)
        if step is not None:
            steps.append(step)
            if step.ends:
                break
    return course, tuple(steps)
