"""Endpoint services of one's own: create, modify, delete, describe, who may connect, and the connections there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import endpoint_events, endpoints, errors, filters, ids, private_link, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id, token_of
from kunren.services.ec2.endpoint_errors import InvalidParameter, InvalidState
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import EndpointNotification, EndpointServiceConfiguration, VpcEndpoint
from kunren.services.elbv2.model import LoadBalancer

_CONNECTED = (private_link.PENDING, "pending", "available")
_NOT_YET = {
    "GatewayLoadBalancerArns": "Gateway Load Balancers",
    "AddGatewayLoadBalancerArns": "Gateway Load Balancers",
    "SupportedRegions": "endpoints to services of other regions",
    "AddSupportedRegions": "endpoints to services of other regions",
}


def filters_for(reader: store.Reader) -> dict[str, Getter[EndpointServiceConfiguration]]:
    return {
        "service-id": lambda service: service.id,
        "service-name": lambda service: private_link.as_service(service).name,
        "service-state": lambda service: private_link.state_of(reader, service),
        "supported-ip-address-types": lambda service: "ipv4",
    }


def connection_filters(reader: store.Reader) -> dict[str, Getter[VpcEndpoint]]:
    return {
        "ip-address-type": lambda endpoint: "ipv4",
        "service-id": lambda endpoint: endpoint.service,
        "vpc-endpoint-id": lambda endpoint: endpoint.id,
        "vpc-endpoint-owner": lambda endpoint: endpoint.account,
        "vpc-endpoint-region": lambda endpoint: endpoint.region,
        "vpc-endpoint-state": lambda endpoint: endpoints.state_of(reader, endpoint),
    }


def service_to_wire(reader: store.Reader, service: EndpointServiceConfiguration) -> dict[str, Any]:
    named = private_link.as_service(service)
    return {
        "ServiceId": service.id,
        "ServiceName": named.name,
        "ServiceType": [{"ServiceType": named.type}],
        "ServiceState": private_link.state_of(reader, service),
        "AvailabilityZones": private_link.zones_of(reader, service),
        "AcceptanceRequired": service.acceptance_required,
        "ManagesVpcEndpoints": False,
        "NetworkLoadBalancerArns": list(service.balancers),
        "SupportedIpAddressTypes": ["ipv4"],
        "BaseEndpointDnsNames": [named.base_name],
        "PrivateDnsName": service.private_name,
        "PrivateDnsNameConfiguration": {
            "State": service.name_state,
            "Type": "TXT",
            "Value": service.proof,
            "Name": service.proof_name,
        }
        if service.private_name is not None
        else None,
        "SupportedRegions": [{"Region": service.region, "ServiceState": "Available"}],
        "RemoteAccessEnabled": False,
        "Tags": tags_to_wire(service.tags),
    }


class VpcEndpointServiceOperations(Ec2Base):
    @operation
    def create_vpc_endpoint_service_configuration(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        _refuse_unknown(params)
        if not params.get("NetworkLoadBalancerArns"):
            raise errors.MissingParameterText("NetworkLoadBalancerArns or GatewayLoadBalancerArns must be specified")
        tags = tagging.at_creation(params, "vpc-endpoint-service")
        with self.store.write() as tx:
            made = self.replay(tx, ctx, params, EndpointServiceConfiguration)
            if made is not None:
                service = self.get(tx, ctx, ids.ENDPOINT_SERVICE, made)
            else:
                service = EndpointServiceConfiguration(
                    account=ctx.account,
                    region=ctx.region,
                    id=self.entropy.resource_id("vpce-svc"),
                    balancers=_balancers(tx, ctx, params["NetworkLoadBalancerArns"]),
                    acceptance_required=params.get("AcceptanceRequired", True),
                    created=self.clock.now(),
                    tags=tags,
                    **token_of(params),
                )
                service = self._under_name(service, params.get("PrivateDnsName"))
                tx.put(service)
                store.remember_token(tx, service)
            return {"ServiceConfiguration": service_to_wire(tx, service), "ClientToken": params.get("ClientToken")}

    @operation
    def modify_vpc_endpoint_service_configuration(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        _refuse_unknown(params)
        with self.store.write() as tx:
            service = self.get(tx, ctx, ids.ENDPOINT_SERVICE, params["ServiceId"])
            gone = params.get("RemoveNetworkLoadBalancerArns") or ()
            kept = [each for each in service.balancers if each not in gone]
            added = _balancers(tx, ctx, params.get("AddNetworkLoadBalancerArns") or (), of=service)
            balancers = tuple(dict.fromkeys([*kept, *added]))
            if not balancers:
                raise InvalidParameter("A VPC endpoint service must have at least one load balancer.")
            accepts = params.get("AcceptanceRequired", service.acceptance_required)
            service = replace(service, balancers=balancers, acceptance_required=accepts)
            if params.get("RemovePrivateDnsName"):
                service = self._under_name(service, None)
            elif params.get("PrivateDnsName"):
                service = self._under_name(service, params["PrivateDnsName"])
            tx.put(service)
        return {"Return": True}

    @operation
    def delete_vpc_endpoint_service_configurations(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        unsuccessful = []
        with self.store.write() as tx:
            for id in dict.fromkeys(params["ServiceIds"]):
                service = tx.get(EndpointServiceConfiguration, ctx.account, ctx.region, id)
                if service is None:
                    text = f"The VpcEndpointService Id '{id}' does not exist"
                    unsuccessful.append(_failed(id, "InvalidVpcEndpointService.NotFound", text))
                elif any(endpoints.state_of(tx, each) in _CONNECTED for each in private_link.endpoints_of(tx, service)):
                    text = "Service has existing active VPC Endpoint connections!"
                    unsuccessful.append(_failed(id, "ExistingVpcEndpointConnections", text))
                else:
                    store.forget_token(tx, service)
                    for each in tx.list(EndpointNotification, ctx.account, ctx.region):
                        if each.service_id == service.id:
                            tx.delete(each)
                    tx.delete(service)
        return {"Unsuccessful": unsuccessful}

    @operation
    def describe_vpc_endpoint_service_configurations(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        found = chosen(snapshot, ctx, ids.ENDPOINT_SERVICE, params, "ServiceIds", filters_for(snapshot))
        page, token = paged(found, params, resource_id)
        return {"ServiceConfigurations": [service_to_wire(snapshot, each) for each in page], "NextToken": token}

    @operation
    def start_vpc_endpoint_service_private_dns_verification(
        self, ctx: RequestContext, params: Params
    ) -> dict[str, Any]:
        """Asks for the TXT record; `PrivateNames` looks for it."""
        with self.store.write() as tx:
            service = self.get(tx, ctx, ids.ENDPOINT_SERVICE, params["ServiceId"])
            if service.private_name is None:
                raise InvalidState(f"The VPC endpoint service {service.id} has no private DNS name.")
            if service.name_state != private_link.VERIFIED:
                tx.put(replace(service, name_state="pendingVerification", name_asked=self.clock.now()))
        return {"ReturnValue": True}

    # -- who may connect ---------------------------------------------------------------------------------------------

    @operation
    def modify_vpc_endpoint_service_permissions(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            service = self.get(tx, ctx, ids.ENDPOINT_SERVICE, params["ServiceId"])
            added = [each for each in params.get("AddAllowedPrincipals") or () if each not in service.principals]
            for each in added:
                if each != "*" and not each.startswith("arn:"):
                    raise errors.InvalidParameterValue(f"Invalid Principal: '{each}'")
            gone = params.get("RemoveAllowedPrincipals") or ()
            principals = {key: id for key, id in service.principals.items() if key not in gone}
            principals |= {each: self.entropy.resource_id("vpce-svc-perm") for each in added}
            service = replace(service, principals=principals)
            tx.put(service)
        return {"AddedPrincipals": [_principal(service, each) for each in added], "ReturnValue": True}

    @operation
    def describe_vpc_endpoint_service_permissions(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        service = self.get(self.store.snapshot(), ctx, ids.ENDPOINT_SERVICE, params["ServiceId"])
        table: dict[str, Getter[str]] = {"principal": lambda each: each, "principal-type": _principal_type}
        found = filters.select(list(service.principals), params.get("Filters"), table)
        page, token = paged(found, params, lambda each: each)
        return {"AllowedPrincipals": [{**_principal(service, each), "Tags": []} for each in page], "NextToken": token}

    # -- connections -------------------------------------------------------------------------------------------------

    @operation
    def describe_vpc_endpoint_connections(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        services = {each.id: each for each in snapshot.list(EndpointServiceConfiguration, ctx.account, ctx.region)}
        held = [each for each in snapshot.every(VpcEndpoint) if each.service in services]
        found = filters.select(held, params.get("Filters"), connection_filters(snapshot))
        page, token = paged(found, params, resource_id)
        return {
            "VpcEndpointConnections": [
                {
                    "ServiceId": each.service,
                    "VpcEndpointId": each.id,
                    "VpcEndpointOwner": each.account,
                    "VpcEndpointState": endpoints.state_of(snapshot, each),
                    "CreationTimestamp": each.created,
                    "DnsEntries": endpoints.dns_entries(snapshot, each),
                    "NetworkLoadBalancerArns": list(services[each.service].balancers),
                    "IpAddressType": "ipv4",
                    "VpcEndpointRegion": each.region,
                    "Tags": [],
                }
                for each in page
            ],
            "NextToken": token,
        }

    @operation
    def accept_vpc_endpoint_connections(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._decide(ctx, params, private_link.ACCEPTED, (private_link.PENDING, private_link.REJECTED))

    @operation
    def reject_vpc_endpoint_connections(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._decide(ctx, params, private_link.REJECTED, _CONNECTED)

    def _decide(self, ctx: RequestContext, params: Params, decision: str, may_be: Iterable[str]) -> dict[str, Any]:
        unsuccessful = []
        with self.store.write() as tx:
            service = self.get(tx, ctx, ids.ENDPOINT_SERVICE, params["ServiceId"])
            connected = {each.id: each for each in private_link.endpoints_of(tx, service)}
            for id in dict.fromkeys(params["VpcEndpointIds"]):
                endpoint = connected.get(id)
                if endpoint is None:
                    text = f"The Vpc Endpoint Id '{id}' does not exist"
                    unsuccessful.append(_failed(id, "InvalidVpcEndpoint.NotFound", text))
                elif (state := endpoints.state_of(tx, endpoint)) not in may_be:
                    text = f"The connection of the VPC endpoint {id} is in the state {state}"
                    unsuccessful.append(_failed(id, "InvalidState", text))
                else:
                    tx.put(replace(endpoint, decision=decision))
                    event = endpoint_events.ACCEPT if decision == private_link.ACCEPTED else endpoint_events.REJECT
                    endpoint_events.note(tx, self.entropy, endpoint, event, self.clock.now())
        return {"Unsuccessful": unsuccessful}

    # -- helpers -----------------------------------------------------------------------------------------------------

    def _under_name(self, service: EndpointServiceConfiguration, name: str | None) -> EndpointServiceConfiguration:
        """The service under a private name that is still to be verified."""
        if name == service.private_name:
            return service
        if name is None:
            return replace(service, private_name=None, name_state=None, name_asked=None, proof_name="", proof="")
        return replace(
            service,
            private_name=name.rstrip(".").lower(),
            name_state="pendingVerification",
            name_asked=None,
            proof_name="_" + self.entropy.lower(20),
            proof="vpce:" + self.entropy.lower(20),
        )


def _balancers(
    tx: Tx, ctx: RequestContext, arns: Iterable[str], of: EndpointServiceConfiguration | None = None
) -> tuple[str, ...]:
    """Load balancers that may stand before a service. Raises InvalidParameter."""
    held = tx.list(EndpointServiceConfiguration, ctx.account, ctx.region)
    others = {arn: each.id for each in held if of is None or each.id != of.id for arn in each.balancers}
    for arn in arns:
        balancer = tx.get(LoadBalancer, ctx.account, ctx.region, arn)
        if balancer is None:
            raise InvalidParameter(f"Load balancer {arn} was not found.")
        if balancer.type != "network":
            raise InvalidParameter(f"Load balancer {arn} is not a Network Load Balancer.")
        if arn in others:
            raise InvalidParameter(f"Load balancer {arn} is already associated with the service {others[arn]}.")
    return tuple(dict.fromkeys(arns))


def _refuse_unknown(params: Params) -> None:
    for member, what in _NOT_YET.items():
        if params.get(member):
            raise errors.NotYet(what)
    for member in ("SupportedIpAddressTypes", "AddSupportedIpAddressTypes"):
        if set(params.get(member) or ()) - {"ipv4"}:
            raise errors.NotYet("IPv6 of endpoint services")


def _principal_type(principal: str) -> str:
    if principal == "*":
        return "All"
    kind = principal.rpartition(":")[2].partition("/")[0]
    return {"root": "Account", "user": "User", "role": "Role"}.get(kind, "Account")


def _principal(service: EndpointServiceConfiguration, principal: str) -> dict[str, Any]:
    return {
        "Principal": principal,
        "PrincipalType": _principal_type(principal),
        "ServicePermissionId": service.principals[principal],
        "ServiceId": service.id,
    }


def _failed(id: str, code: str, text: str) -> dict[str, Any]:
    return {"ResourceId": id, "Error": {"Code": code, "Message": text}}
