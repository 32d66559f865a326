"""What an authoritative name server answers: a pure function of the zones, the question, the client, health and chance.

The order of RFC 1034 section 4.3.2 with the wildcards of RFC 4592: delegation first, then the exact name, then the
closest wildcard, then "no such name"; CNAMEs are followed inside the zone. On top of it what Route 53 adds: an alias
answers with its target's records under its own name, a routing policy (`policies.py`) chooses between record sets,
several values come in random order. Health is part of what is published (`Zones.passes`, `Zones.is_healthy`). Refuses
to know about packets, caches and where the zones came from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from kunren.dataplane.dns import names, policies
from kunren.dataplane.dns.policies import Chance, Client
from kunren.dataplane.dns.zones import (
    AAAA,
    ANY,
    CNAME,
    DS,
    NS,
    SOA,
    A,
    Alias,
    Node,
    Option,
    Records,
    RecordSet,
    Routed,
    RRset,
    Zone,
    Zones,
)

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
CHAIN_LENGTH_MAX = 16
ALIAS_DEPTH_MAX = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """`located`: another place, or another subnet, may get another answer."""

    rcode: int
    authoritative: bool = True
    answer: tuple[RRset, ...] = ()
    authority: tuple[RRset, ...] = ()
    additional: tuple[RRset, ...] = ()
    located: bool = False


_NO_ZONE = Zone.build("", names.ROOT, {})
REFUSAL = Answer(REFUSED, authoritative=False)
FAILURE = Answer(SERVFAIL, authoritative=False)


@dataclass(frozen=True, slots=True)
class Considered:
    """One of the record sets that a policy chose between: whether it counted as healthy, and what the policy saw in
    it."""

    option: Option
    healthy: bool
    merit: str
    taken: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """How one choice came about, for those who want to know. `name` is the owner name of the record sets."""

    name: bytes
    policy: str
    because: str
    considered: tuple[Considered, ...]


Note = Callable[[Choice], None]


@dataclass(slots=True)
class Asking:
    """All that an answer depends on, and what is found out on the way: whether the client's place mattered, and the
    health of targets looked at already (None: being looked at, so an alias leads back to itself)."""

    zones: Zones
    zone: Zone
    client: Client
    chance: Chance
    note: Note | None = None
    located: bool = False
    health: dict[tuple[bytes, int], bool | None] = field(default_factory=dict)


def answer(
    zones: Zones, zone: Zone, qname: bytes, qtype: int, client: Client, chance: Chance, note: Note | None = None
) -> Answer:
    """The zone's answer. `qname` is a lower-case wire name within the zone; `note` is told every choice of a policy."""
    chain: list[RRset] = []
    asking = Asking(zones, zone, client, chance, note)
    name = qname
    for _ in range(CHAIN_LENGTH_MAX):
        if zone.cuts and (cut := _cut_above(zone, name, qtype)):
            return _referral(zone, cut, tuple(chain), asking.located)
        node = find_node(zone, name)
        if node is None:
            rcode = NOERROR if zone.exists(name) else NXDOMAIN
            return Answer(rcode, answer=tuple(chain), authority=negative(zone), located=asking.located)
        rtype, record_set = _wanted(node, qtype)
        records = pick(asking, name, record_set, rtype) if record_set is not None else None
        if records is None:
            return Answer(NOERROR, answer=tuple(chain), authority=negative(zone), located=asking.located)
        chain.append(RRset(name, rtype, records.ttl, _ordered(records.rdatas, chance)))
        if rtype != CNAME or qtype in (CNAME, ANY):
            authority = _apex_ns(zone, name, rtype)
            return Answer(NOERROR, answer=tuple(chain), authority=authority, located=asking.located)
        name = records.rdatas[0].lower()
        if not names.is_within(name, zone.name) or any(name == each.name for each in chain):
            break
    return Answer(NOERROR, answer=tuple(chain), located=asking.located)


def _wanted(node: Node, qtype: int) -> tuple[int, RecordSet | None]:
    if qtype == ANY:  # RFC 8482 section 4.1: one of the record sets is enough
        return next(iter(node.items()))
    found = node.get(qtype)
    if found is None and (cname := node.get(CNAME)) is not None:
        return CNAME, cname
    return qtype, found


def find_node(zone: Zone, name: bytes) -> Node | None:
    """The name's records: its own, or those of the wildcard at its closest encloser (RFC 4592 section 3.3.1)."""
    node: Node | None = zone.nodes.get(name)
    if node is not None or name in zone.below:
        return node
    encloser = name
    while len(encloser) > len(zone.name):
        encloser = names.parent(encloser)
        if zone.exists(encloser):
            wildcard: Node | None = zone.nodes.get(b"\x01*" + encloser)
            return wildcard
    return None


def pick(asking: Asking, name: bytes, record_set: RecordSet, rtype: int) -> Records | None:
    """The records that a record set stands for at this moment; None where no policy has one for the client, or an alias
    leads to nothing."""
    for _ in range(ALIAS_DEPTH_MAX):
        if isinstance(record_set, Routed):
            chosen = _chosen(asking, name, record_set, rtype)
            if not chosen:
                return None
            if len(chosen) > 1:
                return _merged(chosen)
            record_set = chosen[0].record_set
            if isinstance(record_set, Routed):
                continue
        if isinstance(record_set, Records):
            return record_set
        name = record_set.target
        found = _target(asking, record_set, rtype)
        if found is None:
            return None
        record_set = found
    return None


def _chosen(asking: Asking, name: bytes, routed: Routed, rtype: int) -> tuple[Option, ...]:
    def healthy(option: Option) -> bool:
        return is_healthy(asking, option.record_set, rtype)

    chosen = policies.choose(routed, asking.client, asking.zones, healthy, asking.chance)
    if routed.policy in policies.BY_CLIENT:
        asking.located = True
    if asking.note is not None:
        considered = tuple(
            Considered(each, healthy(each), policies.merit(routed.policy, each, asking.client), each in chosen.options)
            for each in routed.options
        )
        asking.note(Choice(name, routed.policy, chosen.because, considered))
    return chosen.options


def answer_of_name(
    zones: Zones, name: bytes, rtype: int, client: Client, chance: Chance, note: Note | None = None
) -> Answer | None:
    """The addresses that one of AWS's own names has for a client; None where it has none of that type."""
    asking = Asking(zones, _NO_ZONE, client, chance, note)
    found = (zones.named(name) or {}).get(rtype)
    records = pick(asking, name, found, rtype) if found is not None else None
    if records is None:
        return None
    return Answer(NOERROR, answer=(RRset(name, rtype, records.ttl, records.rdatas),), located=asking.located)


def _merged(options: tuple[Option, ...]) -> Records:
    """The records of a multivalue answer, which has no aliases: one record set to the client."""
    several = [each.record_set for each in options if isinstance(each.record_set, Records)]
    rdatas = tuple(dict.fromkeys(rdata for each in several for rdata in each.rdatas))
    return Records(min(each.ttl for each in several), rdatas)


def _target(asking: Asking, alias: Alias, rtype: int) -> RecordSet | None:
    node = find_node(asking.zone, alias.target) if alias.same_zone else asking.zones.named(alias.target)
    return node.get(rtype) if node is not None else None


def is_healthy(asking: Asking, record_set: RecordSet, rtype: int, depth: int = 0) -> bool:
    """Records are healthy while their health check passes (always, without one), an alias that evaluates while its
    target is too, a group of record sets while any of them is. What an alias leads back to says nothing for itself."""
    if isinstance(record_set, Routed):
        return any(is_healthy(asking, each.record_set, rtype, depth) for each in record_set.options)
    if record_set.health_check is not None and not asking.zones.passes(record_set.health_check):
        return False
    if isinstance(record_set, Records) or not record_set.evaluate:
        return True
    if not record_set.same_zone:
        return asking.zones.is_healthy(record_set.target)
    key = record_set.target, rtype
    if key not in asking.health:
        asking.health[key] = None
        found = _target(asking, record_set, rtype) if depth < ALIAS_DEPTH_MAX else None
        asking.health[key] = found is not None and is_healthy(asking, found, rtype, depth + 1)
    return bool(asking.health[key])


def _ordered(rdatas: tuple[bytes, ...], chance: Chance) -> tuple[bytes, ...]:
    return tuple(chance.shuffled(rdatas)) if len(rdatas) > 1 else rdatas


def _cut_above(zone: Zone, name: bytes, qtype: int) -> bytes | None:
    """The highest delegation point at or above the name; its DS records are still the parent's own."""
    found = None
    for suffix in names.suffixes(name):
        if len(suffix) <= len(zone.name):
            break
        if suffix in zone.cuts and not (qtype == DS and suffix == name):
            found = suffix
    return found


def _referral(zone: Zone, cut: bytes, chain: tuple[RRset, ...], located: bool) -> Answer:
    servers = zone.nodes[cut][NS]
    if not isinstance(servers, Records):
        return Answer(NOERROR, authoritative=False, answer=chain, located=located)
    glue = tuple(
        RRset(server.lower(), rtype, found.ttl, found.rdatas)
        for server in servers.rdatas
        for rtype in (A, AAAA)
        if isinstance(found := zone.nodes.get(server.lower(), {}).get(rtype), Records)
    )
    return Answer(
        NOERROR,
        authoritative=bool(chain),
        answer=chain,
        authority=(RRset(cut, NS, servers.ttl, servers.rdatas),),
        additional=glue,
        located=located,
    )


def negative(zone: Zone) -> tuple[RRset, ...]:
    """The SOA that says how long "no" may be remembered: the lesser of its TTL and its minimum (RFC 2308 section 3)."""
    soa = zone.nodes.get(zone.name, {}).get(SOA)
    if not isinstance(soa, Records):
        return ()
    minimum = int.from_bytes(soa.rdatas[0][-4:], "big")
    return (RRset(zone.name, SOA, min(soa.ttl, minimum), soa.rdatas),)


def _apex_ns(zone: Zone, name: bytes, rtype: int) -> tuple[RRset, ...]:
    servers = zone.nodes.get(zone.name, {}).get(NS)
    if (rtype == NS and name == zone.name) or not isinstance(servers, Records):
        return ()
    return (RRset(zone.name, NS, servers.ttl, servers.rdatas),)
