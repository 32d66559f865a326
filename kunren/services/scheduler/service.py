"""All of EventBridge Scheduler: schedules whose targets are invoked by the clock, through EventBridge's deliveries."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.schedules import Schedule as Expression
from kunren.services.events.clockwork import Clockwork, Due
from kunren.services.events.model import Delivery
from kunren.services.events.publishing import new_id
from kunren.services.scheduler.api import SchedulerApi
from kunren.services.scheduler.model import KINDS, Schedule


class SchedulerService:
    """`api` answers calls; `run` keeps the time. The events service is made before: it delivers."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        store.register(*KINDS)
        self._store, self._clock, self._entropy = store, clock, entropy
        self.api = SchedulerApi(store, clock)
        self._clockwork = Clockwork(store, clock, [Schedule.kind], self._dues)

    async def run(self) -> None:
        await self._clockwork.run()

    def status(self) -> dict[str, Any]:
        return {"schedules": sum(1 for _ in self._store.snapshot().every(Schedule))}

    def _dues(self, snapshot: Snapshot) -> Iterable[Due]:
        for each in snapshot.every(Schedule):
            if each.state == "ENABLED" and not each.done:
                yield each.arn, partial(next_after, each), partial(self._fire, each)

    def _fire(self, schedule: Schedule, at: float) -> None:
        """A flexible window's invocation comes somewhere within it; here at its begin."""
        now = self._clock.now()
        target = schedule.target
        with self._store.write() as tx:
            due = Delivery(
                account=schedule.account, region=schedule.region, id=new_id(self._entropy, now), queue=schedule.arn,
                source=schedule.arn, principal="scheduler.amazonaws.com", target=target,
                text=target.get("Input") or "{}", at=now,
            )  # fmt: skip
            tx.put(due)
            if _once(schedule) or next_after(schedule, now) is None:
                if schedule.after_completion == "DELETE":
                    tx.delete(schedule)
                else:
                    tx.put(replace(schedule, done=True))


def next_after(schedule: Schedule, after: float) -> float | None:
    """When it is due next after that time, within its dates. What happens once is due until it is done, also where it
    came due while nobody ran. Pure."""
    expression = _expression(schedule.expression, schedule.zone)
    if expression.at is not None:
        after = schedule.modified_at
    elif schedule.start is not None:
        after = max(after, schedule.start - 1e-6)
    found = expression.after(after, schedule.since)
    return None if found is None or (schedule.end is not None and found > schedule.end) else found


def _once(schedule: Schedule) -> bool:
    return _expression(schedule.expression, schedule.zone).at is not None


@lru_cache(maxsize=256)
def _expression(text: str, zone: str | None) -> Expression:
    return Expression(text, once=True, zone=zone)
