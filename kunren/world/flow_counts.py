"""Counting the packets of a network interface, by flow, where they are let pass and where they are dropped. Pure.

A gate (a firewall, a network ACL) is counted on both its sides: what comes before it and not after it was dropped by
it. So no firewall knows that it is watched, and where nobody watches there is nothing. The counts are elements of nft
sets in a table of their own, one flow each; a flow that is idle is forgotten after `keep_s`.

The same traffic is left out as in AWS's flow logs: with the VPC's resolver, link-local services and the router's own
address ("Flow log limitations").
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from kunren.world import nft
from kunren.world.firewall import RESOLVER6
from kunren.world.network import (
    EndpointLink,
    NatGateway,
    NodeAddress,
    VpcNetwork,
    Workload,
    vpc_namespace,
    workload_namespace,
)
from kunren.world.nft import V4, V6, Family

FLOWS_MAX = 65535
INGRESS, EGRESS = "ingress", "egress"
_LINK_LOCAL = {V4: ("169.254.0.0/16",), V6: ("fe80::/10", "ff00::/8", RESOLVER6)}
# Around a workload's own firewall, and around the two steps of network ACLs in the VPC's namespace (`acl.py`).
_BEFORE_FIREWALL, _AFTER_FIREWALL = -1, 2
_BEFORE_OUT, _BETWEEN, _AFTER_INTO = -30, -15, -5
# Around the firewall of a load balancer node, which looks at what arrives before any translation.
_ARRIVING, _ADMITTED, _LEAVING = -300, -149, -151
_NAT_DONE = 300
_ELEMENT = re.compile(r"([\da-f:.]+) \. ([\da-f:.]+) \. (\d+) \. (\d+) \. (\d+) counter packets (\d+) bytes (\d+)")


class Flow(NamedTuple):
    """Packets of one direction of an interface with the same addresses, protocol and ports (0 where there are none)."""

    direction: str
    source: str
    destination: str
    protocol: int
    source_port: int
    destination_port: int


class Count(NamedTuple):
    packets: int = 0
    bytes: int = 0

    def plus(self, other: Count) -> Count:
        return Count(self.packets + other.packets, self.bytes + other.bytes)

    def minus(self, other: Count) -> Count:
        """What is more here; nothing where there is less."""
        left = self.packets - other.packets
        return Count(left, max(0, self.bytes - other.bytes)) if left > 0 else Count()


class Counts(NamedTuple):
    """What a set of flows has come to since they are counted. `full`: there was no room for some."""

    accepted: dict[Flow, Count]
    rejected: dict[Flow, Count]
    full: bool = False


class Gate(NamedTuple):
    """The sets before and after it. `upstream`: it stands before the point where the direction's total is counted."""

    before: str
    after: str
    upstream: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """The counting of one namespace: for each hook and priority, what is counted there into which set."""

    namespace: str
    points: tuple[tuple[str, int, str, str], ...]
    family: Family = V4

    @property
    def sets(self) -> list[str]:
        """In the order in which a packet meets them: read so, a packet under way is never taken for a dropped one."""
        return list(dict.fromkeys(each[3] for each in self.points))


@dataclass(slots=True)
class Observer:
    """How one interface is counted: `totals` is the set of all packets of a direction, `gates` where they may end."""

    id: str
    tables: list[Table] = field(default_factory=list)
    totals: dict[str, str] = field(default_factory=dict)
    gates: dict[str, list[Gate]] = field(default_factory=lambda: {INGRESS: [], EGRESS: []})

    @property
    def table(self) -> str:
        return nft.named("flows", self.id)


def observers(network: VpcNetwork) -> list[Observer]:
    """Those of the interfaces whose flows are to be counted."""
    found = [_of_workload(network, each) for each in network.workloads if each.id in network.observed]
    found += [_of_node(network, each) for each in network.nodes if each.id in network.observed]
    six = {each.id: each.tables for each in _observers6(network)}
    for each in found:
        each.tables += six.get(each.id, [])
    found += [_of_nat(network, each) for each in network.nat_gateways if each.id in network.observed]
    return found + [_of_link(network, each) for each in network.links if each.id in network.observed]


def _observers6(network: VpcNetwork) -> list[Observer]:
    """The same of their IPv6 addresses, whose sets have the same names."""
    found = [
        _of_workload(network, replace(each, address=each.ipv6[0], secondary=each.ipv6[1:]), V6)
        for each in network.workloads
        if each.id in network.observed and each.ipv6
    ]
    nodes = (replace(each, address=each.address6, secondary=()) for each in network.nodes if each.address6)
    return found + [_of_node(network, each, V6) for each in nodes if each.id in network.observed]


def _of_workload(network: VpcNetwork, workload: Workload, family: Family = V4) -> Observer:
    here, there = 'iifname "eth0"', 'oifname "eth0"'
    points = [
        ("input", _BEFORE_FIREWALL, here, "in_total"),
        ("forward", _BEFORE_FIREWALL, here, "in_total"),
        ("output", _BEFORE_FIREWALL, there, "out_total"),
        ("input", _AFTER_FIREWALL, here, "in_passed"),
        ("forward", _AFTER_FIREWALL, here, "in_passed"),
        ("forward", _AFTER_FIREWALL, there, "out_total"),
        ("forward", _AFTER_FIREWALL, there, "out_passed"),
        ("output", _AFTER_FIREWALL, there, "out_passed"),
    ]
    observer = Observer(workload.id, [Table(workload_namespace(workload.id), tuple(points), family)])
    observer.totals = {INGRESS: "in_total", EGRESS: "out_total"}
    observer.gates[INGRESS].append(Gate("in_total", "in_passed"))
    observer.gates[EGRESS].append(Gate("out_total", "out_passed"))
    own = (workload.address, *workload.secondary)
    _add_acl(network, observer, workload.subnet_id, own, upstream=True, family=family)
    return observer


def _of_nat(network: VpcNetwork, gateway: NatGateway) -> Observer:
    """What a NAT gateway does not take is accepted by its interface all the same ("Troubleshoot NAT gateways")."""
    points = (
        ("prerouting", _ARRIVING, 'iifname "eth0"', "in_total"),
        ("postrouting", _NAT_DONE, 'oifname "eth0"', "out_total"),
    )
    observer = Observer(gateway.id, [Table(workload_namespace(gateway.id), points)])
    observer.totals = {INGRESS: "in_total", EGRESS: "out_total"}
    _add_acl(network, observer, gateway.subnet_id, (gateway.address, *gateway.secondary), upstream=True)
    return observer


def _of_link(network: VpcNetwork, link: EndpointLink) -> Observer:
    """An endpoint to a customer's service. What it hands on is counted as it comes in, like a load balancer node's."""
    points = (
        ("prerouting", _ARRIVING, 'iifname "eth0"', "in_total"),
        ("prerouting", _ADMITTED, 'iifname "eth0"', "in_passed"),
        ("postrouting", _NAT_DONE, 'oifname "eth0"', "out_total"),
    )
    observer = Observer(link.id, [Table(workload_namespace(link.id), points)])
    observer.totals = {INGRESS: "in_total", EGRESS: "out_total"}
    observer.gates[INGRESS].append(Gate("in_total", "in_passed"))
    _add_acl(network, observer, link.subnet_id, (link.address,), upstream=True)
    return observer


def _of_node(network: VpcNetwork, node: NodeAddress, family: Family = V4) -> Observer:
    """A load balancer node. Flows that the kernel hands on to targets are counted as they come in."""
    ip = family.name
    public = [each for each, private in network.arriving.items() if private == node.address]
    arrives = f'iifname != "lo" {ip} daddr {nft.among([node.address, *public])}'
    leaves = f'oifname != "lo" {ip} saddr {nft.among(node.addresses)}'
    points = (
        ("prerouting", _ARRIVING, arrives, "in_total"),
        ("prerouting", _ADMITTED, arrives, "in_passed"),
        ("output", _BEFORE_OUT, leaves, "out_total"),
        ("output", _AFTER_INTO, leaves, "out_guarded"),
        ("postrouting", _LEAVING, leaves, "out_passed"),
    )
    observer = Observer(node.id, [Table(vpc_namespace(network.id), points, family)])
    observer.totals = {INGRESS: "in_total", EGRESS: "out_total"}
    observer.gates[INGRESS].append(Gate("in_total", "in_passed"))
    observer.gates[EGRESS].append(Gate("out_guarded", "out_passed"))
    _add_acl(network, observer, node.subnet_id, (node.address,), upstream=False, family=family)
    return observer


def _add_acl(
    network: VpcNetwork,
    observer: Observer,
    subnet_id: str,
    addresses: Sequence[str],
    *,
    upstream: bool,
    family: Family = V4,
) -> None:
    """The network ACL of its subnet, where there is one. What ends or begins in the VPC's own namespace goes
    through its input and output; the rest through forward."""
    if all(each.acl is None for each in network.subnets if each.id == subnet_id):
        return
    source, destination = (f"{family.name} {side} {nft.among(addresses)}" for side in ("saddr", "daddr"))
    outward = ("forward", "input") if upstream else ("output",)
    inward = ("forward", "output") if upstream else ("input",)
    points = [(hook, _BEFORE_OUT, source, "acl_out_before") for hook in outward]
    points += [(hook, _BETWEEN, source, "acl_out_after") for hook in outward]
    points += [(hook, _BETWEEN, destination, "acl_in_before") for hook in inward]
    points += [(hook, _AFTER_INTO, destination, "acl_in_after") for hook in inward]
    namespace = vpc_namespace(network.id)
    if observer.tables[0].namespace == namespace:
        observer.tables[0] = Table(namespace, (*observer.tables[0].points, *points), family)
    else:
        observer.tables.append(Table(namespace, tuple(points), family))
    observer.gates[EGRESS].append(Gate("acl_out_before", "acl_out_after"))
    observer.gates[INGRESS].append(Gate("acl_in_before", "acl_in_after", upstream))


def table_text(network: VpcNetwork, observer: Observer, table: Table) -> str:
    """What nft loads."""
    family, ip = table.family, table.family.name
    own = [str(IPv4Network(network.cidrs[0])[2])] if family is V4 else []
    exempt = nft.among([*_LINK_LOCAL[family], *own, *_routers(network, family)])
    key = f"{ip} saddr . {ip} daddr . meta l4proto"
    types = f"{family.address_type} . {family.address_type} . inet_proto . inet_service . inet_service"
    parts = [
        f"  set {name} {{\n    type {types}\n"
        f"    size {FLOWS_MAX}\n    flags dynamic,timeout\n    timeout {network.flows_kept_s}s\n    counter\n  }}\n"
        for name in table.sets
    ]
    by_hook: dict[tuple[str, int], list[str]] = defaultdict(list)
    for hook, priority, match, name in table.points:
        by_hook[hook, priority] += [
            f"{match} meta l4proto {{ tcp, udp }} update @{name} {{ {key} . th sport . th dport }}",
            f"{match} meta l4proto != {{ tcp, udp }} update @{name} {{ {key} . 0 . 0 }}",
        ]
    for number, ((hook, priority), lines) in enumerate(by_hook.items()):
        left_out = [f"{ip} saddr {exempt} return", f"{ip} daddr {exempt} return"]
        left_out += [f"{family.neighbours} return"] if family.neighbours else []
        parts.append(nft.chain(f"count{number}", "filter", hook, str(priority), "accept", [*left_out, *lines]))
    return f"table {ip} {observer.table} {{\n{''.join(parts)}}}\n"


def _routers(network: VpcNetwork, family: Family) -> list[str]:
    if family is V6:
        return [str(IPv6Network(each.cidr6)[1]) for each in network.subnets if each.cidr6]
    return [str(IPv4Network(each.cidr)[1]) for each in network.subnets]


def parsed(listed: str) -> tuple[dict[tuple[str, str, int, int, int], Count], bool]:
    """The elements of a set as `nft -nn list table` prints it, and whether it is full."""
    found = {}
    for source, destination, protocol, from_port, to_port, packets, size in _ELEMENT.findall(listed):
        found[source, destination, int(protocol), int(from_port), int(to_port)] = Count(int(packets), int(size))
    return found, len(found) >= FLOWS_MAX


def counted(observer: Observer, listed: Mapping[str, str], private: Mapping[str, str]) -> Counts:
    """The flows of an interface from its sets. `private` has the private address of each public one: outside of the
    internet gateway there is nothing to see of an interface."""
    counts: dict[str, dict[tuple[str, str, int, int, int], Count]] = {}
    full = False
    for name, text in listed.items():
        elements, is_full = parsed(text)
        full = full or is_full
        merged = counts[name] = {}
        for (source, destination, *rest), count in elements.items():
            key = (private.get(source, source), private.get(destination, destination), *rest)
            merged[key] = merged.get(key, Count()).plus(count)  # type: ignore[index, arg-type]
    result = Counts({}, {}, full)
    for direction, total in observer.totals.items():
        gates = observer.gates[direction]
        for key in _keys(counts, [total, *(each.before for each in gates)]):
            flow = Flow(direction, *key)
            dropped = [
                (gate, counts[gate.before].get(key, Count()).minus(counts[gate.after].get(key, Count())))
                for gate in gates
            ]
            accepted = counts[total].get(key, Count())
            rejected = Count()
            for gate, count in dropped:
                rejected = rejected.plus(count)
                accepted = accepted if gate.upstream else accepted.minus(count)
            result.accepted[flow] = accepted
            result.rejected[flow] = rejected
    return result


def _keys(
    counts: Mapping[str, Mapping[tuple[str, str, int, int, int], Count]], names: Iterable[str]
) -> list[tuple[str, str, int, int, int]]:
    return list(dict.fromkeys(key for name in names for key in counts[name]))
