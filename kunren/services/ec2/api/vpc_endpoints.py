"""VPC endpoints: create, modify, delete, describe, and the services that they lead to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import (
    endpoint_events,
    endpoint_services,
    endpoints,
    errors,
    filters,
    ids,
    interfaces,
    private_link,
    quota_errors,
    store,
    tagging,
)
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id, token_of
from kunren.services.ec2.endpoint_errors import (
    DuplicateSubnetsInSameZone,
    EndpointRouteExists,
    InvalidParameter,
    InvalidServiceName,
    VpcEndpointNotFound,
)
from kunren.services.ec2.endpoint_services import GATEWAY, INTERFACE, EndpointService
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import (
    EndpointServiceConfiguration,
    NetworkInterface,
    RouteEntry,
    SecurityGroup,
    Subnet,
    Vpc,
    VpcEndpoint,
)
from kunren.services.ec2.prefix_list_errors import IncorrectState
from kunren.services.ec2.prefix_lists import named_by_table
from kunren.services.ec2.zones import zones_of
from kunren.services.route53.model import HostedZone

REQUESTER = "727180483921"
_NOT_YET = {
    "SubnetConfigurations": "chosen addresses of VPC endpoints",
    "ServiceNetworkArn": "VPC Lattice service networks",
    "ResourceConfigurationArn": "VPC Lattice resource configurations",
    "ServiceRegion": "endpoints to services of other regions",
}
_FOREIGN = {
    GATEWAY: ("SubnetIds", "SecurityGroupIds", "PrivateDnsEnabled", "AddSubnetIds", "AddSecurityGroupIds"),
    INTERFACE: ("RouteTableIds", "AddRouteTableIds", "RemoveRouteTableIds"),
}


def filters_for(reader: store.Reader) -> dict[str, Getter[VpcEndpoint]]:
    return {
        "ip-address-type": lambda endpoint: "ipv4",
        "service-name": lambda endpoint: endpoints.service_of(reader, endpoint).name,
        "service-region": lambda endpoint: endpoint.region,
        "vpc-endpoint-id": lambda endpoint: endpoint.id,
        "vpc-endpoint-state": lambda endpoint: endpoints.state_of(reader, endpoint),
        "vpc-endpoint-type": lambda endpoint: endpoint.type,
        "vpc-id": lambda endpoint: endpoint.vpc_id,
    }


def endpoint_to_wire(reader: store.Reader, endpoint: VpcEndpoint) -> dict[str, Any]:
    by_address = endpoint.type == INTERFACE
    return {
        "VpcEndpointId": endpoint.id,
        "VpcEndpointType": endpoint.type,
        "VpcId": endpoint.vpc_id,
        "ServiceName": endpoints.service_of(reader, endpoint).name,
        "ServiceRegion": endpoint.region,
        "State": endpoints.state_of(reader, endpoint),
        "PolicyDocument": endpoint.policy,
        "RouteTableIds": [each.id for each in endpoints.tables_of(reader, endpoint)],
        "SubnetIds": sorted(endpoint.interfaces),
        "Groups": _groups(reader, endpoint),
        "IpAddressType": "ipv4" if by_address else None,
        "DnsOptions": {"DnsRecordIpType": "ipv4"} if by_address else None,
        "PrivateDnsEnabled": endpoint.private_dns,
        "RequesterManaged": False,
        "NetworkInterfaceIds": [each.id for each in endpoints.interfaces_of(reader, endpoint)],
        "DnsEntries": endpoints.dns_entries(reader, endpoint),
        "CreationTimestamp": endpoint.created,
        "Tags": tags_to_wire(endpoint.tags),
        "OwnerId": endpoint.account,
    }


def _groups(reader: store.Reader, endpoint: VpcEndpoint) -> list[dict[str, Any]]:
    found = (reader.get(SecurityGroup, endpoint.account, endpoint.region, each) for each in endpoint.groups)
    return [{"GroupId": each.id, "GroupName": each.name} for each in found if each is not None]


class VpcEndpointOperations(Ec2Base):
    @operation
    def create_vpc_endpoint(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        _refuse_unknown(params)
        snapshot = self.store.snapshot()
        provided = private_link.named(snapshot, params.get("ServiceName") or "", ctx.region)
        service = self._service(ctx, params, provided)
        _check_members(service.type, params)
        policy = endpoints.policy_of(params.get("PolicyDocument"))
        tags = tagging.at_creation(params, "vpc-endpoint")
        with self.store.write() as tx:
            made = self.replay(tx, ctx, params, VpcEndpoint)
            if made is not None:
                endpoint = self.get(tx, ctx, ids.VPC_ENDPOINT, made)
                return {"VpcEndpoint": endpoint_to_wire(tx, endpoint), "ClientToken": params.get("ClientToken")}
            vpc = self.get(tx, ctx, ids.VPC, params["VpcId"])
            held = [each for each in tx.list(VpcEndpoint, ctx.account, ctx.region) if each.vpc_id == vpc.id]
            if len(held) >= self.limits.vpc_endpoints:
                raise quota_errors.VpcEndpointLimitExceeded()
            endpoint = VpcEndpoint(
                account=ctx.account,
                region=ctx.region,
                id=self.entropy.resource_id("vpce"),
                vpc_id=vpc.id,
                service=service.short,
                type=service.type,
                policy=policy,
                label=self.entropy.lower(8),
                private_zone_id="Z0" + self.entropy.digits(7) + self.entropy.upper(12),
                created=self.clock.now(),
                provider=provided.account if provided is not None else None,
                decision=_decision(provided),
                tags=tags,
                **token_of(params),
            )
            if service.type == GATEWAY:
                tx.put(endpoint)
                self._route(tx, ctx, endpoint, params.get("RouteTableIds") or ())
            else:
                endpoint = self._new_interface_endpoint(tx, ctx, vpc, endpoint, params)
            store.remember_token(tx, endpoint)
            endpoint_events.note(tx, self.entropy, endpoint, endpoint_events.CONNECT, self.clock.now())
            return {"VpcEndpoint": endpoint_to_wire(tx, endpoint), "ClientToken": params.get("ClientToken")}

    def _service(
        self, ctx: RequestContext, params: Params, provided: EndpointServiceConfiguration | None
    ) -> EndpointService:
        """The service that is asked for, of the type that is asked for; a customer's own for whom it admits."""
        name, wanted = params.get("ServiceName"), params.get("VpcEndpointType") or GATEWAY
        if name is None:
            raise errors.MissingParameter("serviceName")
        if wanted not in (GATEWAY, INTERFACE):
            raise errors.NotYet(f"VPC endpoints of type {wanted}")
        if name == f"com.amazonaws.{ctx.region}.s3" and wanted == INTERFACE:
            raise errors.NotYet("interface endpoints to S3")
        found = endpoint_services.named(name, ctx.region)
        if provided is not None and private_link.admits(provided, ctx.account):
            found = [private_link.as_service(provided)]
        if not found:
            raise InvalidServiceName(name)
        service = next((each for each in found if each.type == wanted), None)
        if service is None:
            have = ", ".join(each.type for each in found)
            raise InvalidParameter(f"Endpoint type ({wanted}) does not match available service types ([{have}]).")
        return service

    def _new_interface_endpoint(
        self, tx: Tx, ctx: RequestContext, vpc: Vpc, endpoint: VpcEndpoint, params: Params
    ) -> VpcEndpoint:
        groups = tuple(dict.fromkeys(params.get("SecurityGroupIds") or (store.default_group_of(tx, vpc).id,)))
        for each in groups:
            self.get(tx, ctx, ids.SECURITY_GROUP, each)
        private_dns = params.get("PrivateDnsEnabled")
        service = endpoints.service_of(tx, endpoint)
        if private_dns is None:  # AWS's default, where AWS's service has such a name at all
            private_dns = service.private_name is not None and not service.is_own
        endpoint = replace(endpoint, groups=groups, private_dns=private_dns)
        _check_private_dns(tx, vpc, endpoint)
        endpoint = self._on_subnets(tx, ctx, endpoint, params.get("SubnetIds") or ())
        tx.put(endpoint)
        return endpoint

    def _on_subnets(self, tx: Tx, ctx: RequestContext, endpoint: VpcEndpoint, subnet_ids: Iterable[str]) -> VpcEndpoint:
        """The endpoint with an interface of its own on each of these subnets, too."""
        for subnet_id in dict.fromkeys(subnet_ids):
            subnet = self.get(tx, ctx, ids.SUBNET, subnet_id)
            if subnet.vpc_id != endpoint.vpc_id:
                raise InvalidParameter(f"The subnet ID '{subnet_id}' is not in the VPC {endpoint.vpc_id}")
            if subnet_id in endpoint.interfaces:
                continue
            provided = private_link.configuration_of(tx, endpoint)
            if provided is not None and subnet.availability_zone not in private_link.zones_of(tx, provided):
                raise InvalidParameter(
                    f"The VPC endpoint service {private_link.as_service(provided).name} does not support the "
                    f"availability zone of the subnet: {subnet_id}."
                )
            taken = (tx.get(Subnet, ctx.account, ctx.region, each) for each in endpoint.interfaces)
            if any(each is not None and each.availability_zone == subnet.availability_zone for each in taken):
                raise DuplicateSubnetsInSameZone(subnet_id)
            made = interfaces.create_interface(
                tx,
                self.entropy,
                self.spec,
                account=ctx.account,
                region=ctx.region,
                subnet_id=subnet_id,
                groups=endpoint.groups,
                description=f"VPC Endpoint Interface {endpoint.id}",
                attachment="node" if provided is None else "link",
                public=False,
                interface_type="vpc_endpoint",
                requester_managed=True,
                requester_id=REQUESTER,
                attach_time=self.clock.now(),
            )
            endpoint = replace(endpoint, interfaces={**endpoint.interfaces, subnet_id: made.id})
        return endpoint

    def _route(self, tx: Tx, ctx: RequestContext, endpoint: VpcEndpoint, table_ids: Iterable[str]) -> None:
        """Let route tables lead to a gateway endpoint."""
        list_id = endpoints.list_id(endpoint)
        for table_id in dict.fromkeys(table_ids):
            table = self.get(tx, ctx, ids.ROUTE_TABLE, table_id)
            if table.vpc_id != endpoint.vpc_id:
                raise InvalidParameter(f"route table {table.id} does not belong to the network {endpoint.vpc_id}")
            if list_id in named_by_table(table):
                raise EndpointRouteExists(table.id, list_id)
            tx.put(replace(table, routes=(*table.routes, RouteEntry(destination=list_id, target=endpoint.id))))

    @operation
    def modify_vpc_endpoint(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        _refuse_unknown(params)
        with self.store.write() as tx:
            endpoint = self.get(tx, ctx, ids.VPC_ENDPOINT, params["VpcEndpointId"])
            if endpoint.deleting:
                raise IncorrectState(f"The VPC endpoint {endpoint.id} is being deleted.")
            _check_members(endpoint.type, params)
            if params.get("ResetPolicy"):
                endpoint = replace(endpoint, policy=endpoints.OPEN_POLICY)
            if params.get("PolicyDocument"):
                endpoint = replace(endpoint, policy=endpoints.policy_of(params["PolicyDocument"]))
            if endpoint.type == GATEWAY:
                self._unroute(tx, ctx, endpoint, params.get("RemoveRouteTableIds") or ())
                self._route(tx, ctx, endpoint, params.get("AddRouteTableIds") or ())
            else:
                endpoint = self._modified(tx, ctx, endpoint, params)
            tx.put(endpoint)
        return {"Return": True}

    def _unroute(self, tx: Tx, ctx: RequestContext, endpoint: VpcEndpoint, table_ids: Iterable[str]) -> None:
        for table_id in table_ids:
            table = self.get(tx, ctx, ids.ROUTE_TABLE, table_id)
            tx.put(replace(table, routes=tuple(each for each in table.routes if each.target != endpoint.id)))

    def _modified(self, tx: Tx, ctx: RequestContext, endpoint: VpcEndpoint, params: Params) -> VpcEndpoint:
        groups = [each for each in endpoint.groups if each not in (params.get("RemoveSecurityGroupIds") or ())]
        groups += params.get("AddSecurityGroupIds") or ()
        for each in groups:
            self.get(tx, ctx, ids.SECURITY_GROUP, each)
        vpc = store.find_vpc(tx, ctx.account, ctx.region, endpoint.vpc_id)
        if not groups:
            raise InvalidParameter("An interface endpoint must have at least one security group.")
        interfaces.check_groups(tx, vpc, tuple(groups))
        endpoint = replace(endpoint, groups=tuple(dict.fromkeys(groups)))
        for subnet_id in params.get("RemoveSubnetIds") or ():
            endpoint = _off_subnet(tx, endpoint, subnet_id)
        endpoint = self._on_subnets(tx, ctx, endpoint, params.get("AddSubnetIds") or ())
        for interface in endpoints.interfaces_of(tx, endpoint):
            tx.put(replace(interface, groups=endpoint.groups))
        if params.get("PrivateDnsEnabled") is not None and params["PrivateDnsEnabled"] != endpoint.private_dns:
            endpoint = replace(endpoint, private_dns=params["PrivateDnsEnabled"])
            _check_private_dns(tx, vpc, endpoint)
        return endpoint

    @operation
    def delete_vpc_endpoints(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """A gateway endpoint goes at once, with its routes; an interface endpoint once nothing answers at it."""
        unsuccessful = []
        with self.store.write() as tx:
            for id in dict.fromkeys(params["VpcEndpointIds"]):
                endpoint = tx.get(VpcEndpoint, ctx.account, ctx.region, id)
                if endpoint is None:
                    error = VpcEndpointNotFound(id)
                    told = {"Code": "InvalidVpcEndpoint.NotFound", "Message": error.message}
                    unsuccessful.append({"ResourceId": id, "Error": told})
                elif endpoint.type == GATEWAY:
                    self._unroute(tx, ctx, endpoint, [each.id for each in endpoints.tables_of(tx, endpoint)])
                    store.forget_token(tx, endpoint)
                    tx.delete(endpoint)
                elif not endpoint.deleting:
                    tx.put(replace(endpoint, deleting=True))
                    endpoint_events.note(tx, self.entropy, endpoint, endpoint_events.DELETE, self.clock.now())
        return {"Unsuccessful": unsuccessful}

    @operation
    def describe_vpc_endpoints(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        found = chosen(snapshot, ctx, ids.VPC_ENDPOINT, params, "VpcEndpointIds", filters_for(snapshot))
        page, token = paged(found, params, resource_id)
        return {"VpcEndpoints": [endpoint_to_wire(snapshot, each) for each in page], "NextToken": token}

    @operation
    def describe_vpc_endpoint_services(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        offered = [_Offer(each, None) for each in endpoint_services.services_of(ctx.region)]
        offered += [
            _Offer(private_link.as_service(each), each)
            for each in snapshot.every(EndpointServiceConfiguration)
            if each.region == ctx.region and private_link.admits(each, ctx.account)
        ]
        found = offered
        for wanted in params.get("ServiceNames") or ():
            if not any(each.service.name == wanted for each in found):
                raise InvalidServiceName(wanted)
        if params.get("ServiceNames"):
            found = [each for each in found if each.service.name in params["ServiceNames"]]
        found = filters.select(found, params.get("Filters"), _SERVICE_FILTERS, _Offer.tags)
        page, token = paged(found, params, lambda each: f"{each.service.name}/{each.service.type}")
        zones = [each.name for each in zones_of(self.ensure_region(ctx))]
        return {
            "ServiceNames": list(dict.fromkeys(each.service.name for each in page)),
            "ServiceDetails": [_service_to_wire(snapshot, each, zones) for each in page],
            "NextToken": token,
        }


class _Offer(NamedTuple):
    """A service, and its configuration where it is a customer's own."""

    service: EndpointService
    configuration: EndpointServiceConfiguration | None

    @property
    def owner(self) -> str:
        return self.configuration.account if self.configuration is not None else "amazon"

    def tags(self) -> dict[str, str]:
        return self.configuration.tags if self.configuration is not None else {}


_SERVICE_FILTERS: dict[str, Getter[_Offer]] = {
    "owner": lambda offer: offer.owner,
    "service-name": lambda offer: offer.service.name,
    "service-region": lambda offer: offer.service.region,
    "service-type": lambda offer: offer.service.type,
    "supported-ip-address-types": lambda offer: "ipv4",
}


def _decision(provided: EndpointServiceConfiguration | None) -> str:
    waits = provided is not None and provided.acceptance_required
    return private_link.PENDING if waits else private_link.ACCEPTED


def _service_to_wire(reader: store.Reader, offer: _Offer, zones: list[str]) -> dict[str, Any]:
    service, own = offer.service, offer.configuration
    private, zones = service.private_name, private_link.zones_of(reader, own) if own is not None else zones
    return {
        "ServiceName": service.name,
        "ServiceId": service.id,
        "ServiceType": [{"ServiceType": service.type}],
        "ServiceRegion": service.region,
        "AvailabilityZones": zones,
        "Owner": offer.owner,
        "BaseEndpointDnsNames": [service.base_name],
        "PrivateDnsName": private,
        "PrivateDnsNames": [{"PrivateDnsName": private}] if private else None,
        "PrivateDnsNameVerificationState": "verified" if private else None,
        "VpcEndpointPolicySupported": own is None,
        "AcceptanceRequired": own is not None and own.acceptance_required,
        "ManagesVpcEndpoints": False,
        "SupportedIpAddressTypes": ["ipv4"],
        "Tags": tags_to_wire(offer.tags()),
    }


def _refuse_unknown(params: Params) -> None:
    for member, what in _NOT_YET.items():
        if params.get(member):
            raise errors.NotYet(what)
    if params.get("IpAddressType") not in (None, "ipv4"):
        raise errors.NotYet("IPv6 of VPC endpoints")
    for member, value in (params.get("DnsOptions") or {}).items():
        if value and (member, value) != ("DnsRecordIpType", "ipv4"):
            raise errors.NotYet(f"VPC endpoints with the DNS option {member}")


def _check_members(type: str, params: Params) -> None:
    """Gateway endpoints have route tables, interface endpoints subnets, groups and private names."""
    for member in _FOREIGN[type]:
        if params.get(member):
            raise InvalidParameter(f"The parameter {member} is not supported for an endpoint of type {type}.")


def _check_private_dns(tx: Tx, vpc: Vpc, endpoint: VpcEndpoint) -> None:
    """May the endpoint answer to its service's private name in the VPC."""
    if not endpoint.private_dns:
        return
    service = endpoints.service_of(tx, endpoint)
    name = service.private_name
    if name is None:
        raise InvalidParameter(
            f"Private DNS can't be enabled because the service {service.name} does not provide a private DNS name."
        )
    if not (vpc.enable_dns_support and vpc.enable_dns_hostnames):
        raise InvalidParameter(
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for "
            f"{vpc.id}"
        )
    others = tx.list(VpcEndpoint, endpoint.account, endpoint.region)
    others = [each for each in others if each.id != endpoint.id and each.vpc_id == vpc.id and each.private_dns]
    served = any(endpoints.service_of(tx, each).private_name == name for each in others)
    hosted = any(
        zone.name == f"{name}." and any(each.id == vpc.id for each in zone.vpcs) for zone in tx.every(HostedZone)
    )
    if served or hosted:
        raise InvalidParameter(
            f"private-dns-enabled cannot be set because there is already a conflicting DNS domain for {name} in the "
            f"VPC {vpc.id}"
        )


def _off_subnet(tx: Tx, endpoint: VpcEndpoint, subnet_id: str) -> VpcEndpoint:
    interface_id = endpoint.interfaces.get(subnet_id)
    if interface_id is None:
        raise InvalidParameter(f"The VPC endpoint {endpoint.id} is not on the subnet {subnet_id}")
    interface = tx.get(NetworkInterface, endpoint.account, endpoint.region, interface_id)
    if interface is not None:
        interfaces.delete_interface(tx, interface)
    return replace(endpoint, interfaces={key: id for key, id in endpoint.interfaces.items() if key != subnet_id})
