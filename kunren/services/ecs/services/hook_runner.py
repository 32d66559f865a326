"""Asks the functions that are lifecycle hooks, for services apart: a function may take its quarter of an hour."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.services.ecs.model import Service
from kunren.services.ecs.names import arn
from kunren.services.ecs.services.desk import service_arn
from kunren.services.ecs.services.hooks import answered, hooks_of, present
from kunren.services.ecs.services.model import HookRun, ServiceDeployment
from kunren.services.ecs.services.progress import shares


class HookRunner:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store, self._clock, self._call = store, clock, call
        self._controller = Controller(
            "ecs-hooks", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind == ServiceDeployment.kind,
        )  # fmt: skip

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|", 2)
        course = self._store.snapshot().get(ServiceDeployment, account, region, id)
        if course is None or course.status != "IN_PROGRESS":
            return
        open_runs = [each for each in present(course) if each.status == "IN_PROGRESS"]
        for each in open_runs:
            if self._clock.now() >= each.ask_at:
                self._write(course, await self._asked(course, each))
        course = self._store.snapshot().get(ServiceDeployment, account, region, id)
        later = [each.ask_at for each in present(course) if each.status == "IN_PROGRESS"] if course is not None else []
        if later:
            wait_s = max(min(later) - self._clock.now(), 0.1)
            self._controller.enqueue_after(wait_s, work)

    async def _asked(self, course: ServiceDeployment, run: HookRun) -> HookRun:
        hook = hooks_of(course)[run.index]
        asked = {
            "FunctionName": hook["hookTargetArn"],
            "InvocationType": "RequestResponse",
            "Payload": json.dumps(self._told(course, run, hook)).encode(),
        }
        try:
            answer = await self._call(course.account, course.region, "lambda", "Invoke", asked)
        except AwsError:
            return replace(run, status="FAILED")
        payload = answer.get("Payload") or b""
        payload = payload.read() if hasattr(payload, "read") else payload
        return answered(run, payload, bool(answer.get("FunctionError")), self._clock.now())

    def _told(self, course: ServiceDeployment, run: HookRun, hook: dict[str, Any]) -> dict[str, Any]:
        """The event that a hook's function gets ("Lifecycle stage payloads")."""
        service = self._store.snapshot().get(Service, course.account, course.region, course.service)
        new = arn(course, "service-revision", course.target_revision)
        old = [arn(course, "service-revision", each) for each in course.source_revisions[:1]]
        production, test = shares(course)
        told: dict[str, Any] = {
            "executionDetails": {
                "testTrafficWeights": _weights(new, old, test),
                "productionTrafficWeights": _weights(new, old, production),
                "serviceArn": service_arn(service) if service is not None else "",
                "targetServiceRevisionArn": new,
            },
            "executionId": run.id,
            "lifecycleStage": run.stage,
            "resourceArn": arn(course, "service-deployment", course.id),
        }
        if hook.get("hookDetails") is not None:
            told["hookDetails"] = hook["hookDetails"]
        return told

    def _write(self, course: ServiceDeployment, run: HookRun) -> None:
        with self._store.write() as tx:
            current = tx.get(ServiceDeployment, course.account, course.region, course.id)
            if current is not None:
                hooks = tuple(
                    run if each.id == run.id and each.status == "IN_PROGRESS" else each for each in current.hooks
                )
                tx.put(replace(current, hooks=hooks))


def _weights(new: str, old: list[str], share: float) -> dict[str, float]:
    if share == 0:
        return {}
    return {**dict.fromkeys(old, 100 - share), new: share}


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    return (f"{key.account}|{key.region}|{key.id}",)


def _every(snapshot: Snapshot) -> Iterable[str]:
    return [f"{each.account}|{each.region}|{each.id}" for each in snapshot.every(ServiceDeployment) if each.open]
