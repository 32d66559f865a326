"""Scalable targets, with their policies and scheduled actions, and what was scaled."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource

KEPT_S = 6 * 7 * 24 * 3600.0
"""How long activities are shown: six weeks."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """`step` and `tracking` are the API's configurations; `alarms` the names of those that are its own."""

    id: str
    type: str
    created: float
    step: dict[str, Any] | None = None
    tracking: dict[str, Any] | None = None
    alarms: tuple[str, ...] = ()


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A scheduled action; `next_at` is when it is due (AWS time), None when it never is again."""

    id: str
    text: str
    created: float
    next_at: float | None
    time_zone: str | None = None
    start: float | None = None
    end: float | None = None
    least: int | None = None
    most: int | None = None


class Cooldown(msgspec.Struct, frozen=True, kw_only=True):
    """Until then what is done next is measured by the capacity `before`; `out` where it grew."""

    until: float
    before: int
    out: bool


class Target(Resource, frozen=True, kw_only=True):
    """Its id is "NAMESPACE|RESOURCE|DIMENSION"; `number` is in its ARN."""

    kind: ClassVar[str] = "application-autoscaling.target"

    namespace: str
    resource: str
    dimension: str
    number: str
    least: int
    most: int
    created: float
    role: str
    suspended: dict[str, bool] = {}
    policies: dict[str, Policy] = {}
    schedules: dict[str, Schedule] = {}
    cooldown: Cooldown | None = None
    tags: dict[str, str] = {}


class Activity(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "application-autoscaling.activity"

    target: str
    description: str
    cause: str
    started: float
    ended: float
    status: str
    message: str


KINDS: tuple[type[Resource], ...] = (Target, Activity)
