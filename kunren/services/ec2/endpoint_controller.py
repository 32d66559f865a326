"""Makes interface endpoints answer, and says when they do.

An endpoint's interfaces are addresses in the VPC's namespace, like load balancer nodes (those to customers' own
services are namespaces that lead to one, `private_link.py`). Once one is live, the API's front listens there for its
service alone; once all are, the endpoint's names are published: its own for everyone, the service's private name as a
private zone of the VPC, where it takes the place of the public one. What is deleted stops answering first.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from typing import Any, Protocol

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.clock import Clock
from kunren.dataplane.dns import names
from kunren.dataplane.dns.aws_names import soa
from kunren.dataplane.dns.zones import SOA, A, NameRecords, Records, Zone
from kunren.services.ec2 import endpoints, interfaces, private_link
from kunren.services.ec2.endpoint_services import INTERFACE
from kunren.services.ec2.model import (
    EndpointServiceConfiguration,
    InterfaceStatus,
    PeeringStatus,
    VpcEndpoint,
    VpcEndpointStatus,
)
from kunren.services.ec2.store import forget_token
from kunren.world.interface import WorldControl
from kunren.world.network import vpc_namespace

PORTS = ((443, True), (80, False))
BACKLOG = 1024
TTL_S = 60
_WANTED = (VpcEndpoint.kind, InterfaceStatus.kind, PeeringStatus.kind, EndpointServiceConfiguration.kind)


class Front(Protocol):
    """The part of the gateway that endpoints need."""

    def accept_for(self, endpoint: str, listener: socket.socket, tls: bool | None = None) -> None: ...
    def withdraw(self, listener: socket.socket) -> None: ...


class Dns(Protocol):
    """The part of `DnsServer` that endpoints need."""

    def publish(self, owner: str, zones: Mapping[str, Zone]) -> int: ...
    def publish_names(self, owner: str, published: Mapping[str, NameRecords]) -> int: ...


class EndpointController:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, world: WorldControl, front: Front, dns: Dns) -> None:
        self._store = store
        self._world = world
        self._front = front
        self._dns = dns
        self._listening: dict[str, dict[str, list[socket.socket]]] = {}  # endpoint → address → its sockets
        self._controller = Controller(
            "vpc-endpoint",
            store,
            clock,
            keys=_work_of,
            every=_all_work,
            reconcile=self._reconcile,
            wants=lambda kind: kind in _WANTED,
        )

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        return {
            "endpoints_answering": sum(map(bool, self._listening.values())),
            "errors": dict(self._controller.last_errors),
        }

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        snapshot = self._store.snapshot()
        endpoint = snapshot.get(VpcEndpoint, account, region, id)
        if endpoint is None or endpoint.deleting or endpoint.type != INTERFACE:
            self._stop(id)
            if endpoint is not None and endpoint.deleting:
                self._delete(endpoint)
            return
        live = _live_addresses(snapshot, endpoint)
        if endpoint.provider is None:
            await self._listen(endpoint, live)
        self._publish(snapshot, endpoint, live)
        status = VpcEndpointStatus(
            account=account, region=region, id=id, addresses=tuple(sorted(live)), private_dns=endpoint.private_dns
        )
        if snapshot.get(VpcEndpointStatus, account, region, id) != status:
            with self._store.write() as tx:
                tx.put(status)

    async def _listen(self, endpoint: VpcEndpoint, addresses: set[str]) -> None:
        """Accept on exactly these addresses of the VPC."""
        host = endpoints.service_of(self._store.snapshot(), endpoint).host
        listening = self._listening.setdefault(endpoint.id, {})
        for gone in listening.keys() - addresses:
            self._withdraw(listening.pop(gone))
        for address in sorted(addresses - listening.keys()):
            opened = listening[address] = []
            try:
                for port, tls in PORTS:
                    sock = await self._world.open_socket(
                        vpc_namespace(endpoint.vpc_id), bind=(address, port), listen=BACKLOG
                    )
                    opened.append(sock)
                    self._front.accept_for(host, sock, tls)
            except BaseException:
                self._withdraw(listening.pop(address))
                raise

    def _publish(self, snapshot: Snapshot, endpoint: VpcEndpoint, live: set[str]) -> None:
        """The names lead to those addresses that answer."""
        published = {
            name: NameRecords(a=tuple(each for each in addresses if each in live), ttl=TTL_S)
            for name, addresses in endpoints.dns_names(snapshot, endpoint).items()
        }
        self._dns.publish_names(_owner(endpoint.id), published)
        private = endpoints.service_of(snapshot, endpoint).private_name
        zones = {}
        if endpoint.private_dns and private is not None and live:
            zones = {endpoint.private_zone_id: _private_zone(endpoint, private, live)}
        self._dns.publish(_owner(endpoint.id), zones)

    def _stop(self, id: str) -> None:
        for sockets in self._listening.pop(id, {}).values():
            self._withdraw(sockets)
        self._dns.publish(_owner(id), {})
        self._dns.publish_names(_owner(id), {})

    def _withdraw(self, sockets: Iterable[socket.socket]) -> None:
        for each in sockets:
            self._front.withdraw(each)

    def _delete(self, endpoint: VpcEndpoint) -> None:
        with self._store.write() as tx:
            for interface in endpoints.interfaces_of(tx, endpoint):
                interfaces.delete_interface(tx, interface)
            status = tx.get(VpcEndpointStatus, endpoint.account, endpoint.region, endpoint.id)
            if status is not None:
                tx.delete(status)
            forget_token(tx, endpoint)
            tx.delete(endpoint)


def _live_addresses(snapshot: Snapshot, endpoint: VpcEndpoint) -> set[str]:
    """The endpoint's addresses that the kernel has; those that lead to a customer's service, once both sides have."""
    links = {each.interface.id: each for each in private_link.links_of(snapshot, endpoint)}
    found = set()
    for interface in endpoints.interfaces_of(snapshot, endpoint):
        status = snapshot.get(InterfaceStatus, interface.account, interface.region, interface.id)
        answers = endpoint.provider is None or (
            interface.id in links and private_link.is_joined(snapshot, links[interface.id])
        )
        if status is not None and status.private_ip == interface.private_ip and answers:
            found.add(interface.private_ip)
    return found


def _private_zone(endpoint: VpcEndpoint, name: str, addresses: set[str]) -> Zone:
    """The zone that AWS keeps for an endpoint with a private name ("Manage DNS names for VPC endpoints")."""
    apex = names.to_wire(name.removeprefix("*."))
    authority = soa(apex)
    nodes: dict[bytes, dict[int, Records]] = {apex: {SOA: Records(authority.ttl, authority.rdatas)}}
    found = Records(TTL_S, tuple(IPv4Address(each).packed for each in sorted(addresses)))
    nodes.setdefault(names.to_wire(name), {})[A] = found
    return Zone.build(
        endpoint.private_zone_id, apex, nodes, created=endpoint.created, vpcs=frozenset({endpoint.vpc_id})
    )


def _owner(id: str) -> str:
    return f"ec2/{id}"


def _work_of(snapshot: Snapshot, key: Key) -> Iterable[str]:
    if key.kind == VpcEndpoint.kind:
        return (f"{key.account}|{key.region}|{key.id}",)
    if key.kind in (PeeringStatus.kind, EndpointServiceConfiguration.kind):
        interface_id = key.id.partition("|")[0]
        return [
            f"{each.account}|{each.region}|{each.id}"
            for each in snapshot.every(VpcEndpoint)
            if each.service == key.id or interface_id in each.interfaces.values()
        ]
    held = snapshot.list(VpcEndpoint, key.account, key.region)
    return [f"{key.account}|{key.region}|{each.id}" for each in held if key.id in each.interfaces.values()]


def _all_work(snapshot: Snapshot) -> Iterable[str]:
    return [f"{each.account}|{each.region}|{each.id}" for each in snapshot.every(VpcEndpoint)]
