"""Keeps capacity providers' groups: who belongs to one, the policy that scales it, protection, draining.

What the group does is Auto Scaling's: managed scaling is a target tracking policy on a metric that is told every
minute, managed draining a lifecycle hook that waits for the tasks, managed termination protection its protection from
scale-in. "Amazon ECS cluster auto scaling" and "Safely stop workloads with managed instance draining" in the developer
guide.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.calling import CallService
from kunren.core.clock import Clock, ticks
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.autoscaling.model import Group, Member
from kunren.services.ec2.instances.model import LaunchTemplate
from kunren.services.ec2.instances.types import all_types
from kunren.services.ecs.agents.rows import Rows, tasks_on
from kunren.services.ecs.capacity import demand
from kunren.services.ecs.capacity.model import DRAINING_HOOK, METRIC, METRICS, CapacityProvider
from kunren.services.ecs.capacity.waiting import find_places, give_up, waiting
from kunren.services.ecs.model import Cluster, ContainerInstance, Service, Task

log = logging.getLogger(__name__)
_HOOK_S = 3600
_DRAINS_S = 48 * 3600.0
_GONE = ("ValidationError", "ResourceNotFound")


class CapacityController:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService, rows: Rows) -> None:
        self._store, self._clock, self._entropy, self._call, self._rows = store, clock, entropy, call, rows
        kinds = (CapacityProvider.kind, Cluster.kind, ContainerInstance.kind, Task.kind, Group.kind)
        self._controller = Controller(
            "capacity-providers", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind in kinds,
        )  # fmt: skip

    async def run(self) -> None:
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._controller.run())
            parts.create_task(self._measure())

    async def settled(self) -> None:
        await self._controller.settled()

    async def _reconcile(self, work: str) -> None:
        account, region, name = work.split("|")
        snapshot = self._store.snapshot()
        provider = snapshot.get(CapacityProvider, account, region, name)
        if provider is None:
            return
        with self._store.write() as tx:
            give_up(tx, provider, self._clock.now())
        if provider.status == "INACTIVE":
            return
        group = snapshot.get(Group, account, region, provider.group)
        if group is None or group.deleting:
            if provider.status == "DEPROVISIONING":
                self._ended(provider)
            return
        if provider.status == "ACTIVE":
            self._belong(provider, group)
        await self._hook(provider, group)
        await self._policy(provider, group)
        if provider.status == "DEPROVISIONING":
            self._ended(provider)
            return
        for member in group.members.values():
            await self._drain(provider, group, member)
        await self._protect(provider, group)
        with self._store.write() as tx:
            find_places(tx, self._entropy, provider)

    def _ended(self, provider: CapacityProvider) -> None:
        with self._store.write() as tx:
            found = tx.get(CapacityProvider, provider.account, provider.region, provider.id)
            if found is not None:
                tx.put(replace(found, status="INACTIVE", update_status="DELETE_COMPLETE", policy=None))

    def _belong(self, provider: CapacityProvider, group: Group) -> None:
        """The container instances of the group are the provider's, where their cluster has it."""
        cluster = cluster_of(self._store.snapshot(), provider)
        with self._store.write() as tx:
            for each in tx.list(ContainerInstance, provider.account, provider.region):
                mine = each.instance_id in group.members and cluster is not None and each.cluster == cluster.id
                if mine and each.capacity_provider is None and each.status != "INACTIVE":
                    self._rows.change(tx, each, capacity_provider=provider.id)

    async def _hook(self, provider: CapacityProvider, group: Group) -> None:
        wanted = provider.drains and provider.status == "ACTIVE"
        named = {"AutoScalingGroupName": group.id, "LifecycleHookName": DRAINING_HOOK}
        if wanted and DRAINING_HOOK not in group.hooks:
            told = {"LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING", "HeartbeatTimeout": _HOOK_S,
                    "DefaultResult": "CONTINUE"}  # fmt: skip
            await self._ask(provider, "PutLifecycleHook", {**named, **told})
        elif not wanted and DRAINING_HOOK in group.hooks:
            await self._ask(provider, "DeleteLifecycleHook", named)

    async def _policy(self, provider: CapacityProvider, group: Group) -> None:
        """The group has a policy that follows the metric, for the cluster that has the provider."""
        cluster = cluster_of(self._store.snapshot(), provider)
        wanted = cluster.id if cluster is not None and provider.scales else None
        there = provider.policy is not None and provider.policy in group.scaling
        if wanted == provider.policy_cluster and there == (wanted is not None):
            return
        name = provider.policy or f"ECSManagedAutoScalingPolicy-{self._entropy.uuid()}"
        if wanted is not None:
            if not self._note_policy(provider, name, provider.policy_cluster):  # so that a crash makes no second one
                return
            params = {"AutoScalingGroupName": group.id, "PolicyName": name, **_tracking(provider, wanted)}
            await self._ask(provider, "PutScalingPolicy", params)
        elif there:
            await self._ask(provider, "DeletePolicy", {"AutoScalingGroupName": group.id, "PolicyName": name})
        self._note_policy(provider, name if wanted is not None else None, wanted)

    def _note_policy(self, provider: CapacityProvider, name: str | None, cluster: str | None) -> bool:
        """Unless the provider was changed meanwhile: then its policy is looked at again. Whether it was noted."""
        with self._store.write() as tx:
            found = tx.get(CapacityProvider, provider.account, provider.region, provider.id)
            if found is None or found.scaling != provider.scaling:
                return False
            tx.put(replace(found, policy=name, policy_cluster=cluster))
            return True

    async def _drain(self, provider: CapacityProvider, group: Group, member: Member) -> None:
        """One that is about to be terminated drains first, and goes on once its tasks are gone, or after two days."""
        if DRAINING_HOOK not in member.hooks or member.hooks[DRAINING_HOOK].result or not provider.drains:
            return
        named = {"AutoScalingGroupName": group.id, "LifecycleHookName": DRAINING_HOOK, "InstanceId": member.id}
        host, now = _host(self._store.snapshot(), provider, member), self._clock.now()
        if host is not None:
            with self._store.write() as tx:
                current = tx.get(ContainerInstance, host.account, host.region, host.id)
                if current is not None and current.status == "ACTIVE":
                    self._rows.change(tx, current, status="DRAINING")
                left = tasks_on(tx, host)
            if left and now < member.since + _DRAINS_S:
                if now > member.hooks[DRAINING_HOOK].until - _HOOK_S / 2:
                    await self._ask(provider, "RecordLifecycleActionHeartbeat", named)
                return
        await self._ask(provider, "CompleteLifecycleAction", {**named, "LifecycleActionResult": "CONTINUE"})

    async def _protect(self, provider: CapacityProvider, group: Group) -> None:
        """With managed termination protection, instances with tasks are protected from scale-in, others are not."""
        if not provider.protects:
            return
        snapshot = self._store.snapshot()
        for wanted in (True, False):
            ids = [
                each.id
                for each in group.members.values()
                if each.state == "InService"
                and each.protected != wanted
                and (host := _host(snapshot, provider, each)) is not None
                and is_used(snapshot, host) == wanted
            ]
            if ids:
                told = {"AutoScalingGroupName": group.id, "InstanceIds": ids, "ProtectedFromScaleIn": wanted}
                await self._ask(provider, "SetInstanceProtection", told)

    async def _ask(self, provider: CapacityProvider, operation: str, params: dict[str, Any]) -> None:
        try:
            await self._call(provider.account, provider.region, "autoscaling", operation, params)
        except AwsError as error:
            if error.code not in _GONE:
                raise
            log.info("%s of %s: %s", operation, provider.group, error.message)

    # -- the metric --------------------------------------------------------------------------------------------------

    async def _measure(self) -> None:
        async for at in ticks(self._clock, 60.0):
            snapshot = self._store.snapshot()
            for provider in list(snapshot.every(CapacityProvider)):
                cluster = cluster_of(snapshot, provider)
                if provider.scales and cluster is not None:
                    await self._tell(snapshot, provider, cluster, at)
                self._controller.enqueue(f"{provider.account}|{provider.region}|{provider.id}")  # hooks that time out

    async def _tell(self, snapshot: Snapshot, provider: CapacityProvider, cluster: Cluster, at: float) -> None:
        told = {
            "Namespace": METRICS,
            "MetricData": [
                {"MetricName": METRIC, "Dimensions": _dimensions(provider, cluster.id), "Unit": "Percent",
                 "Timestamp": datetime.fromtimestamp(at, UTC), "Value": reservation(snapshot, provider)}
            ],
        }  # fmt: skip
        try:
            await self._call(provider.account, provider.region, "cloudwatch", "PutMetricData", told)
        except AwsError as error:
            log.warning("the reservation of %s was lost: %s", provider.id, error)


def reservation(snapshot: Snapshot, provider: CapacityProvider) -> float:
    """CapacityProviderReservation as it is now. Pure."""
    group = snapshot.get(Group, provider.account, provider.region, provider.group)
    there = [each for each in group.members.values() if each.state == "InService"] if group is not None else []
    hosts = [host for each in there if (host := _host(snapshot, provider, each)) is not None]
    used = sum(is_used(snapshot, each) for each in hosts)
    sizes = [
        (int(each.cpu or 0), int(each.memory or 0))
        for each in waiting(snapshot, provider.account, provider.region, provider.id)
    ]
    steps = provider.scaling["minimumScalingStepSize"], provider.scaling["maximumScalingStepSize"]
    more = demand.needed(sizes, _size(snapshot, group, hosts), *steps) if group is not None else 0
    return demand.reservation(used, more, len(there))


def _size(snapshot: Snapshot, group: Group | None, hosts: list[ContainerInstance]) -> demand.Size:
    """What an instance of the group offers: as those that there are, or as its type is."""
    if hosts:
        return max((int(each.resources.get("CPU") or 0), int(each.resources.get("MEMORY") or 0)) for each in hosts)
    found = snapshot.get(LaunchTemplate, group.account, group.region, group.template) if group is not None else None
    version = found.version(group.version) if found is not None and group is not None else None
    kind = all_types().get(version.data.get("InstanceType") or "m1.small") if version is not None else None
    return (kind.vcpus * 1024, kind.memory_mb) if kind is not None else (0, 0)


def is_used(reader: Snapshot | Tx, host: ContainerInstance) -> bool:
    """Whether it has tasks other than those of DAEMON services, which keep no instance."""
    return any(not _is_daemon(reader, each) for each in tasks_on(reader, host))


def _is_daemon(reader: Snapshot | Tx, task: Task) -> bool:
    kind, _, name = task.group.partition(":")
    service = reader.get(Service, task.account, task.region, f"{task.cluster}/{name}") if kind == "service" else None
    return service is not None and service.document["schedulingStrategy"] == "DAEMON"


def cluster_of(reader: Snapshot | Tx, provider: CapacityProvider) -> Cluster | None:
    """The cluster that has the provider."""
    for each in reader.list(Cluster, provider.account, provider.region):
        if provider.id in each.capacity_providers and each.status != "INACTIVE":
            return each
    return None


def _host(reader: Snapshot, provider: CapacityProvider, member: Member) -> ContainerInstance | None:
    for each in reader.list(ContainerInstance, provider.account, provider.region):
        if each.instance_id == member.id and each.status != "INACTIVE":
            return each
    return None


def _dimensions(provider: CapacityProvider, cluster: str) -> list[dict[str, str]]:
    return [{"Name": "CapacityProviderName", "Value": provider.id}, {"Name": "ClusterName", "Value": cluster}]


def _tracking(provider: CapacityProvider, cluster: str) -> dict[str, Any]:
    """PutScalingPolicy's, for managed scaling."""
    return {
        "PolicyType": "TargetTrackingScaling",
        "EstimatedInstanceWarmup": provider.scaling["instanceWarmupPeriod"],
        "TargetTrackingConfiguration": {
            "TargetValue": float(provider.scaling["targetCapacity"]),
            "CustomizedMetricSpecification": {
                "Namespace": METRICS, "MetricName": METRIC, "Dimensions": _dimensions(provider, cluster),
                "Statistic": "Average",
            },
        },
    }  # fmt: skip


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    if key.kind == CapacityProvider.kind:
        return (f"{key.account}|{key.region}|{key.id}",)
    providers = snapshot.list(CapacityProvider, key.account, key.region)
    if key.kind == Group.kind:
        providers = [each for each in providers if each.group == key.id]
    return [f"{key.account}|{key.region}|{each.id}" for each in providers]


def _every(snapshot: Snapshot) -> Iterable[str]:
    return [f"{each.account}|{each.region}|{each.id}" for each in snapshot.every(CapacityProvider)]
