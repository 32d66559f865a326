"""Capacity reservations: what may be asked for, and how a reservation is shown. Pure.

A zone's share is `provisioned` once the zone's node was seen; until then it is `pending`, or `rebalancing` where the
zone came after the reservation. "Capacity reservations for your Application Load Balancer", "Monitor reservation" and
"Quotas" in the guides of both kinds of load balancers.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from kunren.services.elbv2 import errors
from kunren.services.elbv2.limits import Limits
from kunren.services.elbv2.model import CapacityReservation, LoadBalancer

DECREASES_PER_DAY = 2
_DAY_S = 86_400
_UNITS_MIN, _NETWORK_UNITS_PER_ZONE_MIN = 100, 2_750


def decreases_left(reservation: CapacityReservation | None, now: float) -> int:
    """How often it may still be made smaller on the day (UTC) of `now`, AWS time."""
    return DECREASES_PER_DAY - len(_decreases_today(reservation, now))


def _decreases_today(reservation: CapacityReservation | None, now: float) -> tuple[float, ...]:
    given = reservation.decreases if reservation is not None else ()
    return tuple(each for each in given if each // _DAY_S == now // _DAY_S)


def changed(
    balancer: LoadBalancer, before: CapacityReservation | None, units: int, standing: Collection[str], now: float
) -> CapacityReservation:
    """The reservation after a request for so many units (0: none), made at `now`; `standing` are the zones whose nodes
    were seen. Raises CapacityReservationPending, CapacityDecreaseRequestLimitExceeded."""
    if before is not None and any(_zone_state(before, each, standing) != "provisioned" for each in _zones(balancer)):
        raise errors.CapacityReservationPending(
            f"There is a pending capacity reservation for load balancer '{balancer.id}'"
        )
    decreases = _decreases_today(before, now)
    if before is not None and units < before.units:
        if len(decreases) >= DECREASES_PER_DAY:
            raise errors.CapacityDecreaseRequestLimitExceeded(
                f"The capacity of load balancer '{balancer.id}' can be decreased '{DECREASES_PER_DAY}' times a day"
            )
        decreases = (*decreases, now)
    return CapacityReservation(
        account=balancer.account, region=balancer.region, id=balancer.id, units=units, zones=_zones(balancer),
        modified_time=now, decreases=decreases,
    )  # fmt: skip


def check_units(balancer: LoadBalancer, units: int, others: int, limits: Limits) -> None:
    """Whether so many units can be asked for, where `others` are reserved for the region's other load balancers of the
    kind. Raises ValidationError, CapacityUnitsLimitExceeded."""
    network = balancer.type == "network"
    zones = len(balancer.zones)
    least = _NETWORK_UNITS_PER_ZONE_MIN * zones if network else _UNITS_MIN
    if units < least:
        raise errors.validation_error(f"CapacityUnits '{units}' must be greater than or equal to '{least}'")
    most = limits.reserved_units_per_application_load_balancer
    if network:
        most = limits.reserved_units_per_network_load_balancer_zone * zones
    if units > most:
        raise errors.CapacityUnitsLimitExceeded(
            f"The maximum number of reserved capacity units on load balancer '{balancer.id}' is '{most}'"
        )
    all_most = limits.reserved_network_units if network else limits.reserved_application_units
    if others + units > all_most:
        raise errors.CapacityUnitsLimitExceeded(
            f"The maximum number of reserved capacity units of {balancer.type} load balancers in the region is"
            f" '{all_most}'"
        )


def requested(balancer: LoadBalancer, reservation: CapacityReservation, now: float) -> dict[str, Any]:
    """What ModifyCapacityReservation says: the request, pending in every zone, also of a reset."""
    return {
        **described(balancer, reservation, (), now),
        "MinimumLoadBalancerCapacity": {"CapacityUnits": reservation.units},
        "CapacityReservationState": [
            {"AvailabilityZone": zone, "State": {"Code": "pending"}} for zone in _zones(balancer)
        ],
    }


def described(
    balancer: LoadBalancer, reservation: CapacityReservation | None, standing: Collection[str], now: float
) -> dict[str, Any]:
    """What DescribeCapacityReservation says."""
    left = decreases_left(reservation, now)
    if reservation is None:
        return {"DecreaseRequestsRemaining": left, "CapacityReservationState": []}
    shown = {"LastModifiedTime": reservation.modified_time, "DecreaseRequestsRemaining": left}
    if not reservation.units:
        return {**shown, "CapacityReservationState": []}
    share = reservation.units / len(balancer.zones)
    states: list[dict[str, Any]] = []
    for zone in _zones(balancer):
        code = _zone_state(reservation, zone, standing)
        effective = {"EffectiveCapacityUnits": share} if code == "provisioned" else {}
        states.append({"AvailabilityZone": zone, "State": {"Code": code}, **effective})
    return {
        **shown,
        "MinimumLoadBalancerCapacity": {"CapacityUnits": reservation.units},
        "CapacityReservationState": states,
    }


def _zones(balancer: LoadBalancer) -> tuple[str, ...]:
    return tuple(sorted(node.zone_name for node in balancer.zones))


def _zone_state(reservation: CapacityReservation, zone: str, standing: Collection[str]) -> str:
    if zone in standing or not reservation.units:
        return "provisioned"
    return "pending" if zone in reservation.zones else "rebalancing"
