"""The shells that make accelerators real: store → edge locations and DNS, and the probes of Elastic IP addresses.

An accelerator is DEPLOYED when every edge location that serves somebody has its newest revision. Health changes are
reconciled like any other; flows that exist stay where they are, since the kernel keeps them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.anycast import flow_counts, port_map
from kunren.dataplane.anycast.carrier import Carrier, CarrierWorld
from kunren.dataplane.anycast.ruleset import ruleset, table_name
from kunren.dataplane.anycast.table import AnycastListener, Destination
from kunren.dataplane.dns.zones import NameRecords
from kunren.dataplane.health.prober import Check, Outcome, Prober
from kunren.services.arc_zonal_shift.model import AWS
from kunren.services.ec2.model import Entrance
from kunren.services.globalaccelerator import endpoints, entrances
from kunren.services.globalaccelerator.dataplane import edge_listeners, ports_in_vpcs
from kunren.services.globalaccelerator.model import (
    Accelerator,
    AcceleratorStatus,
    CustomGroup,
    EndpointGroup,
    EndpointHealth,
    Listener,
    health_id,
)
from kunren.services.globalaccelerator.views import dual_stack_name
from kunren.world import addresses6
from kunren.world.addresses import edge_address
from kunren.world.interface import edge_namespace
from kunren.world.network import vpc_namespace
from kunren.world.spec import Place, WorldSpec

NAME_TTL_S = 300
COUNTS_KEPT_S = 120  # two capture windows of flow logs: each flow is read after its last packet
PROBE_TIMEOUT_S = 5.0
SOURCES_WAIT_S = 5.0
_OWN = frozenset(each.kind for each in (Accelerator, Listener, EndpointGroup, CustomGroup, EndpointHealth))
_CONCERNING = ("elbv2.", "arc-zonal-shift.", "ec2.elastic-ip", "ec2.interface-status", "ec2.entrance")


class AcceleratorWorld(CarrierWorld, Protocol):
    """The part of the world that accelerators need."""

    def edges_in_use(self) -> list[str]: ...
    async def ensure_edge(self, place: str) -> str: ...
    async def apply_table(self, owner: str, namespace: str, table: str, text: str) -> None: ...
    async def apply_anycast(self, owner: str, own: Sequence[str], tables: Mapping[str, Mapping[str, str]]) -> None: ...


class NamePublisher(Protocol):
    def publish_names(self, owner: str, published: Mapping[str, NameRecords]) -> int: ...


class AcceleratorControllers:
    """All long-lived parts of the service. The elbv2 and ec2 kinds are registered before it is built."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, world: AcceleratorWorld, dns: NamePublisher, spec: WorldSpec
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._world = world
        self._dns = dns
        self._spec = spec
        self._edges: dict[str, frozenset[str]] = {}  # that have an accelerator, by its ARN
        self._applied = asyncio.Event()  # a new one whenever an accelerator is everywhere
        self._carrier = Carrier(world, clock, spec) if spec.distance is not None else None
        self._led: dict[str, set[str]] = {}  # custom routing accelerator → VPCs that lead its ports on
        self._prober = Prober(world, clock, entropy, self._probed)
        self._controller = Controller(
            "globalaccelerator",
            store,
            clock,
            keys=_concerned,
            every=lambda snapshot: [_work(each) for each in snapshot.every(Accelerator)],
            reconcile=self._reconcile,
            wants=lambda kind: kind in _OWN or kind.startswith(_CONCERNING),
        )

    async def run(self) -> None:
        try:
            await self._controller.run()
        finally:
            await self._prober.stop()
            if self._carrier is not None:
                self._carrier.stop()

    async def settled(self) -> None:
        """Return when edges and DNS have everything that was asked for until now."""
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        deployed = sum(1 for _ in self._store.snapshot().every(AcceleratorStatus))
        return {"deployed": deployed, "probes": len(self._prober), "errors": dict(self._controller.last_errors)}

    async def sources_changed(self) -> None:
        """Somebody comes who may be next to an edge location that has nothing yet: return when it has all."""
        edges = frozenset(self._world.edges_in_use())
        for each in self._late(edges):
            self._controller.enqueue(_work(each))
        with contextlib.suppress(TimeoutError):  # it enters by another edge until then
            async with asyncio.timeout(SOURCES_WAIT_S):
                while self._late(edges):
                    await self._applied.wait()

    def _late(self, edges: frozenset[str]) -> list[Accelerator]:
        """The accelerators that some of these edge locations do not have yet."""
        every = self._store.snapshot().every(Accelerator)
        return [each for each in every if not edges <= self._edges.get(each.id, frozenset())]

    async def _reconcile(self, work: str) -> None:
        account, arn = work.split("|")
        snapshot, refused = self._admitted(self._store.snapshot())
        accelerator = snapshot.get(Accelerator, account, "", arn)
        await self._probe(snapshot)
        if accelerator is None:
            self._dns.publish_names(arn, {})
            await self._apply_ports(snapshot, None, arn)
            if self._carrier is not None:
                await self._carrier.publish(arn, (), {})
            await self._world.apply_anycast(arn, (), {})
            self._edges.pop(arn, None)
            return
        await self._apply_ports(snapshot, accelerator)
        edges = self._world.edges_in_use()
        made = {name: edge_listeners(snapshot, accelerator, self._spec, self._place(name)) for name in edges}
        made = made if accelerator.enabled else {}
        if self._carrier is not None:
            for name in made:
                await self._world.ensure_edge(name)
            await self._carrier.publish(arn, accelerator.addresses, made)
        tables = {name: self._tables(accelerator, name, listeners) for name, listeners in made.items()}
        if accelerator.addresses6:
            for name in made:
                tables[name].update(self._table6(snapshot, accelerator, name))
        own = (*accelerator.addresses, *accelerator.addresses6)
        await self._world.apply_anycast(arn, own, tables)
        self._edges[arn] = frozenset(edges)
        self._applied.set()
        self._applied = asyncio.Event()
        names = {accelerator.dns_name: NameRecords(a=accelerator.addresses, ttl=NAME_TTL_S)}
        if accelerator.addresses6:
            both = NameRecords(a=accelerator.addresses, aaaa=accelerator.addresses6, ttl=NAME_TTL_S)
            names[dual_stack_name(accelerator)] = both
        self._dns.publish_names(arn, names)
        if entrances.are_live(snapshot, arn):
            self._deployed(accelerator)
        ways = entrances.wanted(snapshot, arn)
        if reasons := sorted({why for way, why in refused.items() if way in ways}):
            raise entrances.NoEntrance("; ".join(reasons))

    def _admitted(self, snapshot: Snapshot) -> tuple[Snapshot, dict[entrances.Way, str]]:
        """The state with the entrances that the accelerators need, and why there are not all of them."""
        if entrances.wanted(snapshot) == {entrances.of(each) for each in snapshot.every(Entrance)}:
            return snapshot, {}
        with self._store.write() as tx:
            refused = entrances.synchronise(tx, self._entropy, self._spec, self._clock)
        return self._store.snapshot(), refused

    async def _apply_ports(self, snapshot: Snapshot, accelerator: Accelerator | None, arn: str = "") -> None:
        """Have the VPCs of a custom routing accelerator's subnets lead its ports on, and no others."""
        arn = accelerator.id if accelerator is not None else arn
        wanted = {}
        if accelerator is not None and accelerator.custom:
            wanted = ports_in_vpcs(snapshot, accelerator)
        for vpc_id in sorted(self._led.get(arn, set()) | wanted.keys()):
            owner = f"{arn}|{vpc_id}"
            text = port_map.table_text(owner, wanted.get(vpc_id, {}))
            await self._world.apply_table(owner, vpc_namespace(vpc_id), port_map.table_name(owner), text)
        self._led[arn] = set(wanted)
        if not wanted:
            self._led.pop(arn)

    def _tables(self, accelerator: Accelerator, name: str, listeners: list[AnycastListener]) -> dict[str, str]:
        """An edge location's nft tables: the balancing, and the counting where somebody reads it."""
        arn, own = accelerator.id, edge_address(self._spec.places.index(self._place(name)))
        found = {table_name(arn): ruleset(arn, accelerator.addresses, own, listeners)}
        if accelerator.flow_logs:
            kept_s = round(self._clock.wall_seconds(COUNTS_KEPT_S)) + 10
            found[flow_counts.table_name(arn)] = flow_counts.table_text(arn, accelerator.addresses, kept_s)
        return found

    def _table6(self, snapshot: Snapshot, accelerator: Accelerator, name: str) -> dict[str, str]:
        place = self._place(name)
        listeners = edge_listeners(snapshot, accelerator, self._spec, place, six=True)
        own = addresses6.edge_address(self._spec.places.index(place))
        text = ruleset(accelerator.id, accelerator.addresses6, own, listeners, "ip6")
        return {table_name(accelerator.id, "ip6"): text}

    def led(self, client: str, port: int, asked: str, asked_port: int) -> Destination | None:
        """Where a connection that an edge location ended was led."""
        return self._carrier.led(client, port, asked, asked_port) if self._carrier is not None else None

    def _place(self, name: str) -> Place:
        found = self._spec.place(name)
        assert found is not None
        return found

    def _deployed(self, accelerator: Accelerator) -> None:
        account, arn, revision = accelerator.account, accelerator.id, accelerator.revision
        with self._store.write() as tx:
            if tx.get(Accelerator, account, "", arn) is None:
                return
            status = AcceleratorStatus(account=account, region="", id=arn, revision=revision)
            if tx.get(AcceleratorStatus, account, "", arn) != status:
                tx.put(status)

    # --- probes of endpoints that are no load balancers

    async def _probe(self, snapshot: Snapshot) -> None:
        """Run the checks that there should be, from the edge location of the world's default place."""
        probed = [
            (group, endpoint)
            for group in snapshot.every(EndpointGroup)
            for endpoint in group.endpoints
            if endpoints.is_probed(endpoint)
        ]
        checks = {}
        for group, endpoint in probed:
            for address in endpoints.addresses(snapshot, group, endpoint):
                checks[group.account, group.id, endpoint.id] = self._check(snapshot, group, address)
        if checks:
            await self._world.ensure_edge(self._spec.default_place)  # also where nobody is next to it
        self._prober.set_checks(checks)

    def _check(self, snapshot: Snapshot, group: EndpointGroup, address: str) -> Check:
        listener = snapshot.get(Listener, group.account, "", group.listener_arn)
        assert listener is not None
        wanted, place = group.health_check, self._place(self._spec.default_place)
        return Check(
            namespace=edge_namespace(place.name),
            source=edge_address(self._spec.places.index(place)),
            address=address,
            port=wanted.port or listener.port_ranges[0].first,
            secure=wanted.protocol == "HTTPS",
            path=wanted.path,
            interval_s=float(wanted.interval_s),
            timeout_s=PROBE_TIMEOUT_S,
            user_agent="Amazon-Route53-Health-Check-Service",
            connects_only=wanted.protocol == "TCP",
        )

    def _probed(self, key: tuple[str, str, str], outcome: Outcome) -> None:
        account, group_arn, endpoint_id = key
        with self._store.write() as tx:
            group = tx.get(EndpointGroup, account, "", group_arn)
            if group is None:
                return
            identity = health_id(group_arn, endpoint_id)
            before = tx.get(EndpointHealth, account, "", identity)
            after = judged(before, account, identity, passed(outcome), group.health_check.threshold)
            if after != before:
                tx.put(after)


def passed(outcome: Outcome) -> bool:
    return outcome.kind == "connected" or (outcome.kind == "status" and 200 <= outcome.code < 400)


def judged(before: EndpointHealth | None, account: str, identity: str, passed: bool, threshold: int) -> EndpointHealth:
    """An endpoint's health after one more probe: so many in a row change its state."""
    state = before.state if before is not None else endpoints.INITIAL
    wanted = endpoints.HEALTHY if passed else endpoints.UNHEALTHY
    streak = 0 if wanted == state else (before.streak if before is not None else 0) + 1
    if streak >= threshold or (state == endpoints.INITIAL and passed):
        state, streak = wanted, 0
    return EndpointHealth(account=account, region="", id=identity, state=state, streak=streak)


def _concerned(snapshot: Snapshot, key: Key) -> Iterable[str]:
    """The accelerators, as work keys, that a changed resource may concern."""
    if key.kind == Accelerator.kind:
        return [f"{key.account}|{key.id}"]
    if key.kind in _OWN:
        return [f"{key.account}|{key.id.partition('/listener/')[0]}"]
    subnets = {
        f"{group.account}|{group.accelerator_arn}"
        for group in snapshot.every(CustomGroup)
        if group.group_region == key.region and group.endpoints
    }
    return subnets | {
        f"{group.account}|{group.accelerator_arn}"
        for group in snapshot.every(EndpointGroup)
        if group.group_region == key.region
        and any(key.account in (AWS, endpoints.owner(group, each)) for each in group.endpoints)
    }


def _work(accelerator: Accelerator) -> str:
    return f"{accelerator.account}|{accelerator.id}"
