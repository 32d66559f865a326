"""Applications, deployment groups, configurations and revisions, and the deployments with their targets.

What CodeDeploy only echoes is kept as the wire has it, under its names there (`settings`, `location`).
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource

SERVER, LAMBDA, ECS = "Server", "Lambda", "ECS"
ACTIVE = ("Created", "Queued", "InProgress", "Baking", "Ready")
ENDED = ("Succeeded", "Failed", "Stopped")
_ENDED_EVENT = ("Succeeded", "Failed", "Skipped", "Unknown")


class Application(Resource, frozen=True, kw_only=True):
    """Its id is its name."""

    kind: ClassVar[str] = "codedeploy.application"

    application_id: str
    platform: str
    created_at: float
    tags: dict[str, str] = {}


class Config(Resource, frozen=True, kw_only=True):
    """A deployment configuration; its id is its name. `minimum`, `routing` and `zonal` are as the wire has them."""

    kind: ClassVar[str] = "codedeploy.config"

    config_id: str
    platform: str
    created_at: float
    minimum: dict[str, Any] | None = None
    routing: dict[str, Any] | None = None
    zonal: dict[str, Any] | None = None


class Group(Resource, frozen=True, kw_only=True):
    """A deployment group; its id is APPLICATION/NAME. `settings` are members of DeploymentGroupInfo."""

    kind: ClassVar[str] = "codedeploy.group"

    group_id: str
    application: str
    name: str
    config: str
    role: str
    settings: dict[str, Any] = {}
    revision: dict[str, Any] | None = None
    """The location of the revision that was deployed last with success."""
    succeeded: str = ""
    attempted: str = ""
    health: dict[str, str] = {}
    """Instance → the revision (its key) that was installed there last, "" where that failed."""
    tags: dict[str, str] = {}


class Revision(Resource, frozen=True, kw_only=True):
    """Its id is APPLICATION/ and a digest of `location`, a RevisionLocation."""

    kind: ClassVar[str] = "codedeploy.revision"

    application: str
    location: dict[str, Any]
    description: str = ""
    registered_at: float | None = None
    first_used_at: float | None = None
    last_used_at: float | None = None
    groups: tuple[str, ...] = ()


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A lifecycle event of a target. `hook` is the execution id by which a hook's function answers, `told` whether that
    function has been invoked."""

    name: str
    status: str = "Pending"
    started_at: float | None = None
    ended_at: float | None = None
    diagnostics: dict[str, str] | None = None
    function: str = ""
    hook: str = ""
    told: bool = False

    @property
    def ended(self) -> bool:
        return self.status in _ENDED_EVENT


class Target(Resource, frozen=True, kw_only=True):
    """What one deployment does to one function, instance or service; its id is DEPLOYMENT/TARGET. `info` is what its
    platform notes of it."""

    kind: ClassVar[str] = "codedeploy.target"

    deployment: str
    target: str
    arn: str
    updated_at: float
    status: str = "Pending"
    label: str | None = None
    events: tuple[Event, ...] = ()
    info: dict[str, Any] = {}

    def event(self, name: str) -> Event | None:
        return next((each for each in self.events if each.name == name), None)

    @property
    def current(self) -> Event | None:
        """The first event that has not ended."""
        return next((each for each in self.events if not each.ended), None)

    @property
    def ended(self) -> bool:
        return self.status in ("Succeeded", "Failed", "Skipped")


class Deployment(Resource, frozen=True, kw_only=True):
    """`settings` are members of DeploymentInfo that were asked for or taken from the group; `minimum`, `routing` and
    `zonal` are its configuration's. `stopping` is why it is to stop: "request", "timeout", or a text about alarms."""

    kind: ClassVar[str] = "codedeploy.deployment"

    application: str
    group: str
    platform: str
    config: str
    created_at: float
    status: str = "Created"
    creator: str = "user"
    description: str | None = None
    revision: dict[str, Any]
    previous: dict[str, Any] | None = None
    settings: dict[str, Any] = {}
    minimum: dict[str, Any] | None = None
    routing: dict[str, Any] | None = None
    zonal: dict[str, Any] | None = None
    started_at: float | None = None
    completed_at: float | None = None
    error: dict[str, str] | None = None
    messages: tuple[str, ...] = ()
    rollback: dict[str, str] | None = None
    undoes: str = ""
    """The deployment that this one rolls back."""
    only: tuple[str, ...] = ()
    """The instances that it is for, where it is not for all of the group."""
    stopping: str = ""
    rolls_back_when_stopped: bool | None = None
    waits: dict[str, float] = {}
    """When waits of a blue/green deployment began, and those that somebody has ended (0)."""

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def blue_green(self) -> bool:
        return (self.settings.get("deploymentStyle") or {}).get("deploymentType") == "BLUE_GREEN"


class Notice(Resource, frozen=True, kw_only=True):
    """Something that EventBridge and the group's triggers are to be told; a row until they have been."""

    kind: ClassVar[str] = "codedeploy.notice"

    deployment: str
    target: str = ""
    state: str
    at: float


KINDS: tuple[type[Resource], ...] = (Application, Config, Group, Revision, Target, Deployment, Notice)
