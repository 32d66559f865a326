"""The resources of ARC zonal shift. Times are AWS time in seconds since 1970; zones are named by their ids."""

from __future__ import annotations

from typing import Any, ClassVar

from kunren.control.store import Resource

ZONAL_SHIFT, PRACTICE_RUN, FIS_EXPERIMENT = "ZONAL_SHIFT", "PRACTICE_RUN", "FIS_EXPERIMENT"


class ZonalShift(Resource, frozen=True, kw_only=True):
    """A shift of one resource away from a zone, from a customer, a practice run or an experiment. `lasts_s` is how long
    it was last told to last, `outcome` a practice run's."""

    kind: ClassVar[str] = "arc-zonal-shift.zonal-shift"

    resource: str  # the load balancer's ARN
    away_from: str
    started: float
    expires: float
    lasts_s: float
    comment: str = ""
    status: str = "ACTIVE"  # or EXPIRED, CANCELED
    type: str = ZONAL_SHIFT
    outcome: str | None = None
    ended: float | None = None


class Autoshift(Resource, frozen=True, kw_only=True):
    """What AWS itself shifts away from, of everything that lets it: a zone of a region that is dark. Account "AWS"."""

    kind: ClassVar[str] = "arc-zonal-shift.autoshift"

    away_from: str
    started: float
    ended: float | None = None


class Configuration(Resource, frozen=True, kw_only=True):
    """A resource's settings; the id is its ARN. `practice` is its PracticeRunConfiguration, `next_run` the AWS time of
    its next practice run."""

    kind: ClassVar[str] = "arc-zonal-shift.configuration"

    autoshift: str = "DISABLED"
    practice: dict[str, Any] | None = None
    next_run: float | None = None


class Observer(Resource, frozen=True, kw_only=True):
    """Whether an account hears of all autoshifts in a region."""

    kind: ClassVar[str] = "arc-zonal-shift.observer"

    status: str = "DISABLED"


AWS = "AWS"
RESOURCES: tuple[type[Resource], ...] = (ZonalShift, Autoshift, Configuration, Observer)
