"""What an experiment does next: pure, from what it is and the time.

Actions begin at the start, or when all those they start after are over. An action that lasts ends by itself; when none
is left, the experiment is completed. "Actions for AWS FIS", "Experiment states".
"""

from __future__ import annotations

from typing import NamedTuple

from kunren.services.fis import durations
from kunren.services.fis.model import OVER, Experiment

DONE = ("completed", "skipped")


class Step(NamedTuple):
    """`kind` is "begin", "skip", "finish" (of an action, by its name), "complete" or "wait" (until `at`)."""

    kind: str
    action: str = ""
    at: float = 0.0


def duration_s(experiment: Experiment, name: str) -> int:
    """How long an action lasts in AWS seconds; 0 where it has no duration."""
    parameters = experiment.actions[name].get("parameters") or {}
    given = parameters.get("duration") or parameters.get("startInstancesAfterDuration") or ""
    return durations.seconds(given) or 0


def next_steps(experiment: Experiment, now: float) -> list[Step]:
    """The steps of a running experiment that are due, or one to wait."""
    steps: list[Step] = []
    ends: list[float] = []
    for name, run in experiment.runs.items():
        if run.status == "pending":
            before = experiment.actions[name].get("startAfter") or ()
            if all(experiment.runs[each].status in DONE for each in before):
                steps.append(Step("skip" if _lacks_targets(experiment, name) else "begin", name))
        elif run.status == "initiating":
            steps.append(Step("begin", name))
        elif run.status == "running" and run.ends_at is not None:
            if run.ends_at <= now:
                steps.append(Step("finish", name))
            else:
                ends.append(run.ends_at)
    if steps:
        return steps
    if all(run.status in OVER for run in experiment.runs.values()):
        return [Step("complete")]
    return [Step("wait", at=min(ends, default=now))]


def _lacks_targets(experiment: Experiment, name: str) -> bool:
    targets = (experiment.actions[name].get("targets") or {}).values()
    return any(not experiment.found.get(each) for each in targets)
