"""Event buses, rules with their targets, archives and replays, and what is still to be delivered."""

from __future__ import annotations

from typing import Any, ClassVar

from kunren.control.store import Resource
from kunren.core.arn import build_arn

DEFAULT = "default"
ENABLED, DISABLED = "ENABLED", "DISABLED"


class Bus(Resource, frozen=True, kw_only=True):
    """Its id is its name; the default bus has a row once something about it is set. `statements` by their Sid."""

    kind: ClassVar[str] = "events.bus"

    description: str = ""
    dead_letter: str | None = None
    statements: dict[str, Any] = {}
    created_at: float
    modified_at: float
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return build_arn("events", self.region, self.account, f"event-bus/{self.id}")


class Rule(Resource, frozen=True, kw_only=True):
    """Its id is BUS/NAME. `since` is when it was last enabled or scheduled anew; `targets` as they were told, by id."""

    kind: ClassVar[str] = "events.rule"

    bus: str
    name: str
    pattern: str | None = None
    schedule: str | None = None
    state: str = ENABLED
    description: str | None = None
    role: str | None = None
    since: float
    targets: dict[str, dict[str, Any]] = {}
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        place = self.name if self.bus == DEFAULT else f"{self.bus}/{self.name}"
        return build_arn("events", self.region, self.account, f"rule/{place}")


class Delivery(Resource, frozen=True, kw_only=True):
    """What a target is still to get: `text` is its input. `source` is the ARN of the rule or schedule, `principal` the
    service that acts. Ids sort by time; `queue` is the order that it is delivered in. `forwarded`: the event came from
    another bus, and goes to no third one."""

    kind: ClassVar[str] = "events.delivery"

    queue: str
    source: str
    principal: str = "events.amazonaws.com"
    target: dict[str, Any]
    text: str
    at: float
    forwarded: bool = False
    attempts: int = 0
    not_before: float = 0.0
    last_error: str = ""


class Archive(Resource, frozen=True, kw_only=True):
    """Its id is its name; `bus` a bus's name."""

    kind: ClassVar[str] = "events.archive"

    bus: str
    pattern: str | None = None
    description: str | None = None
    retention_days: int = 0
    created_at: float

    @property
    def arn(self) -> str:
        return build_arn("events", self.region, self.account, f"archive/{self.id}")


class ArchivedEvent(Resource, frozen=True, kw_only=True):
    """An event in an archive; ids sort by time."""

    kind: ClassVar[str] = "events.archived"

    archive: str
    event: dict[str, Any]
    at: float


class Replay(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "events.replay"

    archive: str
    destination: dict[str, Any]
    description: str | None = None
    start: float
    end: float
    state: str = "STARTING"
    started_at: float
    ended_at: float | None = None
    last_at: float | None = None

    @property
    def arn(self) -> str:
        return build_arn("events", self.region, self.account, f"replay/{self.id}")


KINDS = (Bus, Rule, Delivery, Archive, ArchivedEvent, Replay)
