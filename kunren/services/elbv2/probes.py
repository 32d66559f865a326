"""Which health probes run, and what becomes of what they see: store → prober → TargetHealth.

Every live node of a load balancer probes every registered target, in the load balancer's zones, of each group that a
listener reaches; nothing else is probed. What they see is judged in `health.py` and written as observed state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.memo import by_identity, kept
from kunren.dataplane.health.prober import Check, Outcome, Prober, Sockets
from kunren.services.ec2.model import InterfaceStatus
from kunren.services.elbv2.dataplane import targets
from kunren.services.elbv2.dataplane.balancer import is_live, reached_groups
from kunren.services.elbv2.dataplane.routing import GROUP_HEADER
from kunren.services.elbv2.dataplane.weights import FULL, ramp, slow_start_seconds
from kunren.services.elbv2.health import Seen, combined, judged, slow_since
from kunren.services.elbv2.model import (
    AvailabilityZone,
    Listener,
    LoadBalancer,
    NodeCutOff,
    Rule,
    Target,
    TargetGroup,
    TargetHealth,
    target_health_id,
)
from kunren.services.elbv2.network_attributes import is_network, of_group
from kunren.world.network import vpc_namespace

_KINDS = frozenset(each.kind for each in (LoadBalancer, Listener, Rule, TargetGroup, InterfaceStatus))
ProbeKey = tuple[str, str, str, str, int | None, float, str]
"""Account, region, group, target's id and port, when it was registered, the node's interface."""
Told = Callable[[ProbeKey, TargetGroup, Outcome], None]


class HealthController:
    """Keeps the right probes running and writes TargetHealth."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        sockets: Sockets,
        *,
        bridge_socket: str = "",
        told: Told = lambda *_: None,
    ) -> None:
        """`told` is told of every probe."""
        self._told = told
        self._store = store
        self._clock = clock
        self._bridge = bridge_socket
        self._prober = Prober(sockets, clock, entropy, self._probed)
        self._views: dict[Any, dict[str, Seen]] = {}  # by probe key without the node, then by node
        self._controller = Controller(
            "target-health",
            store,
            clock,
            keys=self._keys,
            every=lambda _: ("all",),
            reconcile=self._reconcile,
            wants=_KINDS.__contains__,
        )

    async def run(self) -> None:
        try:
            await self._controller.run()
        finally:
            await self._prober.stop()

    def status(self) -> dict[str, Any]:
        return {"probes": len(self._prober)}

    def _keys(self, snapshot: Snapshot, key: Key) -> Iterable[str]:
        del snapshot
        return ("all",) if key.kind in _KINDS else ()

    async def _reconcile(self, _: str) -> None:
        snapshot = self._store.snapshot()
        checks = wanted_checks(snapshot, self._bridge)
        nodes: dict[Any, list[str]] = {}
        for key in checks:
            nodes.setdefault(key[:6], []).append(key[6])
        before, self._views = self._views, {}
        for key, names in nodes.items():
            views = before.get(key, {})
            self._views[key] = {name: views[name] for name in names if name in views}
        self._prober.set_checks(checks)
        shown = {(key[0], key[1], _health_id(key)) for key in nodes}
        asking = {key[6] for key in checks}
        with self._store.write() as tx:
            for cut_off in snapshot.every(NodeCutOff):
                if cut_off.id not in asking:  # nobody can tell any more
                    tx.delete(cut_off)
            for each in snapshot.every(TargetHealth):
                if (each.account, each.region, each.id) not in shown:
                    tx.delete(each)
            for account, region, id in shown:
                if id not in snapshot.by_id(TargetHealth, account, region):
                    tx.put(_row(account, region, id, Seen(), self._clock.now()))

    def _probed(self, key: ProbeKey, outcome: Outcome) -> None:
        account, region, group_arn = key[:3]
        group = self._store.snapshot().get(TargetGroup, account, region, group_arn)
        if group is None:
            return
        self._told(key, group, outcome)
        views = self._views.setdefault(key[:6], {})
        view = views.get(key[6], Seen())
        views[key[6]] = judged(view, outcome, group.health_check)
        if views[key[6]].state != view.state:
            self._judge_nodes(account, region, views)
        seen = combined(views.values())
        snapshot, now = self._store.snapshot(), self._clock.now()
        before = snapshot.get(TargetHealth, account, region, _health_id(key))
        slow = slow_since(before, seen.state, now, is_warm(snapshot, group, _health_id(key), now))
        since = before.since if before is not None and before.state == seen.state else now
        row = _row(account, region, _health_id(key), seen, since, slow)
        if before != row:
            with self._store.write() as tx:
                tx.put(row)

    def _judge_nodes(self, account: str, region: str, nodes: Iterable[str]) -> None:
        """Note which of the nodes are cut off: all they probe is out of their reach, and not out of others'."""
        for node in nodes:
            # Nearly always the first view that is looked at says that the node is well.
            held = self._views.values()
            dead = all(views[node].state == "unhealthy" for views in held if node in views)
            alive = dead and any(seen.state == "healthy" for views in held if node in views for seen in views.values())
            if not dead and self._store.snapshot().get(NodeCutOff, account, region, node) is None:
                continue
            with self._store.write() as tx:
                before = tx.get(NodeCutOff, account, region, node)
                if dead and alive and before is None:
                    tx.put(NodeCutOff(account=account, region=region, id=node, since=self._clock.now()))
                elif before is not None and not (dead and alive):
                    tx.delete(before)


def _health_id(key: ProbeKey) -> str:
    return target_health_id(key[2], Target(id=key[3], port=key[4]))


def _row(account: str, region: str, id: str, seen: Seen, since: float, slow_since: float | None = None) -> TargetHealth:
    return TargetHealth(
        account=account,
        region=region,
        id=id,
        state=seen.state,
        reason=seen.reason,
        description=seen.description,
        since=since,
        slow_since=slow_since,
    )


def is_warm(snapshot: Snapshot, group: TargetGroup, health_id: str, now: float) -> bool:
    """Whether a target that turns healthy in this group begins slowly: slow start is on, and another target is healthy
    and has its full share."""
    duration = slow_start_seconds(group)
    if duration <= 0:
        return False
    ids = (target_health_id(group.id, each) for each in group.targets if each.draining_since is None)
    others = (snapshot.get(TargetHealth, group.account, group.region, each) for each in ids if each != health_id)
    return any(
        each is not None and each.state == "healthy" and ramp(duration, each.slow_since, now) == FULL for each in others
    )


def wanted_checks(snapshot: Snapshot, bridge_socket: str = "") -> dict[ProbeKey, Check]:
    """Every live node probes every registered target, in its load balancer's zones, of each group that a listener
    reaches; a function is asked once, through the bridge."""
    checks: dict[ProbeKey, Check] = {}
    for balancer in snapshot.every(LoadBalancer):
        zones = {node.zone_name for node in balancer.zones}
        nodes = [node for node in balancer.zones if is_live(snapshot, balancer, node)]
        for group in reached_groups(snapshot, balancer).values() if nodes else ():
            if not group.health_check.enabled:
                continue
            if group.target_type == "lambda":
                for target in group.targets:
                    checks[_probe_key(group, target, nodes[0])] = _function_check(group, bridge_socket)
                continue
            askers = [
                (node, kept(f"asker {group.id} {node.interface_id}", _asker(balancer, group, node))) for node in nodes
            ]
            for target in group.targets:
                zone = targets.zone_of(snapshot, group, target)
                if target.draining_since is not None or (zone not in (None, "all") and zone not in zones):
                    continue
                for node, asker in askers:
                    if group.target_type == "ip":
                        key, check = _check(asker, target)
                        checks[key] = check
                    elif (found := _place(snapshot, group, target, node)) is not None:
                        key, _ = _check(asker, target)
                        checks[key] = _asking(asker, *found)
    return checks


def _probe_key(group: TargetGroup, target: Target, node: AvailabilityZone) -> ProbeKey:
    scope = (group.account, group.region, group.id)
    return (*scope, target.id, target.port, target.registered_at, node.interface_id)


def _function_check(group: TargetGroup, bridge_socket: str) -> Check:
    settings = group.health_check
    return Check(
        namespace="",
        source="",
        address="health-check",
        port=80,
        secure=False,
        path=settings.path or "/",
        interval_s=float(settings.interval),
        timeout_s=float(settings.timeout),
        pipe=bridge_socket,
        header=(GROUP_HEADER, group.id),
    )


class _Asker(NamedTuple):
    """How one node asks the targets of one group."""

    account: str
    region: str
    group: str
    interface: str
    like: Check  # with the address and port of no target
    port: int | None  # that of the checks; None: where the target gets its requests
    default_port: int


def _asker(balancer: LoadBalancer, group: TargetGroup, node: AvailabilityZone) -> _Asker:
    settings = group.health_check
    like = Check(
        namespace=vpc_namespace(balancer.vpc_id),
        source=(node.ipv6 if group.ip_address_type == "ipv6" else None) or node.private_ip,
        address="",
        port=0,
        secure=settings.protocol == "HTTPS",
        connects_only=settings.protocol == "TCP",
        proxy_protocol=is_network(group) and of_group(group, "proxy_protocol_v2.enabled") == "true",
        path=settings.path or "/",
        interval_s=float(settings.interval),
        timeout_s=float(settings.timeout),
        version=group.protocol_version or "HTTP1",
    )
    port = None if settings.port == "traffic-port" else int(settings.port)
    return _Asker(group.account, group.region, group.id, node.interface_id, like, port, group.port or 0)


@by_identity(1 << 14)
def _check(asker: _Asker, target: Target) -> tuple[ProbeKey, Check]:
    """The check of a target that is an address."""
    key = (asker.account, asker.region, asker.group, target.id, target.port, target.registered_at, asker.interface)
    return key, _asking(asker, target.id, target.port or asker.default_port)


def _asking(asker: _Asker, address: str, port: int) -> Check:
    return replace(asker.like, address=address, port=asker.port or port)


def _place(snapshot: Snapshot, group: TargetGroup, target: Target, node: AvailabilityZone) -> tuple[str, int] | None:
    """Where a node finds a target that is no address: in its own zone, if it is there."""
    found = targets.addresses_of(snapshot, group, target)
    if not found:
        return None
    address, port, _ = next((each for each in found if each[2] == node.zone_name), found[0])
    return address, port
