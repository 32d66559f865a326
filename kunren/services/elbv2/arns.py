"""The ARNs and DNS names of load balancing, and the canonical hosted zones that alias records need.

```
loadbalancer/app/NAME/LB   listener/app/NAME/LB/LISTENER   listener-rule/app/NAME/LB/LISTENER/RULE   targetgroup/NAME/TG
truststore/NAME/TS
```
"""

from __future__ import annotations

import re

from kunren.core.arn import build_arn, parse_arn
from kunren.core.entropy import Entropy
from kunren.core.hosted_zone_ids import ALB, NLB
from kunren.services.elbv2.errors import validation_error

_SERVICE = "elasticloadbalancing"
_HEX = r"[0-9a-f]{16}"
_SHAPES = {
    "load balancer": re.compile(rf"loadbalancer/(app|net|gwy)/[^/]+/{_HEX}"),
    "listener": re.compile(rf"listener/(app|net|gwy)/[^/]+/{_HEX}/{_HEX}"),
    "listener rule": re.compile(rf"listener-rule/(app|net|gwy)/[^/]+/{_HEX}/{_HEX}/{_HEX}"),
    "target group": re.compile(rf"targetgroup/[^/]+/{_HEX}"),
    "trust store": re.compile(rf"truststore/[^/]+/{_HEX}"),
}


_KINDS = {"application": "app", "network": "net"}


def hosted_zone(region: str, kind: str = "application") -> str:
    """The canonical hosted zone id of a region's load balancers of that kind; a region of a world file that AWS does
    not have gets the one of us-east-1."""
    zones = NLB if kind == "network" else ALB
    return zones.get(region, zones["us-east-1"])


def load_balancer_arn(entropy: Entropy, account: str, region: str, name: str, kind: str = "application") -> str:
    return build_arn(_SERVICE, region, account, f"loadbalancer/{_KINDS[kind]}/{name}/{entropy.hex(16)}")


def listener_arn(entropy: Entropy, load_balancer: str) -> str:
    return f"{load_balancer.replace(':loadbalancer/', ':listener/')}/{entropy.hex(16)}"


def rule_arn(entropy: Entropy, listener: str) -> str:
    return f"{listener.replace(':listener/', ':listener-rule/')}/{entropy.hex(16)}"


def target_group_arn(entropy: Entropy, account: str, region: str, name: str) -> str:
    return build_arn(_SERVICE, region, account, f"targetgroup/{name}/{entropy.hex(16)}")


def trust_store_arn(entropy: Entropy, account: str, region: str, name: str) -> str:
    return build_arn(_SERVICE, region, account, f"truststore/{name}/{entropy.hex(16)}")


def dns_name(entropy: Entropy, region: str, name: str, scheme: str) -> str:
    prefix = "internal-" if scheme == "internal" else ""
    number = str(entropy.integer(1, 9)) + entropy.digits(9)
    return f"{prefix}{name}-{number}.{region}.elb.amazonaws.com"


def network_dns_name(arn: str, region: str) -> str:
    """A Network Load Balancer's name has its id in it; each zone's has the zone in front."""
    _, _, name, identity = arn.rsplit("/", 3)
    return f"{name}-{identity}.elb.{region}.amazonaws.com"


def balancer_of(arn: str) -> str:
    """The load balancer's ARN, which a listener's or rule's contains: `…:listener/app/NAME/LB/LISTENER[/RULE]`."""
    prefix, _, path = arn.replace(":listener-rule/", ":listener/").partition(":listener/")
    return f"{prefix}:loadbalancer/{'/'.join(path.split('/')[:3])}"


def interface_description(arn: str) -> str:
    """How the load balancer's network interfaces describe themselves: `ELB app/NAME/ID`."""
    return "ELB " + arn.split(":loadbalancer/", 1)[1]


def kind_of(arn: str) -> str | None:
    """What an ARN names: "load balancer", "listener", "listener rule", "target group", "trust store"; None for none of
    ours."""
    parts = parse_arn(arn)
    if parts is None or parts.service != _SERVICE:
        return None
    return next((kind for kind, shape in _SHAPES.items() if shape.fullmatch(parts.resource)), None)


def check_arn(arn: str, kind: str) -> None:
    """Raises ValidationError where the text is no ARN of that kind."""
    if kind_of(arn) != kind:
        raise validation_error(f"'{arn}' is not a valid {kind} ARN")


def dimension(arn: str) -> str:
    """A load balancer or target group as CloudWatch's dimensions have it: `app/NAME/ID`, `targetgroup/NAME/ID`."""
    return arn.partition(":loadbalancer/")[2] or arn.rpartition(":")[2]
