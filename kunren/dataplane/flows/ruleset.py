"""From a load balancer's flows to the text that `nft` loads. Pure.

How it works. The first packet of a flow marks the flow with its node, sets its idle timeout, and is translated to a
target; the kernel's connection tracking then translates all that follows, in both directions, whatever becomes of
these rules. Targets that must not see the client's address get the node's. Marked packets take the routes of the
node's subnet, so that a target in a private subnet answers by way of the node.

Two things differ from a translation by any router. A TCP segment that belongs to no flow (one that was idle for too
long, or was ended) is answered with a reset. And a client in the subnet of its target is shown to it as the node, since
the answer would not pass the router otherwise.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, reduce
from hashlib import blake2b
from ipaddress import IPv4Address
from math import gcd, log

from kunren.dataplane.flows.table import FlowListener, FlowNode, FlowTable, FlowTarget
from kunren.world.firewall import LOCAL_FLOW_MARK, UPLINK
from kunren.world.handed_on import node_mark
from kunren.world.layout import LINKS, flow_mark

_WORD = 0xFFFF_FFFF
_SLOTS_PER_TARGET = 32
_SLOTS_MAX = 4096
_DRAWS = 8
"""Slots that one digest is for."""
_OF_NO_FLOW = "tcp flags & (fin | syn | rst | ack) != syn"


def table_name(owner: str) -> str:
    """The name of an owner's table."""
    return f"flows_{blake2b(owner.encode(), digest_size=8).hexdigest()}"


def ruleset(owner: str, table: FlowTable) -> str:
    """The whole table."""
    nodes = sorted(table.nodes, key=lambda node: node.address)
    listeners = {
        f"{number}_{listener.protocol}_{listener.port}": (node, listener)
        for number, node in enumerate(nodes)
        for listener in node.listeners
    }
    parts = [_timeout(*each) for each in sorted({_idle(listener) for _, listener in listeners.values()})]
    for name, (node, listener) in listeners.items():
        parts.append(_chain(f"new_{name}", _begin(node, listener)))
        if listener.targets:
            ways = [
                *(_by_connection_id(listener.targets) if listener.quic else []),
                f"dnat ip to {_choice(listener, seed_of(owner))}",
            ]
            parts.append(_chain(f"to_{name}", [f"meta l4proto {listener.protocol} {way}" for way in ways]))
    marks = ", ".join(f"{node_mark(node.interface_id):#x} : {flow_mark(node.subnet_cidr):#x}" for node in nodes)
    # The proxy's own connections under clients' addresses: their answers are for it.
    returning = [f"meta l4proto tcp socket transparent 1 meta mark set {LOCAL_FLOW_MARK:#x} accept"]
    known = returning if any(node.returns for node in nodes) else []
    known += [f"meta mark set ct mark map {{ {marks} }}"] if nodes else []
    known += [f"ct state new,invalid {each}" for each in _dispatch("new", listeners)]
    unknown = _unknown_answers(nodes)
    known += [f"{each} meta mark set {flow_mark(nodes[0].subnet_cidr):#x}" for each in unknown]
    parts.append(_base("known", "filter", "prerouting", -140, known))
    parts += [_chain(f"no_{name}", [_refusal(listener)]) for name, (_, listener) in listeners.items()]
    refused = [f"ct state new,invalid {each}" for each in _dispatch("no", listeners)]
    parts.append(_base("refused_inside", "filter", "input", -15, refused))
    parts.append(
        _base("refused", "filter", "forward", -15, [*refused, *(f"{each} reject with tcp reset" for each in unknown)])
    )
    served = {name: each for name, each in listeners.items() if each[1].targets}
    parts.append(_base("balance", "nat", "prerouting", -105, _dispatch("to", served)))
    parts.append(_base("to_itself", "filter", "forward", 5, _to_itself(nodes)))
    parts.append(_base("closed", "filter", "input", 5, _closed(nodes)))
    sources = [line for node in nodes for line in _source(node, table.subnets)]
    parts.append(_base("source", "nat", "postrouting", 95, sources))
    return f"table ip {table_name(owner)} {{\n{''.join(parts)}}}\n"


def _begin(node: FlowNode, listener: FlowListener) -> list[str]:
    """A packet of no flow that is known gets the mark of its routes, and begins a flow where it may."""
    lines = [f"meta mark set {flow_mark(node.subnet_cidr):#x}"]
    if listener.protocol == "tcp":
        lines.append(f"{_OF_NO_FLOW} return")
    if not listener.targets:
        return lines
    name = _timeout_name(*_idle(listener))
    return [*lines, f'ct mark set {node_mark(node.interface_id):#x} ct timeout set "{name}"']


def _refusal(listener: FlowListener) -> str:
    """For what still has the node's address after translation: it began no flow. (Not in the chain before routing,
    since the kernel needs a route for its answer.)"""
    return "meta l4proto tcp reject with tcp reset" if listener.protocol == "tcp" else "drop"


def _unknown_answers(nodes: Iterable[FlowNode]) -> list[str]:
    """A target that sees clients' addresses answers in a flow that was ended: it is told so. (One that sees the node's
    is told by the node's own kernel.)"""
    seeing = sorted(
        f"{target.address} . {target.port}"
        for node in nodes
        for listener in node.listeners
        for target in listener.targets
        if target.preserve and listener.protocol == "tcp"
    )
    where = f'iifname != "{UPLINK}" ip saddr . tcp sport {{ {", ".join(dict.fromkeys(seeing))} }}'
    return [f"ct state new,invalid {where} {_OF_NO_FLOW}"] if seeing else []


def _idle(listener: FlowListener) -> tuple[str, int]:
    return listener.protocol, max(1, round(listener.idle_s))


def _timeout_name(protocol: str, seconds: int) -> str:
    return f"{protocol}_{seconds}"


def _timeout(protocol: str, seconds: int) -> str:
    states = ("established",) if protocol == "tcp" else ("unreplied", "replied")
    policy = ", ".join(f"{state} : {seconds}" for state in states)
    name = _timeout_name(protocol, seconds)
    return f"  ct timeout {name} {{ protocol {protocol}; l3proto ip; policy = {{ {policy} }} ; }}\n"


def _choice(listener: FlowListener, seed: int) -> str:
    """A target for a new flow: any, in their weights, for TCP; by the flow's sockets for UDP; by its client's address
    where flows are sticky."""
    if listener.sticky:
        return _mapped("jhash ip saddr", hashed_slots(listener.targets), f" seed {seed:#x}")
    if listener.protocol == "udp":
        sockets = "jhash ip saddr . udp sport . ip daddr . udp dport"
        return _mapped(sockets, hashed_slots(listener.targets), f" seed {seed:#x}")
    return _mapped("numgen random", weighted_slots(listener.targets))


def _by_connection_id(targets: Iterable[FlowTarget]) -> list[str]:
    """A client whose address changed goes on in a new flow: to the target that its packets' connection id names (eight
    bytes behind the first, "QUIC-LB: Generating Routable QUIC Connection IDs", plaintext). In a short header the id
    begins at the second byte; one that names nobody is for nobody. In a long header it begins at the seventh, and the
    client invents it for its first packets. (Bits are counted from the UDP header.)"""
    known = sorted((each.server_id, f"{each.address} . {each.port}") for each in targets if each.server_id)
    if not known:
        return ["@th,64,1 0 return"]
    ids, places = ", ".join(id for id, _ in known), ", ".join(f"{id} : {place}" for id, place in known)
    short, long = (
        f"@th,64,1 {bit} @th,{at},64 {{ {ids} }} dnat ip to @th,{at},64 map {{ {places} }}"
        for bit, at in ((0, 80), (1, 120))
    )
    return [short, "@th,64,1 0 return", long]


def _mapped(key: str, slots: Sequence[FlowTarget], seed: str = "") -> str:
    if len(set(slots)) == 1:
        return f"{slots[0].address}:{slots[0].port}"
    listed = ", ".join(f"{number} : {each.address} . {each.port}" for number, each in enumerate(slots))
    return f"{key} mod {len(slots)}{seed} map {{ {listed} }}"


def seed_of(owner: str) -> int:
    """The seed of an owner's hashes. (Without one the kernel takes another with every change of the table, and sticky
    clients would all be shuffled.)"""
    return int.from_bytes(blake2b(owner.encode(), digest_size=4).digest())


def sticky_target(owner: str, listener: FlowListener, client: str) -> FlowTarget:
    """The target of a sticky listener's flows from that address, as the kernel finds it."""
    slots = hashed_slots(listener.targets)
    return slots[jhash(IPv4Address(client).packed, seed_of(owner)) * len(slots) >> 32]


def jhash(word: bytes, seed: int) -> int:
    """The kernel's hash (Jenkins, lookup3) of four or eight bytes."""
    assert len(word) in (4, 8)
    a = b = c = (0xDEADBEEF + len(word) + seed) & _WORD
    a = (a + int.from_bytes(word[:4], "little")) & _WORD
    b = (b + int.from_bytes(word[4:], "little")) & _WORD
    for first, second, third in ((14, 11, 25), (16, 4, 14)):
        c = ((c ^ b) - _rotated(b, first)) & _WORD
        a = ((a ^ c) - _rotated(c, second)) & _WORD
        b = ((b ^ a) - _rotated(a, third)) & _WORD
    return ((c ^ b) - _rotated(b, 24)) & _WORD


def _rotated(word: int, by: int) -> int:
    return (word << by | word >> (32 - by)) & _WORD


def weighted_slots(targets: Iterable[FlowTarget]) -> list[FlowTarget]:
    """Each target as often as its weight says, in least numbers; by and large where those are too many."""
    weighed = sorted(each for each in targets if each.weight > 0)
    total = sum(each.weight for each in weighed)
    divisor: float = reduce(gcd, (each.weight for each in weighed), 0) or 1
    if total / divisor > _SLOTS_MAX:
        divisor = total / _SLOTS_MAX
    return [each for each in weighed for _ in range(max(1, round(each.weight / divisor)))]


def hashed_slots(targets: Iterable[FlowTarget]) -> list[FlowTarget]:
    """A table in which a target that comes or goes moves only its own share (rendezvous hashing)."""
    weighed = sorted(each for each in targets if each.weight > 0)
    if not weighed:
        return []
    count = min(_SLOTS_MAX, 1 << (_SLOTS_PER_TARGET * len(weighed) - 1).bit_length())
    each_bids = [_bids(f"{target.address}:{target.port}", target.weight, count) for target in weighed]
    return [weighed[bids.index(max(bids))] for bids in zip(*each_bids, strict=True)]


@lru_cache(maxsize=4096)
def _bids(name: str, weight: int, count: int) -> array[float]:
    """A target's bid for every slot: the highest of all wins, in the end in proportion to the weights."""
    draws = count // _DRAWS
    digests = (blake2b(f"{block} {name}".encode(), digest_size=8 * _DRAWS).digest() for block in range(draws))
    numbers = struct.unpack(f"<{count}Q", b"".join(digests))
    return array("d", (log((number + 1) / (2**64 + 1)) / weight for number in numbers))


def _dispatch(what: str, listeners: Mapping[str, tuple[FlowNode, FlowListener]]) -> list[str]:
    """Jumps by where a packet is sent: to the node's own address from anywhere, to its public one from outside."""
    private = {
        f"{node.address} . {each.protocol} . {each.port}": f"{what}_{name}" for name, (node, each) in listeners.items()
    }
    public = {
        f"{address} . {each.protocol} . {each.port}": f"{what}_{name}"
        for name, (node, each) in listeners.items()
        for address in (node.public, *node.entrances)
        if address
    }
    lines = []
    for condition, chains in (("", private), (f'iifname "{UPLINK}" ', public)):
        if chains:
            listed = ", ".join(f"{key} : jump {chain}" for key, chain in chains.items())
            lines.append(f"{condition}ip daddr . meta l4proto . th dport vmap {{ {listed} }}")
    return lines


def _source(node: FlowNode, subnets: Iterable[str]) -> list[str]:
    flow = f"ct mark {node_mark(node.interface_id):#x}"
    hidden = sorted(
        f"{target.address} . {listener.protocol} . {target.port}"
        for listener in node.listeners
        for target in listener.targets
        if not target.preserve
    )
    preserving = any(target.preserve for listener in node.listeners for target in listener.targets)
    as_node = f"snat ip to {_from(node)}"
    # Who comes by a VPC endpoint is never shown to targets: their networks may overlap.
    lines = [f"{flow} ip saddr {LINKS} {as_node}"] if preserving else []
    if hidden:
        where = f"ip daddr . meta l4proto . th dport {{ {', '.join(dict.fromkeys(hidden))} }}"
        lines.append(f"{flow} {where} {as_node}")
    if preserving:
        lines += [f"{flow} ip saddr {each} ip daddr {each} {as_node}" for each in subnets]
    if node.returns:
        mark = f"meta mark {flow_mark(node.subnet_cidr):#x} meta l4proto tcp"
        lines += [f"{mark} ip saddr {each} ip daddr {each} snat ip to {node.address}" for each in subnets]
    return lines


def _from(node: FlowNode) -> str:
    """The node's address, or its addresses in turn."""
    if not node.secondary:
        return node.address
    addresses = (node.address, *node.secondary)
    listed = ", ".join(f"{number} : {each}" for number, each in enumerate(addresses))
    return f"numgen inc mod {len(addresses)} map {{ {listed} }}"


def _to_itself(nodes: Iterable[FlowNode]) -> list[str]:
    """A target that is its own client gets no answer while it sees clients' addresses."""
    nodes = list(nodes)
    pairs = sorted(
        {
            f"{target.address} . {target.address}"
            for node in nodes
            for listener in node.listeners
            for target in listener.targets
            if target.preserve
        }
    )
    marks = ", ".join(f"{node_mark(node.interface_id):#x}" for node in nodes)
    return [f"ct mark {{ {marks} }} ct state new ip saddr . ip daddr {{ {', '.join(pairs)} }} drop"] if pairs else []


def _closed(nodes: Iterable[FlowNode]) -> list[str]:
    nodes = list(nodes)
    served = [f"{node.address} . {protocol} . {port}" for node in nodes for protocol, port in node.elsewhere]
    lines = [f"ip daddr . meta l4proto . th dport {{ {', '.join(served)} }} accept"] if served else []
    if nodes:
        addresses = ", ".join(each for node in nodes for each in (node.address, *node.secondary))
        lines.append(f"ip daddr {{ {addresses} }} ct state new meta l4proto {{ tcp, udp }} drop")
    return lines


def _base(name: str, kind: str, hook: str, priority: int, lines: Sequence[str]) -> str:
    return _chain(name, [f"type {kind} hook {hook} priority {priority}; policy accept;", *lines]) if lines else ""


def _chain(name: str, lines: Sequence[str]) -> str:
    return f"  chain {name} {{\n" + "".join(f"    {line}\n" for line in lines) + "  }\n"
