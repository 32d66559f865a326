"""The steps of a request, foretold: each stage looks at the course in turn until one ends it. Pure."""

from __future__ import annotations

from kunren.trace.course import Course, State
from kunren.trace.model import Expected, Request, Step
from kunren.trace.stages import STAGES


def predict(state: State, request: Request, address: str | None = None) -> tuple[Course, tuple[Step, ...]]:
    """`address` is the one that DNS gave the client; without it, the likeliest is taken."""
    course = Course(state, request, address, Expected())
    steps: list[Step] = []
    for stage in STAGES:
        step = stage(course)
        if step is not None:
            steps.append(step)
            if step.ends:
                break
    return course, tuple(steps)
