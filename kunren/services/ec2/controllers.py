"""Makes the world have each VPC as the resources say, and reports which interfaces are live.

A change to anything of a VPC wakes that VPC's key. Its network is computed anew from one snapshot and handed to the
world when it differs from what the world has; afterwards each address that the kernel now has is reported as an
`InterfaceStatus`. A VPC in which nothing answers is not started; once started it stays until it is deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from kunren.control.controller import Controller
from kunren.control.store import Key, Resource, Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.dataplane.dns import ec2_names, names
from kunren.dataplane.dns.vpc_names import VpcNames
from kunren.services.ec2 import cidr, peerings, prefix_lists, private_link, public_access, store
from kunren.services.ec2.access_model import PublicAccess, PublicAccessExclusion
from kunren.services.ec2.dataplane import Timers, is_used, vpc_network
from kunren.services.ec2.ipv6_model import EgressOnlyInternetGateway
from kunren.services.ec2.model import (
    AppliedPrefixLists,
    DhcpOptions,
    EndpointServiceConfiguration,
    Entrance,
    FlowLog,
    InterfaceStatus,
    InternetGateway,
    NatGateway,
    NetworkAcl,
    NetworkInterface,
    PeeringStatus,
    PrefixList,
    RouteTable,
    SecurityGroup,
    Subnet,
    Vpc,
    VpcEndpoint,
    VpcPeering,
)
from kunren.services.elbv2.model import LoadBalancer
from kunren.services.faults.model import Fault
from kunren.world.firewall import RESOLVER6
from kunren.world.interface import WorldControl
from kunren.world.network import VpcNetwork
from kunren.world.spec import WorldSpec

LINK_LOCAL_RESOLVER = "169.254.169.253"
ServeDns = Callable[[VpcNames, tuple[str, ...]], Awaitable[None]]
_PARTS = {
    each.kind: each
    for each in (
        Subnet,
        InternetGateway,
        EgressOnlyInternetGateway,
        RouteTable,
        SecurityGroup,
        NetworkAcl,
        NetworkInterface,
        NatGateway,
        FlowLog,
        Entrance,
    )
}

_SEEN_BY_PEERS = (NetworkInterface.kind, InternetGateway.kind)
_OF_PRIVATE_LINK = (VpcEndpoint.kind, EndpointServiceConfiguration.kind, LoadBalancer.kind)
_SHARED = frozenset(
    {PrefixList.kind, DhcpOptions.kind, PublicAccess.kind, PublicAccessExclusion.kind}
)  # of an account and region: any of its VPCs may use them


def _concerns(kind: str) -> bool:
    return kind in (Vpc.kind, VpcPeering.kind, Fault.kind, *_OF_PRIVATE_LINK) or kind in _PARTS or kind in _SHARED


class InterfaceGone(Exception):
    """The interface was deleted before it became live."""


class VpcController:
    """`run` lives until it is cancelled. `applied` is how others wait for an address to be real."""

    def __init__(
        self, store: Store, clock: Clock, world: WorldControl, spec: WorldSpec, serve_dns: ServeDns | None = None
    ) -> None:
        """`serve_dns(vpc, addresses)` makes the resolver answer on these addresses in the VPC's namespace; no
        addresses: it stops. The ec2 kinds are registered with the store before this is built."""
        self._store = store
        self._world = world
        self._spec = spec
        self._timers = Timers.at(clock)
        self._serve_dns = serve_dns
        self._homes: dict[Key, str] = {}  # where a part of a VPC was last seen, since a deleted one cannot say
        self._started: set[str] = set()
        self._applied: dict[str, VpcNetwork] = {}  # what the world surely has: not in here while it is changed
        self._resolvers: dict[str, tuple[VpcNames, tuple[str, ...]]] = {}
        self._live: dict[str, dict[str, InterfaceStatus]] = {}
        self._links: dict[str, dict[str, PeeringStatus]] = {}  # VPC → peering connection
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._private: set[tuple[str, str, str]] = set()  # the VPCs on either side of endpoints to customers' services
        self._controller = Controller(
            "vpc", store, clock, keys=self._keys, every=self._every, reconcile=self._reconcile, wants=_concerns
        )
        self._every(store.snapshot())

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        """Return when the world has everything that was asked for until now."""
        await self._controller.settled()

    def network(self, vpc_id: str) -> VpcNetwork | None:
        """The VPC's network as the world surely has it; None while it changes."""
        return self._applied.get(vpc_id)

    def status(self) -> dict[str, Any]:
        return {
            "vpcs_running": len(self._started),
            "interfaces_live": sum(map(len, self._live.values())),
            "errors": dict(self._controller.last_errors),
        }

    # -- which VPC a change concerns ---------------------------------------------------------------------------------

    def _keys(self, snapshot: Snapshot, key: Key) -> Iterable[str]:
        if key.kind == Vpc.kind:
            return [_work(key.account, key.region, key.id), *self._peers(snapshot, key, key.id)]
        if key.kind == VpcPeering.kind:
            return self._linked(snapshot.by_key(key))
        if key.kind == Fault.kind:
            return [
                _work(each.account, each.region, each.id) for each in snapshot.every(Vpc) if each.id in self._started
            ]
        if key.kind in _OF_PRIVATE_LINK:
            balancer = snapshot.by_key(key)
            own: list[str] = []
            if isinstance(balancer, LoadBalancer) and balancer.ip_address_type != "ipv4":
                own = [_work(key.account, key.region, balancer.vpc_id)]
            return [*own, *self._by_private_link(snapshot)]
        if key.kind in _SHARED:
            return [
                _work(key.account, key.region, each.id)
                for each in snapshot.list(Vpc, key.account, key.region)
                if each.id in self._started
            ]
        if key.kind not in _PARTS:
            return ()
        part = snapshot.by_key(key)
        starts = key.kind == NetworkInterface.kind  # only what answers starts a VPC
        if part is None and starts:
            self._gone(key.id)
        before, now = self._homes.pop(key, None), getattr(part, "vpc_id", None)
        if now is not None:
            self._homes[key] = now
        homes = {each for each in (before, now) if each}
        seen_by_peers = key.kind in _SEEN_BY_PEERS
        beyond = [work for each in homes for work in self._peers(snapshot, key, each)] if seen_by_peers else []
        if isinstance(part, SecurityGroup):
            beyond += [_work(key.account, key.region, each) for each in part.more_vpcs if each in self._started]
        if key.kind == SecurityGroup.kind and self._private:  # a load balancer's is asked by consumers' endpoints
            beyond += self._by_private_link(snapshot)
        if before == now and not (now in self._started or starts):
            return beyond
        return [*(_work(key.account, key.region, each) for each in homes), *beyond]

    def _peers(self, snapshot: Snapshot, key: Key, vpc_id: str) -> list[str]:
        """The running VPCs that are linked to one: they know its addresses by the names of groups and in DNS."""
        vpc = snapshot.get(Vpc, key.account, key.region, vpc_id)
        if vpc is None:
            return []
        sides = [side for _, side in peerings.others(snapshot, vpc)]
        return [_work(each.account, each.region, each.vpc_id) for each in sides if each.vpc_id in self._started]

    def _linked(self, peering: Resource | None) -> list[str]:
        """The VPCs that a peering connection links, of those that run; one that is forgotten linked none any more."""
        if not isinstance(peering, VpcPeering):
            return []
        found = [each for each in peerings.sides(peering) if each.vpc_id in self._started]
        return [_work(each.account, each.region, each.vpc_id) for each in found]

    def _by_private_link(self, snapshot: Snapshot) -> list[str]:
        """The running VPCs on either side of endpoints to customers' own services, now or until now."""
        before, self._private = self._private, private_link.vpcs_concerned(snapshot)
        return [_work(*each) for each in before | self._private if each[2] in self._started]

    def _every(self, snapshot: Snapshot) -> Iterable[str]:
        for kind in _PARTS.values():
            for part in snapshot.every(kind):
                home = getattr(part, "vpc_id", None)
                if home is not None:
                    self._homes[part.key] = home
        return [_work(each.account, each.region, each.id) for each in snapshot.every(Vpc)]

    # -- making it so ------------------------------------------------------------------------------------------------

    async def _reconcile(self, work: str) -> None:
        account, region, vpc_id = work.split("|")
        snapshot = self._store.snapshot()
        vpc = snapshot.get(Vpc, account, region, vpc_id)
        if vpc is None:
            await self._remove(vpc_id)
            return
        if vpc_id not in self._started and not is_used(snapshot, vpc):
            return
        network = vpc_network(snapshot, self._spec, vpc, self._timers)
        if self._applied.get(vpc_id) != network:
            self._started.add(vpc_id)
            self._applied.pop(vpc_id, None)
            await self._world.ensure_region(region)
            await self._world.apply_vpc(network)
            self._applied[vpc_id] = network
        self._report_lists(snapshot, vpc)
        await self._serve(vpc_names(snapshot, vpc, network), resolver_addresses(vpc))
        self._report(account, region, network)

    async def _remove(self, vpc_id: str) -> None:
        if vpc_id not in self._started:
            return
        await self._serve(VpcNames(vpc_id), ())
        self._applied.pop(vpc_id, None)
        await self._world.remove_vpc(vpc_id)
        self._started.discard(vpc_id)
        with self._store.write() as tx:
            for gone in self._live.pop(vpc_id, {}).values():
                tx.delete(gone)
            for link in self._links.pop(vpc_id, {}).values():
                tx.delete(link)
            for applied in [each for each in tx.every(AppliedPrefixLists) if each.id == vpc_id]:
                tx.delete(applied)

    async def _serve(self, vpc: VpcNames, addresses: tuple[str, ...]) -> None:
        if self._serve_dns is not None and self._resolvers.get(vpc.id) != (vpc, addresses):
            await self._serve_dns(vpc, addresses)
            self._resolvers[vpc.id] = (vpc, addresses)

    # -- reporting ---------------------------------------------------------------------------------------------------

    def _report(self, account: str, region: str, network: VpcNetwork) -> None:
        """Say which interfaces are live, after the kernel has taken the network."""
        public = {private: address for address, private in network.public.items()}
        addresses = [(each.id, each.address) for each in network.nodes]
        addresses += [(each.id, each.address) for each in network.workloads]
        addresses += [(each.id, each.address) for each in network.nat_gateways]
        addresses += [(each.id, each.address) for each in network.links]
        addresses += [(each.address, each.private) for each in network.entrances]
        addresses += [(each.interface_id, each.interface_address) for each in network.entrances]
        more = {each.id: each.secondary for each in network.nat_gateways}
        six: dict[str, tuple[str, ...]] = {each.id: (each.address6,) for each in network.nodes if each.address6}
        six |= {each.id: each.ipv6 for each in network.workloads}
        now = {
            id: InterfaceStatus(
                account=account,
                region=region,
                id=id,
                vpc_id=network.id,
                private_ip=address,
                secondary=more.get(id, ()),
                public_ip=public.get(address),
                ipv6=six.get(id, ()),
            )
            for id, address in addresses
        }
        with self._store.write() as tx:
            for id, status in now.items():
                if tx.get(InterfaceStatus, account, region, id) != status:
                    tx.put(status)
            for id, status in self._live.get(network.id, {}).items():
                if id not in now:
                    tx.delete(status)
            self._report_links(tx, account, region, network)
        self._live[network.id] = now
        for id in now:
            for waiter in self._waiting.pop(id, ()):
                if not waiter.done():
                    waiter.set_result(None)

    def _report_links(self, tx: Tx, account: str, region: str, network: VpcNetwork) -> None:
        """Say to which peering connections and endpoints the kernel has the VPC linked."""
        before = self._links.get(network.id, {})
        now = {
            each: before.get(each)
            or PeeringStatus(account=account, region=region, id=peerings.status_id(each, network.id))
            for each in (*network.peerings, *(each.id for each in network.served))
        }
        for each in now.keys() - before.keys():
            tx.put(now[each])
        for each in before.keys() - now.keys():
            tx.delete(before[each])
        self._links[network.id] = now

    def _report_lists(self, snapshot: Snapshot, vpc: Vpc) -> None:
        """Say which versions of prefix lists the VPC's routes and firewalls now hold."""
        named = {id for each in store.usable_groups(snapshot, vpc) for id in prefix_lists.named_by_group(each)}
        named |= {id for each in store.route_tables_of(snapshot, vpc) for id in prefix_lists.named_by_table(each)}
        found = (prefix_lists.find(snapshot, self._spec, vpc.account, vpc.region, id) for id in named)
        versions = {each.id: each.version for each in found if each is not None}
        now = AppliedPrefixLists(
            account=vpc.account,
            region=vpc.region,
            id=vpc.id,
            versions=versions,
            public_access=public_access.wanted(snapshot, vpc),
        )
        if snapshot.get(AppliedPrefixLists, vpc.account, vpc.region, vpc.id) != now:
            with self._store.write() as tx:
                tx.put(now)

    def _gone(self, interface_id: str) -> None:
        for waiter in self._waiting.pop(interface_id, ()):
            if not waiter.done():
                waiter.set_exception(InterfaceGone(interface_id))

    def is_live(self, interface_id: str) -> bool:
        return any(interface_id in each for each in self._live.values())

    async def applied(self, interface_id: str) -> None:
        """Return when the kernel has the interface's address. Raises InterfaceGone when it is deleted meanwhile.

        Waits for as long as the world refuses: the caller brings its own time-out.
        """
        if self.is_live(interface_id):
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(interface_id, set()).add(waiter)
        try:
            await waiter
        finally:
            waiters = self._waiting.get(interface_id)
            if waiters is not None:
                waiters.discard(waiter)
                if not waiters:
                    del self._waiting[interface_id]


def resolver_addresses(vpc: Vpc) -> tuple[str, ...]:
    """Where the VPC's own resolver answers: nowhere while DNS support is off ("DNS attributes for your VPC")."""
    if not vpc.enable_dns_support:
        return ()
    return (cidr.resolver(vpc.cidr), LINK_LOCAL_RESOLVER, *((RESOLVER6,) if vpc.blocks_v6 else ()))


def vpc_names(snapshot: Snapshot, vpc: Vpc, network: VpcNetwork) -> VpcNames:
    """What the resolver knows of the VPC itself, as its network is."""
    return VpcNames(
        id=vpc.id,
        region=vpc.region,
        cidrs=network.cidrs,
        hostnames=vpc.enable_dns_support and vpc.enable_dns_hostnames,
        public=dict(network.public),
        peers=_names_of_peers(snapshot, vpc),
        zone_ids={
            block: each.availability_zone_id
            for each in store.subnets_of(snapshot, vpc)
            for block in (each.cidr, each.cidr_v6)
            if block
        },
    )


def _names_of_peers(snapshot: Snapshot, vpc: Vpc) -> dict[bytes, str]:
    """The public names of linked VPCs that allow their resolution ("Enable DNS resolution for a VPC peering
    connection"), with private addresses."""
    found = {}
    for _, side in peerings.others(snapshot, vpc):
        peer = peerings.vpc_of(snapshot, side)
        if side.allows_dns and peer is not None and peer.enable_dns_hostnames and store.gateway_of(snapshot, peer):
            for interface in store.interfaces_of(snapshot, peer):
                for public, private in store.public_addresses(interface).items():
                    found[names.to_wire(ec2_names.public_name(public, peer.region))] = private
    return found


def _work(account: str, region: str, vpc_id: str) -> str:
    return f"{account}|{region}|{vpc_id}"
