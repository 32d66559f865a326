"""The shells that make load balancers real: store → Envoy and DNS; probes and draining are joined here too.

`LoadBalancerController` publishes each load balancer's translation once the kernel has its nodes' addresses, then its
DNS name, and calls it active when Envoy has acknowledged. What only concerns the health or the share of a group's
targets is work of its own: the group's endpoints alone, made by the same functions. `Elbv2Controllers` is all of the
service's long-lived parts.
All start from the store alone, so a restart converges.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.calling import CallService, nobody_answers
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.dns.zones import NameRecords
from kunren.dataplane.envoy.access_log import Subscriber
from kunren.dataplane.envoy.admin import Counted
from kunren.dataplane.envoy.resources import Endpoint, EnvoyResources
from kunren.dataplane.flows.control import FlowControl, FlowWorld
from kunren.dataplane.health.prober import Sockets
from kunren.services.acm.material import certificate_material
from kunren.services.acm.model import Certificate
from kunren.services.arc_zonal_shift.model import Autoshift, Configuration, ZonalShift
from kunren.services.ec2.model import Entrance, InterfaceStatus
from kunren.services.elbv2.anomaly_watch import AnomalyWatch
from kunren.services.elbv2.arns import balancer_of
from kunren.services.elbv2.associations import group_users, groups_with_balancer, trust_store_users
from kunren.services.elbv2.dataplane import network, targets
from kunren.services.elbv2.dataplane.balancer import Environment, is_live, reached_groups, resources, typical
from kunren.services.elbv2.dataplane.failover import in_dns, serves
from kunren.services.elbv2.dataplane.standing import given_out
from kunren.services.elbv2.dataplane.weights import next_step
from kunren.services.elbv2.endings import EndingController
from kunren.services.elbv2.logs.delivery import LogDelivery, Subscribe
from kunren.services.elbv2.logs.health_checks import HealthCheckLog
from kunren.services.elbv2.metrics import BalancerMetrics
from kunren.services.elbv2.model import (
    AvailabilityZone,
    Listener,
    LoadBalancer,
    LoadBalancerStatus,
    NodeCutOff,
    Rule,
    TargetAnomaly,
    TargetGroup,
    TargetHealth,
    TrustStore,
    TrustStoreRevocation,
)
from kunren.services.elbv2.probes import HealthController
from kunren.services.elbv2.sweeper import DrainingController

ACKNOWLEDGE_WITHIN_S = 15.0


_KINDS = frozenset(
    each.kind
    for each in (
        LoadBalancer,
        Listener,
        Rule,
        TargetGroup,
        TargetHealth,
        TargetAnomaly,
        NodeCutOff,
        ZonalShift,
        Autoshift,
        Configuration,
        InterfaceStatus,
        Entrance,
        Certificate,
        TrustStore,
        TrustStoreRevocation,
    )
)


class EnvoyPublisher(Protocol):
    def publish(self, owner: str, resources: EnvoyResources) -> asyncio.Future[None]: ...
    def set_endpoints(self, owner: str, endpoints: Mapping[str, tuple[Endpoint, ...]]) -> asyncio.Future[None]: ...
    def withdraw(self, owner: str) -> asyncio.Future[None]: ...
    def warm(self, resources: EnvoyResources) -> None: ...
    async def cut(self, namespace: str, address: str, port: int, sources: tuple[str, ...]) -> None: ...
    async def counted(self) -> list[Counted]: ...
    async def statistics(self, pattern: str) -> str: ...


class NamePublisher(Protocol):
    def publish_names(self, owner: str, published: Mapping[str, NameRecords]) -> int: ...


class LoadBalancerController:
    """Joins load balancers to Envoy and DNS."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        envoy: EnvoyPublisher,
        dns: NamePublisher,
        env: Environment,
        flows: FlowControl,
    ) -> None:
        self._flows = flows
        self._store = store
        self._clock = clock
        self._envoy = envoy
        self._dns = dns
        self._growing: set[str] = set()
        self._standing: dict[str, dict[str, TargetGroup]] = {}  # what was published of the groups besides their targets
        self._env = env
        self._warmed = False
        self._controller = Controller(
            "load-balancer",
            store,
            clock,
            keys=concerned,
            every=_every,
            reconcile=self._reconcile,
            wants=_KINDS.__contains__,
        )

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        """Return when Envoy and DNS have everything that was asked for until now."""
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        states = [each.state for each in snapshot.every(LoadBalancerStatus)]
        return {"active": states.count("active"), "errors": dict(self._controller.last_errors)}

    async def _reconcile(self, work: str) -> None:
        account, region, arn, *group = work.split("|")
        snapshot = self._store.snapshot()
        balancer = snapshot.get(LoadBalancer, account, region, arn)
        if group:
            await self._endpoints(snapshot, balancer, group[0])
            return
        self._standing.pop(arn, None)
        if balancer is None:
            self._dns.publish_names(arn, {})
            await _within(self._envoy.withdraw(arn))
            await self._flows.withdraw(arn)
            return
        if not self._warmed:
            self._warmed = True
            self._envoy.warm(typical(self._env))  # while the network is being made
        live = tuple(node for node in balancer.zones if is_live(snapshot, balancer, node))
        standing = balancer if live == balancer.zones else msgspec.structs.replace(balancer, zones=live)
        is_network = balancer.type == "network"
        made = (network.resources if is_network else resources)(snapshot, standing, self._env)
        try:
            await _within(self._envoy.publish(arn, made.resources))
            if is_network:
                table = network.flow_table(snapshot, standing, self._env.wall_seconds)
                await self._flows.publish(arn, table)
        except Exception as error:
            self._observe(balancer, None, str(error))
            raise
        groups = reached_groups(snapshot, balancer)
        self._dns.publish_names(arn, names(snapshot, balancer, live, groups.values()))
        self._again_for_slow_start(snapshot, balancer, groups.values())
        everywhere = len(live) == len(balancer.zones)
        self._observe(balancer, "active" if everywhere else None, "; ".join(made.problems))
        if not is_network:
            self._standing[arn] = {each.id: _settings(each) for each in groups.values()}

    async def _endpoints(self, snapshot: Snapshot, balancer: LoadBalancer | None, group_arn: str) -> None:
        """Publish one group's endpoints, and the names, which depend on the health of all groups. Where more than the
        group's targets changed, or the load balancer as a whole does not stand (or is being published, from an older
        snapshot), the whole is made again."""
        if balancer is None:
            return
        groups = reached_groups(snapshot, balancer)
        standing = self._standing.get(balancer.id)
        if standing is None or (group_arn in groups and standing.get(group_arn) != _settings(groups[group_arn])):
            self._controller.enqueue(_work(balancer.account, balancer.region, balancer.id))
            return
        live = tuple(node for node in balancer.zones if is_live(snapshot, balancer, node))
        done = None
        if (group := groups.get(group_arn)) is not None:
            made = targets.endpoint_resources(snapshot, group, [node.zone_name for node in live], self._env.now())
            done = self._envoy.set_endpoints(balancer.id, made)
            self._again_for_slow_start(snapshot, balancer, [group])
        self._dns.publish_names(balancer.id, names(snapshot, balancer, live, groups.values()))
        if done is not None:
            await _within(done)

    def _again_for_slow_start(self, snapshot: Snapshot, balancer: LoadBalancer, groups: Iterable[TargetGroup]) -> None:
        """Ask for the next step of each group in which shares grow."""
        now = self._clock.now()
        for group in groups:
            work = _work(balancer.account, balancer.region, balancer.id, group.id)
            step = next_step(snapshot, group, now)
            if step is not None and work not in self._growing:
                self._growing.add(work)
                self._clock.call_later(step, partial(self._grow, work))

    def _grow(self, work: str) -> None:
        self._growing.discard(work)
        self._controller.enqueue(work)

    def _observe(self, balancer: LoadBalancer, state: str | None, reason: str) -> None:
        """Say what is so. `state` None leaves it as it is (a load balancer that was active still serves)."""
        with self._store.write() as tx:
            if tx.get(LoadBalancer, balancer.account, balancer.region, balancer.id) is None:
                return
            before = tx.get(LoadBalancerStatus, balancer.account, balancer.region, balancer.id)
            status = LoadBalancerStatus(
                account=balancer.account,
                region=balancer.region,
                id=balancer.id,
                state=state or (before.state if before is not None else "provisioning"),
                reason=reason,
            )
            if status != before:
                tx.put(status)


async def _within(future: asyncio.Future[None]) -> None:
    """Wait for Envoy's word, but not for ever: the workqueue asks again."""
    done, _ = await asyncio.wait([future], timeout=ACKNOWLEDGE_WITHIN_S)
    if not done:
        raise TimeoutError(f"envoy did not acknowledge within {ACKNOWLEDGE_WITHIN_S:.0f} s")
    future.result()


def names(
    snapshot: Snapshot, balancer: LoadBalancer, live: Sequence[AvailabilityZone], groups: Collection[TargetGroup]
) -> dict[str, NameRecords]:
    """The load balancer's names and what they answer; `groups` are those it reaches. A Network Load Balancer has one
    name per zone too, and its own gives only zones that are well."""
    if balancer.type != "network":
        return {balancer.dns_name: name_records(snapshot, balancer, live, groups)}
    found = {f"{node.zone_name}.{balancer.dns_name}": name_records(snapshot, balancer, [node], groups) for node in live}
    answering = network.answering(snapshot, balancer, live)
    found[balancer.dns_name] = dataclasses.replace(
        name_records(snapshot, balancer, answering, groups), **network.near(snapshot, balancer, answering)
    )
    return found


def name_records(
    snapshot: Snapshot, balancer: LoadBalancer, live: Iterable[AvailabilityZone], groups: Collection[TargetGroup]
) -> NameRecords:
    """What the load balancer's DNS name answers: public addresses of an internet-facing one, private ones otherwise."""
    public = balancer.scheme == "internet-facing"
    standing = in_dns(snapshot, groups, given_out(snapshot, balancer, tuple(live)))
    addresses = tuple(node.public_ip if public else node.private_ip for node in standing)
    healthy = is_healthy(snapshot, balancer, groups)
    six = tuple(node.ipv6 for node in standing if node.ipv6)
    return NameRecords(a=tuple(each for each in addresses if each), aaaa=six, ttl=60, healthy=healthy)


def is_healthy(snapshot: Snapshot, balancer: LoadBalancer, groups: Collection[TargetGroup]) -> bool:
    """What an alias that evaluates target health sees: in some zone every target group has a healthy target, and as
    many as its thresholds ask for ("Values specific for alias records", Route 53). One that only redirects is healthy.
    """
    if not all(targets.serving(snapshot, group) for group in groups):
        return False
    return any(all(serves(snapshot, group, node.zone_name) for group in groups) for node in balancer.zones)


def concerned(snapshot: Snapshot, key: Key) -> Iterable[str]:
    """The load balancers, as work keys, that a changed resource concerns; with the target group where (as a rule) only
    its targets, their health or shares changed."""
    arns: Iterable[str] = ()
    if key.kind == LoadBalancer.kind:
        arns = (key.id, *_in_front_of(snapshot, key))
    elif key.kind in (Listener.kind, Rule.kind):
        arns = (balancer_of(key.id),)
    elif key.kind in (TargetGroup.kind, TargetHealth.kind, TargetAnomaly.kind):
        group = key.id.partition("|")[0]
        users = group_users(snapshot, key.account, key.region).get(group, ())
        return [_work(key.account, key.region, arn, group) for arn in users]
    elif key.kind in (TrustStore.kind, TrustStoreRevocation.kind):
        arns = trust_store_users(snapshot, key.id.partition("|")[0])
    elif key.kind == ZonalShift.kind:
        shift = snapshot.by_key(key)
        arns = [shift.resource] if isinstance(shift, ZonalShift) else ()
    elif key.kind == Configuration.kind:
        arns = (key.id,)
    elif key.kind == Autoshift.kind:
        return [
            _work(each.account, each.region, each.id)
            for each in snapshot.every(LoadBalancer)
            if each.region == key.region and each.attributes.get("zonal_shift.config.enabled") == "true"
        ]
    elif key.kind in (InterfaceStatus.kind, NodeCutOff.kind):
        arns = [
            each.id
            for each in snapshot.list(LoadBalancer, key.account, key.region)
            if any(node.interface_id == key.id for node in each.zones)
        ]
    elif key.kind == Entrance.kind:  # the kernel balances what comes by it
        balancers = snapshot.list(LoadBalancer, key.account, key.region)
        arns = [each.id for each in balancers if each.type == "network"]
    elif key.kind == Certificate.kind:
        return [
            _work(each.account, each.region, each.load_balancer_arn)
            for each in snapshot.every(Listener)
            if key.id in each.certificates
        ]
    return [_work(key.account, key.region, arn) for arn in arns]


def _in_front_of(snapshot: Snapshot, key: Key) -> list[str]:
    """The Network Load Balancers that have this load balancer as a target."""
    balancer = snapshot.get(LoadBalancer, key.account, key.region, key.id)
    if balancer is None or balancer.type != "application":
        return []
    users = group_users(snapshot, key.account, key.region)
    return [arn for group in groups_with_balancer(snapshot, balancer) for arn in users.get(group, ())]


def _every(snapshot: Snapshot) -> Iterable[str]:
    return [_work(each.account, each.region, each.id) for each in snapshot.every(LoadBalancer)]


def _work(account: str, region: str, *arns: str) -> str:
    """A work key: of a load balancer, or of one of its target groups' endpoints."""
    return "|".join((account, region, *arns))


def _settings(group: TargetGroup) -> TargetGroup:
    """All of a group that is more to Envoy than endpoints. (A function comes with a cluster of its own.)"""
    return group if group.target_type == "lambda" else msgspec.structs.replace(group, targets=())


def _nothing_observed(prefix: str, subscriber: Subscriber) -> Callable[[], None]:
    del prefix, subscriber
    return lambda: None


class WorldPart(Sockets, FlowWorld, Protocol):
    """What load balancing needs of the world."""

    def netns_path(self, namespace: str) -> str: ...


class Elbv2Controllers:
    """All long-lived parts of load balancing. The elbv2, ec2 and acm kinds are registered before it is built."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        world: WorldPart,
        envoy: EnvoyPublisher,
        dns: NamePublisher,
        *,
        bridge_socket: Path | str,
        call: CallService = nobody_answers,
        observe: Subscribe | None = None,
    ) -> None:
        """`bridge_socket` is where the HTTP server in front of Lambda targets listens; `call` reaches S3 and
        `observe` subscribes to Envoy's access log, for the logs of load balancers."""
        env = Environment(
            netns_path=world.netns_path,
            certificate=certificate_material,
            bridge_socket=str(bridge_socket),
            wall_seconds=clock.wall_seconds,
            wall=clock.wall,
            now=clock.now,
        )
        flows = FlowControl(world)
        self.balancers = LoadBalancerController(store, clock, envoy, dns, env, flows)
        self.endings = EndingController(store, clock, flows.end, envoy.cut)
        self.logs = LogDelivery(store, clock, entropy, call, observe or _nothing_observed, certificate_material)
        checks = HealthCheckLog(store, self.logs.add)
        self.health = HealthController(
            store, clock, entropy, world, bridge_socket=str(bridge_socket), told=checks.probed
        )
        self.draining = DrainingController(store, clock, envoy.cut)
        self.anomalies = AnomalyWatch(store, clock, envoy.counted)
        self.metrics = BalancerMetrics(store, clock, call, envoy.statistics)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for name, running in (
                ("load-balancers", self.balancers.run()),
                ("target-health", self.health.run()),
                ("draining", self.draining.run()),
                ("anomalies", self.anomalies.run()),
                ("metrics", self.metrics.run()),
                ("logs", self.logs.run()),
                ("endings", self.endings.run()),
            ):
                tasks.create_task(running, name=name)

    async def settled(self) -> None:
        """Return when Envoy and DNS have everything that was asked for until now."""
        await self.balancers.settled()

    def status(self) -> dict[str, Any]:
        status = {**self.balancers.status(), **self.health.status()}
        return {**status, "errors": {**status["errors"], **self.logs.failures}}
