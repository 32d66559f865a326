"""VPC peering connections: what state one is in, and writing it for both sides, inside the caller's transaction.

Each side has a row of its own in its account and region (one row where both are the same), with its own tags. What was
decided is `decision`; `code` adds what time and the data plane make of it ("VPC peering connection lifecycle").
"""

from __future__ import annotations

from ipaddress import IPv4Network

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.services.ec2 import store
from kunren.services.ec2.model import PeeringSide, PeeringStatus, Vpc, VpcPeering

ACTIVE_CODES = ("provisioning", "active")
LIVING_CODES = ("pending-acceptance", *ACTIVE_CODES)
_SHOWN_S, _SHOWN_TO_OTHER_S = 2 * 3600.0, 48 * 3600.0


def sides(peering: VpcPeering) -> tuple[PeeringSide, PeeringSide]:
    return peering.requester, peering.accepter


def vpc_of(reader: store.Reader, side: PeeringSide) -> Vpc | None:
    return reader.get(Vpc, side.account, side.region, side.vpc_id)


def code(reader: store.Reader, peering: VpcPeering, now: float) -> str:
    """The status code as DescribeVpcPeeringConnections has it."""
    linked = [_status(reader, peering, side) is not None for side in sides(peering)]
    match peering.decision:
        case "pending-acceptance":
            return "expired" if now > peering.expires_at else peering.decision
        case "accepted":
            ready = all(there or _idle(reader, side) for there, side in zip(linked, sides(peering), strict=True))
            return "active" if ready else "provisioning"
        case "deleted":
            return "deleting" if any(linked) else "deleted"
    return peering.decision


def message(peering: VpcPeering, status: str) -> str:
    match status:
        case "pending-acceptance":
            return f"Pending Acceptance by {peering.accepter.account}"
        case "failed":
            return "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"
        case "deleted" | "deleting":
            return f"{status.capitalize()} by {peering.ended_by}"
        case "rejected":
            return f"Rejected by {peering.ended_by}"
    return status.capitalize()


def overlap(one: Vpc, other: Vpc) -> bool:
    blocks = [IPv4Network(each) for each in store.vpc_cidrs(other)]
    return any(IPv4Network(each).overlaps(block) for each in store.vpc_cidrs(one) for block in blocks)


def of_vpc(reader: store.Reader, vpc: Vpc) -> list[VpcPeering]:
    """Those the VPC is or was a side of."""
    held = reader.list(VpcPeering, vpc.account, vpc.region)
    return [each for each in held if vpc.id in (each.requester.vpc_id, each.accepter.vpc_id)]


def connects(peering: VpcPeering, vpc: Vpc) -> bool:
    """Is the VPC linked by it now."""
    return peering.decision == "accepted" and vpc.id in (peering.requester.vpc_id, peering.accepter.vpc_id)


def others(reader: store.Reader, vpc: Vpc) -> list[tuple[VpcPeering, PeeringSide]]:
    """The connections that link the VPC now, each with its other side."""
    linked = [each for each in of_vpc(reader, vpc) if connects(each, vpc)]
    return [(each, each.accepter if each.requester.vpc_id == vpc.id else each.requester) for each in linked]


def put(tx: Tx, peering: VpcPeering) -> VpcPeering:
    """Write what is decided for both sides; the caller's own row comes back. A failed request is its maker's alone."""
    seen_by = sides(peering)[:1] if peering.decision == "failed" else sides(peering)
    for account, region in {(side.account, side.region) for side in seen_by}:
        there = tx.get(VpcPeering, account, region, peering.id)
        own = (account, region) == (peering.account, peering.region)
        tags = peering.tags if own else there.tags if there is not None else {}
        if there is not None or peering.decision in ("pending-acceptance", "failed"):
            tx.put(replace(peering, account=account, region=region, tags=tags))
    return peering


def end(tx: Tx, peering: VpcPeering, decision: str, by: str, now: float) -> None:
    put(tx, replace(peering, decision=decision, ended_by=by, ended_at=now))


def end_all(tx: Tx, vpc: Vpc, now: float) -> None:
    """The VPC is deleted, and what connects it with it."""
    for peering in of_vpc(tx, vpc):
        if code(tx, peering, now) in LIVING_CODES:
            end(tx, peering, "deleted", vpc.account, now)


def sweep(tx: Tx, account: str, region: str, now: float) -> None:
    """Forget what ended: after two hours for who ended it, two days for the other side and for expired requests."""
    for peering in tx.list(VpcPeering, account, region):
        ended = peering.ended_at
        if ended is None and peering.decision == "pending-acceptance" and now > peering.expires_at:
            ended = peering.expires_at
        if ended is not None and now - ended > (_SHOWN_S if peering.ended_by == account else _SHOWN_TO_OTHER_S):
            tx.delete(peering)


def _status(reader: store.Reader, peering: VpcPeering, side: PeeringSide) -> PeeringStatus | None:
    return reader.get(PeeringStatus, side.account, side.region, status_id(peering.id, side.vpc_id))


def status_id(peering_id: str, vpc_id: str) -> str:
    return f"{peering_id}|{vpc_id}"


def _idle(reader: store.Reader, side: PeeringSide) -> bool:
    """Nothing answers in the VPC, so the world has no network of it to link."""
    vpc = vpc_of(reader, side)
    return vpc is None or all(each.attachment is None for each in store.interfaces_of(reader, vpc))
