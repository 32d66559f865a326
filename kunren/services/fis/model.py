"""The fis service's resources. Targets, actions and settings are in the wire's own shapes, defaults filled in."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource

ENDED = ("completed", "stopped", "failed", "cancelled")
"""States in which an experiment does nothing any more."""
OVER = ("completed", "stopped", "failed", "cancelled", "skipped")
"""States in which an action does nothing any more."""


class Described(Resource, frozen=True, kw_only=True):
    """What a template says, and an experiment has from it."""

    description: str
    role_arn: str
    targets: dict[str, dict[str, Any]] = {}
    actions: dict[str, dict[str, Any]] = {}
    stop_conditions: tuple[dict[str, str], ...] = ()
    log_configuration: dict[str, Any] | None = None
    report_configuration: dict[str, Any] | None = None
    options: dict[str, str] = {}
    accounts: dict[str, dict[str, str]] = {}  # target account configurations, by account
    tags: dict[str, str] = {}
    client_token: str = ""
    created: float = 0.0


class ExperimentTemplate(Described, frozen=True, kw_only=True):
    kind: ClassVar[str] = "fis.experiment-template"

    updated: float = 0.0


class ActionRun(msgspec.Struct, frozen=True, kw_only=True):
    """What an action of an experiment came to. `ends_at` is the AWS time until which it runs; `undo` is what its effect
    needs to know to take itself back, and is written with the change itself."""

    status: str = "pending"
    reason: str = ""
    started: float | None = None
    ended: float | None = None
    ends_at: float | None = None
    undo: dict[str, Any] = {}


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A resource that a target resolved to."""

    arn: str
    account: str
    region: str
    id: str


class Experiment(Described, frozen=True, kw_only=True):
    """`ending` is the state it shall end in, once somebody or something has decided to end it early."""

    kind: ClassVar[str] = "fis.experiment"

    template_id: str
    status: str = "pending"
    reason: str = ""
    error: dict[str, str] | None = None
    runs: dict[str, ActionRun] = {}
    found: dict[str, tuple[Found, ...]] = {}
    ending: str = ""
    started: float | None = None
    ended: float | None = None
    report: dict[str, Any] | None = None  # ExperimentReport


class SafetyLever(Resource, frozen=True, kw_only=True):
    """An account's and region's; there is none until it is first moved. The id is "default"."""

    kind: ClassVar[str] = "fis.safety-lever"

    status: str = "disengaged"
    reason: str = ""


RESOURCES: tuple[type[Resource], ...] = (ExperimentTemplate, Experiment, SafetyLever)
