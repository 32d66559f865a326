"""The parts that the world's network is made of, as values, and the difference between two sets of them.

A layout (`layout.py`) is a list of facts. What must change is the difference between the facts that are and those
that shall be: `difference` says which to undo and which to make, in an order that the kernel accepts. The agent makes
and undoes single facts (`agent/network.py`) and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

MTU = 1500
LOOPBACK = "lo"
MAIN_TABLE = 254


class Namespace(msgspec.Struct, frozen=True, tag_field="kind", tag="namespace"):
    """A network namespace with loopback up; `sysctls` are paths below /proc/sys and what is written there."""

    name: str
    sysctls: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        return ("namespace", self.name)

    @property
    def namespaces(self) -> frozenset[str]:
        return frozenset({self.name})


class Resolver(msgspec.Struct, frozen=True, tag_field="kind", tag="resolver"):
    """The resolv.conf that programs of the namespace see."""

    namespace: str
    text: str

    @property
    def key(self) -> tuple[str, ...]:
        return ("resolver", self.namespace)

    @property
    def namespaces(self) -> frozenset[str]:
        return frozenset()


class Ruleset(msgspec.Struct, frozen=True, tag_field="kind", tag="ruleset"):
    """One nft table of the namespace, whole: a new text replaces the old one in one transaction. `family` is nft's: ip,
    ip6 or bridge."""

    namespace: str
    text: str
    table: str = "kunren"
    family: str = "ip"

    @property
    def key(self) -> tuple[str, ...]:
        return ("ruleset", self.namespace, self.family, self.table)

    @property
    def namespaces(self) -> frozenset[str]:
        return frozenset({self.namespace})


class Bridge(msgspec.Struct, frozen=True, tag_field="kind", tag="bridge"):
    namespace: str
    name: str
    mac: str
    mtu: int = MTU

    @property
    def key(self) -> tuple[str, ...]:
        return ("bridge", self.namespace, self.name)

    @property
    def namespaces(self) -> frozenset[str]:
        return frozenset({self.namespace})


class Veth(msgspec.Struct, frozen=True, tag_field="kind", tag="veth"):
    """A link between two namespaces, up at both ends; the first end may be a port of a bridge."""

    namespace: str
    name: str
    peer_namespace: str
    peer: str
    master: str | None = None
    peer_mac: str | None = None
    mtu: int = MTU

    @property
    def key(self) -> tuple[str, ...]:
        return ("veth", self.namespace, self.name)

    @property
    def namespaces(self) -> frozenset[str]:
        return frozenset({self.namespace, self.peer_namespace})


class Tunnel(msgspec.Struct, frozen=True, tag_field="kind", tag="tunnel"):
    """One end of a link that a program carries: a TUN device, up, which stays when nobody holds it."""

    namespace: str
    name: str
    mtu: int = MTU

    @property
    def key(self) -> tuple[str, ...]:
        return ("tunnel", self.namespace, self.name)

    @property
    def namespaces(self) -> frozenset[str]:
        return frozenset({self.namespace})


class Address(msgspec.Struct, frozen=True, tag_field="kind", tag="address"):
    """An address with its prefix length on a device, on which an IPv6 one switches IPv6 on."""

    namespace: str
    device: str
    address: str

    @property
    def key(self) -> tuple[str, ...]:
        return ("address", self.namespace, self.device, self.address)

    @property
    def namespaces(self) -> frozenset[str]:
        return frozenset({self.namespace})


class RouteFact(msgspec.Struct, frozen=True, tag_field="kind", tag="route"):
    """A route; `action` is unicast, local, blackhole, unreachable or throw. `window`: how many segments a TCP
    connection over it may have under way from its start (0: as the kernel has it)."""

    namespace: str
    destination: str
    action: str = "unicast"
    via: str | None = None
    device: str | None = None
    table: int = MAIN_TABLE
    window: int = 0

    @property
    def key(self) -> tuple[str, ...]:
        return ("route", self.namespace, str(self.table), self.destination)

    @property
    def namespaces(self) -> frozenset[str]:
        return frozenset({self.namespace})


class RuleFact(msgspec.Struct, frozen=True, tag_field="kind", tag="rule"):
    """A policy rule for packets from a source, with a mark, or that came in by an interface; `action` is lookup or
    blackhole."""

    namespace: str
    preference: int
    action: str = "lookup"
    source: str | None = None
    table: int = MAIN_TABLE
    mark: int = 0
    interface: str | None = None
    ipv6: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        family = "ip6" if self.ipv6 else "ip"
        return (
            "rule", self.namespace, family, str(self.preference), self.source or "", str(self.mark),
            self.interface or "",
        )  # fmt: skip

    @property
    def namespaces(self) -> frozenset[str]:
        return frozenset({self.namespace})


class Setting(msgspec.Struct, frozen=True, tag_field="kind", tag="setting"):
    """A setting of a namespace that another part has, below /proc/sys; it stays when it is undone."""

    namespace: str
    name: str
    value: str

    @property
    def key(self) -> tuple[str, ...]:
        return ("setting", self.namespace, self.name)

    @property
    def namespaces(self) -> frozenset[str]:
        return frozenset({self.namespace})


Fact = Setting | Namespace | Resolver | Ruleset | Bridge | Veth | Tunnel | Address | RouteFact | RuleFact
_ORDER: dict[str, int] = {
    kind: place
    for place, kind in enumerate(
        ("namespace", "setting", "resolver", "ruleset", "bridge", "veth", "tunnel", "address", "route", "rule"),
    )
}
_REPLACED_IN_PLACE = frozenset({"ruleset", "resolver", "route"})


def is_ipv6(fact: Fact) -> bool:
    """Is it of use only where the kernel has IPv6."""
    match fact:
        case Address():
            return ":" in fact.address
        case RouteFact():
            return ":" in fact.destination
        case RuleFact():
            return fact.ipv6
        case Ruleset():
            return fact.family == "ip6"
    return False


@dataclass(frozen=True, slots=True)
class Change:
    """What to undo, then what to make; `vanish` are facts that the kernel undoes by itself with their namespace."""

    undo: tuple[Fact, ...]
    make: tuple[Fact, ...]
    vanish: tuple[Fact, ...] = ()


def difference(there: Mapping[tuple[str, ...], Fact], wanted: Iterable[Fact]) -> Change:
    """The way from the facts that are (by key) to those wanted.

    A ruleset, a resolver or a route with a new value replaces the old one; anything else is undone first. What lies
    wholly in namespaces that go needs no undoing; a link into one that stays does, since the kernel removes a
    namespace's links some time later. Linux also drops the routes over an address or link that goes, so those that
    shall stay over a link that is made again are made again too.
    """
    goal: dict[tuple[str, ...], Fact] = {}
    for fact in wanted:
        if goal.setdefault(fact.key, fact) != fact:
            raise ValueError(f"two different facts are called {fact.key}: {goal[fact.key]} and {fact}")
    gone = [fact for key, fact in there.items() if _goes(fact, goal.get(key))]
    ending = {fact.name for fact in gone if isinstance(fact, Namespace)}
    vanish = [
        fact for fact in gone if not isinstance(fact, Namespace) and fact.namespaces and fact.namespaces <= ending
    ]
    silent = {fact.key for fact in vanish}
    undo = [fact for fact in gone if fact.key not in silent]
    lost = {end for fact in undo for end in _devices_emptied(fact)}
    make = [fact for key, fact in goal.items() if there.get(key) != fact or _lies_on(fact, lost)]
    return Change(
        undo=tuple(sorted(undo, key=_rank, reverse=True)),
        make=tuple(sorted(make, key=_rank)),
        vanish=tuple(vanish),
    )


def _goes(fact: Fact, successor: Fact | None) -> bool:
    if successor is None:
        return True
    return successor != fact and fact.key[0] not in _REPLACED_IN_PLACE


def _devices_emptied(fact: Fact) -> list[tuple[str, str]]:
    """The devices, by namespace, that lose addresses or routes when a fact is undone."""
    if isinstance(fact, Veth):
        return [(fact.namespace, fact.name), (fact.peer_namespace, fact.peer)]
    if isinstance(fact, Tunnel):
        return [(fact.namespace, fact.name)]
    if isinstance(fact, Address):
        return [(fact.namespace, fact.device)]
    return []


def _lies_on(fact: Fact, lost: set[tuple[str, str]]) -> bool:
    return isinstance(fact, Address | RouteFact) and (fact.namespace, fact.device) in lost


def _rank(fact: Fact) -> int:
    return _ORDER[fact.key[0]]
