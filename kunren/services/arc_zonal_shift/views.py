"""Resources as the wire has them. Pure."""

from __future__ import annotations

from typing import Any

from kunren.control.store import Snapshot
from kunren.services.arc_zonal_shift import effect, shifts
from kunren.services.arc_zonal_shift.model import Autoshift, Configuration, ZonalShift
from kunren.services.elbv2.model import LoadBalancer


def shift(each: ZonalShift) -> dict[str, Any]:
    """ZonalShift."""
    return {
        "zonalShiftId": each.id, "resourceIdentifier": each.resource, "awayFrom": each.away_from,
        "expiryTime": each.expires, "startTime": each.started, "status": each.status, "comment": each.comment,
    }  # fmt: skip


def summary(each: ZonalShift) -> dict[str, Any]:
    """ZonalShiftSummary."""
    outcome = {"practiceRunOutcome": each.outcome} if each.outcome is not None else {}
    return {**shift(each), "shiftType": each.type, **outcome}


def autoshift(each: Autoshift) -> dict[str, Any]:
    """AutoshiftSummary."""
    ended = {"endTime": each.ended} if each.ended is not None else {}
    status = "ACTIVE" if each.ended is None else "COMPLETED"
    return {"awayFrom": each.away_from, "startTime": each.started, "status": status, **ended}


def resource(snapshot: Snapshot, balancer: LoadBalancer) -> dict[str, Any]:
    """GetManagedResourceResponse."""
    shown = {**_active(snapshot, balancer), "arn": balancer.id, "name": balancer.name}
    settings = snapshot.get(Configuration, balancer.account, balancer.region, balancer.id)
    if settings is not None and settings.practice is not None:
        shown["practiceRunConfiguration"] = settings.practice
    return shown


def resource_summary(snapshot: Snapshot, balancer: LoadBalancer) -> dict[str, Any]:
    """ManagedResourceSummary."""
    active = _active(snapshot, balancer)
    settings = snapshot.get(Configuration, balancer.account, balancer.region, balancer.id)
    practised = settings is not None and settings.practice is not None
    zones = sorted(shifts.zone_ids(snapshot, balancer))
    return {
        **active, "arn": balancer.id, "name": balancer.name, "availabilityZones": zones,
        "practiceRunStatus": "ENABLED" if practised else "DISABLED",
    }  # fmt: skip


def configured(balancer: LoadBalancer, settings: Configuration) -> dict[str, Any]:
    """Create- and UpdatePracticeRunConfigurationResponse."""
    return {
        "arn": balancer.id, "name": balancer.name, "zonalAutoshiftStatus": settings.autoshift,
        "practiceRunConfiguration": settings.practice,
    }  # fmt: skip


def _active(snapshot: Snapshot, balancer: LoadBalancer) -> dict[str, Any]:
    place = (balancer.account, balancer.region, balancer.id)
    own, aws = effect.active_shifts(snapshot, *place), effect.active_autoshifts(snapshot, *place)
    used = effect.applied(own, aws)
    settings = snapshot.get(Configuration, *place)

    def status(each: ZonalShift | Autoshift) -> str:
        return "APPLIED" if each is used else "NOT_APPLIED"

    away = used.away_from if used is not None else None
    return {
        "appliedWeights": {each: 0.0 if each == away else 1.0 for each in sorted(shifts.zone_ids(snapshot, balancer))},
        "zonalShifts": [_without_status({**summary(each), "appliedStatus": status(each)}) for each in own],
        "autoshifts": [
            {"awayFrom": each.away_from, "startTime": each.started, "appliedStatus": status(each)} for each in aws
        ],
        "zonalAutoshiftStatus": settings.autoshift if settings is not None else "DISABLED",
    }


def _without_status(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name != "status"}
