"""What health checks find in virtual time, and what DNS answers then: the running system's own rules, driven by a queue
of probes instead of by packets.

Targets and nodes are judged by `services.elbv2.health`, Route 53's checkers by `services.route53.health`; which
addresses a load balancer's name has, by the function that publishes them; what a resolver is told, by the resolver's
own code.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from itertools import count

from kunren.control.store import Snapshot, Store, Tx
from kunren.core.entropy import Entropy
from kunren.dataplane.dns import names as dns_names
from kunren.dataplane.dns.geography import Geography
from kunren.dataplane.dns.zones import A, Zones
from kunren.dataplane.health.endpoint import Finding
from kunren.dataplane.health.prober import Outcome
from kunren.services.ec2.model import Subnet
from kunren.services.elbv2.controllers import names
from kunren.services.elbv2.dataplane import targets
from kunren.services.elbv2.dataplane.balancer import reached_groups
from kunren.services.elbv2.health import Seen, combined, judged
from kunren.services.elbv2.model import (
    AvailabilityZone,
    LoadBalancer,
    NodeCutOff,
    TargetGroup,
    TargetHealth,
    target_health_id,
)
from kunren.services.elbv2.model import Target as GroupTarget
from kunren.services.route53 import health as checkers
from kunren.services.route53.dataplane import zone_of
from kunren.services.route53.model import HealthCheck, HostedZone, OwnerName, ZoneSigning
from kunren.services.route53.store import GLOBAL
from kunren.simulate.scenario import Dark, Spot, state_of
from kunren.trace.course import State
from kunren.trace.outcomes import outcomes
from kunren.world.spec import WorldSpec

CONNECT_TIMEOUT_S = 4.0
"""Of Route 53's checkers."""


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that a resolver may be told: an address, and the name that has it behind CNAMEs, each with its TTL (0
    for the name where there is no CNAME)."""

    address: str
    ttl_s: float
    owner: str
    owner_ttl_s: float
    probability: float


@dataclass(frozen=True, slots=True)
class Epoch:
    """From `start_s` on, DNS tells this to each place, and the addresses lead to targets like this."""

    start_s: float
    told: dict[str, list[Told]]
    snapshot: Snapshot
    of_owner: dict[str, list[Told]]
    """What is told to whoever still remembers that the name leads to this owner."""


class VirtualWorld:
    """The state of a deployed architecture, and its health in virtual time. Everything is well in the beginning."""

    def __init__(self, store: Store, spec: WorldSpec, dark: Sequence[Dark], entropy: Entropy) -> None:
        self._store, self._spec, self._dark, self._entropy = store, spec, dark, entropy
        self._geography = Geography(spec)
        self._queue: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._views: dict[tuple[str, str], dict[str, Seen]] = {}
        self._opinions: dict[str, dict[tuple[str, str], checkers.Opinion]] = {}
        self._changed = True
        self.balancers = list(store.snapshot().every(LoadBalancer))
        self._zones = self._hosted(store.snapshot())
        self._watch_targets()
        self._watch_checks()

    def epochs(self, name: str, places: dict[str, str], end_s: float) -> list[Epoch]:
        """From the steady state until then. `places` are the client addresses of places."""
        found: list[Epoch] = []
        self._publish(0.0, name, places, found)
        while self._queue and self._queue[0][0] < end_s:
            at_s, _, act = heapq.heappop(self._queue)
            act(at_s)
            if self._changed:
                self._publish(at_s, name, places, found)
        return found

    def served(self, snapshot: Snapshot, address: str, at_s: float) -> float:
        """The share of requests to that address that are answered well at that time."""
        found = self._node_of(address)
        return self._share(snapshot, *found, at_s) if found else 0.0

    def knows(self, address: str) -> bool:
        """Whether it is a load balancer's, which alone are followed to targets."""
        return self._node_of(address) is not None

    def _node_of(self, address: str) -> tuple[LoadBalancer, AvailabilityZone] | None:
        for balancer in self.balancers:
            for node in balancer.zones:
                if address in (node.public_ip, node.private_ip):
                    return balancer, node
        return None

    # -- what there is ------------------------------------------------------------------------------------------------

    def _hosted(self, snapshot: Snapshot) -> Zones:
        zones = Zones()
        for hosted in snapshot.every(HostedZone):
            owners = snapshot.list(OwnerName, hosted.account, hosted.id)
            signing = snapshot.get(ZoneSigning, hosted.account, GLOBAL, hosted.id)
            zones = zones.publish(hosted.id, {hosted.id: zone_of(hosted, owners, self._geography.position, signing)})
        return zones

    def _watch_targets(self) -> None:
        with self._store.write() as tx:
            for balancer in self.balancers:
                for group in reached_groups(self._store.snapshot(), balancer).values():
                    for target in group.targets:
                        key = (group.id, target_health_id(group.id, target))
                        well = Seen("healthy", group.health_check.healthy_threshold, 0, None, None)
                        for node in balancer.zones:
                            self._views.setdefault(key, {})[node.interface_id] = well
                            self._probe_target(balancer, group, target, node)
                        tx.put(TargetHealth(account=group.account, region=group.region, id=key[1], state="healthy"))

    def _probe_target(
        self, balancer: LoadBalancer, group: TargetGroup, target: GroupTarget, node: AvailabilityZone
    ) -> None:
        interval_s = float(group.health_check.interval)
        key = (group.id, target_health_id(group.id, target))

        def probe(at_s: float) -> None:
            well = state_of(self._node_spot(balancer, node), self._dark, at_s)
            seen = state_of(self._target_spot(group, target), self._dark, at_s)
            silent = "silent" in (well, seen)
            kind = "timeout" if silent else "failed" if seen == "dead" else "status"
            takes_s = float(group.health_check.timeout) if silent else 0.0
            self._later(at_s + takes_s, lambda then: self._judge(group, key, node, Outcome(kind, 200), then))
            self._later(at_s + max(interval_s, takes_s), probe)

        self._later(self._entropy.uniform(0, interval_s), probe)

    def _judge(
        self, group: TargetGroup, key: tuple[str, str], node: AvailabilityZone, outcome: Outcome, at_s: float
    ) -> None:
        views = self._views[key]
        before = combined(views.values()).state
        nodes_before = views[node.interface_id].state
        views[node.interface_id] = judged(views[node.interface_id], outcome, group.health_check)
        seen = combined(views.values())
        with self._store.write() as tx:
            if seen.state != before:
                self._changed = True
                tx.put(
                    TargetHealth(account=group.account, region=group.region, id=key[1], state=seen.state, since=at_s)
                )
            if views[node.interface_id].state != nodes_before:
                self._judge_nodes(tx, group, at_s)

    def _judge_nodes(self, tx: Tx, group: TargetGroup, at_s: float) -> None:
        """As `services.elbv2.probes` has it: cut off is a node for which all are dead that others reach."""
        for node in {node for views in self._views.values() for node in views}:
            own = [views for views in self._views.values() if node in views]
            dead = all(views[node].state == "unhealthy" for views in own)
            alive = any(seen.state == "healthy" for views in own for seen in views.values())
            before = tx.get(NodeCutOff, group.account, group.region, node)
            if dead and alive and before is None:
                tx.put(NodeCutOff(account=group.account, region=group.region, id=node, since=at_s))
                self._changed = True
            elif before is not None and not (dead and alive):
                tx.delete(before)
                self._changed = True

    def _watch_checks(self) -> None:
        for check in self._store.snapshot().every(HealthCheck):
            who = checkers.checkers_of(check.config)
            self._opinions[check.id] = {each: checkers.Opinion() for each in who}
            for checker in who:
                self._probe_check(check, checker)

    def _probe_check(self, check: HealthCheck, checker: tuple[str, str]) -> None:
        interval_s = float(check.config.request_interval_s or 30)
        threshold = check.config.failure_threshold or 3

        def probe(at_s: float) -> None:
            finding, takes_s = self._finding(check, at_s)

            def told(_: float) -> None:
                opinions = self._opinions[check.id]
                healthy = checkers.enough_healthy([each.healthy for each in opinions.values()])
                opinions[checker] = checkers.judged(opinions[checker], finding, threshold, at_s)
                now = checkers.enough_healthy([each.healthy for each in opinions.values()])
                self._changed = self._changed or healthy != now

            self._later(at_s + takes_s, told)
            self._later(at_s + max(interval_s, takes_s), probe)

        self._later(self._entropy.uniform(0, interval_s), probe)

    def _finding(self, check: HealthCheck, at_s: float) -> tuple[Finding, float]:
        """What a checker sees, and how long it takes."""
        name = check.config.ip_address or check.config.domain_name or ""
        snapshot = self._store.snapshot()
        for balancer in self.balancers:
            if name.rstrip(".").lower() == balancer.dns_name.lower():
                node = self._entropy.choice(balancer.zones)
                if state_of(self._node_spot(balancer, node), self._dark, at_s) == "silent":
                    return Finding("timeout"), CONNECT_TIMEOUT_S
                answered = self._entropy.uniform(0, 1) < self._share(snapshot, balancer, node, at_s)
                return Finding("status", 200 if answered else 502, "OK" if answered else "Bad Gateway"), 0.0
        return Finding("status", 200, "OK"), 0.0

    def _later(self, at_s: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._queue, (at_s, next(self._order), act))

    # -- what comes of it ---------------------------------------------------------------------------------------------

    def _publish(self, at_s: float, name: str, places: dict[str, str], found: list[Epoch]) -> None:
        self._changed = False
        snapshot = self._store.snapshot()
        zones = self._zones
        for balancer in self.balancers:
            groups = reached_groups(snapshot, balancer)
            zones = zones.publish_names(balancer.id, names(snapshot, balancer, balancer.zones, groups.values()))
        zones = zones.publish_unhealthy(frozenset(self._failing(snapshot)))
        state = State(snapshot, zones, self._spec, now=at_s)
        told = {place: _told(state, name, source) for place, source in places.items()}
        owners = {each.owner for options in told.values() for each in options}
        owners |= {owner for epoch in found[-1:] for owner in epoch.of_owner}
        of_owner = {owner: _told(state, owner, "") for owner in sorted(owners)}
        found.append(Epoch(at_s, told, snapshot, of_owner))

    def _failing(self, snapshot: Snapshot) -> Iterable[str]:
        for check in snapshot.every(HealthCheck):
            opinions = self._opinions[check.id]
            healthy = checkers.enough_healthy([each.healthy for each in opinions.values()])
            if not checkers.with_switches(check.config, healthy):
                yield check.id

    def _share(self, snapshot: Snapshot, balancer: LoadBalancer, node: AvailabilityZone, at_s: float) -> float:
        if state_of(self._node_spot(balancer, node), self._dark, at_s) != "well":
            return 0.0
        shares = []
        for group in reached_groups(snapshot, balancer).values():
            well = targets.serving(snapshot, group)
            all_of = [each for each in group.targets if each.draining_since is None]
            used = [each for each in all_of if (each.id, each.port) in well] or all_of  # fails open
            alive = [state_of(self._target_spot(group, each), self._dark, at_s) == "well" for each in used]
            shares.append(sum(alive) / len(alive) if alive else 0.0)
        return min(shares, default=1.0)

    def _node_spot(self, balancer: LoadBalancer, node: AvailabilityZone) -> Spot:
        return Spot(node.private_ip or "", node.subnet_id, node.zone_name, balancer.region)

    def _target_spot(self, group: TargetGroup, target: GroupTarget) -> Spot:
        for subnet in self._store.snapshot().list(Subnet, group.account, group.region):
            if subnet.vpc_id == group.vpc_id and ip_address(target.id) in ip_network(subnet.cidr):
                return Spot(target.id, subnet.id, subnet.availability_zone, group.region)
        return Spot(target.id, "", "", group.region)


def _told(state: State, name: str, source: str) -> list[Told]:
    found = []
    for each in outcomes(state, dns_names.to_wire(name), A, source):
        chain = each.answer.answer
        addresses = [".".join(map(str, rdata)) for rrset in chain if rrset.rtype == A for rdata in rrset.rdatas]
        if addresses:
            owner = dns_names.to_text(chain[-1].name)
            held_s = float(min((rrset.ttl for rrset in chain[:-1]), default=0))
            share = each.probability / len(addresses)
            found += [Told(address, float(chain[-1].ttl), owner, held_s, share) for address in addresses]
    return found
