"""Fleets, their members and what happened to them."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """An instance of a fleet. `cost` is US dollars per unit and hour when it was launched; `override` the one that it
    was launched by, `template` its LaunchTemplateSpecification. `risky_at` is when EC2 recommended to replace it;
    `request_state` is what was told last of its Spot request; `registered` whether target groups have it."""

    id: str
    instance_type: str
    zone: str
    subnet: str
    units: float
    cost: float
    spot: bool
    launched_at: float
    template: dict[str, Any] = {}
    override: dict[str, Any] = {}
    noticed: bool = False
    request_state: str = ""
    risky_at: float | None = None
    registered: bool = False


class Fleet(Resource, frozen=True, kw_only=True):
    """`request` is what CreateFleet was asked; a Spot Fleet's is brought to that form, and `asked` is its own. `state`
    is an EC2 Fleet's: a Spot Fleet shows its own word for it. `placed` are the units (On-Demand, Spot) that were ever
    launched. Times are AWS's, in seconds."""

    kind: ClassVar[str] = "fleets.fleet"

    request: dict[str, Any]
    created_at: float
    asked: dict[str, Any] | None = None
    state: str = "submitted"
    members: dict[str, Member] = {}
    placed: tuple[float, float] = (0.0, 0.0)
    errors: tuple[dict[str, Any], ...] = ()
    """Of an instant fleet: what was not launched, in the API's words; of the others what keeps them from more."""
    terminates: bool = False
    deleted_at: float | None = None
    client_token: str | None = None
    client_request: str | None = None
    tags: dict[str, str] = {}

    @property
    def is_spot_fleet(self) -> bool:
        return self.asked is not None

    @property
    def is_deleted(self) -> bool:
        return self.state.startswith("deleted")

    @property
    def type(self) -> str:
        return str(self.request.get("Type") or "maintain")


class SpotFleet(Fleet, frozen=True, kw_only=True):
    kind: ClassVar[str] = "fleets.spot-fleet"


class FleetRecord(Resource, frozen=True, kw_only=True):
    """Something that happened to a fleet, at AWS time `at`; `told` once EventBridge has it. `event` is one of those of
    `fleets.records`, `request_id` a Spot request."""

    kind: ClassVar[str] = "fleets.record"

    fleet_id: str
    event: str
    sub_type: str
    at: float
    description: str = ""
    instance_id: str | None = None
    request_id: str | None = None
    told: bool = False


KINDS: tuple[type[Resource], ...] = (Fleet, SpotFleet, FleetRecord)
