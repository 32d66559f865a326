"""An interface endpoint to a customer's own service as the world has it: two namespaces that translate. Pure.

The endpoint's is on the consumer's subnet. It asks the endpoint's security groups, then the load balancer's about the
same client, and hands on in its own name. The service's side sends what comes to a node of the load balancer, in its
own name again: so either VPC may have the other's addresses, and neither sees them.
"""

from __future__ import annotations

from kunren.world import nft
from kunren.world.firewall import inward_rules
from kunren.world.network import EndpointLink

OUTWARD = "service"  # the devices between the two, and to the service's VPC
INWARD, NODES = "endpoint", "nodes"
_KNOWN = "ct state established,related accept"


def endpoint_rules(link: EndpointLink, service: str) -> str:
    """The table of the endpoint's namespace. `service` is the other side's address. The groups are asked before any
    translation, as a load balancer node's are, so that flow logs see the addresses on both sides of them."""
    others = [_KNOWN, 'iifname != "eth0" accept']
    guard = inward_rules(link.guard) if link.guard is not None else ["accept"]
    hand_on = [_KNOWN, 'iifname "eth0" accept'] if link.joined else []
    return nft.table(
        nft.chain("asked", "filter", "prerouting", "mangle - 1", "drop", [*others, *inward_rules(link.firewall)]),
        nft.chain("guard", "filter", "prerouting", "mangle", "drop", [*others, *guard]),
        nft.chain("input", "filter", "input", "filter", "drop", [_KNOWN, 'iifname "lo" accept']),
        nft.chain("forward", "filter", "forward", "filter", "drop", hand_on),
        _handing_on("eth0", f"ip daddr {link.address}", service, OUTWARD) if link.joined else "",
    )


def service_rules(node: str) -> str:
    """The table of the service's side."""
    return nft.table(
        nft.chain("input", "filter", "input", "filter", "drop", []),
        nft.chain("forward", "filter", "forward", "filter", "drop", [_KNOWN, f'iifname "{INWARD}" accept']),
        _handing_on(INWARD, "", node, NODES),
    )


def _handing_on(device: str, what: str, to: str, out: str) -> str:
    arriving = nft.line(f'iifname "{device}"', what, f"meta l4proto {{ tcp, udp }} dnat to {to}")
    return nft.chain("prerouting", "nat", "prerouting", "dstnat", "accept", [arriving]) + nft.chain(
        "postrouting", "nat", "postrouting", "srcnat", "accept", [f'oifname "{out}" masquerade']
    )
