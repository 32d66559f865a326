"""A NAT gateway as the world has it: a namespace on its subnet that takes what is routed to it and sends it on in its
own name. Pure.

Many share its addresses, told apart by port; of several addresses each new connection gets one by chance. Only what
starts on the inside makes a connection; TCP, UDP and ICMP pass, nothing else. After the idle timeout the mapping is
gone, and who goes on with a TCP connection then is told by a reset ("NAT gateway basics" and "Troubleshoot NAT
gateways": connections drop after 350 seconds).
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
    own = [gateway.address, *(each for each in gateway.secondary if each not in gateway.leaving)]
    choices = ", ".join(f"{number} : goto from_{number}" for number in range(len(own)))
    return nft.table(
        *(nft.jump_chain(f"from_{number}", _translation(address)) for number, address in enumerate(own)),
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
            [f"numgen random mod {len(own)} vmap {{ {choices} }}"],
        ),
    )


def _translation(address: str) -> list[str]:
    return [f"meta l4proto {{ tcp, udp }} snat to {address}:{_PORTS}", f"meta l4proto icmp snat to {address}"]
