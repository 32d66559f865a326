"""Carries deployments out: begins them, watches alarms, stops them, ends them, and rolls back.

One key is one deployment. What the state is lies in its rows, so a crash in the middle goes on where it was.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.codedeploy import views
from kunren.services.codedeploy.errors import DeploymentFails
from kunren.services.codedeploy.model import SERVER, Deployment, Event, Group, Target
from kunren.services.codedeploy.platforms.base import Platform
from kunren.services.codedeploy.platforms.waits import TIMED_OUT
from kunren.services.codedeploy.starting import FAILURE, ON_ALARM, ON_REQUEST, broken_off, note, succeeded

log = logging.getLogger(__name__)
FLEET = "blue/green fleet"
"""Who carries out blue/green deployments of instances, beside the compute platforms."""
_ALARMS_EVERY_S = 10.0
_LEAST_S = 0.2
"""Real seconds between two looks at alarms, however fast the clock."""
_ACTIVE_ALARMS = (
    "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the affected "
    "deployments have been stopped. Activated alarms: <{}>"
)
_NO_ALARMS = "The state of the alarms could not be read from Amazon CloudWatch: {}"
_MANUAL = "The deployment was stopped on request."
_NOT_CONTINUED = "The deployment timed out while waiting for the traffic to be rerouted by hand."


class DeploymentController:
    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, call: CallService, platforms: Mapping[str, Platform]
    ) -> None:
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call
        self._platforms = platforms
        self._looked: dict[str, float] = {}
        kinds = (Deployment.kind, Target.kind)
        self._controller = Controller(
            "codedeploy", store, clock, keys=_keys, every=_every, reconcile=self._reconcile, wants=kinds.__contains__
        )

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        running = sum(not each.ended for each in self._store.snapshot().every(Deployment))
        return {"deployments": running, "errors": dict(self._controller.last_errors)}

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        deployment = self._store.snapshot().get(Deployment, account, region, id)
        if deployment is None or deployment.ended:
            self._looked.pop(work, None)
            return
        try:
            await self._go_on(work, deployment)
        except DeploymentFails as error:
            self._break_off(deployment, "Failed", FAILURE, {"code": error.code, "message": error.message})

    async def _go_on(self, work: str, deployment: Deployment) -> None:
        green = deployment.platform == SERVER and deployment.blue_green and not deployment.only
        platform = self._platforms[FLEET if green else deployment.platform]
        if not deployment.stopping:
            await self._look_at_alarms(work, deployment)
            deployment = self._now(deployment)
        if deployment.stopping:
            if await platform.stop(deployment):
                self._stop(deployment)
            return
        if deployment.status == "Created":
            targets = await platform.begin(deployment)
            self._begin(deployment, targets)
            return
        left = await platform.step(deployment)
        if left is None:
            with self._store.write() as tx:
                found = tx.get(Deployment, deployment.account, deployment.region, deployment.id)
                if found is not None and not found.ended:
                    succeeded(tx, self._entropy, found, self._clock.now())
            return
        if self._alarms(deployment):
            left = min(left, max(_ALARMS_EVERY_S, _LEAST_S * self._clock.speed))
        if left < math.inf:
            self._controller.enqueue_after(left, work)

    def _now(self, deployment: Deployment) -> Deployment:
        found = self._store.snapshot().get(Deployment, deployment.account, deployment.region, deployment.id)
        return found if found is not None else deployment

    def _begin(self, deployment: Deployment, targets: Iterable[Target]) -> None:
        now = self._clock.now()
        with self._store.write() as tx:
            found = tx.get(Deployment, deployment.account, deployment.region, deployment.id)
            if found is None or found.ended:
                return
            tx.put(replace(found, status="InProgress", started_at=now))
            note(tx, self._entropy, found, "START", now)
            for each in targets:
                tx.put(each)

    # -- ends --------------------------------------------------------------------------------------------------------

    def _stop(self, deployment: Deployment) -> None:
        if deployment.stopping == "request":
            self._break_off(deployment, "Stopped", ON_REQUEST, {"code": "MANUAL_STOP", "message": _MANUAL})
        elif deployment.stopping == TIMED_OUT:
            self._break_off(deployment, "Stopped", FAILURE, {"code": "TIMEOUT", "message": _NOT_CONTINUED})
        else:
            error = {"code": "ALARM_ACTIVE", "message": deployment.stopping}
            self._break_off(deployment, "Stopped", ON_ALARM, error)

    def _break_off(self, deployment: Deployment, status: str, cause: str, error: dict[str, str]) -> None:
        now = self._clock.now()
        with self._store.write() as tx:
            found = tx.get(Deployment, deployment.account, deployment.region, deployment.id)
            if found is None or found.ended:
                return
            for each in views.targets_of(tx, found):
                if not each.ended:
                    tx.put(_cut(each, status, now))
            broken_off(tx, self._entropy, found, status, cause, error, now)

    # -- alarms ------------------------------------------------------------------------------------------------------

    def _alarms(self, deployment: Deployment) -> Mapping[str, Any]:
        """The AlarmConfiguration that holds, empty where none does. Rollbacks heed no alarm."""
        if deployment.undoes:
            return {}
        key = f"{deployment.application}/{deployment.group}"
        group = self._store.snapshot().get(Group, deployment.account, deployment.region, key)
        own = deployment.settings.get("overrideAlarmConfiguration")
        found = own or (group.settings.get("alarmConfiguration") if group is not None else None) or {}
        return found if found.get("enabled") and found.get("alarms") else {}

    async def _look_at_alarms(self, work: str, deployment: Deployment) -> None:
        config = self._alarms(deployment)
        moment = self._clock.monotonic()
        every = max(self._clock.wall_seconds(_ALARMS_EVERY_S), _LEAST_S)
        if not config or moment - self._looked.get(work, -math.inf) < every * 0.9:
            return
        self._looked[work] = moment
        names = [each["name"] for each in config["alarms"]]
        try:
            asked = {"AlarmNames": names, "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
            answer = await self._call(deployment.account, deployment.region, "cloudwatch", "DescribeAlarms", asked)
        except AwsError as error:
            if config.get("ignorePollAlarmFailure"):
                return
            self._note_stop(deployment, _NO_ALARMS.format(error.message))
            return
        listed = [*(answer.get("MetricAlarms") or ()), *(answer.get("CompositeAlarms") or ())]
        active = [each["AlarmName"] for each in listed if each.get("StateValue") == "ALARM"]
        if active:
            self._note_stop(deployment, _ACTIVE_ALARMS.format(", ".join(sorted(active))))

    def _note_stop(self, deployment: Deployment, why: str) -> None:
        with self._store.write() as tx:
            found = tx.get(Deployment, deployment.account, deployment.region, deployment.id)
            if found is not None and not found.ended and not found.stopping:
                tx.put(replace(found, stopping=why))


def _cut(target: Target, status: str, now: float) -> Target:
    """The target of a deployment that has ended before it. Pure."""

    def cut(each: Event) -> Event:
        if each.ended:
            return each
        if each.status == "InProgress":
            return replace(each, status="Failed" if status == "Failed" else "Skipped", ended_at=now)
        return replace(each, status="Skipped")

    begun = any(each.status != "Pending" for each in target.events)
    ended = "Failed" if begun and status == "Failed" else "Skipped"
    return replace(target, status=ended, events=tuple(map(cut, target.events)), updated_at=now)


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    if key.kind == Target.kind:
        return (f"{key.account}|{key.region}|{key.id.partition('/')[0]}",)
    return (f"{key.account}|{key.region}|{key.id}",)


def _every(snapshot: Snapshot) -> Iterable[str]:
    return [f"{each.account}|{each.region}|{each.id}" for each in snapshot.every(Deployment) if not each.ended]
