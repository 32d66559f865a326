"""What an endpoint is: whether it may be one, at which addresses it is reached, and how it is. Pure reads.

Load balancers are as healthy as Elastic Load Balancing says they are; Elastic IP addresses are probed by the endpoint
group's health check ("Health checks for endpoints", Developer Guide).
"""

from __future__ import annotations

from typing import Any, TypeAlias

from kunren.control.store import Snapshot, Tx
from kunren.core.arn import parse_arn
from kunren.services.ec2.model import ElasticIp
from kunren.services.elbv2.controllers import is_healthy
from kunren.services.elbv2.dataplane.balancer import is_live, reached_groups
from kunren.services.elbv2.model import Listener as BalancerListener
from kunren.services.elbv2.model import LoadBalancer, LoadBalancerStatus
from kunren.services.globalaccelerator.errors import InvalidArgumentException, NotHere
from kunren.services.globalaccelerator.model import Endpoint, EndpointGroup, EndpointHealth, health_id

View: TypeAlias = Snapshot | Tx
INITIAL, HEALTHY, UNHEALTHY = "INITIAL", "HEALTHY", "UNHEALTHY"
_ELB = "(Service: AmazonElasticLoadBalancing; Status Code: 400; Error Code: {})"
_INTERNAL = (
    "Kunren reaches internet-facing load balancers and Elastic IP addresses as endpoints, internal load balancers not"
    " yet: make {} internet-facing."
)
_INSTANCES = (
    "Kunren has no EC2 instances as endpoints yet: give {} an Elastic IP address, or put a load balancer before it."
)


def checked(view: View, account: str, region: str, given: dict[str, Any]) -> Endpoint:
    """The endpoint that an EndpointConfiguration asks for. Raises InvalidArgumentException."""
    identity = given.get("EndpointId") or ""
    if given.get("AttachmentArn"):
        raise NotHere("Kunren has no cross-account attachments: use an endpoint of the accelerator's own account.")
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
        raise NotHere(_INSTANCES.format(identity))
    raise InvalidArgumentException(f"{identity or 'An endpoint without EndpointId'} is not a valid endpoint.")


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
    if balancer.scheme != "internet-facing":
        raise NotHere(_INTERNAL.format(arn))
    return balancer


def _preserves(view: View, balancer: LoadBalancer, asked: bool | None) -> bool:
    """On by default for Application Load Balancers; Network ones need security groups, and no TLS listener."""
    if balancer.type == "application":
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


def addresses(snapshot: Snapshot, account: str, region: str, endpoint: Endpoint) -> list[str]:
    """The public addresses that flows to the endpoint go to; none while it has none (or is no more)."""
    if endpoint.id.startswith("eipalloc-"):
        found = snapshot.get(ElasticIp, account, region, endpoint.id)
        return [found.public_ip] if found is not None else []
    balancer = snapshot.get(LoadBalancer, account, region, endpoint.id)
    if balancer is None:
        return []
    return [node.public_ip for node in balancer.zones if node.public_ip and is_live(snapshot, balancer, node)]


def is_probed(endpoint: Endpoint) -> bool:
    return endpoint.id.startswith("eipalloc-")


def state(snapshot: Snapshot, group: EndpointGroup, endpoint: Endpoint) -> str:
    """INITIAL, HEALTHY or UNHEALTHY."""
    if is_probed(endpoint):
        seen = snapshot.get(EndpointHealth, group.account, "", health_id(group.id, endpoint.id))
        return seen.state if seen is not None else INITIAL
    balancer = snapshot.get(LoadBalancer, group.account, group.group_region, endpoint.id)
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
