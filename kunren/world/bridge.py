"""The bridge of containers on an instance, as Docker makes one: namespaces of their own behind docker0 in the
instance's, reached by ports of the instance, and going out under its address. Pure.

What comes in is judged by the instance's security groups, by the port of the instance that was asked for, and what goes
out too (`firewall.workload_rules`, where the workload is `bridged`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from kunren.world import nft
from kunren.world.facts import Address, Bridge, Fact, Namespace, RouteFact, Ruleset, Setting, Veth
from kunren.world.firewall import DOCKER as DEVICE
from kunren.world.network import workload_namespace

GATEWAY = "172.17.0.1"
_PREFIX = 16
_HOSTS_MAX = (1 << 16) - 4
TABLE = "docker"


@dataclass(frozen=True, slots=True)
class Bridged:
    """A container: its namespace, its address on the bridge, its ports as (protocol, the instance's, its own)."""

    namespace: str
    address: str
    ports: tuple[tuple[str, int, int], ...] = ()


def address(number: int) -> str:
    """The bridge's address of that number, from 0 on."""
    number = number % _HOSTS_MAX + 2
    return f"172.17.{number >> 8}.{number & 255}"


def bridge(interface_id: str, containers: Sequence[Bridged], sysctls: tuple[tuple[str, str], ...]) -> list[Fact]:
    """The part of one instance, by its network interface; nothing where it has no container."""
    if not containers:
        return []
    host = workload_namespace(interface_id)
    made: list[Fact] = [
        Setting(host, "net/ipv4/ip_forward", "1"),
        Bridge(host, DEVICE, _mac(f"{interface_id} {DEVICE}")),
        Address(host, DEVICE, f"{GATEWAY}/{_PREFIX}"),
        Ruleset(host, rules(containers), TABLE),
    ]
    for each in containers:
        port = f"v{blake2b(each.namespace.encode(), digest_size=6).hexdigest()}"
        made += [
            Namespace(each.namespace, sysctls),
            Veth(host, port, each.namespace, "eth0", master=DEVICE, peer_mac=_mac(each.namespace)),
            Address(each.namespace, "eth0", f"{each.address}/{_PREFIX}"),
            RouteFact(each.namespace, "0.0.0.0/0", via=GATEWAY, device="eth0"),
        ]
    return made


def rules(containers: Sequence[Bridged]) -> str:
    """Ports of the instance lead to containers; what containers send elsewhere is the instance's own."""
    lines = [
        f"fib daddr type local {protocol} dport {host_port} dnat to {each.address}:{port}"
        for each in containers
        for protocol, host_port, port in each.ports
    ]
    parts = (
        nft.chain("prerouting", "nat", "prerouting", "dstnat", "accept", lines),
        nft.chain("output", "nat", "output", "-100", "accept", [f"ip daddr != 127.0.0.0/8 {each}" for each in lines]),
        nft.chain(
            "postrouting", "nat", "postrouting", "srcnat", "accept",
            [
                f'ip saddr 172.17.0.0/{_PREFIX} oifname != "{DEVICE}" masquerade',
                # one container to another by a port of the instance: its answers come back this way, too
                f'ip saddr 172.17.0.0/{_PREFIX} oifname "{DEVICE}" ct status & dnat == dnat masquerade',
            ],
        ),
    )  # fmt: skip
    return f"table ip {TABLE} {{\n" + "".join(parts) + "}\n"


def _mac(identity: str) -> str:
    digits = blake2b(identity.encode(), digest_size=5).hexdigest()
    return ":".join(("02", *(digits[at : at + 2] for at in range(0, 10, 2))))
