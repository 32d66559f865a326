"""Deployments to instances, in place: some at a time, out of and back into their load balancers, by their agents.

What an agent does, it asks for (`agents/commands.py`); here it is decided which instances are begun, what is done with
their traffic, and when all is done or too much has failed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from kunren.core.arn import build_arn
from kunren.core.errors import AwsError
from kunren.services.codedeploy.api.revisions import key_of
from kunren.services.codedeploy.errors import DeploymentFails
from kunren.services.codedeploy.model import Deployment, Event, Group, Target
from kunren.services.codedeploy.platforms import instances, scheduling, traffic
from kunren.services.codedeploy.platforms.base import PlatformBase
from kunren.services.codedeploy.platforms.waits import Waits
from kunren.services.codedeploy.starting import note
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.model import NetworkInterface

INSTALLING = (
    "ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "AfterInstall", "ApplicationStart",
    "ValidateService",
)  # fmt: skip
OUT = ("BeforeBlockTraffic", "BlockTraffic", "AfterBlockTraffic")
BACK = ("BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic")
_LIMIT_S = 3600.0
_LOOK_S = 1.0
_LEAST_S = 0.25
"""Real seconds between two looks at target groups."""
NO_INSTANCES = (
    "The deployment failed because no instances were found for your deployment group. Check your deployment group "
    "settings to make sure the tags for your Amazon EC2 instances or Auto Scaling groups correctly identify the "
    "instances you want to deploy to, and then try again."
)
UNHEALTHY = (
    "The overall deployment failed because too many individual instances failed deployment, too few healthy instances "
    "are available for deployment, or some instances in your deployment group are experiencing problems."
)
_TOO_FEW = (
    "The deployment can't start because the minimum number of healthy instances, as defined by your deployment "
    "configuration, are not available. You can reduce the required number of healthy instances by updating your "
    "deployment configuration or increase the number of instances in this deployment group."
)
_SILENT = "The CodeDeploy agent of the instance did not ask for the lifecycle event, or did not answer for it, in time."


class Servers(PlatformBase):
    async def begin(self, deployment: Deployment) -> list[Target]:
        snapshot = self._store.snapshot()
        group = self._group(deployment)
        if deployment.only:
            by_id = snapshot.by_id(Instance, deployment.account, deployment.region)
            found = [by_id[each] for each in deployment.only if each in by_id]
        else:
            found = instances.of_group(snapshot, group) if group is not None else []
        if group is not None and deployment.settings.get("updateOutdatedInstancesOnly"):
            found = [each for each in found if group.health.get(each.id) != key_of(deployment.revision)]
        if not found:
            raise DeploymentFails("NO_INSTANCES", NO_INSTANCES)
        if scheduling.limits(deployment.config, deployment.minimum, len(found)).out < 1:
            raise DeploymentFails("HEALTH_CONSTRAINTS_INVALID", _TOO_FEW)
        names: tuple[str, ...] = INSTALLING
        if traffic.names_of(deployment.settings) and not deployment.only:
            names = (*OUT, *INSTALLING, *BACK)
        return [self._target(deployment, each, names) for each in found]

    def _target(self, deployment: Deployment, instance: Instance, names: tuple[str, ...]) -> Target:
        arn = build_arn("ec2", deployment.region, deployment.account, f"instance/{instance.id}")
        made = self._named(deployment, instance.id, arn, names)
        return replace(made, info={"zone": instance.availability_zone})

    def _named(self, deployment: Deployment, id: str, arn: str, names: tuple[str, ...]) -> Target:
        return Target(
            account=deployment.account, region=deployment.region, id=f"{deployment.id}/{id}", arn=arn,
            deployment=deployment.id, target=id, updated_at=self._clock.now(),
            events=tuple(Event(name=each) for each in names),
        )  # fmt: skip

    def _group(self, deployment: Deployment) -> Group | None:
        key = f"{deployment.application}/{deployment.group}"
        return self._store.snapshot().get(Group, deployment.account, deployment.region, key)

    async def step(self, deployment: Deployment) -> float | None:
        left = math.inf
        for target in self.targets(deployment):
            if target.status == "InProgress":
                left = min(left, await self._advance(deployment, target))
        targets, group = self.targets(deployment), self._group(deployment)
        states = {each.target: each.status for each in targets}
        health = group.health if group is not None else {}
        order = scheduling.ordered(list(states), health, key_of(deployment.revision))
        allowed = scheduling.limits(deployment.config, deployment.minimum, len(states))
        begin, verdict = scheduling.plan(states, order, allowed)
        if verdict is False:
            raise DeploymentFails("HEALTH_CONSTRAINTS", UNHEALTHY)
        if verdict:
            return None
        if deployment.zonal:
            turn = self._turn(deployment, targets, order, len(begin))
            begin, left = turn.begin, min(left, turn.wait_s or left)
            Waits(self._store, self._clock, self._entropy).baking(deployment, turn.wait_s > 0)
        for target in targets:
            if target.target in begin:
                self._started(deployment, target)
        return 0.0 if begin else left

    def _turn(
        self, deployment: Deployment, targets: Sequence[Target], order: Sequence[str], room: int
    ) -> scheduling.Zone:
        states = {each.target: each.status for each in targets}
        zones = {each.target: str(each.info.get("zone")) for each in targets}
        ended = {each.target: each.updated_at for each in targets if each.ended}
        config = deployment.zonal or {}
        return scheduling.zonal(config, states, zones, ended, order, room, self._clock.now())

    def _started(self, deployment: Deployment, target: Target) -> None:
        now = self._clock.now()
        with self._store.write() as tx:
            tx.put(replace(target, status="InProgress", updated_at=now))
            note(tx, self._entropy, deployment, "START", now, target.target)

    # -- one instance ------------------------------------------------------------------------------------------------

    async def _advance(self, deployment: Deployment, target: Target) -> float:
        """As far as it goes without the agent. In how many seconds to look again."""
        while True:
            if scheduling.fatal(target, deployment.settings) is not None:
                self._end(deployment, target, "Failed")
                return 0.0
            event = target.current
            if event is None:
                self._end(deployment, target, "Succeeded")
                return 0.0
            if scheduling.held(target, event):
                self._ready(deployment, target)
                return 0.0
            if event.name in ("BlockTraffic", "AllowTraffic"):
                try:
                    left = await self._traffic(deployment, target, event)
                except AwsError as error:
                    if error.status >= 500:
                        raise
                    self._fail(target, event, error.message)  # the target group or the instance is gone by now
                    left = None
            else:
                left = self._waits(target, event)
            if left is not None:
                return left
            target = self._as_now(target)

    def _as_now(self, target: Target) -> Target:
        found = self._store.snapshot().get(Target, target.account, target.region, target.id)
        return found if found is not None else target

    def _waits(self, target: Target, event: Event) -> float | None:
        """How long the agent may still take; None when that was too long. A script's time is real time."""
        instance = self._store.snapshot().get(Instance, target.account, target.region, target.target)
        limit = _LIMIT_S * (self._clock.speed if event.status == "InProgress" else 1.0)
        left = target.updated_at + limit - self._clock.now()
        if instance is not None and instance.wanted != "terminated" and left > 0:
            return left
        told = _SILENT if left <= 0 else f"The instance {target.target} is terminated."
        self._fail(target, event, told)
        return None

    def _fail(self, target: Target, event: Event, told: str) -> None:
        diagnostics = {"errorCode": "UnknownError", "scriptName": "", "message": told, "logTail": ""}
        now = self._clock.now()
        self.change_event(target, event.name, status="Failed", ended_at=now, diagnostics=diagnostics)

    async def _traffic(self, deployment: Deployment, target: Target, event: Event) -> float | None:
        """Out of the target groups, or back into them; None when it is."""
        out, now = event.name == "BlockTraffic", self._clock.now()
        if event.status == "Pending":
            where = target.info.get("places")
            if where is None:
                names = traffic.names_of(deployment.settings)
                address = self._address(target)
                where = await traffic.places(self._call, deployment, names, target.target, address)
            change = traffic.take_out if out else traffic.bring_back
            kept: dict[str, Any] = {**target.info, "places": where}
            self.change_target(target, lambda each: replace(each, info=kept))
            await change(self._call, deployment, where)
            self.change_event(target, event.name, status="InProgress", started_at=now)
            return 0.0
        states = await traffic.states(self._call, deployment, target.info["places"])
        done = ("gone", "unused") if out else ("healthy", "unused")
        if all(each in done for each in states):
            self.change_event(target, event.name, status="Succeeded", ended_at=now)
            return None
        if now - (event.started_at or now) > _LIMIT_S:
            self._fail(target, event, f"The instance was not {'deregistered' if out else 'healthy'} within one hour.")
            return None
        return max(_LOOK_S, _LEAST_S * self._clock.speed)

    def _address(self, target: Target) -> str:
        snapshot = self._store.snapshot()
        instance = snapshot.get(Instance, target.account, target.region, target.target)
        interface = instance and snapshot.get(
            NetworkInterface, target.account, target.region, instance.interface_id
        )  # fmt: skip
        return interface.private_ip if interface else ""

    def _ready(self, deployment: Deployment, target: Target) -> None:
        now = self._clock.now()
        with self._store.write() as tx:
            tx.put(replace(target, status="Ready", updated_at=now))
            note(tx, self._entropy, deployment, "READY", now, target.target)

    def _end(self, deployment: Deployment, target: Target, status: str) -> None:
        """The instance is done; what it has from now on is noted of the group."""
        now, installed = self._clock.now(), key_of(deployment.revision) if status == "Succeeded" else ""
        with self._store.write() as tx:
            events = tuple(each if each.ended else replace(each, status="Skipped") for each in target.events)
            tx.put(replace(target, status=status, events=events, updated_at=now))
            note(tx, self._entropy, deployment, {"Succeeded": "SUCCESS"}.get(status, "FAILURE"), now, target.target)
            key = f"{deployment.application}/{deployment.group}"
            group = tx.get(Group, deployment.account, deployment.region, key)
            if group is not None and any(each.name == "Install" for each in events):
                tx.put(replace(group, health={**group.health, target.target: installed}))

    async def stop(self, deployment: Deployment) -> bool:
        """No command begins any more; one that an agent works at ends first."""
        return not any(
            event.status == "InProgress" and event.name not in ("BlockTraffic", "AllowTraffic")
            for each in self.targets(deployment)
            if each.status == "InProgress"
            for event in each.events
        )
