"""Route tables and their associations: create, delete, describe, associate, replace, disassociate."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import creation, errors, ids, quota_errors, routing, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id, token_of
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import RouteTable
from kunren.services.ec2.prefix_lists import is_list_id, named_by_table

ASSOCIATED = {"State": "associated"}


def associations_of(table: RouteTable) -> list[tuple[str, str | None]]:
    """Association ids with their subnets; None for the main association."""
    main: list[tuple[str, str | None]] = []
    if table.main and table.main_association_id is not None:
        main = [(table.main_association_id, None)]
    return main + sorted(table.associations.items())


def filters_for(reader: store.Reader) -> dict[str, Getter[RouteTable]]:
    def targets(member: str) -> Getter[RouteTable]:
        return lambda table: [each.target for each in table.routes if _member(each.target) == member]

    return {
        "association.gateway-id": lambda table: None,
        "association.main": lambda table: [str(each is None).lower() for _, each in associations_of(table)],
        "association.route-table-association-id": lambda table: [id for id, _ in associations_of(table)],
        "association.route-table-id": lambda table: table.id if associations_of(table) else None,
        "association.subnet-id": lambda table: tuple(table.associations.values()),
        "owner-id": lambda table: table.account,
        "route-table-id": lambda table: table.id,
        "route.destination-cidr-block": lambda table: [
            each.destination
            for each in table.routes
            if not is_list_id(each.destination) and ":" not in each.destination
        ],
        "route.destination-ipv6-cidr-block": lambda table: [
            each.destination for each in table.routes if ":" in each.destination
        ],
        "route.destination-prefix-list-id": lambda table: tuple(named_by_table(table)),
        "route.egress-only-internet-gateway-id": targets("EgressOnlyInternetGatewayId"),
        "route.gateway-id": targets("GatewayId"),
        "route.instance-id": lambda table: None,
        "route.nat-gateway-id": targets("NatGatewayId"),
        "route.origin": lambda table: [each.origin for each in table.routes],
        "route.state": lambda table: [routing.state_of(reader, table, each.target) for each in table.routes],
        "route.transit-gateway-id": lambda table: None,
        "route.vpc-peering-connection-id": targets("VpcPeeringConnectionId"),
        "vpc-id": lambda table: table.vpc_id,
    }


_MEMBERS = {
    "nat": "NatGatewayId",
    "eni": "NetworkInterfaceId",
    "pcx": "VpcPeeringConnectionId",
    "eigw": "EgressOnlyInternetGatewayId",
}


def _member(target: str) -> str:
    """The member of a route that its target is shown in."""
    return _MEMBERS.get(target.partition("-")[0], "GatewayId")


def _destination_to_wire(destination: str) -> dict[str, str]:
    if is_list_id(destination):
        return {"DestinationPrefixListId": destination}
    return {"DestinationIpv6CidrBlock" if ":" in destination else "DestinationCidrBlock": destination}


def table_to_wire(reader: store.Reader, table: RouteTable) -> dict[str, Any]:
    return {
        "RouteTableId": table.id,
        "VpcId": table.vpc_id,
        "OwnerId": table.account,
        "Associations": [
            {
                "RouteTableAssociationId": id,
                "RouteTableId": table.id,
                "SubnetId": subnet_id,
                "Main": subnet_id is None,
                "AssociationState": ASSOCIATED,
            }
            for id, subnet_id in associations_of(table)
        ],
        "PropagatingVgws": [],
        "Routes": [
            {
                **_destination_to_wire(each.destination),
                _member(each.target): each.target,
                "Origin": each.origin,
                "State": routing.state_of(reader, table, each.target),
            }
            for each in table.routes
        ],
        "Tags": tags_to_wire(table.tags),
    }


class RouteTableOperations(Ec2Base):
    @operation
    def create_route_table(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        tags = tagging.at_creation(params, "route-table")
        with self.store.write() as tx:
            made = self.replay(tx, ctx, params, RouteTable)
            if made is not None:
                table = self.get(tx, ctx, ids.ROUTE_TABLE, made)
            else:
                table = self._new_table(tx, ctx, params, tags)
            return {"RouteTable": table_to_wire(tx, table), "ClientToken": params.get("ClientToken")}

    def _new_table(self, tx: Tx, ctx: RequestContext, params: Params, tags: dict[str, str]) -> RouteTable:
        vpc = self.get(tx, ctx, ids.VPC, params["VpcId"])
        if len(store.route_tables_of(tx, vpc)) >= self.limits.route_tables_per_vpc:
            raise quota_errors.RouteTableLimitExceeded()
        table = RouteTable(
            account=ctx.account,
            region=ctx.region,
            id=self.entropy.resource_id("rtb"),
            vpc_id=vpc.id,
            routes=tuple(creation.local_route(each) for each in (*store.vpc_cidrs(vpc), *vpc.blocks_v6)),
            tags=tags,
            **token_of(params),
        )
        tx.put(table)
        store.remember_token(tx, table)
        return table

    @operation
    def delete_route_table(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            table = self.get(tx, ctx, ids.ROUTE_TABLE, params["RouteTableId"])
            if associations_of(table):
                raise errors.DependencyViolation(f"The routeTable '{table.id}' has dependencies and cannot be deleted.")
            store.forget_token(tx, table)
            tx.delete(table)

    @operation
    def describe_route_tables(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        tables = chosen(snapshot, ctx, ids.ROUTE_TABLE, params, "RouteTableIds", filters_for(snapshot))
        page, token = paged(tables, params, resource_id, "RouteTableIds")
        return {"RouteTables": [table_to_wire(snapshot, each) for each in page], "NextToken": token}

    @operation
    def associate_route_table(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params.get("GatewayId") or params.get("PublicIpv4Pool"):
            raise errors.NotYet("route tables of gateways (edge associations)")
        if params.get("SubnetId") is None:
            raise errors.MissingParameter("subnetId")
        with self.store.write() as tx:
            table = self.get(tx, ctx, ids.ROUTE_TABLE, params["RouteTableId"])
            subnet = self.get(tx, ctx, ids.SUBNET, params["SubnetId"])
            if subnet.vpc_id != table.vpc_id:
                raise errors.InvalidParameterValue(
                    f"Route table {table.id} and subnet {subnet.id} belong to different networks"
                )
            tables = tx.list(RouteTable, ctx.account, ctx.region)
            if any(subnet.id in each.associations.values() for each in tables):
                raise errors.ResourceAlreadyAssociated(
                    f"the specified association for route table {table.id} conflicts with an existing association"
                )
            association_id = self.entropy.resource_id("rtbassoc")
            tx.put(replace(table, associations={**table.associations, association_id: subnet.id}))
        return {"AssociationId": association_id, "AssociationState": ASSOCIATED}

    @operation
    def disassociate_route_table(self, ctx: RequestContext, params: Params) -> None:
        with self.store.write() as tx:
            table = self._by_association(tx, ctx, params["AssociationId"])
            if params["AssociationId"] not in table.associations:
                raise errors.InvalidParameterValue(
                    f"cannot disassociate the main route table association {params['AssociationId']}"
                )
            tx.put(_without(table, params["AssociationId"]))

    @operation
    def replace_route_table_association(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            before = self._by_association(tx, ctx, params["AssociationId"])
            table = self.get(tx, ctx, ids.ROUTE_TABLE, params["RouteTableId"])
            if table.vpc_id != before.vpc_id:
                raise errors.InvalidParameterValue(
                    f"Route table {table.id} and the association {params['AssociationId']} belong to different networks"
                )
            new_id = self.entropy.resource_id("rtbassoc")
            subnet_id = before.associations.get(params["AssociationId"])
            if subnet_id is None:
                tx.put(replace(before, main=False, main_association_id=None))
                table = self.get(tx, ctx, ids.ROUTE_TABLE, table.id)
                tx.put(replace(table, main=True, main_association_id=new_id))
            else:
                tx.put(_without(before, params["AssociationId"]))
                table = self.get(tx, ctx, ids.ROUTE_TABLE, table.id)
                tx.put(replace(table, associations={**table.associations, new_id: subnet_id}))
        return {"NewAssociationId": new_id, "AssociationState": ASSOCIATED}

    def _by_association(self, tx: Tx, ctx: RequestContext, association_id: str) -> RouteTable:
        """The table that has the association, the main one too."""
        for table in tx.list(RouteTable, ctx.account, ctx.region):
            if association_id in table.associations or association_id == table.main_association_id:
                return table
        ids.ASSOCIATION.check(association_id)
        raise errors.AssociationNotFound(association_id)


def _without(table: RouteTable, association_id: str) -> RouteTable:
    return replace(table, associations={id: each for id, each in table.associations.items() if id != association_id})
