"""Which IP versions load balancers, listeners and target groups may have together: pure rules, on a reader.

"IP address type" in the guides of both kinds of load balancers: target groups of IPv6 need a dual-stack load balancer,
and what a dual-stack Network Load Balancer cannot balance over IPv6 it has no listener for.
"""

from __future__ import annotations

from collections.abc import Iterable

from kunren.services.elbv2 import errors
from kunren.services.elbv2.api.base import View
from kunren.services.elbv2.associations import groups_of, listeners_of, rules_of_balancer
from kunren.services.elbv2.model import LoadBalancer, TargetGroup

_DATAGRAMS = ("UDP", "TCP_UDP", "QUIC", "TCP_QUIC")


def check_address_type(view: View, balancer: LoadBalancer, address_type: str) -> None:
    """May the load balancer, as it is used, get this type. Raises InvalidConfigurationRequest."""
    if address_type == "ipv4":
        reached = groups_of(rules_of_balancer(view, balancer))
        found = (view.get(TargetGroup, balancer.account, balancer.region, arn) for arn in sorted(reached))
        check_groups("ipv4", (each for each in found if each is not None))
    else:
        for listener in listeners_of(view, balancer):
            check_listener(balancer.type, address_type, listener.protocol)


def check_listener(kind: str, address_type: str, protocol: str) -> None:
    """Raises InvalidConfigurationRequest."""
    if kind == "network" and address_type != "ipv4" and protocol in _DATAGRAMS:
        raise errors.InvalidConfigurationRequest(
            f"Listeners with the protocol '{protocol}' are not supported for dualstack load balancers with source NAT"
            " for IPv6 disabled"
        )


def check_groups(address_type: str, groups: Iterable[TargetGroup]) -> None:
    """Raises InvalidConfigurationRequest."""
    for group in groups:
        if group.ip_address_type == "ipv6" and address_type == "ipv4":
            raise errors.InvalidConfigurationRequest(
                f"The target group '{group.id}' with the IP address type 'ipv6' can only be used with load balancers"
                " of the IP address type 'dualstack'"
            )
