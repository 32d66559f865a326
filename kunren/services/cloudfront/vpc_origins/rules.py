"""What a VPC origin may lead to, and whether its way is there. Pure reads.

Developer Guide, "Restrict access with VPC origins".
"""

from __future__ import annotations

from typing import Any, TypeAlias

from kunren.control.store import Snapshot, Tx
from kunren.core.arn import parse_arn
from kunren.services.cloudfront.checks import items
from kunren.services.cloudfront.errors import AccessDenied, EntityNotFound, InvalidArgument, NotHere
from kunren.services.cloudfront.model import Distribution
from kunren.services.cloudfront.vpc_origins.model import VpcOrigin, VpcOriginNetwork
from kunren.services.ec2 import store as ec2
from kunren.services.ec2.model import InterfaceStatus, Vpc
from kunren.services.elbv2.model import LoadBalancer

View: TypeAlias = Snapshot | Tx
DEPLOYED, DEPLOYING = "Deployed", "Deploying"


def find(view: View, account: str, identity: str) -> VpcOrigin:
    """Raises EntityNotFound."""
    found = view.get(VpcOrigin, account, "", identity)
    if found is None:
        raise EntityNotFound
    return found


def balancer_of(view: View, arn: str) -> LoadBalancer | None:
    parsed = parse_arn(arn)
    return view.get(LoadBalancer, parsed.account, parsed.region, arn) if parsed is not None else None


def check(view: View, account: str, config: dict[str, Any]) -> None:
    """Raises what is wrong with an endpoint configuration."""
    parsed = parse_arn(config["Arn"])
    if parsed is not None and parsed.service == "ec2" and parsed.resource.startswith("instance/"):
        raise NotHere("Kunren has no EC2 instances: pass the ARN of a load balancer.")
    if parsed is None or parsed.service != "elasticloadbalancing":
        raise InvalidArgument("The parameter Arn is not the ARN of a load balancer or an EC2 instance.")
    if parsed.account != account:
        raise AccessDenied("VPC origins lead to resources of the same account.")
    found = balancer_of(view, config["Arn"])
    if found is None or found.type not in ("application", "network"):
        raise InvalidArgument(f"The load balancer {config['Arn']} does not exist.")
    if found.scheme != "internal":
        raise InvalidArgument(f"The load balancer {config['Arn']} is not internal.")
    if not found.security_groups:
        raise InvalidArgument(f"The load balancer {config['Arn']} has no security groups.")
    vpc = view.get(Vpc, account, parsed.region, found.vpc_id)
    if vpc is None or ec2.gateway_of(view, vpc) is None:
        raise InvalidArgument(f"The VPC {found.vpc_id} has no internet gateway.")


def status(view: View, origin: VpcOrigin) -> str:
    """Deployed once the kernel has an interface on each of the load balancer's subnets."""
    found = balancer_of(view, origin.config["Arn"])
    network = view.get(VpcOriginNetwork, origin.account, "", origin.id)
    if found is None or network is None or {each.subnet_id for each in found.zones} != network.interfaces.keys():
        return DEPLOYING
    there = (view.get(InterfaceStatus, origin.account, network.home, each) for each in network.interfaces.values())
    return DEPLOYED if all(there) else DEPLOYING


def distributions_of(view: View, account: str, identity: str) -> list[Distribution]:
    """Those that have the origin."""
    return [
        each
        for each in view.list(Distribution, account, "")
        if any(
            (origin.get("VpcOriginConfig") or {}).get("VpcOriginId") == identity
            for origin in items(each.config["Origins"])
        )
    ]
