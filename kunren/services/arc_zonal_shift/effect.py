"""Which shift of a resource is in effect: pure, from a snapshot.

A customer's comes before an autoshift, that before a practice run ("appliedStatus"). An experiment's stands for an
autoshift. Elastic Load Balancing asks here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from kunren.control.store import Snapshot, Tx
from kunren.services.arc_zonal_shift.model import (
    AWS,
    FIS_EXPERIMENT,
    PRACTICE_RUN,
    ZONAL_SHIFT,
    Autoshift,
    Configuration,
    ZonalShift,
)

View: TypeAlias = Snapshot | Tx
KINDS = frozenset({ZonalShift.kind, Autoshift.kind, Configuration.kind})
"""What changes it."""
_ORDER = (ZONAL_SHIFT, FIS_EXPERIMENT, "AUTOSHIFT", PRACTICE_RUN)


def active_shifts(view: View, account: str, region: str, resource: str) -> list[ZonalShift]:
    held = view.list(ZonalShift, account, region)
    return [each for each in held if each.resource == resource and each.status == "ACTIVE"]


def active_autoshifts(view: View, account: str, region: str, resource: str) -> list[Autoshift]:
    """Those of AWS's that the resource takes part in."""
    settings = view.get(Configuration, account, region, resource)
    if settings is None or settings.autoshift != "ENABLED":
        return []
    return [each for each in view.list(Autoshift, AWS, region) if each.ended is None]


def applied(shifts: Iterable[ZonalShift], autoshifts: Iterable[Autoshift]) -> ZonalShift | Autoshift | None:
    """The one in effect."""
    every: list[ZonalShift | Autoshift] = [*shifts, *autoshifts]
    return min(every, key=lambda each: (_ORDER.index(_kind(each)), each.started, each.id), default=None)


def away_from(view: View, account: str, region: str, resource: str) -> str | None:
    """The id of the zone that the resource's traffic is shifted away from now."""
    found = applied(active_shifts(view, account, region, resource), active_autoshifts(view, account, region, resource))
    return found.away_from if found is not None else None


def _kind(shift: ZonalShift | Autoshift) -> str:
    return shift.type if isinstance(shift, ZonalShift) else "AUTOSHIFT"
