"""What an endpoint is: whether it may be one, at which addresses it is reached, and how it is. Pure reads.

Load balancers are as healthy as Elastic Load Balancing says they are; Elastic IP addresses are probed by the endpoint
group's health check ("Health checks for endpoints", Developer Guide).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core.arn import parse_arn
from kunren.services.ec2 import store as ec2
from kunren.services.ec2.errors import InstanceNotFound
from kunren.services.ec2.model import ElasticIp, Entrance, InterfaceStatus, NetworkInterface, Vpc
from kunren.services.elbv2.controllers import is_healthy
from kunren.services.elbv2.dataplane.balancer import is_live, reached_groups
from kunren.services.elbv2.dataplane.standing import given_out
from kunren.services.elbv2.model import Listener as BalancerListener
from kunren.services.elbv2.model import LoadBalancer, LoadBalancerStatus
from kunren.services.globalaccelerator import attachments
from kunren.services.globalaccelerator.errors import AccessDeniedException, InvalidArgumentException, NotHere
from kunren.services.globalaccelerator.model import (
    Accelerator,
    CustomGroup,
    Endpoint,
    EndpointGroup,
    EndpointHealth,
    SubnetEndpoint,
    health_id,
)

View: TypeAlias = Snapshot | Tx
INITIAL, HEALTHY, UNHEALTHY = "INITIAL", "HEALTHY", "UNHEALTHY"
_ELB = "(Service: AmazonElasticLoadBalancing; Status Code: 400; Error Code: {})"
_NO_GATEWAY = "The VPC {} of endpoint {} has no internet gateway attached."


def checked(view: View, account: str, accelerator_arn: str, region: str, given: dict[str, Any]) -> Endpoint:
    """The endpoint that an EndpointConfiguration asks for. Raises InvalidArgumentException, AccessDeniedException,
    AttachmentNotFoundException."""
    owner = owner_of(view, account, accelerator_arn, given)
    found = _checked(view, owner, region, given)
    accelerator = view.get(Accelerator, account, "", accelerator_arn)
    if accelerator is not None and accelerator.addresses6:
        check_dual_stack(view, owner, region, found)
    return found if owner == account else msgspec.structs.replace(found, owner=owner)


def _checked(view: View, account: str, region: str, given: dict[str, Any]) -> Endpoint:
    identity = given.get("EndpointId") or ""
    weight = given["Weight"] if given.get("Weight") is not None else 128
    preserve = given.get("ClientIPPreservationEnabled")
    if identity.startswith("arn:"):
        return Endpoint(
            id=identity,
            weight=weight,
            preserve_client_ip=_preserves(view, _balancer(view, account, region, identity), preserve),
        )
    if identity.startswith("eipalloc-"):
        if view.get(ElasticIp, account, region, identity) is None:
            raise InvalidArgumentException(f"The allocation ID '{identity}' does not exist")
        if preserve:
            raise InvalidArgumentException("Client IP preservation is not supported for Elastic IP address endpoints.")
        return Endpoint(id=identity, weight=weight)
    if identity.startswith("i-"):
        interface = primary_interface(view, account, region, identity)
        if interface is None:
            text = InstanceNotFound(identity).message
            raise InvalidArgumentException(
                f"{text} (Service: AmazonEC2; Status Code: 400; Error Code: InvalidInstanceID.NotFound)"
            )
        if preserve is False:
            raise InvalidArgumentException("Client IP preservation is always enabled for EC2 instance endpoints.")
        check_gateway(view, account, region, interface.vpc_id, identity)
        return Endpoint(id=identity, weight=weight, preserve_client_ip=True)
    raise InvalidArgumentException(f"{identity or 'An endpoint without EndpointId'} is not a valid endpoint.")


def check_dual_stack(view: View, account: str, region: str, endpoint: Endpoint) -> None:
    """Those of dual-stack accelerators have to be dual-stack too ("Endpoints for standard accelerators")."""
    balancer = view.get(LoadBalancer, account, region, endpoint.id)
    if balancer is None or balancer.ip_address_type != "dualstack":
        raise InvalidArgumentException(f"A dual-stack accelerator needs dual-stack endpoints: {endpoint.id} is none.")
    if balancer.scheme == "internal":
        raise NotHere("Kunren reaches internal load balancers over IPv4 only: use an IPV4 accelerator.")


def owner_of(view: View, account: str, accelerator_arn: str, given: dict[str, Any]) -> str:
    """The account whose endpoint an EndpointConfiguration asks for. Raises AccessDeniedException and
    AttachmentNotFoundException."""
    identity = given.get("EndpointId") or ""
    if given.get("AttachmentArn"):
        return attachments.owner(view, account, accelerator_arn, identity, given["AttachmentArn"])
    parsed = parse_arn(identity)
    if parsed is not None and parsed.service == "elasticloadbalancing" and parsed.account != account:
        raise AccessDeniedException
    return account


def _balancer(view: View, account: str, region: str, arn: str) -> LoadBalancer:
    parsed = parse_arn(arn)
    balancer = None
    if parsed is None or parsed.service != "elasticloadbalancing" or parsed.region != region:
        code = _ELB.format("ValidationError")
        raise InvalidArgumentException(f"'{arn}' is not a valid load balancer ARN {code}")
    balancer = view.get(LoadBalancer, account, region, arn)
    if balancer is None:
        code = _ELB.format("LoadBalancerNotFound")
        raise InvalidArgumentException(f"One or more load balancers not found {code}")
    return balancer


def check_gateway(view: View, account: str, region: str, vpc_id: str, endpoint: str) -> None:
    """The gateway says that the VPC takes traffic of the internet ("Secure VPC connections")."""
    vpc = view.get(Vpc, account, region, vpc_id)
    if vpc is None or ec2.gateway_of(view, vpc) is None:
        raise InvalidArgumentException(_NO_GATEWAY.format(vpc_id, endpoint))


def primary_interface(view: View, account: str, region: str, instance_id: str) -> NetworkInterface | None:
    """The interface of an instance by which it is reached. A program's in the world belongs to no instance."""
    found = (each for each in view.list(NetworkInterface, account, region) if each.attachment_id == instance_id)
    return next(found, None)


def _preserves(view: View, balancer: LoadBalancer, asked: bool | None) -> bool:
    """On by default for Application Load Balancers, always for internal ones; Network ones need security groups, and no
    TLS listener."""
    internal = balancer.scheme == "internal"
    if balancer.type == "application":
        if internal and asked is False:
            raise InvalidArgumentException(
                "Client IP preservation is always enabled for internal Application Load Balancer endpoints."
            )
        if internal:
            check_gateway(view, balancer.account, balancer.region, balancer.vpc_id, balancer.id)
        return asked if asked is not None else True
    if asked and not balancer.security_groups:
        raise InvalidArgumentException(
            "Client IP preservation is only supported for Network Load Balancers with security groups."
        )
    if asked and any(
        each.load_balancer_arn == balancer.id and each.protocol == "TLS"
        for each in view.list(BalancerListener, balancer.account, balancer.region)
    ):
        raise InvalidArgumentException(
            "Client IP preservation is not supported for Network Load Balancers with TLS listeners."
        )
    return bool(asked)


def interfaces(view: View, group: EndpointGroup, endpoint: Endpoint) -> list[NetworkInterface]:
    """The interfaces by which flows come to the endpoint through an entrance into its VPC; none for what is reached at
    its public addresses."""
    account, region = owner(group, endpoint), group.group_region
    if endpoint.id.startswith("i-"):
        interface = primary_interface(view, account, region, endpoint.id)
        return [interface] if interface is not None else []
    balancer = view.get(LoadBalancer, account, region, endpoint.id)
    if balancer is None or not (endpoint.preserve_client_ip or balancer.scheme == "internal"):
        return []
    found = (view.get(NetworkInterface, account, region, node.interface_id) for node in balancer.zones)
    return [each for each in found if each is not None]


def entrance_of(snapshot: Snapshot, group: CustomGroup, endpoint: SubnetEndpoint) -> Entrance | None:
    """A subnet's entrance for a custom routing accelerator, once the kernel has it."""
    account, region = endpoint.owner or group.account, group.group_region
    for each in snapshot.list(Entrance, account, region):
        if each.holder == group.accelerator_arn and each.subnet_id == endpoint.id:
            return each if snapshot.get(InterfaceStatus, account, region, each.id) is not None else None
    return None


def owner(group: EndpointGroup, endpoint: Endpoint) -> str:
    return endpoint.owner or group.account


def addresses(snapshot: Snapshot, group: EndpointGroup, endpoint: Endpoint, six: bool = False) -> list[str]:
    """The addresses that edge locations send the endpoint's flows to; none while it has none (or is no more)."""
    account, region = owner(group, endpoint), group.group_region
    if six:
        return _six(snapshot, snapshot.get(LoadBalancer, account, region, endpoint.id))
    if endpoint.id.startswith("eipalloc-"):
        found = snapshot.get(ElasticIp, account, region, endpoint.id)
        return [found.public_ip] if found is not None else []
    if entered := interfaces(snapshot, group, endpoint):
        live = [each for each in entered if snapshot.get(InterfaceStatus, account, region, each.id) is not None]
        return [address for each in live for address in _entrance(snapshot, each)]
    balancer = snapshot.get(LoadBalancer, account, region, endpoint.id)
    if balancer is None:
        return []
    nodes = [node for node in balancer.zones if node.public_ip and is_live(snapshot, balancer, node)]
    return [node.public_ip for node in given_out(snapshot, balancer, nodes) if node.public_ip]


def _six(snapshot: Snapshot, balancer: LoadBalancer | None) -> list[str]:
    """A load balancer's IPv6 addresses, which are its own everywhere: no way is translated."""
    nodes = balancer.zones if balancer is not None else ()
    return [each.ipv6 for each in nodes if balancer is not None and each.ipv6 and is_live(snapshot, balancer, each)]


def _entrance(snapshot: Snapshot, interface: NetworkInterface) -> list[str]:
    """The address of the entrance to an interface, once the kernel has it."""
    return [
        each.id
        for each in snapshot.list(Entrance, interface.account, interface.region)
        if not each.holder
        and each.vpc_id == interface.vpc_id
        and each.private_ip == interface.private_ip
        and snapshot.get(InterfaceStatus, each.account, each.region, each.id) is not None
    ]


def is_probed(endpoint: Endpoint) -> bool:
    return endpoint.id.startswith(("eipalloc-", "i-"))


def state(snapshot: Snapshot, group: EndpointGroup, endpoint: Endpoint) -> str:
    """INITIAL, HEALTHY or UNHEALTHY."""
    if is_probed(endpoint):
        seen = snapshot.get(EndpointHealth, group.account, "", health_id(group.id, endpoint.id))
        return seen.state if seen is not None else INITIAL
    balancer = snapshot.get(LoadBalancer, owner(group, endpoint), group.group_region, endpoint.id)
    if balancer is None:
        return UNHEALTHY
    status = snapshot.get(LoadBalancerStatus, balancer.account, balancer.region, balancer.id)
    if status is None or status.state == "provisioning":
        return INITIAL
    healthy = is_healthy(snapshot, balancer, reached_groups(snapshot, balancer).values())
    return HEALTHY if healthy else UNHEALTHY


def states(snapshot: Snapshot, group: EndpointGroup) -> dict[str, str]:
    """Endpoint id → state."""
    return {each.id: state(snapshot, group, each) for each in group.endpoints}
