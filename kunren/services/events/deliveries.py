"""Delivers what is due, each target's in its order, and again where a service fails, until its retry policy says stop.

"How EventBridge retries delivering events" and "Using dead-letter queues": 24 hours and 185 times by default, with
growing waits; what can't be delivered goes to the target's dead-letter queue, if it has one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.events.model import Delivery
from kunren.services.events.targets import Refused, Targets, dead_letter, says_again

log = logging.getLogger(__name__)
ATTEMPTS, AGE_S = 185, 86_400
_FIRST_S, _LAST_S = 1.0, 600.0


class Deliveries:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store, self._clock, self._entropy = store, clock, entropy
        self._targets = Targets(store, clock, entropy, call)
        self.failed = 0
        self._controller = Controller(
            "event-deliveries", store, clock, keys=_keys, every=_every, reconcile=self._deliver,
            wants=lambda kind: kind == Delivery.kind,
        )  # fmt: skip

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        waiting = sum(1 for _ in self._store.snapshot().every(Delivery))
        return {"waiting": waiting, "failed": self.failed, "errors": dict(self._controller.last_errors)}

    async def _deliver(self, work: str) -> None:
        account, region, queue = work.split("|", 2)
        for due in self._store.snapshot().list(Delivery, account, region):
            if due.queue == queue and due.not_before <= self._clock.now():
                await self._one(due)
        waiting = [each.not_before for each in self._store.snapshot().list(Delivery, account, region)
                   if each.queue == queue]  # fmt: skip
        if waiting:
            wait = max(min(waiting) - self._clock.now(), _FIRST_S / 10) * 1.01
            self._controller.enqueue_after(wait, work)

    async def _one(self, due: Delivery) -> None:
        try:
            await self._targets.deliver(due)
        except Refused as error:
            await self._give_up(due, error.code, str(error))
        except AwsError as error:
            exhausted = self._exhausted(due) if says_again(error) else ""
            if says_again(error) and not exhausted:
                self._later(due, f"{error.code}: {error.message}")
                return
            await self._give_up(due, error.code, error.message, exhausted)
        with self._store.write() as tx:
            if tx.get(Delivery, due.account, due.region, due.id) is not None:
                tx.delete(due)

    def _exhausted(self, due: Delivery) -> str:
        """Which bound of its retry policy it has reached, in the words of the dead letter; "" where none."""
        policy = due.target.get("RetryPolicy") or {}
        most, age = policy.get("MaximumRetryAttempts"), policy.get("MaximumEventAgeInSeconds") or AGE_S
        most = ATTEMPTS if most is None else most
        if self._clock.now() - due.at >= age:
            return "MaximumEventAgeInSeconds"
        return "MaximumRetryAttempts" if due.attempts >= most else ""

    def _later(self, due: Delivery, why: str) -> None:
        wait = min(_FIRST_S * 2**due.attempts, _LAST_S)
        with self._store.write() as tx:
            again = replace(due, attempts=due.attempts + 1, not_before=self._clock.now() + wait, last_error=why[:300])
            tx.put(again)

    async def _give_up(self, due: Delivery, code: str, why: str, exhausted: str = "") -> None:
        self.failed += 1
        log.warning("%s could not be delivered to %s: %s: %s", due.source, due.target["Arn"], code, why)
        queue = dead_letter(due.target)
        if queue is None:
            return
        attributes = {
            "SCHEDULE_ARN" if due.principal.startswith("scheduler.") else "RULE_ARN": due.source,
            "TARGET_ARN": due.target["Arn"], "ERROR_CODE": code, "ERROR_MESSAGE": why[:1000],
            "RETRY_ATTEMPTS": str(due.attempts),
        }  # fmt: skip
        if exhausted:
            attributes["EXHAUSTED_RETRY_CONDITION"] = exhausted
        told = {key: {"DataType": "String", "StringValue": value or "-"} for key, value in attributes.items()}
        try:
            await self._targets.send_to_queue(queue, due.text, MessageAttributes=told)
        except AwsError as error:
            log.warning("the dead-letter queue %s: %s", queue, error.message)


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    found = snapshot.by_key(key)
    if isinstance(found, Delivery) and not found.attempts:
        yield f"{key.account}|{key.region}|{found.queue}"


def _every(snapshot: Snapshot) -> Iterable[str]:
    return sorted({f"{each.account}|{each.region}|{each.queue}" for each in snapshot.every(Delivery)})
