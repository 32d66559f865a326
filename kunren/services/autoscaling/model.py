"""Auto Scaling groups, their instances and what they have done."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource

LAUNCHING, TERMINATING = "autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"

PROCESSES = (
    "AZRebalance", "AddToLoadBalancer", "AlarmNotification", "HealthCheck", "InstanceRefresh", "Launch",
    "ReplaceUnhealthy", "ScheduledActions", "Terminate",
)  # fmt: skip


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


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step adjustment: by how much, where the metric is so far from the threshold. No bound is infinity."""

    by: int
    lower: float | None = None
    upper: float | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A scaling policy. `id` is in its ARN; `tracking` is TargetTrackingConfiguration as the API has it, `alarms` the
    names of those that are its own."""

    id: str
    type: str
    enabled: bool = True
    adjustment: str | None = None
    by: int | None = None
    magnitude: int | None = None
    cooldown_s: int | None = None
    steps: tuple[Step, ...] = ()
    aggregation: str | None = None
    warmup_s: int | None = None
    tracking: dict[str, Any] | None = None
    alarms: tuple[str, ...] = ()


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A scheduled action; `next_at` is when it is due (AWS time), None when it never is again."""

    id: str
    next_at: float | None
    start: float | None = None
    end: float | None = None
    recurrence: str | None = None
    time_zone: str | None = None
    min_size: int | None = None
    max_size: int | None = None
    desired: int | None = None


class Cooldown(msgspec.Struct, frozen=True, kw_only=True):
    """No simple scaling until then; an activity that ends meanwhile begins the time anew."""

    seconds: int
    until: float


class WarmPool(msgspec.Struct, frozen=True, kw_only=True):
    """`prepared` is MaxGroupPreparedCapacity: with those in the group, no more than that."""

    state: str = "Stopped"
    min_size: int = 0
    prepared: int | None = None
    reuse: bool = False
    deleting: bool = False


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
    launched: float = 0.0
    template: str = ""
    template_name: str = ""
    weight: int | None = None
    spot: bool = False
    healthy: bool = True
    protected: bool = False
    at_risk: bool = False
    """EC2 recommended to rebalance: it is about to be interrupted."""
    returns: bool = False
    """Once it is out of service, it goes to the warm pool."""
    hooks: dict[str, Waiting] = {}

    @property
    def units(self) -> int:
        """What it counts for the desired capacity."""
        return self.weight or 1


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
    left_groups: tuple[str, ...] = ()
    """Those that its instances are still to be taken out of."""
    health_type: str = "EC2"
    grace_s: int = 0
    cooldown_s: int = 300
    policies: tuple[str, ...] = ("Default",)
    suspended: tuple[str, ...] = ()
    protects_new: bool = False
    hooks: dict[str, Hook] = {}
    warmup_s: int | None = None
    """DefaultInstanceWarmup."""
    mixed: dict[str, Any] | None = None
    """MixedInstancesPolicy as the API has it, with its defaults."""
    maintenance: tuple[int, int] | None = None
    rebalances: bool = False
    placement_group: str | None = None
    capacity_type: str | None = None
    balanced_only: bool = False
    """A zone that refuses a launch is asked again; else (the default) the others are asked in its place."""
    lifetime_s: int | None = None
    scaling: dict[str, Policy] = {}
    schedules: dict[str, Schedule] = {}
    cooldown: Cooldown | None = None
    shrunk_at: float | None = None
    """When target tracking made it smaller, last."""
    told: dict[str, tuple[str, ...]] = {}
    """Topic (its ARN) → the notification types that it is sent."""
    metrics: tuple[str, ...] = ()
    pool: WarmPool | None = None
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
    """Whether EC2 is asked for an instance; what moves one, or ends it, does not."""
    description: str
    cause: str
    started: float
    subnet: str = ""
    ended: float | None = None
    status: str = "InProgress"
    message: str | None = None
    progress: int = 0
    zone: str = ""
    instance_id: str | None = None
    origin: str = "EC2"
    destination: str = "AutoScalingGroup"
    market: str = "on-demand"
    """Of a launch: "on-demand" or "spot"."""
    weight: int = 1
    """Of a launch: what it is expected to count."""


class Event(Resource, frozen=True, kw_only=True):
    """Something that EventBridge is to be told, and those topics of SNS, at AWS time `at`."""

    kind: ClassVar[str] = "autoscaling.event"

    group: str
    detail_type: str
    detail: dict[str, Any]
    at: float
    resources: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    subject: str = ""
    message: dict[str, Any] = {}


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """What a group launches: a template's version, perhaps with a MixedInstancesPolicy around it."""

    template: str
    template_name: str
    version: str
    mixed: dict[str, Any] | None = None


class Refresh(Resource, frozen=True, kw_only=True):
    """An instance refresh. `preferences` are the API's, with their defaults; `wanted` is DesiredConfiguration as it was
    given and `target` what it comes to; `before` is what the group had. `total` instances were to be replaced when it
    began; `replaced` of them are."""

    kind: ClassVar[str] = "autoscaling.refresh"

    group: str
    status: str
    reason: str = ""
    started: float
    created: float
    ended: float | None = None
    preferences: dict[str, Any]
    target: Configuration
    before: Configuration
    wanted: dict[str, Any] | None = None
    ignored: tuple[str, ...] = ()
    """The instances that matched when it began, and are left alone."""
    total: int = 0
    replaced: int = 0
    checkpoints: int = 0
    """How many checkpoints were reached."""
    wait_until: float | None = None
    stuck_since: float | None = None
    rolled_back_at: float | None = None
    rollback_reason: str = ""
    percentage_then: int = 0
    left_then: int = 0


KINDS: tuple[type[Resource], ...] = (Group, Activity, Event, Refresh)
KEPT_S = 6 * 7 * 24 * 3600.0
"""How long activities are shown: six weeks."""
