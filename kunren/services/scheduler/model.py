"""Schedules and their groups."""

from __future__ import annotations

from typing import Any, ClassVar

from kunren.control.store import Resource
from kunren.core.arn import build_arn

DEFAULT = "default"


class Group(Resource, frozen=True, kw_only=True):
    """Its id is its name; the default group has no row."""

    kind: ClassVar[str] = "scheduler.group"

    created_at: float
    modified_at: float
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return build_arn("scheduler", self.region, self.account, f"schedule-group/{self.id}")


class Schedule(Resource, frozen=True, kw_only=True):
    """Its id is GROUP/NAME. `since` is where a rate begins; `done` once a one-time schedule has run."""

    kind: ClassVar[str] = "scheduler.schedule"

    group: str
    name: str
    expression: str
    zone: str | None = None
    start: float | None = None
    end: float | None = None
    state: str = "ENABLED"
    description: str | None = None
    window: dict[str, Any]
    target: dict[str, Any]
    after_completion: str = "NONE"
    kms_key: str | None = None
    created_at: float
    modified_at: float
    since: float
    done: bool = False

    @property
    def arn(self) -> str:
        return build_arn("scheduler", self.region, self.account, f"schedule/{self.group}/{self.name}")


KINDS = (Group, Schedule)
