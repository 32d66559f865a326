"""A NAT gateway as the world has it: a namespace on its subnet that takes what is routed to it and sends it on in its
own name. Pure.

Many share its one address, told apart by port. Only what starts on the inside makes a connection; TCP, UDP and ICMP
pass, nothing else. After the idle timeout the mapping is gone, and who goes on with a TCP connection then is told by a
reset ("NAT gateway basics" and "Troubleshoot NAT gateways": connections drop after 350 seconds).
"""

from __future__ import annotations

from kunren.world import nft
from kunren.world.network import NatGateway

_PORTS = "1024-65535"


def nat_sysctls(gateway: NatGateway) -> tuple[tuple[str, str], ...]:
    """A mapping lives for the idle timeout, and none is made from the middle of a connection."""
    idle = str(gateway.idle_timeout_s)
    timers = ("tcp_timeout_established", "udp_timeout", "udp_timeout_stream", "icmp_timeout")
    return (
        *((f"net/netfilter/nf_conntrack_{each}", idle) for each in timers),
        ("net/netfilter/nf_conntrack_tcp_loose", "0"),
    )


def nat_rules(gateway: NatGateway) -> str:
    known = "ct state established,related accept"
    return nft.table(
        nft.chain("input", "filter", "input", "filter", "drop", [known, 'iifname "lo" accept']),
        nft.chain(
            "forward",
            "filter",
            "forward",
            "filter",
            "drop",
            [
                known,
                "meta l4proto tcp ct state invalid reject with tcp reset",
                "meta l4proto { tcp, udp, icmp } ct state new accept",
            ],
        ),
        nft.chain(
            "postrouting",
            "nat",
            "postrouting",
            "srcnat",
            "accept",
            [
                f"meta l4proto {{ tcp, udp }} snat to {gateway.address}:{_PORTS}",
                f"meta l4proto icmp snat to {gateway.address}",
            ],
        ),
    )
