"""CIDR reservations of subnets: blocks from which no address is given out by itself ("Subnet CIDR reservations")."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import cidr, errors, filters, ids, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, operation, paged, resource_id
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import SubnetReservation

FILTERS: dict[str, Getter[SubnetReservation]] = {
    "reservationType": lambda reservation: reservation.type,
    "subnet-id": lambda reservation: reservation.subnet_id,
}


class SubnetReservationOperations(Ec2Base):
    @operation
    def create_subnet_cidr_reservation(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        tags = tagging.at_creation(params, "subnet-cidr-reservation")
        with self.store.write() as tx:
            subnet = self.get(tx, ctx, ids.SUBNET, params["SubnetId"])
            if ":" in params["Cidr"]:
                raise errors.NotYet("reservations of IPv6 blocks")
            block = cidr.parse_v4(params["Cidr"])
            if block is None or not block.subnet_of(IPv4Network(subnet.cidr)):
                raise errors.InvalidParameterValue(
                    f"Value ({params['Cidr']}) for parameter cidr is invalid. It is not within the subnet {subnet.id}."
                )
            others = [each.cidr for each in store.reservations_of(tx, subnet)]
            if (other := cidr.overlapping(block, others)) is not None:
                raise errors.InvalidParameterValue(
                    f"The CIDR {block} overlaps with the reservation {other} of the subnet {subnet.id}."
                )
            made = SubnetReservation(
                account=ctx.account,
                region=ctx.region,
                id=self.entropy.resource_id("scr"),
                subnet_id=subnet.id,
                cidr=str(block),
                type=params["ReservationType"],
                description=params.get("Description"),
                tags=tags,
            )
            tx.put(made)
        return {"SubnetCidrReservation": _to_wire(made)}

    @operation
    def delete_subnet_cidr_reservation(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            gone = self.get(tx, ctx, ids.SUBNET_RESERVATION, params["SubnetCidrReservationId"])
            tx.delete(gone)
        return {"DeletedSubnetCidrReservation": _to_wire(gone)}

    @operation
    def get_subnet_cidr_reservations(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        held = store.reservations_of(snapshot, self.get(snapshot, ctx, ids.SUBNET, params["SubnetId"]))
        found = filters.select(held, params.get("Filters"), FILTERS, lambda each: each.tags)
        page, token = paged(found, params, resource_id)
        return {
            "SubnetIpv4CidrReservations": [_to_wire(each) for each in page],
            "SubnetIpv6CidrReservations": [],
            "NextToken": token,
        }


def _to_wire(reservation: SubnetReservation) -> dict[str, Any]:
    return {
        "SubnetCidrReservationId": reservation.id,
        "SubnetId": reservation.subnet_id,
        "Cidr": reservation.cidr,
        "ReservationType": reservation.type,
        "OwnerId": reservation.account,
        "Description": reservation.description,
        "Tags": tags_to_wire(reservation.tags),
    }
