"""Beginning and ending shifts, inside the caller's transaction: for the operations, practice runs and experiments."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from kunren.control.store import Snapshot, Tx
from kunren.services.arc_zonal_shift.model import PRACTICE_RUN, ZonalShift
from kunren.services.ec2.model import Subnet
from kunren.services.elbv2.attributes import LOAD_BALANCER, value
from kunren.services.elbv2.model import LoadBalancer

ENABLED = "zonal_shift.config.enabled"


class NewShift(NamedTuple):
    """A shift that begins: its id, of what, away from which zone (by id), how long, why and whose."""

    id: str
    resource: LoadBalancer
    away_from: str
    lasts_s: float
    comment: str
    type: str


def is_managed(balancer: LoadBalancer) -> bool:
    """Whether its owner has opted in: a load balancer attribute, off by default."""
    return value(LOAD_BALANCER, balancer.attributes, ENABLED) == "true"


def zone_ids(view: Snapshot | Tx, balancer: LoadBalancer) -> dict[str, str]:
    """The names of the zones of its nodes, by their ids."""
    found = {}
    for node in balancer.zones:
        subnet = view.get(Subnet, balancer.account, balancer.region, node.subnet_id)
        if subnet is not None:
            found[subnet.availability_zone_id] = node.zone_name
    return found


def begin(tx: Tx, new: NewShift, now: float) -> ZonalShift:
    """A customer's or AWS's shift ends a practice run that is under way."""
    if new.type != PRACTICE_RUN:
        interrupt(tx, new.resource, now)
    shift = ZonalShift(
        account=new.resource.account,
        region=new.resource.region,
        id=new.id,
        resource=new.resource.id,
        away_from=new.away_from,
        started=now,
        expires=now + new.lasts_s,
        lasts_s=new.lasts_s,
        comment=new.comment,
        type=new.type,
        outcome="PENDING" if new.type == PRACTICE_RUN else None,
    )
    tx.put(shift)
    return shift


def end(tx: Tx, shift: ZonalShift, status: str, now: float, outcome: str | None = None) -> ZonalShift:
    ended = replace(shift, status=status, ended=now, outcome=outcome if shift.type == PRACTICE_RUN else None)
    tx.put(ended)
    return ended


def interrupt(tx: Tx, balancer: LoadBalancer, now: float) -> None:
    for each in tx.list(ZonalShift, balancer.account, balancer.region):
        if each.resource == balancer.id and each.type == PRACTICE_RUN and each.status == "ACTIVE":
            end(tx, each, "CANCELED", now, "INTERRUPTED")
