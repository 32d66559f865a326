"""What an authoritative name server answers: a pure function of the zones, the question and chance.

The order of RFC 1034 section 4.3.2 with the wildcards of RFC 4592: delegation first, then the exact name, then the
closest wildcard, then "no such name"; CNAMEs are followed inside the zone. On top of it what Route 53 adds: an alias
answers with its target's records under its own name, a weighted set draws one record by weight, several values come
in random order. Refuses to know about packets, caches and where the zones came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kunren.dataplane.dns import names
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
    Records,
    RecordSet,
    RRset,
    Weighted,
    Zone,
    Zones,
)

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
CHAIN_LENGTH_MAX = 16
ALIAS_DEPTH_MAX = 8


class Chance(Protocol):
    """The part of `Entropy` that answers need."""

    def weighted(self, options: list[Records | Alias], weights: list[float]) -> Records | Alias: ...
    def choice(self, options: list[Records | Alias]) -> Records | Alias: ...
    def shuffled(self, options: tuple[bytes, ...]) -> list[bytes]: ...


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks: the resolver's address, and the client subnet it sent along, if any."""

    address: str = ""
    subnet: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    rcode: int
    authoritative: bool = True
    answer: tuple[RRset, ...] = ()
    authority: tuple[RRset, ...] = ()
    additional: tuple[RRset, ...] = ()


REFUSAL = Answer(REFUSED, authoritative=False)
FAILURE = Answer(SERVFAIL, authoritative=False)


def answer(zones: Zones, zone: Zone, qname: bytes, qtype: int, client: Client, chance: Chance) -> Answer:
    """The zone's answer. `qname` is a lower-case wire name within the zone."""
    chain: list[RRset] = []
    name = qname
    for _ in range(CHAIN_LENGTH_MAX):
        if zone.cuts and (cut := _cut_above(zone, name, qtype)):
            return _referral(zone, cut, tuple(chain))
        node = find_node(zone, name)
        if node is None:
            rcode = NOERROR if zone.exists(name) else NXDOMAIN
            return Answer(rcode, answer=tuple(chain), authority=negative(zone))
        rtype, record_set = _wanted(node, qtype)
        records = pick(zones, zone, record_set, rtype, chance) if record_set is not None else None
        if records is None:
            return Answer(NOERROR, answer=tuple(chain), authority=negative(zone))
        chain.append(RRset(name, rtype, records.ttl, _ordered(records.rdatas, chance)))
        if rtype != CNAME or qtype in (CNAME, ANY):
            return Answer(NOERROR, answer=tuple(chain), authority=_apex_ns(zone, name, rtype))
        name = records.rdatas[0].lower()
        if not names.is_within(name, zone.name) or any(name == each.name for each in chain):
            return Answer(NOERROR, answer=tuple(chain))
    return Answer(NOERROR, answer=tuple(chain))


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


def pick(
    zones: Zones, zone: Zone, record_set: RecordSet, rtype: int, chance: Chance, depth: int = ALIAS_DEPTH_MAX
) -> Records | None:
    """The records that a record set stands for at this moment; None where an alias leads to nothing."""
    if isinstance(record_set, Weighted):
        record_set = _draw(_healthy_choices(zones, zone, record_set, rtype), chance)
    if isinstance(record_set, Records):
        return record_set
    if not depth:
        return None
    node = find_node(zone, record_set.target) if record_set.same_zone else zones.named(record_set.target)
    found = node.get(rtype) if node is not None else None
    return pick(zones, zone, found, rtype, chance, depth - 1) if found is not None else None


def _healthy_choices(zones: Zones, zone: Zone, weighted: Weighted, rtype: int) -> list[tuple[int, Records | Alias]]:
    """The choices that may answer: the healthy ones of weight, else the healthy zeros, else all ("How Route 53
    chooses records when health checking is configured")."""
    choices = list(weighted.choices)
    if not any(isinstance(choice, Alias) and choice.evaluate for _, choice in choices):
        return choices
    return [each for each in choices if is_healthy(zones, zone, each[1], rtype)] or choices


def is_healthy(zones: Zones, zone: Zone, record_set: RecordSet, rtype: int, depth: int = ALIAS_DEPTH_MAX) -> bool:
    """Records are healthy, a weighted set is when any of its choices is, an alias that evaluates as its target is."""
    if isinstance(record_set, Weighted):
        return any(is_healthy(zones, zone, choice, rtype, depth) for _, choice in record_set.choices)
    if isinstance(record_set, Records) or not record_set.evaluate or not depth:
        return True
    if not record_set.same_zone:
        return zones.is_healthy(record_set.target)
    found = (find_node(zone, record_set.target) or {}).get(rtype)
    return found is not None and is_healthy(zones, zone, found, rtype, depth - 1)


def _draw(choices: list[tuple[int, Records | Alias]], chance: Chance) -> Records | Alias:
    """By weight; a zero is drawn only when all are zero, and then all alike (developer guide, "weighted routing")."""
    heavy = [(weight, choice) for weight, choice in choices if weight]
    if not heavy:
        return chance.choice([choice for _, choice in choices])
    if len(heavy) == 1:
        return heavy[0][1]
    return chance.weighted([choice for _, choice in heavy], [float(weight) for weight, _ in heavy])


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


def _referral(zone: Zone, cut: bytes, chain: tuple[RRset, ...]) -> Answer:
    servers = zone.nodes[cut][NS]
    if not isinstance(servers, Records):
        return Answer(NOERROR, authoritative=False, answer=chain)
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
