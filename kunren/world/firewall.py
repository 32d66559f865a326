"""From security groups and address translation to the text that `nft` loads. Pure.

Security groups are stateful and deny what no rule allows; what is allowed in may be answered, whatever the rules of
the other direction (EC2 User Guide, "Security group connection tracking"). They never filter traffic to the VPC's own
resolver, instance metadata and time service (same guide, "Security groups": "Security groups do not filter ...").
One-to-one translation is made where the VPC meets its internet gateway.

What is sent to a load balancer node may be handed on by the kernel before it arrives anywhere (`dataplane/flows`): so
a node's groups are asked about new flows before that, and about the flow to the target in the forward chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, collapse_addresses, ip_network
from types import MappingProxyType

from kunren.world import handed_on, nft
from kunren.world.acl import Border, acl_chains
from kunren.world.network import Entrance, Firewall, FirewallRule, NodeAddress

UPLINK = "uplink"
FLOW_MARK = 0x2000_0000
"""A packet of a balanced flow; the rest of its mark is the routing table of the node's subnet."""
LOCAL_FLOW_MARK = 0x1000_0000
"""A packet for a socket of the router's own that has another's address."""
LINK_LOCAL_RESOLVER = "169.254.169.253"
ENTRANCE_MARK = 0x0800_0000
"""An answer to what came by an accelerator: it leaves by the uplink, whatever the routes of its subnet."""
METADATA = "169.254.169.254"
TIME_SERVICE = "169.254.169.123"


def workload_rules(firewall: Firewall, resolver: str, own: Sequence[str] = (), *, forwards: bool = False) -> str:
    """The table of a workload's own namespace.

    With the source/destination check nothing is forwarded and nothing leaves under another address than its `own`;
    without it (`forwards`) what passes through meets the rules of both directions.
    """
    inward = [*_KNOWN, 'iifname "lo" accept', *_rules(firewall, True)]
    outward = [*_KNOWN, 'oifname "lo" accept', *_own_services(resolver), *_rules(firewall, False)]
    if own and not forwards:
        outward.insert(0, f'oifname "eth0" ip saddr != {nft.among(own)} drop')
    return nft.table(
        nft.chain("input", "filter", "input", "filter", "drop", inward),
        nft.chain("output", "filter", "output", "filter", "drop", outward),
        nft.chain("forward", "filter", "forward", "filter", "drop", inward if forwards else []),
        nft.chain("forward_out", "filter", "forward", "filter + 1", "drop", outward) if forwards else "",
    )


def vpc_rules(
    nodes: Sequence[NodeAddress],
    public: Mapping[str, str],
    resolver: str,
    borders: Sequence[Border] = (),
    service_routes: Sequence[tuple[str, str]] = (),
    served: Sequence[str] = (),
    blocked: frozenset[str] = frozenset(),
    entrances: Sequence[Entrance] = (),
    flow_marks: Mapping[str, int] = MappingProxyType({}),
) -> str:
    """The table of a VPC's namespace: translation at the uplink, network ACLs at the subnets' borders, and the security
    groups of load balancer nodes. `service_routes` are the ways of subnets (block) to AWS's own addresses (block): what
    takes one leaves under the VPC's own address of the uplink, which leads back here alone. `served` are the devices by
    which endpoints to load balancers come, whose groups have been asked about the client itself by then. `blocked` are
    private addresses whose public ones carry nothing. `entrances` are where accelerators' flows come in: translated as
    public addresses are, but nothing leaves by them of its own. `flow_marks` are the subnets' (`layout.flow_mark`)."""
    arriving = {**public, **{each.address: each.private for each in entrances if each.private}}
    parts = acl_chains(borders, resolver, arriving, FLOW_MARK)
    to_services = [f'oifname "{UPLINK}" ip saddr {subnet} ip daddr {service}' for subnet, service in service_routes]
    if public:
        parts.append(nft.address_map("leaving", sorted((private, address) for address, private in public.items())))
    if arriving:
        parts += [
            nft.address_map("arriving", sorted(arriving.items())),
            nft.chain(
                "prerouting",
                "nat",
                "prerouting",
                "dstnat",
                "accept",
                [f'iifname "{UPLINK}" dnat to ip daddr map @arriving'],
            ),
        ]
    if entrances:
        entered = f"ct original ip daddr {nft.among([each.address for each in entrances])}"
        mark = f"meta mark set {ENTRANCE_MARK:#x}"
        # Answers, after balanced flows are marked with the routes of their node's subnet; and what arrives at a socket
        # of the router's own, which answers with the mark of what it accepts.
        answers_marked = [f"ct direction reply {entered} {mark}"]
        parts.append(nft.chain("entered", "filter", "prerouting", "mangle + 20", "accept", answers_marked))
        parts.append(nft.chain("entered_here", "filter", "input", "mangle", "accept", [f"{entered} {mark}"]))
    parts.append(handed_on.marking_chain(nodes, flow_marks))
    leaving = [f"{way} masquerade" for way in to_services]
    leaving += [f'oifname "{UPLINK}" snat to ip saddr map @leaving'] if public else []
    if leaving:
        parts.append(nft.chain("postrouting", "nat", "postrouting", "srcnat", "accept", leaving))
    # Who was reached by translation may answer by it, with or without a public address of its own.
    answers = [f'oifname "{UPLINK}" ct direction reply ct status & dnat == dnat accept']
    cut_off = sorted(address for address, private in arriving.items() if private in blocked)
    kept_in = [f'oifname "{UPLINK}" ip saddr {nft.among(sorted(blocked))} drop'] if blocked else []
    may_leave = [*(f"{way} accept" for way in to_services), *kept_in] + (
        [*answers, f'oifname "{UPLINK}" ip saddr != {{ {", ".join(sorted(set(public.values())))} }} drop']
        if public
        else [*(answers if entrances else ()), f'oifname "{UPLINK}" drop']
    )
    only_translated = [f'iifname "{UPLINK}" ct state new ct status & dnat != dnat drop']
    for node in sorted(nodes, key=lambda each: each.id):
        parts.append(nft.jump_chain(_node_chain("in", node), [*_KNOWN, *_rules(node.firewall, True), "drop"]))
        outward = [*_KNOWN, *_own_services(resolver), *_rules(node.firewall, False), "drop"]
        parts.append(nft.jump_chain(_node_chain("out", node), outward))
    devices = [f'"{each}"' for each in served]
    by_endpoints = [f"iifname {nft.among(devices)} accept"] if devices else []
    addressed = [
        *([f'iifname "{UPLINK}" ip daddr {nft.among(cut_off)} drop'] if cut_off else []),
        *by_endpoints,
        *(f"ct state new {line}" for line in _dispatch("daddr", "in", nodes)),
        *(f'iifname "{UPLINK}" ct state new {line}' for line in _dispatch("daddr", "in", nodes, arriving)),
    ]
    parts.append(nft.chain("addressed", "filter", "prerouting", "mangle", "accept", addressed))
    passed_on = [f"ct state new ct status & dnat == dnat {line}" for line in _dispatch_original(nodes, arriving)]
    forwarded = [*only_translated, *may_leave, *passed_on]
    parts.append(nft.chain("forward", "filter", "forward", "filter", "accept", forwarded))
    inward = [*by_endpoints, *only_translated, *_dispatch("daddr", "in", nodes)]
    parts.append(nft.chain("input", "filter", "input", "filter", "accept", inward))
    # Balanced flows that are refused or ended: segments of no connection of this namespace's own, marked by who sends.
    ending = [f"ct state invalid,untracked,related meta mark & {FLOW_MARK:#x} == {FLOW_MARK:#x} accept"]
    outward = [*ending, *_dispatch("saddr", "out", nodes), *may_leave]
    parts.append(nft.chain("output", "filter", "output", "filter", "accept", outward))
    return nft.table(*parts)


_KNOWN = ("ct state established,related accept",)


def _own_services(resolver: str) -> list[str]:
    resolvers = f"{{ {resolver}, {LINK_LOCAL_RESOLVER} }}"
    return [
        f"ip daddr {resolvers} udp dport 53 accept",
        f"ip daddr {resolvers} tcp dport 53 accept",
        f"ip daddr {METADATA} tcp dport 80 accept",
        f"ip daddr {TIME_SERVICE} udp dport 123 accept",
    ]


def inward_rules(firewall: Firewall) -> list[str]:
    """The accepting lines for what comes in."""
    return _rules(firewall, True)


def _rules(firewall: Firewall, inward: bool) -> list[str]:
    """The accepting lines of one direction, each once; rules without an IPv4 peer make none."""
    side = "saddr" if inward else "daddr"
    lines: dict[str, None] = {}
    for rule in firewall.ingress if inward else firewall.egress:
        if rule.macs and inward and (what := _what(rule)) is not None:
            lines[nft.line(f"ether saddr {nft.among(rule.macs)}", what, "accept")] = None
        elif rule.entered and inward and rule.cidrs and (what := _what(rule)) is not None:
            lines[nft.line(f"ct original ip daddr {nft.among(rule.cidrs)}", what, "accept")] = None
        elif not rule.entered and (what := _what(rule)) is not None and (peers := _peers(rule.cidrs, side)) is not None:
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
    return nft.traffic(rule.protocol, rule.from_port, rule.to_port)


def _dispatch(
    side: str, direction: str, nodes: Sequence[NodeAddress], public: Mapping[str, str] | None = None
) -> list[str]:
    """A jump to each node's chain by its address; by its public one where `public` (public → private) is given."""
    chains = {node.address: _node_chain(direction, node) for node in nodes}
    if public is not None:
        chains = {address: chains[private] for address, private in sorted(public.items()) if private in chains}
    if not chains:
        return []
    return [f"ip {side} vmap {{ {', '.join(f'{address} : jump {chain}' for address, chain in chains.items())} }}"]


def _dispatch_original(nodes: Sequence[NodeAddress], public: Mapping[str, str]) -> list[str]:
    """The same by the address that the flow was sent to."""
    lines = [*_dispatch("daddr", "out", nodes), *_dispatch("daddr", "out", nodes, public)]
    return [f"ct original {line}" for line in lines]


def _node_chain(direction: str, node: NodeAddress) -> str:
    return nft.named(direction, node.id)
