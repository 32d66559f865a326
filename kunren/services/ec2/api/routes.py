"""Routes: create, replace, delete. Targets that do not exist yet are refused by name."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.ec2 import cidr, errors, ids, peerings, store
from kunren.services.ec2.api.base import Params, operation
from kunren.services.ec2.api.prefix_lists import PrefixListOperations
from kunren.services.ec2.model import InternetGateway, NatGateway, RouteEntry, RouteTable

_EGRESS_ONLY = "EgressOnlyInternetGatewayId"
_TARGETS = ("GatewayId", "NatGatewayId", "NetworkInterfaceId", "VpcPeeringConnectionId", _EGRESS_ONLY)
_TARGETS_NOT_YET = {
    "InstanceId": "routes to instances by their ids (their network interfaces are targets)",
    "TransitGatewayId": "transit gateways",
    "LocalGatewayId": "local gateways (Outposts)",
    "CarrierGatewayId": "carrier gateways (Wavelength)",
    "VpcEndpointId": "gateway load balancer endpoints",
    "CoreNetworkArn": "Cloud WAN",
    "OdbNetworkArn": "Oracle Database networks",
}
_ONE_TARGET = (
    "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, vpcPeeringConnectionId, "
    "egressOnlyInternetGatewayId, transitGatewayId, localGatewayId, carrierGatewayId, vpcEndpointId or instanceId"
)


Destination = IPv4Network | IPv6Network | str
"""A block, or the id of a prefix list."""


class RouteOperations(PrefixListOperations):
    @operation
    def create_route(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        destination = self._destination(ctx, params)
        with self.store.write() as tx:
            table = self.get(tx, ctx, ids.ROUTE_TABLE, params["RouteTableId"])
            target = self._target(tx, ctx, params, table, destination)
            if _find(table, str(destination)) is not None:
                raise errors.RouteAlreadyExists(str(destination))
            inside = not isinstance(destination, str) and _inside_vpc(tx, table, destination)
            if target == "local" or inside:
                raise errors.InvalidParameterValue("Route destination doesn't match any subnet CIDR blocks.")
            changed = replace(table, routes=(*table.routes, RouteEntry(destination=str(destination), target=target)))
            self.check_route_count(tx, changed)
            tx.put(changed)
        return {"Return": True}

    @operation
    def replace_route(self, ctx: RequestContext, params: Params) -> None:
        destination = self._destination(ctx, params)
        with self.store.write() as tx:
            table = self.get(tx, ctx, ids.ROUTE_TABLE, params["RouteTableId"])
            route = _find(table, str(destination))
            local = params.get("LocalTarget")
            target = "local" if local else self._target(tx, ctx, params, table, destination)
            if route is None:
                raise errors.InvalidParameterValue(
                    f"There is no route defined for '{destination}' in the route table. Use CreateRoute instead."
                )
            if (route.target == "local") != (target == "local"):
                raise errors.InvalidParameterValue(
                    f"The route {destination} of route table {table.id} cannot have the target {target}"
                )
            _check_no_endpoint(table, route)
            changed = tuple(replace(each, target=target) if each is route else each for each in table.routes)
            tx.put(replace(table, routes=changed))

    @operation
    def delete_route(self, ctx: RequestContext, params: Params) -> None:
        destination = self._destination(ctx, params)
        with self.store.write() as tx:
            table = self.get(tx, ctx, ids.ROUTE_TABLE, params["RouteTableId"])
            route = _find(table, str(destination))
            if route is None:
                raise errors.RouteNotFound(str(destination), table.id)
            if route.target == "local":
                raise errors.InvalidParameterValue(f"cannot remove local route {destination} in route table {table.id}")
            _check_no_endpoint(table, route)
            tx.put(replace(table, routes=tuple(each for each in table.routes if each is not route)))

    def _destination(self, ctx: RequestContext, params: Params) -> Destination:
        """The destination in canonical form, or the id of a prefix list; exactly one kind of it is given."""
        given = [
            each
            for each in ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
            if params.get(each)
        ]
        if not given:
            raise errors.MissingParameter("destinationCidrBlock")
        if len(given) > 1:
            raise errors.InvalidParameterCombination(f"The parameters {' and '.join(given)} cannot be used together")
        text: str = params[given[0]]
        if given[0] == "DestinationPrefixListId":
            found = self.get_prefix_list(self.store.snapshot(), ctx, text)
            return found.id
        if given[0] == "DestinationIpv6CidrBlock":
            six = cidr.parse_v6(text)
            if six is None:
                raise _bad_block(text, "destinationIpv6CidrBlock")
            return six
        block = cidr.parse_v4(text)
        if block is None:
            raise _bad_block(text, "destinationCidrBlock")
        return block

    def _target(self, tx: Tx, ctx: RequestContext, params: Params, table: RouteTable, destination: Destination) -> str:
        """The route's target, which exists and belongs to the table's VPC."""
        given = [each for each in (*_TARGETS, *_TARGETS_NOT_YET) if params.get(each)]
        if not given:
            raise errors.MissingParameterText(_ONE_TARGET)
        if len(given) > 1:
            raise errors.InvalidParameterCombination(_ONE_TARGET)
        if given[0] in _TARGETS_NOT_YET:
            raise errors.NotYet(_TARGETS_NOT_YET[given[0]])
        if given[0] == _EGRESS_ONLY:
            if isinstance(destination, IPv4Network):
                raise errors.InvalidParameterValue(
                    f"Route destination {destination} is no IPv6 CIDR block, and an egress-only internet gateway "
                    "carries nothing else."
                )
            egress = self.get(tx, ctx, ids.EGRESS_GATEWAY, params[_EGRESS_ONLY])
            return _same_network(table, "egress-only internet gateway", egress.id, egress.vpc_id)
        if given[0] == "NatGatewayId":
            if isinstance(destination, IPv6Network):
                raise errors.NotYet("NAT64")
            return self._nat_gateway(tx, ctx, params["NatGatewayId"], table)
        if given[0] == "NetworkInterfaceId":
            interface = self.get(tx, ctx, ids.NETWORK_INTERFACE, params["NetworkInterfaceId"])
            return _same_network(table, "interface", interface.id, interface.vpc_id)
        if given[0] == "VpcPeeringConnectionId":
            return self._peering(tx, ctx, params["VpcPeeringConnectionId"], table)
        gateway_id: str = params["GatewayId"]
        if gateway_id == "local":
            return gateway_id
        if gateway_id.startswith("vgw-"):
            raise errors.NotYet("virtual private gateways")
        gateway = tx.get(InternetGateway, ctx.account, ctx.region, gateway_id)
        if gateway is None:
            raise errors.GatewayNotFound(gateway_id)
        return _same_network(table, "network gateway", gateway.id, gateway.vpc_id)

    def _nat_gateway(self, tx: Tx, ctx: RequestContext, id: str, table: RouteTable) -> str:
        ids.NAT_GATEWAY.form.check(id)
        nat = tx.get(NatGateway, ctx.account, ctx.region, id)
        if nat is None or nat.interface_id is None or nat.deleted_at is not None:
            raise errors.RouteNatGatewayNotFound(id)
        return _same_network(table, "NAT gateway", nat.id, nat.vpc_id)

    def _peering(self, tx: Tx, ctx: RequestContext, id: str, table: RouteTable) -> str:
        peering = self.get(tx, ctx, ids.VPC_PEERING, id)
        if table.vpc_id not in (peering.requester.vpc_id, peering.accepter.vpc_id):
            return _same_network(table, "VPC peering connection", id, None)
        if peerings.code(tx, peering, self.clock.now()) not in peerings.LIVING_CODES:
            raise errors.PeeringNotFound(id)
        return id


def _same_network(table: RouteTable, what: str, id: str, vpc_id: str | None) -> str:
    if vpc_id != table.vpc_id:
        raise errors.InvalidParameterValue(f"route table {table.id} and {what} {id} belong to different networks")
    return id


def _check_no_endpoint(table: RouteTable, route: RouteEntry) -> None:
    """A gateway endpoint's routes come and go with it (ModifyVpcEndpoint)."""
    if route.target.startswith("vpce-"):
        raise errors.InvalidParameterValue(
            f"cannot remove VPC endpoint route {route.destination} in route table {table.id}"
        )


def _bad_block(text: str, member: str) -> errors.InvalidParameterValue:
    return errors.InvalidParameterValue(
        f"Value ({text}) for parameter {member} is invalid. This is not a valid CIDR block."
    )


def _find(table: RouteTable, destination: str) -> RouteEntry | None:
    return next((each for each in table.routes if each.destination == destination), None)


def _inside_vpc(tx: Tx, table: RouteTable, destination: IPv4Network | IPv6Network) -> bool:
    """A route more specific than the local one may only lead to appliances, which do not exist yet."""
    vpc = store.find_vpc(tx, table.account, table.region, table.vpc_id)
    if isinstance(destination, IPv6Network):
        return any(destination.subnet_of(IPv6Network(each)) for each in vpc.blocks_v6)
    return any(destination.subnet_of(IPv4Network(each)) for each in store.vpc_cidrs(vpc))
