"""What is served: immutable zones and names, in one immutable, versioned set.

A `Zone` holds record sets by owner name as prepared wire bytes. Changing it makes a new value that shares all that
stayed (persistent maps), so a change costs what it touches, not what the zone holds. `Zones` is everything that is
published at one serial: hosted zones found by suffix, and the names that AWS itself owns (load balancers and the
like), each put there by an owner who replaces all that it had before. Refuses to know where zones come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import immutables

from kunren.dataplane.dns import names
from kunren.dataplane.dns.blocks import Blocks

if TYPE_CHECKING:
    from kunren.dataplane.dns.signing import ZoneSigner

A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, DS, ANY = 1, 2, 5, 6, 12, 15, 16, 28, 33, 43, 255
RRSIG, NSEC, DNSKEY = 46, 47, 48
RECORD_TYPES = {
    "A": A, "NS": NS, "CNAME": CNAME, "SOA": SOA, "PTR": PTR, "MX": MX, "TXT": TXT, "AAAA": AAAA, "SRV": SRV,
    "NAPTR": 35, "DS": DS, "SSHFP": 44, "TLSA": 52, "SVCB": 64, "HTTPS": 65, "SPF": 99, "ANY": ANY, "CAA": 257,
}  # fmt: skip

_DUALSTACK = b"\x09dualstack"
_NO_BLOCKS: Blocks[str] = Blocks.build({})


class RRset(NamedTuple):
    """Records of one name and type, ready for a message. `rdatas` are without their length; `signatures` are the data
    of RRSIG records, for those who want them."""

    name: bytes
    rtype: int
    ttl: int
    rdatas: tuple[bytes, ...]
    signatures: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Records:
    """`health_check` is the id of the health check that says whether they may be answered, where there is one."""

    ttl: int
    rdatas: tuple[bytes, ...]
    health_check: str | None = None


@dataclass(frozen=True, slots=True)
class Alias:
    """Answers with the records that `target` has, in this zone or among AWS's own names, under their TTL. With
    `evaluate`, it is as healthy as its target."""

    target: bytes
    same_zone: bool
    evaluate: bool = False
    health_check: str | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One of the record sets between which a routing policy chooses, with what that policy looks at: `weight` (0 to
    255), `region`, `role` (PRIMARY or SECONDARY), `area` (as `geography.area` writes it), `position` (degrees north and
    east) with `bias`, `blocks` (a CIDR collection's id and a location of it, or "*"), `affinity` (kind and id of a
    location of Availability Zones)."""

    record_set: Records | Alias | Routed
    identifier: str = ""
    weight: int = 0
    region: str = ""
    role: str = ""
    area: str = ""
    position: tuple[float, float] | None = None
    bias: int = 0
    blocks: tuple[str, str] | None = None
    affinity: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Routed:
    """The record sets of one name and type under a routing policy other than simple: one of `policies.POLICIES`."""

    policy: str
    options: tuple[Option, ...]


RecordSet: TypeAlias = Records | Alias | Routed
Node: TypeAlias = Mapping[int, RecordSet]
# immutables.Map: owner name → Node, and name → how many owner names lie below it
_Nodes: TypeAlias = Any
_Counts: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Zone:
    """One hosted zone at one version. `addresses` are its name servers'; of zones with one name, the first `created`
    is the one that the registry knows. A private zone has `vpcs` instead: only their resolvers know it, and it
    delegates nothing (its NS records are data like any other); with `fallback`, names that it has not are the
    internet's. With `signing`, its answers are signed for those who want that."""

    id: str
    name: bytes
    addresses: frozenset[str]
    created: float
    version: int
    nodes: _Nodes
    below: _Counts
    cuts: frozenset[bytes] = frozenset()
    vpcs: frozenset[str] = frozenset()
    fallback: bool = False
    signing: ZoneSigner | None = None

    @classmethod
    def build(
        cls,
        id: str,
        name: bytes,
        nodes: Mapping[bytes, Node],
        *,
        addresses: frozenset[str] = frozenset(),
        created: float = 0.0,
        version: int = 0,
        vpcs: frozenset[str] = frozenset(),
        fallback: bool = False,
        signing: ZoneSigner | None = None,
    ) -> Zone:
        none = immutables.Map()
        empty = cls(id, name, addresses, created, version, none, none, vpcs=vpcs, fallback=fallback, signing=signing)
        return empty.with_nodes(nodes, version)

    def with_nodes(self, changed: Mapping[bytes, Node | None], version: int) -> Zone:
        """The zone at a new version, with those owner names replaced (None: gone)."""
        nodes, below = self.nodes.mutate(), self.below.mutate()
        cuts = self.cuts
        for name, node in changed.items():
            present, wanted = name in nodes, bool(node)
            if wanted:
                nodes[name] = node
            elif present:
                del nodes[name]
            if present != wanted:
                self._count(below, name, 1 if wanted else -1)
            is_cut = node is not None and name != self.name and NS in node and not self.vpcs
            if is_cut != (name in cuts):
                cuts = cuts | {name} if is_cut else cuts - {name}
        return replace(self, version=version, nodes=nodes.finish(), below=below.finish(), cuts=cuts)

    def _count(self, below: Any, name: bytes, step: int) -> None:
        apex_length = len(self.name)
        while len(name) > apex_length:
            name = names.parent(name)
            count = below.get(name, 0) + step
            if count:
                below[name] = count
            else:
                del below[name]

    def exists(self, name: bytes) -> bool:
        """Whether the name has records or names below it (an empty non-terminal, RFC 4592 section 2.2.2)."""
        return name in self.nodes or name in self.below


@dataclass(frozen=True, slots=True)
class NameRecords:
    """Addresses of one of AWS's own names. `a` and `aaaa` are addresses as text, which answers shuffle; `healthy` is
    what an alias that evaluates its target's health sees. `near` are the `a` that clients in a VPC are to get by the id
    of their Availability Zone, in so many of a hundred answers (`near_share`)."""

    a: tuple[str, ...] = ()
    aaaa: tuple[str, ...] = ()
    ptr: tuple[str, ...] = ()  # names
    ttl: int = 60
    healthy: bool = True
    near: tuple[tuple[str, tuple[str, ...]], ...] = ()
    near_share: int = 100

    def node(self) -> Node:
        found = {
            A: self._records(self.a),
            AAAA: Records(self.ttl, tuple(IPv6Address(each).packed for each in self.aaaa)),
            PTR: Records(self.ttl, tuple(names.to_wire(each) for each in self.ptr)),
        }
        node: dict[int, RecordSet] = {rtype: records for rtype, records in found.items() if records.rdatas}
        if A in node and self.near:
            node[A] = self._by_zone(found[A])
        return node

    def _records(self, addresses: Iterable[str]) -> Records:
        return Records(self.ttl, tuple(IPv4Address(each).packed for each in addresses))

    def _by_zone(self, everywhere: Records) -> Routed:
        """The last option is for everybody."""
        near = [Option(self._records(addresses), affinity=("AvailabilityZone", zone)) for zone, addresses in self.near]
        routed = Routed("AZ affinity", (*near, Option(everywhere, affinity=("Global", "global"))))
        if self.near_share == 100:
            return routed
        return Routed(
            "weighted", (Option(routed, weight=self.near_share), Option(everywhere, weight=100 - self.near_share))
        )


@dataclass(frozen=True, slots=True)
class Zones:
    """All that is served at one serial."""

    serial: int = 0
    _zones_of: Any = field(default_factory=immutables.Map)  # owner → tuple of zones
    _names_of: Any = field(default_factory=immutables.Map)  # owner → tuple of wire names
    _by_name: Any = field(default_factory=immutables.Map)  # apex → zones, first created first
    _names: Any = field(default_factory=immutables.Map)  # wire name → (Node, whether healthy)
    _above: Any = field(default_factory=immutables.Map)  # wire name → how many apexes and names lie below it
    _private: Any = field(default_factory=immutables.Map)  # (VPC id, apex) → private zones, first created first
    _unhealthy: frozenset[str] = frozenset()  # ids of health checks
    _collections: Any = field(default_factory=immutables.Map)  # CIDR collection id → Blocks of location names

    def publish(self, owner: str, zones: Mapping[str, Zone]) -> Zones:
        """Replace the zones of an owner."""
        by_name, above, private = self._by_name, self._above, self._private
        old: tuple[Zone, ...] = self._zones_of.get(owner, ())
        new = tuple(zones.values())
        for zone in old:
            by_name = _without(by_name, () if zone.vpcs else (zone.name,), zone)
            private = _without(private, [(vpc_id, zone.name) for vpc_id in zone.vpcs], zone)
        for zone in new:
            by_name = _with(by_name, () if zone.vpcs else (zone.name,), zone)
            private = _with(private, [(vpc_id, zone.name) for vpc_id in zone.vpcs], zone)
        gone, come = ([zone.name for zone in each if not zone.vpcs] for each in (old, new))
        if set(gone) != set(come):
            above = _counted(above, gone, come)
        zones_of = self._zones_of.set(owner, new) if new else self._zones_of.delete(owner) if old else self._zones_of
        return replace(
            self, serial=self.serial + 1, _zones_of=zones_of, _by_name=by_name, _above=above, _private=private
        )

    def publish_names(self, owner: str, published: Mapping[str, NameRecords]) -> Zones:
        """Replace the names of an owner. Raises BadName, and ValueError for what is no address."""
        nodes = {names.to_wire(name): (records.node(), records.healthy) for name, records in published.items()}
        old: tuple[bytes, ...] = self._names_of.get(owner, ())
        if not nodes and not old:
            return self
        found = self._names.mutate()
        for name in old:
            found.pop(name, None)
        for name, entry in nodes.items():
            found[name] = entry
        names_of = self._names_of.set(owner, tuple(nodes)) if nodes else self._names_of.delete(owner)
        above = _counted(self._above, old, tuple(nodes))
        return replace(self, serial=self.serial + 1, _names_of=names_of, _names=found.finish(), _above=above)

    def publish_unhealthy(self, health_checks: frozenset[str]) -> Zones:
        """The health checks that fail at this moment; all others, unknown ones too, count as healthy."""
        return replace(self, serial=self.serial + 1, _unhealthy=health_checks)

    def publish_collection(self, id: str, blocks: Mapping[str, str] | None) -> Zones:
        """Replace a CIDR collection: block → location name (None: the collection is gone). Raises ValueError."""
        if blocks is None:
            found = self._collections.delete(id) if id in self._collections else self._collections
        else:
            found = self._collections.set(id, Blocks.build(blocks))
        return replace(self, serial=self.serial + 1, _collections=found)

    def passes(self, health_check: str) -> bool:
        """Whether a health check says healthy, or is not known."""
        return health_check not in self._unhealthy

    def collection(self, id: str) -> Blocks[str]:
        """The blocks of a CIDR collection; none where it is not known."""
        found: Blocks[str] = self._collections.get(id, _NO_BLOCKS)
        return found

    def zones_of(self, owner: str) -> tuple[Zone, ...]:
        found: tuple[Zone, ...] = self._zones_of.get(owner, ())
        return found

    def private(self, vpc_id: str, name: bytes) -> Zone | None:
        """The closest private zone above the name that the VPC is associated with."""
        for suffix in names.suffixes(name):
            if hosted := self._private.get((vpc_id, suffix)):
                return hosted[0]  # type: ignore[no-any-return]
        return None

    def named(self, name: bytes) -> Node | None:
        """What one of AWS's own names has, if it was published. `dualstack.` before it is the same name."""
        found: tuple[Node, bool] | None = self._names.get(name) or self._dualstack(name)
        return found[0] if found is not None else None

    def is_near(self, name: bytes) -> bool:
        """Whether the addresses of a published name depend on the Availability Zone of who asks in a VPC."""
        return isinstance((self.named(name) or {}).get(A), Routed)

    def is_healthy(self, name: bytes) -> bool:
        """Whether a published name says that what stands behind it is well."""
        found: tuple[Node, bool] | None = self._names.get(name) or self._dualstack(name)
        return found is not None and found[1]

    def _dualstack(self, name: bytes) -> Any:
        return self._names.get(names.parent(name)) if name.startswith(_DUALSTACK) else None

    def is_above(self, name: bytes) -> bool:
        """Whether a zone or a published name lies below this name."""
        return name in self._above

    def delegated(self, name: bytes) -> Zone | None:
        """The zone that the world's registry sends a resolver to: the highest one above the name.

        A zone of one label (a top-level domain somebody hosts) never hides a zone below it, since every name of two
        labels is registered on its own. Of zones with one name, the first created is the registered one.
        """
        top: Zone | None = None
        for suffix in reversed(tuple(names.suffixes(name))):
            if hosted := self._by_name.get(suffix):
                top = hosted[0]
                if names.label_count(suffix) > 1:
                    return top
        return top

    def above(self, name: bytes) -> Zone | None:
        """The closest registered zone that the name is below of."""
        for suffix in tuple(names.suffixes(name))[1:]:
            if hosted := self._by_name.get(suffix):
                return hosted[0]  # type: ignore[no-any-return]
        return None

    def served_on(self, address: str, name: bytes) -> Zone | None:
        """The closest zone above the name among those whose name servers have that address."""
        for suffix in names.suffixes(name):
            for zone in self._by_name.get(suffix, ()):
                if address in zone.addresses:
                    return zone  # type: ignore[no-any-return]
        return None

    def counts(self) -> dict[str, int]:
        zones = [zone for owned in self._zones_of.values() for zone in owned]
        return {
            "serial": self.serial,
            "zones": len(zones),
            "private_zones": sum(bool(zone.vpcs) for zone in zones),
            "owner_names": sum(len(zone.nodes) for zone in zones),
            "aws_names": len(self._names),
        }


def _with(found: Any, keys: Iterable[Any], zone: Zone) -> Any:
    for key in keys:
        zones = (*found.get(key, ()), zone)
        found = found.set(key, tuple(sorted(zones, key=lambda each: (each.created, each.id))))
    return found


def _without(found: Any, keys: Iterable[Any], zone: Zone) -> Any:
    for key in keys:
        left = tuple(each for each in found[key] if each.id != zone.id)
        found = found.set(key, left) if left else found.delete(key)
    return found


def _counted(above: Any, gone: Any, come: Any) -> Any:
    counts = above.mutate()
    for step, changed in ((-1, gone), (1, come)):
        for each in changed:
            for suffix in tuple(names.suffixes(each))[1:]:
                count = counts.get(suffix, 0) + step
                if count:
                    counts[suffix] = count
                else:
                    del counts[suffix]
    return counts.finish()
