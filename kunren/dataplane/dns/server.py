"""The DNS server of the world: what is published, who answers where, and the sockets.

In the internet's namespace one pair of wildcard sockets serves the public resolver and every address of Route 53's
name servers, told apart by the address that was asked. The public resolver is one address with many sites, as such
services are: each client network has a cache of its own, and the site tells the authorities its clients' subnet. Each
VPC has a resolver of its own at its base address + 2 and at 169.254.169.253. Answers are decided in `answer.py` and
`resolver.py`; this file keeps the published `Zones` and hands packets over. Refuses to know what a hosted zone or a
load balancer is.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.dns import message, names
from kunren.dataplane.dns.answer import FAILURE, REFUSAL, Answer, answer
from kunren.dataplane.dns.aws_names import aws_answer, endpoint_region, name_server_address
from kunren.dataplane.dns.geography import Geography
from kunren.dataplane.dns.message import Query, build_bad, build_response, parse_query
from kunren.dataplane.dns.packet_cache import PacketCache
from kunren.dataplane.dns.policies import Chance, Client
from kunren.dataplane.dns.resolver import Resolver
from kunren.dataplane.dns.signing import day_ends, signed
from kunren.dataplane.dns.transport import TCP_BACKLOG, Reply, Responder, TcpListener, UdpListener
from kunren.dataplane.dns.vpc_names import VpcNames
from kunren.dataplane.dns.zones import A, NameRecords, Zone, Zones
from kunren.world import addresses6
from kunren.world.addresses import (
    CHECKER_PREFIX,
    CHECKERS,
    NAME_SERVERS,
    PUBLIC_RESOLVER,
    client_address,
    region_router,
)
from kunren.world.interface import INTERNET
from kunren.world.spec import WorldSpec

if TYPE_CHECKING:
    from kunren.dataplane.dns.client import QueryResult

log = logging.getLogger(__name__)
T = TypeVar("T")
DNS_PORT = 53
_ENDPOINTS = tuple(names.to_wire(each) for each in ("amazonaws.com", "api.aws", "on.aws"))
SITES_MAX = 1024
_CHECKERS = str(CHECKERS.network_address).rpartition(".")[0]
KEPT_CACHES_MAX = 1024


class SocketOpener(Protocol):
    """The part of `WorldControl` that DNS needs."""

    async def open_socket(
        self,
        namespace: str,
        family: int = ...,
        type: int = ...,
        *,
        bind: tuple[str, int] | None = ...,
        listen: int | None = ...,
        reuse_port: bool = ...,
        transparent: bool = ...,
    ) -> socket.socket: ...


class Asked(NamedTuple):
    """A question that a hosted zone's name servers answered, to a client or to a resolver of this world."""

    zone_id: str
    name: bytes
    rtype: int
    rcode: int
    client: Client
    tcp: bool


class QueryListener(Protocol):
    """Who wants to know what is asked of which zones."""

    def wants(self, zone_id: str) -> bool: ...
    def note(self, asked: Asked) -> None: ...


class DnsServer:
    """Publish at any time; packets are answered between `start` and `stop`."""

    def __init__(
        self,
        world: SocketOpener,
        clock: Clock,
        entropy: Entropy,
        spec: WorldSpec,
        *,
        port: int = DNS_PORT,
        resolver_address: str = PUBLIC_RESOLVER,
        name_servers: IPv4Network = NAME_SERVERS,
        endpoint_asked: Callable[[str], asyncio.Future[None] | None] | None = None,
    ) -> None:
        """`endpoint_asked` is told the region whenever somebody looks up one of its service endpoints; what it gives is
        waited for before the answer goes out, since whoever asks connects at once."""
        self._world = world
        self._clock = clock
        self._entropy = entropy
        self._spec = spec
        self._port = port
        self._resolver_address = resolver_address
        pairs = zip(name_servers, addresses6.NAME_SERVERS, strict=False)
        self._name_servers = {str(each): str(four) for four, six in pairs for each in (four, six)}
        """By each of their addresses: the IPv4 one, by which zones are published."""
        self._endpoint_asked = endpoint_asked
        places = [each.name for each in spec.places]
        self._default_client = client_address(places.index(spec.default_place) if spec.default_place in places else 0)
        self._zones = Zones()
        self.geography = Geography(spec)
        # by name server's address, and by client where that matters; empty whenever something was published
        self._kept: dict[tuple[str, str], PacketCache] = {}
        self._sites: dict[str, _Site] = {}  # the public resolver's, by the client network's first three numbers
        self._vpcs: dict[str, tuple[tuple[str, ...], _Site, _Listeners]] = {}
        self._vpc_lock = asyncio.Lock()
        self.listener: QueryListener | None = None
        self._internet: _Listeners | None = None
        self._queries = {"resolver": 0, "name_servers": 0, "malformed": 0}

    # -- what is served ---------------------------------------------------------------------------------------------

    @property
    def zones(self) -> Zones:
        """All that is served at this moment."""
        return self._zones

    def publish(self, owner: str, zones: Mapping[str, Zone]) -> int:
        """Replace the zones of an owner; the serial from which they are served (at once)."""
        before = {(zone.name, zone.addresses, zone.vpcs) for zone in self._zones.zones_of(owner)}
        self._zones = self._zones.publish(owner, zones)
        self._kept.clear()
        after = {(zone.name, zone.addresses, zone.vpcs) for zone in zones.values()}
        for name, _, _ in before ^ after:
            for resolver in self._resolvers():
                resolver.forget(name)
        return self._zones.serial

    def publish_names(self, owner: str, published: Mapping[str, NameRecords]) -> int:
        """Replace the AWS names of an owner; the serial from which they are served. Raises ValueError on a bad name."""
        self._zones = self._zones.publish_names(owner, published)
        self._kept.clear()
        return self._zones.serial

    def publish_unhealthy(self, health_checks: frozenset[str]) -> int:
        """The health checks that fail from this serial on."""
        self._zones = self._zones.publish_unhealthy(health_checks)
        self._kept.clear()
        return self._zones.serial

    def publish_collection(self, id: str, blocks: Mapping[str, str] | None) -> int:
        """Replace a CIDR collection: block → location (None: it is gone). Raises ValueError on a bad block."""
        self._zones = self._zones.publish_collection(id, blocks)
        self._kept.clear()
        return self._zones.serial

    def _new_resolver(self, vpc: VpcNames | None = None) -> Resolver:
        return Resolver(lambda: self._zones, self._spec, self._clock, self._entropy, vpc, asked=self._tell)

    def _tell(self, zone: Zone, name: bytes, rtype: int, reply: Answer, client: Client, tcp: bool = False) -> bool:
        """Let the listener know of an answer; whether it wants to know of the next one too."""
        if self.listener is None or zone.vpcs or not self.listener.wants(zone.id):
            return False
        self.listener.note(Asked(zone.id, name, rtype, reply.rcode, client, tcp))
        return True

    def _site(self, peer: str) -> _Site:
        """The public resolver's site for a client's network; all outside of the world's addresses share one."""
        network = ":".join(peer.split(":")[:4]) if ":" in peer else peer.rpartition(".")[0]
        bits = 64 if ":" in peer else 24
        if network == _CHECKERS:  # those of all regions are in one block, and each region's are a place of their own
            bits = CHECKER_PREFIX
            network = str(ip_network(f"{peer}/{bits}", strict=False))
        site = self._sites.get(network)
        if site is None:
            if len(self._sites) >= SITES_MAX:
                network = ""
            subnet = str(ip_network(f"{peer}/{bits}", strict=False)) if network else None
            client = Client(self._resolver_address, subnet, self.geography.of(subnet or peer))
            site = self._sites.setdefault(network, _Site(self._new_resolver(), client))
        return site

    def _resolvers(self) -> list[Resolver]:
        return [
            *(site.resolver for site in self._sites.values()),
            *(site.resolver for _, site, _ in self._vpcs.values()),
        ]

    # -- who answers ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the internet's sockets. Raises what `open_socket` raises."""
        self._internet = _Listeners()
        for address in ("0.0.0.0", "::") if self._spec.ipv6 else ("0.0.0.0",):
            await self._internet.open(self._world, self._clock, INTERNET, address, self._port, self._answer_internet)

    async def stop(self) -> None:
        for vpc_id in list(self._vpcs):
            await self.stop_vpc(vpc_id)
        if self._internet is not None:
            self._internet.close()
            self._internet = None

    async def serve_vpc(self, vpc: VpcNames, addresses: Sequence[str]) -> None:
        """Answer in the VPC's namespace on exactly these addresses, which the namespace must have already. Idempotent.
        Raises OSError (the address is not there yet) and NoSuchNamespace; the caller tries again."""
        async with self._vpc_lock:
            wanted = tuple(addresses)
            served = self._vpcs.get(vpc.id)
            client = self._vpc_client(vpc.region)
            site = served[1] if served is not None else _Site(self._new_resolver(vpc), client)
            if site.resolver.vpc != vpc:
                site.resolver.vpc = vpc
                site.resolver.forget(names.ROOT)
            if served is not None and served[0] == wanted:
                return
            if served is not None:
                del self._vpcs[vpc.id]
                served[2].close()
            listeners = _Listeners()

            def respond(packet: bytes, asked: str, peer: str, tcp: bool) -> Reply:
                return self._recurse(site, packet, peer, tcp)

            try:
                for address in wanted:
                    await listeners.open(self._world, self._clock, vpc.id, address, self._port, respond)
            except BaseException:
                listeners.close()
                raise
            self._vpcs[vpc.id] = (wanted, site, listeners)

    def _vpc_client(self, region: str) -> Client:
        """As whom a VPC's resolver asks the internet's name servers: from its region's own address."""
        index = next((at for at, each in enumerate(self._spec.regions) if each.name == region), None)
        address = region_router(index) if index is not None else ""
        return Client(address, location=self.geography.region(region))

    async def stop_vpc(self, vpc_id: str) -> None:
        async with self._vpc_lock:
            served = self._vpcs.pop(vpc_id, None)
            if served is not None:
                served[2].close()

    def _answer_internet(self, packet: bytes, asked: str, peer: str, tcp: bool) -> Reply:
        if asked in (self._resolver_address, addresses6.PUBLIC_RESOLVER):
            return self._recurse(self._site(peer), packet, peer, tcp)
        if asked in self._name_servers:
            return self._authorize(packet, self._name_servers[asked], peer, tcp)
        query = self._parsed(packet)
        if not isinstance(query, Query):
            return query
        return build_response(query, REFUSAL, recursive=False, limit=_limit(query, tcp))

    def _parsed(self, packet: bytes) -> Query | bytes | None:
        """The question, or what to answer to a packet that is none."""
        query = parse_query(packet)
        if isinstance(query, Query):
            return query
        self._queries["malformed"] += 1
        return build_bad(query) if query is not None else None

    def _recurse(self, site: _Site, packet: bytes, peer: str, tcp: bool) -> Reply:
        resolver = site.resolver
        now = self._clock.now()
        if not tcp and (kept := resolver.packets.get(packet, now)) is not None:
            self._queries["resolver"] += 1
            return kept
        query = self._parsed(packet)
        if not isinstance(query, Query):
            return query
        self._queries["resolver"] += 1
        limit = _limit(query, tcp)
        try:
            client = self._asking(site, query, peer)
            opening = self._opening(resolver, query.name, client) if query.rtype == A else None
            reply, until = resolver.respond(query, client, limit)
        except Exception:
            log.exception("the question %r for type %d could not be answered", query.name, query.rtype)
            return build_response(query, FAILURE, recursive=True, limit=limit)
        if opening is not None:
            return _after(opening, reply)
        if not tcp and until > now:
            resolver.packets.put(packet, reply, until)
        return reply

    def _asking(self, site: _Site, query: Query, peer: str) -> Client:
        """As whom the resolver asks: a public one for the subnet that its client named, a VPC's for the client's
        zone."""
        if (vpc := site.resolver.vpc) is not None:
            return replace(site.client, affinity=vpc.affinity(peer))
        if query.subnet is None:
            return site.client
        return Client(self._resolver_address, query.subnet, self.geography.of(query.subnet))

    def _opening(self, resolver: Resolver, name: bytes, client: Client) -> asyncio.Future[None] | None:
        """What to wait for until the service endpoint of that name answers; None where there is nothing to wait for."""
        if self._endpoint_asked is not None and name.endswith(_ENDPOINTS):
            for rrset in resolver.resolve(name, A, client).answer:
                region = endpoint_region(self._spec, str(IPv4Address(rrset.rdatas[0]))) if rrset.rtype == A else None
                if region is not None:
                    return self._endpoint_asked(region)
        return None

    def _authorize(self, packet: bytes, asked: str, peer: str, tcp: bool) -> Reply:
        self._queries["name_servers"] += 1
        now = self._clock.wall()
        if not tcp:
            for key in ((asked, ""), (asked, peer)):
                kept = self._kept.get(key)
                if kept is not None and (known := kept.get(packet, now)) is not None:
                    return known
        query = self._parsed(packet)
        if not isinstance(query, Query):
            return query
        limit = _limit(query, tcp)
        chance = _Watched(self._entropy)
        client = Client(peer, query.subnet, self.geography.of(query.subnet or peer))
        try:
            reply, told = self._authoritative(query, asked, client, chance, tcp)
        except Exception:
            log.exception("the question %r for type %d could not be answered", query.name, query.rtype)
            return build_response(query, FAILURE, recursive=False, limit=limit)
        wire = build_response(query, reply, recursive=False, limit=limit)
        if not tcp and not chance.used and not told:
            until = day_ends(now) if query.do else math.inf
            self._keep((asked, peer if reply.located and query.subnet is None else ""), packet, wire, until)
        return wire

    def _keep(self, key: tuple[str, str], packet: bytes, wire: bytes, until: float) -> None:
        if len(self._kept) >= KEPT_CACHES_MAX:
            self._kept.clear()
        self._kept.setdefault(key, PacketCache()).put(packet, wire, until)

    def _authoritative(
        self, query: Query, asked: str, client: Client, chance: Chance, tcp: bool
    ) -> tuple[Answer, bool]:
        """The answer, and whether somebody was told of the question."""
        zone = self._zones.served_on(asked, query.name)
        if zone is not None:
            reply = answer(self._zones, zone, query.name, query.rtype, client, chance)
            if query.do:
                reply = signed(zone, query.rtype, query.name, reply, self._clock.wall())
            return reply, self._tell(zone, query.name, query.rtype, reply, client, tcp)
        if name_server_address(names.to_text(query.name)) is not None:
            return aws_answer(self._zones, self._spec, query.name, query.rtype) or REFUSAL, False
        return REFUSAL, False

    # -- asking -----------------------------------------------------------------------------------------------------

    async def query(self, name: str, rtype: str = "A", *, cached: bool = False) -> QueryResult:
        """Ask with real packets, as a client of the internet does: the authoritative servers (nothing stale), or the
        public resolver where `cached` is wanted."""
        from kunren.dataplane.dns import client  # dnspython is slow to import, and not needed to serve

        def servers(wanted: str) -> list[str]:
            wire = names.to_wire(wanted)
            if address := name_server_address(wanted):
                return [address]
            zone = None if cached else self._zones.delegated(wire)
            if zone is None or not zone.addresses or self._zones.named(wire) is not None:
                return [self._resolver_address]
            return self._entropy.shuffled(sorted(zone.addresses))

        async def open_socket(type: int) -> socket.socket:
            return await self._world.open_socket(INTERNET, socket.AF_INET, type)

        return await client.ask(open_socket, servers, name, rtype, self._port)

    async def resolve(self, name: str, client: str | None = None) -> list[str]:
        """The IPv4 addresses that the public resolver has for that client (an address; None: one at the default place),
        without a packet; [] where there are none. Raises BadName."""
        site, wire = self._site(client or self._default_client), names.to_wire(name.rstrip(".") or ".")
        if (opening := self._opening(site.resolver, wire, site.client)) is not None:
            await asyncio.wait([opening])
        reply = site.resolver.resolve(wire, A, site.client)
        return [str(IPv4Address(rdata)) for rrset in reply.answer if rrset.rtype == A for rdata in rrset.rdatas]

    def status(self) -> dict[str, Any]:
        return {
            "state": "serving" if self._internet is not None else "stopped",
            "resolver": self._resolver_address,
            **self._zones.counts(),
            "vpcs": len(self._vpcs),
            "queries": dict(self._queries),
            "sites": len(self._sites),
            "cache": {
                "entries": sum(len(site.resolver) for site in self._sites.values()),
                "hits": sum(site.resolver.hits for site in self._sites.values()),
                "misses": sum(site.resolver.misses for site in self._sites.values()),
            },
        }


def _after(opening: asyncio.Future[None], reply: bytes) -> asyncio.Future[bytes]:
    """The reply, once what opens is open or has failed."""
    held: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    opening.add_done_callback(lambda _: held.set_result(reply))
    return held


def _limit(query: Query, tcp: bool) -> int:
    return message.TCP_MAX if tcp else query.udp_size


class _Site(NamedTuple):
    """A resolver, and as whom it asks the authorities for a client that says nothing of itself."""

    resolver: Resolver
    client: Client


class _Watched:
    """Chance that remembers whether it was taken."""

    __slots__ = ("_entropy", "used")

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self.used = False

    def weighted(self, options: Sequence[T], weights: Sequence[float]) -> T:
        self.used = True
        return self._entropy.weighted(options, weights)

    def choice(self, options: Sequence[T]) -> T:
        self.used = True
        return self._entropy.choice(options)

    def shuffled(self, options: Sequence[T]) -> list[T]:
        self.used = True
        return self._entropy.shuffled(options)

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        self.used = True
        return self._entropy.sample(options, count)


class _Listeners:
    """The sockets of one namespace."""

    def __init__(self) -> None:
        self._open: list[UdpListener | TcpListener] = []

    async def open(
        self, world: SocketOpener, clock: Clock, namespace: str, address: str, port: int, respond: Responder
    ) -> None:
        """One UDP and one TCP socket on an address."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        udp = await world.open_socket(namespace, family, socket.SOCK_DGRAM, bind=(address, port))
        self._open.append(UdpListener(udp, respond))
        tcp = await world.open_socket(namespace, family, socket.SOCK_STREAM, bind=(address, port), listen=TCP_BACKLOG)
        listener = TcpListener(respond, clock)
        self._open.append(listener)
        await listener.start(tcp)

    def close(self) -> None:
        for each in self._open:
            each.close()
        self._open = []
