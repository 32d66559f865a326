"""Actions on instances: stopped, rebooted, terminated, and Spot Instances interrupted, by EC2's own operations.

What these do is done once: an action is over when it was begun, but for instances that are to be started again.
"AWS FIS Actions reference", "Amazon EC2 actions".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.services.ec2.instances import spot
from kunren.services.ec2.instances.model import Instance, SpotRequest
from kunren.services.ec2.instances.states import started
from kunren.services.fis import durations
from kunren.services.fis.network import ActionFailed, Doing, Network
from kunren.world.spec import WorldSpec


class Machines(Network):
    """One of EC2's operations on all of an action's instances."""

    def __init__(self, store: Store, ec2: Any, spec: WorldSpec, operation: str) -> None:
        super().__init__(store, ec2, spec)
        self._operation = operation

    def begin(self, doing: Doing) -> dict[str, Any]:
        started_again = "startInstancesAfterDuration" in doing.parameters
        by_place: dict[tuple[str, str], list[str]] = {}
        for each in doing.resources:
            by_place.setdefault((each.account, each.region), []).append(each.id)
        for (account, region), named in by_place.items():
            getattr(self.ec2, self._operation)(self.context(account, region), {"InstanceIds": named})
        stopped = [[*place, named] for place, named in by_place.items()]
        return {"stopped": stopped} if started_again else {}

    def end(self, undo: Mapping[str, Any]) -> None:
        """Start again what was stopped and is there still."""
        snapshot = self.store.snapshot()
        for account, region, named in undo["stopped"]:
            for id in named:
                instance = snapshot.get(Instance, account, region, id)
                if instance is not None and instance.wanted == "stopped":
                    with self.store.write() as tx:
                        tx.put(started(instance, "stopped", self.ec2.clock.now()))  # also while it stops


class Interruptions(Network):
    """aws:ec2:send-spot-instance-interruptions: a recommendation at once, the notice two minutes before the end."""

    def __init__(self, store: Store, ec2: Any, spec: WorldSpec, clock: Clock) -> None:
        super().__init__(store, ec2, spec)
        self._clock = clock

    def begin(self, doing: Doing) -> dict[str, Any]:
        after = durations.seconds(doing.parameters["durationBeforeInterruption"]) or 0
        with self.store.write() as tx:
            for found in doing.resources:
                instance = tx.get(Instance, found.account, found.region, found.id)
                request = spot.request_of(tx, instance) if instance is not None else None
                if request is None:
                    raise ActionFailed(f"{found.id} is no Spot Instance.")
                changed: SpotRequest = spot.interrupted(
                    request, self._clock.now(), "by-experiment", after, rebalance=True
                )
                tx.put(changed)
        return {}

    def end(self, undo: Mapping[str, Any]) -> None:
        """An interruption can't be taken back."""
