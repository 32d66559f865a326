"""Spot: the market of each zone and type, requests, and what becomes of one. Pure, on a transaction.

"Spot request status" and "Spot Instance interruption notices" in the EC2 user guide.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.clock import iso_utc
from kunren.core.entropy import Entropy
from kunren.services.ec2.instances import events
from kunren.services.ec2.instances.model import Instance, Price, SpotMarket, SpotRequest
from kunren.services.ec2.instances.types import all_types
from kunren.services.ec2.store import Reader

if TYPE_CHECKING:
    from kunren.services.ec2.metadata.tree import Tree

NOTICE_S = 120.0
"""How long before an interruption its notice is given."""
SHARE_OF_ON_DEMAND = 0.31
HISTORY_MAX = 1000


MESSAGES = {
    "pending-evaluation": "Your Spot request has been submitted for review, and is pending evaluation.",
    "fulfilled": "Your Spot request is fulfilled.",
    "capacity-not-available": "There is no Spot capacity available that matches your request.",
    "price-too-low": "Your Spot request price is lower than the minimum required Spot request fulfillment price.",
    "schedule-expired": "Your Spot request expired before it could be fulfilled.",
    "marked-for-termination": "Your Spot Instance is marked for termination.",
    "marked-for-stop": "Your Spot Instance is marked for stop.",
    "instance-terminated-by-user": "Spot Instance terminated due to user-initiated termination.",
    "instance-terminated-no-capacity": "Your Spot Instance was terminated as there is no Spot capacity available.",
    "instance-terminated-by-price": "Your Spot Instance was terminated as the Spot price exceeds your maximum.",
    "instance-terminated-by-experiment": "Your Spot Instance was terminated by an experiment.",
    "instance-stopped-by-user": "Your Spot Instance was stopped by you.",
    "instance-stopped-no-capacity": "Your Spot Instance was stopped as there is no Spot capacity available.",
    "instance-stopped-by-price": "Your Spot Instance was stopped as the Spot price exceeds your maximum.",
    "instance-stopped-by-experiment": "Your Spot Instance was stopped by an experiment.",
    "canceled-before-fulfillment": "Your Spot request is canceled before it was fulfilled.",
    "request-canceled-and-instance-running": "Your Spot request is canceled, but your instance is still running.",
}


def coded(request: SpotRequest, at: float, code: str, **more: Any) -> SpotRequest:
    return replace(request, code=code, message=MESSAGES[code], updated_at=at, **more)


def usual_price(instance_type: str) -> float:
    return round(all_types()[instance_type].price * SHARE_OF_ON_DEMAND, 6)


def market(reader: Reader, region: str, zone: str, instance_type: str) -> SpotMarket:
    id = f"{zone}|{instance_type}"
    return reader.get(SpotMarket, "", region, id) or SpotMarket(account="", region=region, id=id)


def sharing(reader: Reader, zone: str, instance_type: str) -> list[Instance]:
    """The Spot Instances of that type that the zone has."""
    return [
        each
        for each in reader.every(Instance)
        if each.lifecycle == "spot"
        and each.wanted == "running"
        and (each.availability_zone, each.instance_type) == (zone, instance_type)
    ]


def held(reader: Reader, zone: str, instance_type: str) -> int:
    """How many Spot Instances of that type the zone has."""
    return len(sharing(reader, zone, instance_type))


def room(reader: Reader, found: SpotMarket) -> float:
    """How many more Spot Instances the market has."""
    zone, _, instance_type = found.id.partition("|")
    return math.inf if found.capacity is None else max(0, found.capacity - held(reader, zone, instance_type))


def price_now(found: SpotMarket) -> float:
    return found.prices[-1].price if found.prices else usual_price(found.id.partition("|")[2])


def moved(found: SpotMarket, at: float, price: float | None, capacity: int | None) -> SpotMarket:
    """The market with another price or capacity (-1: all there is need of) from now on. Raises ValueError."""
    if price is not None:
        if not 0 < price < 1000:
            raise ValueError(f"a price in US dollars per hour is expected, not {price}")
        found = replace(found, prices=(*found.prices, Price(price=price, since=at))[-HISTORY_MAX:])
    if capacity is not None:
        found = replace(found, capacity=None if capacity < 0 else capacity)
    return found


def interrupted(
    request: SpotRequest, at: float, cause: str, after_s: float = 0.0, *, rebalance: bool = False
) -> SpotRequest:
    """The request whose instance is to be interrupted so long from now, and not before its notice has stood for two
    minutes; hibernation begins with its notice. One that is already stays as it is. `cause` is "no-capacity",
    "by-price" or "by-experiment"."""
    if request.interrupt_at is not None:
        return request
    notice_s = 0.0 if request.behavior == "hibernate" else NOTICE_S
    until = at + max(notice_s, after_s)
    return replace(
        request, cause=cause, notice_at=until - notice_s, interrupt_at=until, rebalance_at=at if rebalance else None,
    )  # fmt: skip


def noticed(tx: Tx, entropy: Entropy, request: SpotRequest, instance: Instance, at: float) -> SpotRequest:
    """The notice is given: in metadata by what the request says now, and as an event."""
    assert request.interrupt_at is not None
    action = request.behavior
    events.note(tx, entropy, instance, "EC2 Spot Instance Interruption Warning", {"instance-action": action}, at)
    return coded(request, at, "marked-for-termination" if action == "terminate" else "marked-for-stop", noticed=True)


def taken(instance: Instance, behavior: str) -> Instance:
    """The instance as the interruption leaves it."""
    if behavior in ("stop", "hibernate"):
        return replace(
            instance, wanted="stopped", hibernated=behavior == "hibernate", transition="Server.SpotInstanceShutdown",
            reason_code="Server.SpotInstanceShutdown", reason="Server.SpotInstanceShutdown: Spot instance shutdown",
        )  # fmt: skip
    return replace(
        instance, wanted="terminated", transition="Server.SpotInstanceTermination",
        reason_code="Server.SpotInstanceTermination",
        reason="Server.SpotInstanceTermination: Spot instance termination",
    )  # fmt: skip


def request_of(reader: Reader, instance: Instance) -> SpotRequest | None:
    if instance.spot_request_id is None:
        return None
    return reader.get(SpotRequest, instance.account, instance.region, instance.spot_request_id)


def told_in_metadata(reader: Reader, instance: Instance) -> dict[str, Tree]:
    """What an instance finds of its interruption and of a rebalance recommendation."""
    request = request_of(reader, instance)
    if request is None or request.instance_id != instance.id:
        return {}
    found: dict[str, Tree] = {}
    if request.noticed and request.interrupt_at is not None:
        at = f"{iso_utc(request.interrupt_at)[:19]}Z"
        found["spot"] = {"instance-action": json.dumps({"action": request.behavior, "time": at})}
        if request.behavior == "terminate":
            found["spot"]["termination-time"] = at
    if request.rebalance_at is not None:
        notice = json.dumps({"noticeTime": f"{iso_utc(request.rebalance_at)[:19]}Z"})
        found["events"] = {"recommendations": {"rebalance": notice}}
    return found
