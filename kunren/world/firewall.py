"""From security groups and address translation to the text that `nft` loads. Pure.

Security groups are stateful and deny what no rule allows; what is allowed in may be answered, whatever the rules of
the other direction (EC2 User Guide, "Security group connection tracking"). They never filter traffic to the VPC's own
resolver, instance metadata and time service (same guide, "Security groups": "Security groups do not filter ...").
One-to-one translation is made where the VPC meets its internet gateway.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from ipaddress import IPv4Network, collapse_addresses, ip_network

from kunren.world.network import Firewall, FirewallRule, NodeAddress

UPLINK = "uplink"
LINK_LOCAL_RESOLVER = "169.254.169.253"
METADATA = "169.254.169.254"
TIME_SERVICE = "169.254.169.123"
_PORT_MAX = 65535
_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6"}


def workload_rules(firewall: Firewall, resolver: str) -> str:
    """The table of a workload's own namespace."""
    return _table(
        _chain("input", "filter", "input", "filter", "drop", [*_KNOWN, 'iifname "lo" accept', *_rules(firewall, True)]),
        _chain(
            "output",
            "filter",
            "output",
            "filter",
            "drop",
            [*_KNOWN, 'oifname "lo" accept', *_own_services(resolver), *_rules(firewall, False)],
        ),
    )


def vpc_rules(nodes: Sequence[NodeAddress], public: Mapping[str, str], resolver: str) -> str:
    """The table of a VPC's namespace: translation at the uplink, and the security groups of load balancer nodes."""
    parts = []
    if public:
        parts += [
            _map("arriving", sorted(public.items())),
            _map("leaving", sorted((private, address) for address, private in public.items())),
            _chain(
                "prerouting",
                "nat",
                "prerouting",
                "dstnat",
                "accept",
                [f'iifname "{UPLINK}" dnat to ip daddr map @arriving'],
            ),
            _chain(
                "postrouting",
                "nat",
                "postrouting",
                "srcnat",
                "accept",
                [f'oifname "{UPLINK}" snat to ip saddr map @leaving'],
            ),
        ]
    may_leave = (
        [f'oifname "{UPLINK}" ip saddr != {{ {", ".join(sorted(set(public.values())))} }} drop']
        if public
        else [f'oifname "{UPLINK}" drop']
    )
    only_translated = [f'iifname "{UPLINK}" ct state new ct status & dnat != dnat drop']
    parts.append(_chain("forward", "filter", "forward", "filter", "accept", [*only_translated, *may_leave]))
    for node in sorted(nodes, key=lambda each: each.id):
        parts.append(_jump_chain(_node_chain("in", node), [*_KNOWN, *_rules(node.firewall, True), "drop"]))
        outward = [*_KNOWN, *_own_services(resolver), *_rules(node.firewall, False), "drop"]
        parts.append(_jump_chain(_node_chain("out", node), outward))
    inward = [*only_translated, *_dispatch("daddr", "in", nodes)]
    parts.append(_chain("input", "filter", "input", "filter", "accept", inward))
    parts.append(
        _chain("output", "filter", "output", "filter", "accept", [*_dispatch("saddr", "out", nodes), *may_leave])
    )
    return _table(*parts)


_KNOWN = ("ct state established,related accept",)


def _own_services(resolver: str) -> list[str]:
    resolvers = f"{{ {resolver}, {LINK_LOCAL_RESOLVER} }}"
    return [
        f"ip daddr {resolvers} udp dport 53 accept",
        f"ip daddr {resolvers} tcp dport 53 accept",
        f"ip daddr {METADATA} tcp dport 80 accept",
        f"ip daddr {TIME_SERVICE} udp dport 123 accept",
    ]


def _rules(firewall: Firewall, inward: bool) -> list[str]:
    """The accepting lines of one direction, each once; rules without an IPv4 peer make none."""
    side = "saddr" if inward else "daddr"
    lines: dict[str, None] = {}
    for rule in firewall.ingress if inward else firewall.egress:
        if (what := _what(rule)) is not None and (peers := _peers(rule.cidrs, side)) is not None:
            lines[" ".join(part for part in (peers, what, "accept") if part)] = None
    return list(lines)


def _peers(cidrs: Iterable[str], side: str) -> str | None:
    networks = [network for each in cidrs if isinstance(network := ip_network(each, strict=False), IPv4Network)]
    collapsed = list(collapse_addresses(networks))
    if not collapsed:
        return None
    if collapsed[0].prefixlen == 0:
        return ""
    return f"ip {side} {{ {', '.join(str(each) for each in collapsed)} }}"


def _what(rule: FirewallRule) -> str | None:
    protocol = _PROTOCOLS.get(rule.protocol, rule.protocol)
    if protocol == "-1":
        return ""
    if protocol == "icmpv6":
        return None
    if protocol in ("tcp", "udp"):
        if rule.from_port <= 0 and rule.to_port in (-1, _PORT_MAX):
            return f"meta l4proto {protocol}"
        ports = str(rule.from_port) if rule.from_port == rule.to_port else f"{rule.from_port}-{rule.to_port}"
        return f"{protocol} dport {ports}"
    if protocol == "icmp":
        if rule.from_port == -1:
            return "meta l4proto icmp"
        code = "" if rule.to_port == -1 else f" icmp code {rule.to_port}"
        return f"icmp type {rule.from_port}{code}"
    return f"meta l4proto {int(protocol)}"


def _dispatch(side: str, direction: str, nodes: Sequence[NodeAddress]) -> list[str]:
    if not nodes:
        return []
    jumps = ", ".join(f"{node.address} : jump {_node_chain(direction, node)}" for node in nodes)
    return [f"ip {side} vmap {{ {jumps} }}"]


def _node_chain(direction: str, node: NodeAddress) -> str:
    return f"{direction}_{blake2b(node.id.encode(), digest_size=8).hexdigest()}"


def _map(name: str, elements: Sequence[tuple[str, str]]) -> str:
    listed = ", ".join(f"{key} : {value}" for key, value in elements)
    return f"  map {name} {{\n    type ipv4_addr : ipv4_addr\n    elements = {{ {listed} }}\n  }}\n"


def _chain(name: str, kind: str, hook: str, priority: str, policy: str, lines: Sequence[str]) -> str:
    head = f"type {kind} hook {hook} priority {priority}; policy {policy};"
    return _jump_chain(name, [head, *lines])


def _jump_chain(name: str, lines: Sequence[str]) -> str:
    return f"  chain {name} {{\n" + "".join(f"    {line}\n" for line in lines) + "  }\n"


def _table(*parts: str) -> str:
    return "table ip kunren {\n" + "".join(parts) + "}\n"
