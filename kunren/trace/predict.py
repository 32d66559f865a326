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
    return _followed(Course(state, request, address, Expected(), via))


def _followed(course: Course) -> tuple[Course, tuple[Step, ...]]:
    def foretell(state: State, request: Request) -> tuple[Course, tuple[Step, ...]]:
        return _followed(Course(state, request, depth=course.depth + 1))

    course.foretell = foretell
    steps: list[Step] = []
    for stage in STAGES:
        made = stage(course) or ()
        steps += made if isinstance(made, tuple) else (made,)
        if steps and steps[-1].ends:
            break
    return course, tuple(steps)
