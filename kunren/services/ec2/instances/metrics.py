"""Metrics of instances, for CloudWatch: sampled every five minutes, with detailed monitoring every minute.

"CloudWatch metrics that are available for your instances" in the EC2 user guide: namespace AWS/EC2, by instance and by
Auto Scaling group, and AWS/EC2Spot by Spot Fleet. Processor time comes from the instance's control group, bytes from
its interfaces; where there are no control groups, only the status checks are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock, ticks
from kunren.core.counted_metrics import CountedMetrics, Dimensions
from kunren.services.ec2.instances.model import Instance, InstanceRun
from kunren.services.ec2.instances.types import all_types

EVERY_S, BASIC_S = 60.0, 300.0


class Counts(Protocol):
    """The part of a running guest that is asked."""

    def cpu_seconds(self) -> float | None: ...
    def network_bytes(self) -> tuple[int, int] | None: ...


class _Seen(NamedTuple):
    at: float
    boots: int
    cpu_seconds: float
    received: int
    sent: int


class InstanceMetrics:
    """`run` lives until it is cancelled; `guest_of` gives what runs as an instance, by its id."""

    def __init__(self, store: Store, clock: Clock, call: CallService, guest_of: Callable[[str], Counts | None]) -> None:
        self._store, self._clock, self._guest_of = store, clock, guest_of
        self._counted, self._of_fleets = CountedMetrics("AWS/EC2", call), CountedMetrics("AWS/EC2Spot", call)
        self._seen: dict[str, _Seen] = {}
        self._vcpus: dict[str, int] = {}

    async def before(self, operation: str) -> None:
        """Somebody calls an operation of CloudWatch: return when every value is there."""
        await self._counted.before(operation)
        await self._of_fleets.before(operation)

    async def run(self) -> None:
        async for now in ticks(self._clock, EVERY_S):
            self.sample(now)

    def sample(self, now: float) -> None:
        """Take in what every instance did until now (AWS time)."""
        snapshot = self._store.snapshot()
        kept: dict[str, _Seen] = {}
        for instance in snapshot.every(Instance):
            run = snapshot.get(InstanceRun, instance.account, instance.region, instance.id)
            guest = self._guest_of(instance.id)
            if instance.wanted != "running" or instance.ended_at is not None:
                continue
            if run is None or guest is None:
                continue
            before = self._seen.get(instance.id)
            self._status(instance, now)
            due = EVERY_S if instance.monitoring else BASIC_S
            if before is not None and before.boots == run.boots and now % due >= EVERY_S:
                kept[instance.id] = before
                continue
            cpu, moved = guest.cpu_seconds(), guest.network_bytes()
            if cpu is None:
                continue
            seen = _Seen(self._clock.monotonic(), run.boots, cpu, *(moved or (0, 0)))
            kept[instance.id] = seen
            if before is not None and before.boots == run.boots:
                self._tell(instance, before, seen, now - due)
        self._seen = kept

    def _tell(self, instance: Instance, before: _Seen, now: _Seen, at: float) -> None:
        took = now.at - before.at
        if took <= 0:
            return
        if not self._vcpus:
            self._vcpus = {name: each.vcpus for name, each in all_types().items()}
        share = 100 * max(0.0, now.cpu_seconds - before.cpu_seconds) / took / self._vcpus.get(instance.instance_type, 1)
        for counted, dimensions in self._places(instance):
            for name, unit, value in (
                ("CPUUtilization", "Percent", min(100.0, share)),
                ("NetworkIn", "Bytes", float(max(0, now.received - before.received))),
                ("NetworkOut", "Bytes", float(max(0, now.sent - before.sent))),
            ):
                counted.add(instance.account, instance.region, dimensions, name, unit, value, at)

    def _places(self, instance: Instance) -> Iterator[tuple[CountedMetrics, Dimensions]]:
        """Where the metrics of what it does are told; those of a Spot Fleet are in a namespace of their own."""
        yield from ((self._counted, each) for each in _dimensions(instance))
        if fleet := instance.tags.get("aws:ec2spot:fleet-request-id"):
            yield self._of_fleets, (("FleetRequestId", fleet),)

    def _status(self, instance: Instance, at: float) -> None:
        """An instance whose process 1 runs passes its checks."""
        for dimensions in _dimensions(instance):
            for name in ("StatusCheckFailed", "StatusCheckFailed_Instance", "StatusCheckFailed_System"):
                self._counted.add(instance.account, instance.region, dimensions, name, "Count", 0.0, at - EVERY_S)


def _dimensions(instance: Instance) -> Iterator[Dimensions]:
    yield (("InstanceId", instance.id),)
    if group := instance.tags.get("aws:autoscaling:groupName"):
        yield (("AutoScalingGroupName", group),)
