"""Auto Scaling groups, their instances and what they have done."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from kunren.control.store import Resource

LAUNCHING, TERMINATING = "autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """A lifecycle hook: what waits at that transition, for so long (AWS seconds), and what then."""

    transition: str
    timeout_s: int = 3600
    default_result: str = "ABANDON"
    target: str | None = None
    metadata: str | None = None


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """An instance waits for this hook until `until` (AWS time), or somebody completes it with `result`."""

    token: str
    until: float
    result: str = ""
    told: bool = False


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """An instance of a group. `state` is a LifecycleState; `since` when that began. `activity` is what brought or takes
    it; `hooks` those that wait now, by name."""

    id: str
    zone: str
    instance_type: str
    version: str
    state: str
    since: float
    activity: str
    healthy: bool = True
    protected: bool = False
    hooks: dict[str, Waiting] = {}


class Group(Resource, frozen=True, kw_only=True):
    """Its id is its name. `template` is the launch template's id, `version` as it was asked for."""

    kind: ClassVar[str] = "autoscaling.group"

    min_size: int
    max_size: int
    desired: int
    template: str
    template_name: str
    version: str
    subnets: tuple[str, ...]
    zones: tuple[str, ...]
    target_groups: tuple[str, ...] = ()
    health_type: str = "EC2"
    grace_s: int = 0
    cooldown_s: int = 300
    policies: tuple[str, ...] = ("Default",)
    suspended: tuple[str, ...] = ()
    protects_new: bool = False
    hooks: dict[str, Hook] = {}
    members: dict[str, Member] = {}
    deleting: bool = False
    cause: str = ""
    """Why the desired capacity is what it is, for the next activity."""
    retry_at: float | None = None
    created_at: float
    tags: dict[str, str] = {}
    propagated: tuple[str, ...] = ()


class Activity(Resource, frozen=True, kw_only=True):
    """A scaling activity. One that launches is the client token of its launch, so that a crash launches once."""

    kind: ClassVar[str] = "autoscaling.activity"

    group: str
    launches: bool
    description: str
    cause: str
    started: float
    subnet: str = ""
    ended: float | None = None
    status: str = "InProgress"
    message: str | None = None
    progress: int = 0


KINDS: tuple[type[Resource], ...] = (Group, Activity)
KEPT_S = 6 * 7 * 24 * 3600.0
"""How long activities are shown: six weeks."""
