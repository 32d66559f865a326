"""The world's recursive resolver: asks the authorities, follows, remembers.

Where to ask follows from the published zones: AWS's own names, then the zone that the registry delegates the name to
and further down by the NS records that stand there, then the root, which knows no other internet. Answers are
remembered for their TTL in AWS time (`Clock.now`) and served with what is left of it; "no such name" and "no such
record" for the SOA's negative TTL (RFC 2308). What an authority answers to this client's subnet alone is remembered for
that
subnet (RFC 7871 section 7.3). A change of a delegation makes the resolver forget what lies below it:
the world has no registry whose copies age. The resolver of a VPC answers first from what it knows itself
(`vpc_names.py`), which it never caches: a change there is seen at once. Refuses to know about sockets; `respond` maps
packet to packet.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address

from kunren.core.clock import Clock
from kunren.dataplane.dns import message, names
from kunren.dataplane.dns.answer import FAILURE, NOERROR, NXDOMAIN, SERVFAIL, Answer, Note, answer
from kunren.dataplane.dns.aws_names import aws_answer, root_answer
from kunren.dataplane.dns.packet_cache import PacketCache
from kunren.dataplane.dns.policies import Chance, Client
from kunren.dataplane.dns.signing import signed
from kunren.dataplane.dns.vpc_names import VpcNames, vpc_answer
from kunren.dataplane.dns.zones import ANY, CNAME, NS, SOA, A, RRset, Zone, Zones
from kunren.world.spec import WorldSpec

CACHE_ENTRIES_MAX = 50_000
CHAIN_LENGTH_MAX = 16
REFERRALS_MAX = 16
ADDRESS_LOOKUPS_MAX = 4
_ALL_TYPES = -1


@dataclass(slots=True)
class _Entry:
    """What is remembered of one name and type. `rrset` None: nothing there, and `denial` says so. `located`: for
    clients of one subnet. `own`: not remembered at all, since it is the resolver's own knowledge."""

    expires: float
    rcode: int
    rrset: RRset | None = None
    denial: tuple[RRset, ...] = ()
    located: bool = False
    own: bool = False


# name, type, the part of the clients it is for ("": all), and whether for those who want signatures
_Key = tuple[bytes, int, str, bool]


class Resolver:
    """One cache. `zones` gives what is published at the moment of asking; `vpc` is the VPC whose resolver this is;
    `note` is told every choice of a routing policy."""

    def __init__(
        self,
        zones: Callable[[], Zones],
        spec: WorldSpec,
        clock: Clock,
        chance: Chance,
        vpc: VpcNames | None = None,
        note: Note | None = None,
        asked: Callable[[Zone, bytes, int, Answer, Client], object] | None = None,
    ) -> None:
        self.vpc = vpc
        self._note = note
        self._asked = asked
        self._zones = zones
        self._spec = spec
        self._clock = clock
        self._chance = chance
        self._cache: dict[_Key, _Entry] = {}
        self.packets = PacketCache()
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._cache)

    def respond(self, query: message.Query, client: Client, limit: int) -> tuple[bytes, float]:
        """The packet that answers a query, and the AWS time until which it stays the same to a byte for every client of
        this subnet."""
        reply, until = self.resolve_until(query.name, query.rtype, client, do=query.do)
        if reply.located and self.vpc is not None:  # whose clients differ by Availability Zone
            until = 0.0
        return message.build_response(query, reply, recursive=True, limit=limit), until

    def resolve(self, name: bytes, rtype: int, client: Client = Client(), depth: int = 0) -> Answer:
        """The complete answer, CNAMEs followed. A loop or a server that cannot be reached is SERVFAIL."""
        return self.resolve_until(name, rtype, client, depth)[0]

    def resolve_until(
        self, name: bytes, rtype: int, client: Client = Client(), depth: int = 0, do: bool = False
    ) -> tuple[Answer, float]:
        """The answer (with `do`, signed where its zone is), and the AWS time until which asking again gives the same
        (0.0: chance is involved)."""
        now = self._clock.now()
        until = now + 1.0
        chain: list[RRset] = []
        located = False
        for _ in range(CHAIN_LENGTH_MAX):
            entry = self._remembered(name, rtype, now, client, do)
            if entry is None:
                entry = self._ask(name, rtype, now, client, depth, do)
            located = located or entry.located
            left = max(0, math.ceil(entry.expires - now))
            # when the TTL shown becomes one less
            until = min(until, entry.expires - left + 1) if not entry.own else 0.0
            if entry.rrset is None:
                if entry.rcode == SERVFAIL:
                    return FAILURE, 0.0
                authority = tuple(each._replace(ttl=left) for each in entry.denial)
                reply = Answer(entry.rcode, answer=tuple(chain), authority=authority, located=located)
                return reply, until if left else 0.0
            _, found, _, rdatas, signatures = entry.rrset
            if len(rdatas) > 1:
                rdatas = tuple(self._chance.shuffled(rdatas))
                until = 0.0
            chain.append(RRset(name, found, left, rdatas, signatures))
            if not left:
                until = 0.0
            if found != CNAME or rtype in (CNAME, ANY):
                return Answer(NOERROR, answer=tuple(chain), located=located), until
            name = rdatas[0].lower()
            if any(name == each.name for each in chain):
                return FAILURE, 0.0
        return FAILURE, 0.0

    def forget(self, below: bytes) -> None:
        """Drop all that is remembered at and below a name."""
        self.packets.clear()
        gone = [key for key in self._cache if names.is_within(key[0], below)]
        for key in gone:
            del self._cache[key]

    def _remembered(self, name: bytes, rtype: int, now: float, client: Client, do: bool) -> _Entry | None:
        cache = self._cache
        for part in (_part(client), ""):
            for kind in (rtype, CNAME, _ALL_TYPES):
                entry = cache.get((name, kind, part, do))
                if entry is not None and entry.expires > now:
                    self.hits += 1
                    return entry
        self.misses += 1
        return None

    def _ask(self, name: bytes, rtype: int, now: float, client: Client, depth: int, do: bool) -> _Entry:
        """Ask the authority for one link of the chain, and remember what it says."""
        reply = None
        if self.vpc is not None:
            reply = vpc_answer(self._zones(), self.vpc, name, rtype, client, self._chance, self._note)
        own = reply is not None
        if reply is None:
            reply = self._authority(name, rtype, client, depth, do)
        part = _part(client) if reply.located else ""
        if reply.answer:
            first = reply.answer[0]
            entry = _Entry(now + first.ttl, NOERROR, first, located=reply.located, own=own)
            self._remember((name, first.rtype if rtype != ANY else ANY, part, do), entry, now)
            return entry
        if reply.rcode not in (NOERROR, NXDOMAIN):
            return _Entry(now, SERVFAIL)
        soa = next((each for each in reply.authority if each.rtype == SOA), None)
        denial = reply.authority if soa is not None else ()
        entry = _Entry(now + (soa.ttl if soa is not None else 0), reply.rcode, None, denial, reply.located, own)
        self._remember((name, _ALL_TYPES if reply.rcode == NXDOMAIN else rtype, part, do), entry, now)
        return entry

    def _remember(self, key: _Key, entry: _Entry, now: float) -> None:
        if entry.expires <= now or entry.own:
            return
        if len(self._cache) >= CACHE_ENTRIES_MAX:
            self._make_room(now)
        self._cache[key] = entry

    def _make_room(self, now: float) -> None:
        """Drop what has expired; where that is not enough, the older half."""
        gone = [key for key, entry in self._cache.items() if entry.expires <= now]
        if len(gone) < CACHE_ENTRIES_MAX // 10:
            gone = list(self._cache)[: CACHE_ENTRIES_MAX // 2]
        for key in gone:
            del self._cache[key]

    def _authority(self, name: bytes, rtype: int, client: Client, depth: int, do: bool) -> Answer:
        zones = self._zones()
        own = aws_answer(zones, self._spec, name, rtype)
        if own is not None:
            return own
        zone = zones.delegated(name)
        if zone is None:
            return root_answer(zones, name, rtype)
        for _ in range(REFERRALS_MAX):
            reply = answer(zones, zone, name, rtype, client, self._chance, self._note)
            if do:
                reply = signed(zone, rtype, name, reply, self._clock.wall())
            if self._asked is not None:
                self._asked(zone, name, rtype, reply, client)
            if reply.authoritative or reply.answer or reply.rcode != NOERROR:
                return reply
            referral = next((each for each in reply.authority if each.rtype == NS), None)
            child = self._child(zones, zone, referral, name, client, depth) if referral is not None else None
            if child is None:
                return FAILURE
            zone = child
        return FAILURE

    def _child(self, zones: Zones, zone: Zone, referral: RRset, name: bytes, client: Client, depth: int) -> Zone | None:
        """The zone that the servers of a referral have for the name; None where none of them has one (lame)."""
        if depth >= ADDRESS_LOOKUPS_MAX:
            return None
        for server in referral.rdatas:
            found = self.resolve(server.lower(), A, client, depth + 1)
            for rrset in found.answer:
                if rrset.rtype != A:
                    continue
                for rdata in rrset.rdatas:
                    child = zones.served_on(str(IPv4Address(rdata)), name)
                    if child is not None and len(child.name) > len(zone.name):
                        return child
        return None


def _part(client: Client) -> str:
    """The clients that get the same answer wherever it depends on who asks: a subnet, or an Availability Zone."""
    return client.subnet or client.affinity[0][1]
