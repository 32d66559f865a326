"""From security groups and address translation to the text that `nft` loads. Pure.

Security groups are stateful and deny what no rule allows; what is allowed in may be answered, whatever the rules of
the other direction (EC2 User Guide, "Security group connection tracking"). They never filter traffic to the VPC's own
resolver, instance metadata and time service (same guide, "Security groups": "Security groups do not filter ...").
One-to-one translation is made where the VPC meets its internet gateway.

What is sent to a load balancer node may be handed on by the kernel before it arrives anywhere (`dataplane/flows`): so
a node's groups are asked about new flows before that, and about the flow to the target in the forward chain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import collapse_addresses, ip_network
from types import MappingProxyType

from kunren.world import handed_on, nft
from kunren.world.acl import Border, acl_chains
from kunren.world.network import Entrance, Firewall, NodeAddress
from kunren.world.nft import V4, V6, Family

UPLINK = "uplink"
EGRESS = "egress"
"""The device by which a VPC's egress-only internet gateway lets packets out; answers come by the uplink."""
DOCKER = "docker0"
"""The bridge of an instance's containers."""
_PORT = re.compile(r"\b(tcp|udp) dport (\S+)")
FLOW_MARK = 0x2000_0000
"""A packet of a balanced flow; the rest of its mark is the routing table of the node's subnet."""
LOCAL_FLOW_MARK = 0x1000_0000
"""A packet for a socket of the router's own that has another's address."""
LINK_LOCAL_RESOLVER = "169.254.169.253"
ENTRANCE_MARK = 0x0800_0000
"""An answer to what came by an accelerator: it leaves by the uplink, whatever the routes of its subnet."""
METADATA = "169.254.169.254"
TASK_METADATA = "169.254.170.2"
"""Where tasks are told about themselves and get their role's credentials ("Amazon ECS task metadata endpoint")."""
TIME_SERVICE = "169.254.169.123"
RESOLVER6 = "fd00:ec2::253"
"""Where a VPC's resolver answers over IPv6, in every VPC ("Amazon DNS server")."""


def workload_rules(
    firewall: Firewall,
    resolver: str,
    own: Sequence[str] = (),
    *,
    forwards: bool = False,
    bridged: bool = False,
    silent: bool = False,
    family: Family = V4,
) -> str:
    """The table of a workload's own namespace. Of a `silent` one nothing comes and goes.

    Where containers are behind it (`bridged`), what they send meets the outward rules, and what is sent to one of its
    ports that leads to them the inward ones.

    With the source/destination check nothing is forwarded and nothing leaves under another address than its `own`;
    without it (`forwards`) what passes through meets the rules of both directions.
    """
    if silent:
        ways = ("input", "output", "forward")
        return nft.table(*(nft.chain(each, "filter", each, "filter", "drop", []) for each in ways), family=family)
    neighbours = [f"{family.neighbours} accept"] if family.neighbours else []
    inward = [*neighbours, *_KNOWN, 'iifname "lo" accept', *_rules(firewall, True, family)]
    services = _own_services(resolver) if family is V4 else _resolving(resolver)
    outward = [*_KNOWN, 'oifname "lo" accept', *services, *_rules(firewall, False, family)]
    if own and not forwards:
        outward.insert(0, f'oifname "eth0" {family.name} saddr != {nft.among(own)} drop')
    outward = [*neighbours, *outward]
    passed = inward if forwards else []
    if bridged:
        passed = _to_containers(inward, [*services, *_rules(firewall, False, family)], passed)
        inward = [*inward, f'iifname "{DOCKER}" accept']
        outward = [*outward, f'oifname "{DOCKER}" accept']
    return nft.table(
        nft.chain("input", "filter", "input", "filter", "drop", inward),
        nft.chain("output", "filter", "output", "filter", "drop", outward),
        nft.chain("forward", "filter", "forward", "filter", "drop", passed),
        nft.chain("forward_out", "filter", "forward", "filter + 1", "drop", outward) if forwards else "",
        family=family,
    )


def _to_containers(inward: Sequence[str], outward: Sequence[str], otherwise: Sequence[str]) -> list[str]:
    """The forward chain of an instance with containers: those among each other, to elsewhere, and from elsewhere by the
    port that was asked for."""
    asked = (_PORT.sub(r"meta l4proto \1 ct original proto-dst \2", each) for each in inward)
    return [
        *_KNOWN,
        f'iifname "{DOCKER}" oifname "{DOCKER}" accept',
        *(f'iifname "{DOCKER}" {each}' for each in outward),
        *(f'oifname "{DOCKER}" ct status & dnat == dnat {each}' for each in asked),
        *otherwise,
    ]


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


def vpc_rules6(
    nodes: Sequence[NodeAddress],
    blocks: Sequence[str],
    borders: Sequence[Border] = (),
    *,
    internet_gateway: bool,
    blocked: frozenset[str] = frozenset(),
    shut: frozenset[str] = frozenset(),
) -> str:
    """The IPv6 table of a VPC's namespace, where nothing is translated: what comes from the internet gateway may begin
    a flow, what the egress-only one lets out may be answered alone. `nodes` have their IPv6 addresses; `blocks` are
    the VPC's, and nothing leaves it from elsewhere. The internet gateway carries nothing of `blocked` addresses, and
    the egress-only one nothing of those that are `shut`."""
    parts = acl_chains(borders, RESOLVER6, {}, FLOW_MARK, V6)
    for node in sorted(nodes, key=lambda each: each.id):
        parts.append(nft.jump_chain(_node_chain("in", node), [*_KNOWN, *_rules(node.firewall, True, V6), "drop"]))
        outward = [*_KNOWN, *_resolving(RESOLVER6), *_rules(node.firewall, False, V6), "drop"]
        parts.append(nft.jump_chain(_node_chain("out", node), outward))
    arriving = f'iifname "{UPLINK}" ct state new'
    addressed = [] if internet_gateway else [f"{arriving} drop"]
    addressed += [f"{arriving} ip6 daddr {nft.among(sorted(blocked))} drop"] if blocked else []
    addressed += [f"ct state new {line}" for line in _dispatch("daddr", "in", nodes, family=V6)]
    parts.append(nft.chain("addressed", "filter", "prerouting", "mangle", "accept", addressed))
    ways = f'oifname {{ "{UPLINK}", "{EGRESS}" }}'
    may_leave = [
        f"{V6.neighbours} accept",
        f"{ways} ip6 saddr != {nft.among(blocks)} drop",
        f'oifname "{EGRESS}" ct direction reply drop',
        *([f'oifname "{UPLINK}" ip6 saddr {nft.among(sorted(blocked))} drop'] if blocked else []),
        *([f'oifname "{EGRESS}" ip6 saddr {nft.among(sorted(shut))} drop'] if shut else []),
    ]
    parts.append(nft.chain("forward", "filter", "forward", "filter", "accept", may_leave))
    inward = [f"{V6.neighbours} accept", *_dispatch("daddr", "in", nodes, family=V6)]
    parts.append(nft.chain("input", "filter", "input", "filter", "accept", inward))
    outward = [may_leave[0], *_dispatch("saddr", "out", nodes, family=V6), *may_leave[1:]]
    parts.append(nft.chain("output", "filter", "output", "filter", "accept", outward))
    return nft.table(*parts, family=V6)


_KNOWN = ("ct state established,related accept",)


def _own_services(resolver: str) -> list[str]:
    resolvers = f"{{ {resolver}, {LINK_LOCAL_RESOLVER} }}"
    return [
        f"ip daddr {resolvers} udp dport 53 accept",
        f"ip daddr {resolvers} tcp dport 53 accept",
        f"ip daddr {{ {METADATA}, {TASK_METADATA} }} tcp dport 80 accept",
        f"ip daddr {TIME_SERVICE} udp dport 123 accept",
    ]


def _resolving(resolver: str) -> list[str]:
    return [f"ip6 daddr {resolver} meta l4proto {{ tcp, udp }} th dport 53 accept"]


def inward_rules(firewall: Firewall) -> list[str]:
    """The accepting lines for what comes in."""
    return _rules(firewall, True)


def _rules(firewall: Firewall, inward: bool, family: Family = V4) -> list[str]:
    """The accepting lines of one direction, each once; rules without a peer of the family make none."""
    side = "saddr" if inward else "daddr"
    lines: dict[str, None] = {}
    for rule in firewall.ingress if inward else firewall.egress:
        what = nft.traffic(rule.protocol, rule.from_port, rule.to_port, family)
        if rule.macs or rule.entered:  # handed on by nodes and entrances, which are of IPv4
            if not inward or family is V6 or what is None:
                continue
            if rule.macs:
                lines[nft.line(f"ether saddr {nft.among(rule.macs)}", what, "accept")] = None
            elif rule.cidrs:
                lines[nft.line(f"ct original ip daddr {nft.among(rule.cidrs)}", what, "accept")] = None
        elif what is not None and (peers := _peers(rule.cidrs, side, family)) is not None:
            lines[" ".join(part for part in (peers, what, "accept") if part)] = None
    return list(lines)


def _peers(cidrs: Iterable[str], side: str, family: Family) -> str | None:
    networks = [ip_network(each, strict=False) for each in cidrs if (":" in each) == (family is V6)]
    collapsed = list(collapse_addresses(networks))  # type: ignore[type-var]
    if not collapsed:
        return None
    if collapsed[0].prefixlen == 0:
        return ""
    return f"{family.name} {side} {{ {', '.join(str(each) for each in collapsed)} }}"


def _dispatch(
    side: str,
    direction: str,
    nodes: Sequence[NodeAddress],
    public: Mapping[str, str] | None = None,
    family: Family = V4,
) -> list[str]:
    """A jump to each node's chain by its address; by its public one where `public` (public → private) is given."""
    chains = {node.address: _node_chain(direction, node) for node in nodes}
    if public is not None:
        chains = {address: chains[private] for address, private in sorted(public.items()) if private in chains}
    if not chains:
        return []
    return [
        f"{family.name} {side} vmap {{ {', '.join(f'{address} : jump {chain}' for address, chain in chains.items())} }}"
    ]


def _dispatch_original(nodes: Sequence[NodeAddress], public: Mapping[str, str]) -> list[str]:
    """The same by the address that the flow was sent to."""
    lines = [*_dispatch("daddr", "out", nodes), *_dispatch("daddr", "out", nodes, public)]
    return [f"ct original {line}" for line in lines]


def _node_chain(direction: str, node: NodeAddress) -> str:
    return nft.named(direction, node.id)
