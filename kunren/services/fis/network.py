"""Actions on the network, by EC2's own operations as a customer would: network ACLs, route tables and security groups
are swapped for others, and back. All of one action is one transaction with the note of how to undo it.

What is swapped in carries the tags `managedByFIS` and `fisExperiment`, as one can see in EC2. What a customer changes
meanwhile is left as it is when the action ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from kunren.control.store import Snapshot, Store
from kunren.core.context import RequestContext
from kunren.services.ec2 import peerings, prefix_lists
from kunren.services.ec2 import store as ec2_store
from kunren.services.ec2.model import NetworkAcl, NetworkInterface, RouteTable, SecurityGroup, Subnet, VpcEndpoint
from kunren.services.fis import acls
from kunren.services.fis.model import Found
from kunren.world import addresses, addresses6
from kunren.world.spec import WorldSpec

MANAGED = "managedByFIS"


class ActionFailed(Exception):
    """The action cannot do what it shall; the text becomes its reason."""


class Doing(NamedTuple):
    """One action of an experiment: its name, parameters and resources."""

    experiment: str
    action: str
    parameters: Mapping[str, str]
    resources: Sequence[Found]


class Effect(Protocol):
    """What an action does, inside a transaction of the store. `begin` returns what `end` needs to undo it. Raises
    ActionFailed, AwsError."""

    def begin(self, doing: Doing) -> dict[str, Any]: ...
    def end(self, undo: Mapping[str, Any]) -> None: ...


class Network:
    """What the effects share: the store, EC2's operations (`kunren.services.ec2.api`) and the world."""

    def __init__(self, store: Store, ec2: Any, spec: WorldSpec) -> None:
        self.store, self.ec2, self.spec = store, ec2, spec

    def context(self, account: str, region: str) -> RequestContext:
        return RequestContext(account, region, "ec2", "fis", "fis")

    def subnet(self, snapshot: Snapshot, found: Found) -> Subnet:
        subnet = snapshot.get(Subnet, found.account, found.region, found.id)
        if subnet is None:
            raise ActionFailed(f"The subnet {found.id} does not exist.")
        return subnet


def tags(kind: str, doing: Doing) -> list[dict[str, Any]]:
    """TagSpecifications of what is made for an action."""
    named = {MANAGED: "true", "fisExperiment": doing.experiment, "Name": f"FIS {doing.action}"}
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in named.items()]}]


class Connectivity(Network):
    """aws:network:disrupt-connectivity."""

    def begin(self, doing: Doing) -> dict[str, Any]:
        return {"subnets": [self._swap(doing, each) for each in doing.resources]}

    def _swap(self, doing: Doing, found: Found) -> dict[str, str]:
        snapshot, ctx = self.store.snapshot(), self.context(found.account, found.region)
        subnet = self.subnet(snapshot, found)
        held = snapshot.list(NetworkAcl, found.account, found.region)
        acl, association = next(
            (each, id) for each in held for id, where in each.associations.items() if where == subnet.id
        )
        if MANAGED in acl.tags:
            raise ActionFailed(f"The subnet {subnet.id} has the network ACL of another experiment.")
        entries = acls.disrupted(doing.parameters["scope"], acl.entries, **self._blocks(snapshot, doing, subnet))
        params = {"VpcId": subnet.vpc_id, "TagSpecifications": tags("network-acl", doing)}
        made = self.ec2.create_network_acl(ctx, params)["NetworkAcl"]["NetworkAclId"]
        for each in acls.requests(entries):
            self.ec2.create_network_acl_entry(ctx, {"NetworkAclId": made, **each})
        self.ec2.replace_network_acl_association(ctx, {"AssociationId": association, "NetworkAclId": made})
        return {"account": found.account, "region": found.region, "before": acl.id, "made": made}

    def _blocks(self, snapshot: Snapshot, doing: Doing, subnet: Subnet) -> dict[str, Sequence[str]]:
        scope, account, region = doing.parameters["scope"], subnet.account, subnet.region
        vpc = ec2_store.find_vpc(snapshot, account, region, subnet.vpc_id)
        match scope:
            case "vpc":
                return {"vpc": [*ec2_store.vpc_cidrs(vpc), *vpc.blocks_v6]}
            case "availability-zone":
                others = ec2_store.subnets_of(snapshot, vpc)
                zone = subnet.availability_zone
                beyond = [each for each in others if each.availability_zone != zone]
                six = [each.cidr_v6 for each in beyond if each.cidr_v6]
                return {"denied": [*sorted(each.cidr for each in beyond), *sorted(six)]}
            case "s3" | "dynamodb":
                wanted = prefix_lists.aws_list_id(region, scope)
            case "prefix-list":
                wanted = doing.parameters["prefixListIdentifier"].rpartition("/")[2]
            case _:
                return {}
        listed = prefix_lists.cidrs(snapshot, self.spec, account, region).get(wanted)
        if listed is None:
            raise ActionFailed(f"The prefix list {wanted} does not exist.")
        return {"denied": listed}

    def end(self, undo: Mapping[str, Any]) -> None:
        for each in undo.get("subnets", ()):
            with self.store.write() as tx:
                made = tx.get(NetworkAcl, each["account"], each["region"], each["made"])
                if made is None:
                    continue
                ctx = self.context(each["account"], each["region"])
                before = tx.get(NetworkAcl, each["account"], each["region"], each["before"])
                if before is None:  # deleted meanwhile: a subnet always has one
                    held = tx.list(NetworkAcl, each["account"], each["region"])
                    before = next(one for one in held if one.vpc_id == made.vpc_id and one.is_default)
                for association in list(made.associations):
                    params = {"AssociationId": association, "NetworkAclId": before.id}
                    self.ec2.replace_network_acl_association(ctx, params)
                self.ec2.delete_network_acl(ctx, {"NetworkAclId": made.id})


class Routes(Network):
    """aws:network:route-table-disrupt-cross-region-connectivity: the subnet gets a copy of its route table in which
    what lies in the other Region leads to an interface that nothing answers on."""

    def begin(self, doing: Doing) -> dict[str, Any]:
        return {"subnets": [self._swap(doing, each) for each in doing.resources]}

    def _swap(self, doing: Doing, found: Found) -> dict[str, Any]:
        snapshot, ctx = self.store.snapshot(), self.context(found.account, found.region)
        subnet, region = self.subnet(snapshot, found), doing.parameters["region"]
        vpc = ec2_store.find_vpc(snapshot, found.account, found.region, subnet.vpc_id)
        tables = ec2_store.route_tables_of(snapshot, vpc)
        own = next((each for each in tables if subnet.id in each.associations.values()), None)
        table = own or next(each for each in tables if each.main)
        if MANAGED in table.tags:
            raise ActionFailed(f"The subnet {subnet.id} has the route table of another experiment.")
        if region == found.region or self.spec.region(region) is None:
            raise ActionFailed(f"There is no other Region {region} to isolate.")
        params = {"SubnetId": subnet.id, "TagSpecifications": tags("network-interface", doing)}
        sink = self.ec2.create_network_interface(ctx, params)["NetworkInterface"]["NetworkInterfaceId"]
        params = {"VpcId": vpc.id, "TagSpecifications": tags("route-table", doing)}
        made = self.ec2.create_route_table(ctx, params)["RouteTable"]["RouteTableId"]
        endpoints = self._copy(ctx, made, table, self._blocked(snapshot, vpc, region), sink)
        association = self._associate(ctx, own, subnet.id, made)
        return {
            "account": found.account, "region": found.region, "before": own.id if own is not None else "",
            "made": made, "sink": sink, "endpoints": endpoints, "association": association,
        }  # fmt: skip

    def _blocked(self, snapshot: Snapshot, vpc: Any, region: str) -> dict[str, set[str]]:
        """What lies in the other Region: its own blocks, and the peering connections that lead there."""
        index = [each.name for each in self.spec.regions].index(region)
        linked = {peering.id for peering, side in peerings.others(snapshot, vpc) if side.region == region}
        blocks = {str(addresses.region_network(index))}
        if vpc.blocks_v6:
            blocks.add(str(addresses6.region_network(index)))
        return {"blocks": blocks, "peerings": linked}

    def _copy(
        self, ctx: RequestContext, made: str, table: RouteTable, blocked: Mapping[str, set[str]], sink: str
    ) -> list[str]:
        """Give the new table the old one's routes; the gateway endpoints that lead by it as well."""
        endpoints: list[str] = []
        for route in table.routes:
            if route.target == "local":
                continue
            if route.target.startswith("vpce-"):
                if route.target not in endpoints:
                    endpoints.append(route.target)
                continue
            target = sink if route.target in blocked["peerings"] else route.target
            self.ec2.create_route(ctx, {"RouteTableId": made, **_route(route.destination, target)})
        for block in sorted(blocked["blocks"]):
            self.ec2.create_route(ctx, {"RouteTableId": made, **_route(block, sink)})
        for each in endpoints:
            self.ec2.modify_vpc_endpoint(ctx, {"VpcEndpointId": each, "AddRouteTableIds": [made]})
        return endpoints

    def _associate(self, ctx: RequestContext, own: RouteTable | None, subnet_id: str, made: str) -> str:
        if own is None:
            params = {"RouteTableId": made, "SubnetId": subnet_id}
            return str(self.ec2.associate_route_table(ctx, params)["AssociationId"])
        before = next(id for id, where in own.associations.items() if where == subnet_id)
        params = {"AssociationId": before, "RouteTableId": made}
        return str(self.ec2.replace_route_table_association(ctx, params)["NewAssociationId"])

    def end(self, undo: Mapping[str, Any]) -> None:
        for each in undo.get("subnets", ()):
            account, region = each["account"], each["region"]
            ctx = self.context(account, region)
            with self.store.write() as tx:
                made = tx.get(RouteTable, account, region, each["made"])
                if made is not None:
                    before = tx.get(RouteTable, account, region, each["before"])
                    for association in list(made.associations):
                        params: dict[str, Any] = {"AssociationId": association}
                        if before is not None:
                            params["RouteTableId"] = before.id
                            self.ec2.replace_route_table_association(ctx, params)
                        else:
                            self.ec2.disassociate_route_table(ctx, params)
                    for endpoint in each["endpoints"]:
                        if tx.get(VpcEndpoint, account, region, endpoint) is not None:
                            params = {"VpcEndpointId": endpoint, "RemoveRouteTableIds": [made.id]}
                            self.ec2.modify_vpc_endpoint(ctx, params)
                    self.ec2.delete_route_table(ctx, {"RouteTableId": made.id})
                self._delete_sink(tx, ctx, each["sink"])

    def _delete_sink(self, tx: Any, ctx: RequestContext, sink: str) -> None:
        if tx.get(NetworkInterface, ctx.account, ctx.region, sink) is not None:
            self.ec2.delete_network_interface(ctx, {"NetworkInterfaceId": sink})


class Endpoints(Network):
    """aws:network:disrupt-vpc-endpoint: an interface endpoint gets a security group without rules."""

    def begin(self, doing: Doing) -> dict[str, Any]:
        return {"endpoints": [self._swap(doing, each) for each in doing.resources]}

    def _swap(self, doing: Doing, found: Found) -> dict[str, Any]:
        ctx, snapshot = self.context(found.account, found.region), self.store.snapshot()
        endpoint = snapshot.get(VpcEndpoint, found.account, found.region, found.id)
        if endpoint is None or endpoint.deleting:
            raise ActionFailed(f"The VPC endpoint {found.id} does not exist.")
        if endpoint.type != "Interface":
            raise ActionFailed(f"The VPC endpoint {found.id} is not an interface endpoint.")
        params = {
            "GroupName": f"{MANAGED}-{doing.experiment}-{found.id}", "Description": "Blocks a VPC endpoint",
            "VpcId": endpoint.vpc_id, "TagSpecifications": tags("security-group", doing),
        }  # fmt: skip
        made = self.ec2.create_security_group(ctx, params)["GroupId"]
        everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": acls.EVERYWHERE}]}
        self.ec2.revoke_security_group_egress(ctx, {"GroupId": made, "IpPermissions": [everything]})
        params = {
            "VpcEndpointId": found.id, "AddSecurityGroupIds": [made], "RemoveSecurityGroupIds": list(endpoint.groups),
        }  # fmt: skip
        self.ec2.modify_vpc_endpoint(ctx, params)
        return {
            "account": found.account, "region": found.region, "id": found.id, "made": made,
            "before": list(endpoint.groups),
        }  # fmt: skip

    def end(self, undo: Mapping[str, Any]) -> None:
        for each in undo.get("endpoints", ()):
            account, region, made = each["account"], each["region"], each["made"]
            ctx = self.context(account, region)
            with self.store.write() as tx:
                endpoint = tx.get(VpcEndpoint, account, region, each["id"])
                if endpoint is not None and not endpoint.deleting and made in endpoint.groups:
                    back = [id for id in each["before"] if tx.get(SecurityGroup, account, region, id) is not None]
                    if not back:
                        vpc = ec2_store.find_vpc(tx, account, region, endpoint.vpc_id)
                        back = [ec2_store.default_group_of(tx, vpc).id]
                    params = {
                        "VpcEndpointId": endpoint.id, "AddSecurityGroupIds": back, "RemoveSecurityGroupIds": [made],
                    }  # fmt: skip
                    self.ec2.modify_vpc_endpoint(ctx, params)
                if tx.get(SecurityGroup, account, region, made) is not None:
                    self.ec2.delete_security_group(ctx, {"GroupId": made})


def _route(destination: str, target: str) -> dict[str, str]:
    """Destination and target as CreateRoute takes them."""
    if prefix_lists.is_list_id(destination):
        where = {"DestinationPrefixListId": destination}
    elif ":" in destination:
        where = {"DestinationIpv6CidrBlock": destination}
    else:
        where = {"DestinationCidrBlock": destination}
    for prefix, member in (
        ("eni-", "NetworkInterfaceId"),
        ("nat-", "NatGatewayId"),
        ("pcx-", "VpcPeeringConnectionId"),
        ("eigw-", "EgressOnlyInternetGatewayId"),
    ):
        if target.startswith(prefix):
            return {**where, member: target}
    return {**where, "GatewayId": target}
