"""Blue/green deployments of Amazon ECS services: a replacement task set, and listeners that go over to it.

The task sets are ECS's and the listeners the load balancer's, changed by their own operations. Until the original task
set is deleted both target groups stay behind the production listener, so the way back takes one change of weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.core.errors import AwsError
from kunren.services.codedeploy import appspec, shifting
from kunren.services.codedeploy.errors import DeploymentFails
from kunren.services.codedeploy.model import Deployment, Event, Group, Target
from kunren.services.codedeploy.platforms import listeners
from kunren.services.codedeploy.platforms.base import PlatformBase
from kunren.services.codedeploy.platforms.waits import Waits
from kunren.services.codedeploy.predefined import ALL_AT_ONCE

_EVENTS = (
    "BeforeInstall", "Install", "AfterInstall", "AllowTestTraffic", "AfterAllowTestTraffic", "BeforeAllowTraffic",
    "AllowTraffic", "AfterAllowTraffic",
)  # fmt: skip
_LIMIT_S = 3600.0
_LOOK_S = 1.0
_LEAST_S = 0.25
"""Real seconds between two looks at task sets."""
_HOOK_FAILED = "The overall deployment failed because a lifecycle event hook function of {} answered Failed."
_TIMED_OUT = (
    "The deployment timed out while waiting for the replacement task set to become healthy. This time out period is "
    "60 minutes."
)
_NOT_BEHIND = (
    "The ELB could not be updated due to the following error: Primary taskset target group must be behind listener"
)
_AT_ONCE_ALONE = "A Network Load Balancer's traffic can only be shifted all at once (CodeDeployDefault.ECSAllAtOnce)."
Info = dict[str, Any]


class Services(PlatformBase):
    async def begin(self, deployment: Deployment) -> list[Target]:
        if deployment.undoes:
            return self._way_back(deployment)
        spec = appspec.of_service(await self.text(deployment))
        info = await self._info(deployment, spec)
        events = tuple(Event(name=each, function=spec.hooks.get(each, "")) for each in _EVENTS)
        return [self._target(deployment, info, events)]

    def _target(self, deployment: Deployment, info: Info, events: tuple[Event, ...]) -> Target:
        name = f"{info['cluster']}:{info['service']}"
        return Target(
            account=deployment.account, region=deployment.region, id=f"{deployment.id}/{name}",
            deployment=deployment.id, target=name, updated_at=self._clock.now(), status="InProgress", info=info,
            arn=info["serviceArn"], events=events,
        )  # fmt: skip

    def _way_back(self, deployment: Deployment) -> list[Target]:
        """A rollback gives the original task set all traffic again; nothing else of it is to be done."""
        before = self._store.snapshot().get(Deployment, deployment.account, deployment.region, deployment.undoes)
        events = tuple(Event(name=each, status="Pending" if each == "AllowTraffic" else "Skipped") for each in _EVENTS)
        found = self.targets(before) if before is not None else []
        return [self._target(deployment, {**each.info, "back": True}, events) for each in found]

    async def _info(self, deployment: Deployment, spec: appspec.ServiceSpec) -> Info:
        """What there is before anything is done. Raises DeploymentFails."""
        key = f"{deployment.application}/{deployment.group}"
        group = self._store.snapshot().get(Group, deployment.account, deployment.region, key)
        if group is None:
            raise DeploymentFails("DEPLOYMENT_GROUP_MISSING", "The deployment group is gone.")
        named = group.settings["ecsServices"][0]
        pair = deployment.settings["loadBalancerInfo"]["targetGroupPairInfoList"][0]
        asked = {"cluster": named["clusterName"], "services": [named["serviceName"]]}
        shown = (await self._ecs(deployment, "DescribeServices", asked))["services"]
        controller = (shown[0].get("deploymentController") or {}).get("type") if shown else None
        if not shown or shown[0]["status"] != "ACTIVE" or controller != "CODE_DEPLOY":
            raise DeploymentFails(
                "INVALID_ECS_SERVICE",
                f"The service {named['serviceName']} in the cluster {named['clusterName']} does not exist, or its "
                "deployment controller is not CODE_DEPLOY.",
            )
        names = [each["name"] for each in pair["targetGroups"]]
        arns = await self._target_groups(deployment, names)
        blue = next((each for each in shown[0]["taskSets"] if each["status"] == "PRIMARY"), None)
        behind = [each.get("targetGroupArn") for each in (blue or {}).get("loadBalancers") or ()]
        blue_group = next((each for each in arns if each in behind), None)
        production = pair["prodTrafficRoute"]["listenerArns"][0]
        if blue is None or blue_group is None:
            raise DeploymentFails("ELASTIC_LOAD_BALANCING_INVALID", f"{_NOT_BEHIND} {production}")
        if (deployment.routing or ALL_AT_ONCE) != ALL_AT_ONCE and not await self._by_request(deployment, production):
            raise DeploymentFails("ELASTIC_LOAD_BALANCING_INVALID", _AT_ONCE_ALONE)
        made = {
            "taskDefinition": spec.definition,
            "networkConfiguration": blue.get("networkConfiguration"),
            "launchType": blue.get("launchType"),
            "platformVersion": blue.get("platformVersion"),
            "capacityProviderStrategy": blue.get("capacityProviderStrategy"),
            "serviceRegistries": blue.get("serviceRegistries"),
            **spec.more,
        }
        if made.get("capacityProviderStrategy"):
            made.pop("launchType")
        return {
            "cluster": named["clusterName"], "service": named["serviceName"], "serviceArn": shown[0]["serviceArn"],
            "blue": blue["id"], "blueGroup": blue_group, "greenGroup": arns[0] if arns[1] == blue_group else arns[1],
            "groups": dict(zip(arns, names, strict=True)), "production": production, "weight": 0,
            "test": next(iter((pair.get("testTrafficRoute") or {}).get("listenerArns") or ()), None),
            "made": {key: value for key, value in made.items() if value},
            "container": {"containerName": spec.container, "containerPort": spec.port},
        }  # fmt: skip

    async def _by_request(self, deployment: Deployment, listener: str) -> bool:
        """Whether it is an Application Load Balancer's."""
        try:
            return await listeners.has_rules(self._call, deployment, listener)
        except AwsError as error:
            raise DeploymentFails("ELASTIC_LOAD_BALANCING_INVALID", error.message) from error

    async def _target_groups(self, deployment: Deployment, names: list[str]) -> list[str]:
        found = []
        for name in names:
            try:
                answer = await self._call(
                    deployment.account, deployment.region, "elbv2", "DescribeTargetGroups", {"Names": [name]}
                )
            except AwsError as error:
                raise DeploymentFails("ELASTIC_LOAD_BALANCING_INVALID", error.message) from error
            found.append(answer["TargetGroups"][0]["TargetGroupArn"])
        return found

    async def _ecs(self, deployment: Deployment, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return await self._call(deployment.account, deployment.region, "ecs", operation, params)
        except AwsError as error:
            if error.status >= 500:
                raise
            raise DeploymentFails(
                "ECS_UPDATE_ERROR",
                f"The ECS service cannot be updated due to the following exception: {error.message}",
            ) from error

    # -- going on ----------------------------------------------------------------------------------------------------

    async def step(self, deployment: Deployment) -> float | None:
        while True:
            target = next(iter(self.targets(deployment)), None)
            if target is None:
                return None
            failed = next((each for each in target.events if each.status == "Failed"), None)
            if failed is not None:
                raise DeploymentFails("HOOK_EXECUTION_FAILURE", _HOOK_FAILED.format(failed.name))
            await self._look(deployment, target)
            event = target.current
            left = await (self._end(deployment, target) if event is None else self._event(deployment, target, event))
            if left is not None:
                return left
            if event is None:
                self.change_target(target, lambda each: replace(each, status="Succeeded"))
                return None

    async def _event(self, deployment: Deployment, target: Target, event: Event) -> float | None:
        waits = Waits(self._store, self._clock, self._entropy)
        if event.name == "BeforeAllowTraffic" and (left := waits.ready(deployment)) is not None:
            return left
        doing = {"Install": self._install, "AllowTestTraffic": self._test, "AllowTraffic": self._shift}
        if event.name not in doing:
            return await self.hook(deployment, target, event)
        if event.status == "Pending":
            target = self.change_event(target, event.name, status="InProgress", started_at=self._clock.now())
            event = target.event(event.name) or event
        left = await doing[event.name](deployment, target, event)
        if left is None:
            self.change_event(target, event.name, status="Succeeded", ended_at=self._clock.now())
        return left

    async def _install(self, deployment: Deployment, target: Target, event: Event) -> float | None:
        """The replacement task set, until it is steady."""
        info = target.info
        if not info.get("green"):
            both = {info["blueGroup"]: 100, info["greenGroup"]: 0}
            if not await self._route(deployment, info, info["production"], both):
                raise DeploymentFails("ELASTIC_LOAD_BALANCING_INVALID", f"{_NOT_BEHIND} {info['production']}")
            await self._make(deployment, target)
            return 0.0
        steady = [each["stabilityStatus"] for each in await self._sets(deployment, info) if each["id"] == info["green"]]
        if steady == ["STEADY_STATE"]:
            return None
        if self._clock.now() - (event.started_at or 0.0) > _LIMIT_S:
            raise DeploymentFails("TIMEOUT", _TIMED_OUT)
        return self._soon()

    async def _make(self, deployment: Deployment, target: Target) -> None:
        """Create it, unless that was done before a crash; those that an earlier deployment has left are deleted."""
        info, green = target.info, None
        for each in await self._sets(deployment, info):
            if each.get("externalId") == deployment.id:
                green = each["id"]
            elif each["id"] != info["blue"] and each["status"] == "ACTIVE":
                await self._delete(deployment, info, each["id"])
        if green is None:
            asked = {
                **self._named(info), **info["made"], "externalId": deployment.id, "clientToken": deployment.id,
                "loadBalancers": [{"targetGroupArn": info["greenGroup"], **info["container"]}],
                "scale": {"value": 100.0, "unit": "PERCENT"},
            }  # fmt: skip
            green = (await self._ecs(deployment, "CreateTaskSet", asked))["taskSet"]["id"]
        self._note(target, green=green)

    async def _test(self, deployment: Deployment, target: Target, event: Event) -> float | None:
        if target.info["test"]:
            await self._route(deployment, target.info, target.info["test"], {target.info["greenGroup"]: 100})
        return None

    async def _shift(self, deployment: Deployment, target: Target, event: Event) -> float | None:
        info, now = target.info, self._clock.now()
        if info.get("back"):
            await self._give_back(deployment, target)
            return None
        share, left = shifting.weight(deployment.routing, now - (event.started_at or now))
        if share != info["weight"]:
            weights = {info["blueGroup"]: 100 - share, info["greenGroup"]: share}
            await self._route(deployment, info, info["production"], weights)
            target = self._note(target, weight=share)
        if left is None:
            asked = {**self._named(info), "primaryTaskSet": info["green"]}
            await self._ecs(deployment, "UpdateServicePrimaryTaskSet", asked)
        return left

    async def _give_back(self, deployment: Deployment, target: Target) -> None:
        info = target.info
        weights = {info["blueGroup"]: 100, info["greenGroup"]: 0}
        await self._route(deployment, info, info["production"], weights)
        if info["test"]:
            await self._route(deployment, info, info["test"], {info["blueGroup"]: 100})
        await self._ecs(
            deployment, "UpdateServicePrimaryTaskSet", {**self._named(info), "primaryTaskSet": info["blue"]}
        )
        self._note(target, weight=0)

    async def _end(self, deployment: Deployment, target: Target) -> float | None:
        """The task set that has no traffic any more goes, behind the wait that is asked for; None when it is gone."""
        info = target.info
        goes, stays = ("green", "blueGroup") if info.get("back") else ("blue", "greenGroup")
        if not info.get(goes):
            return None
        if not info.get("back"):
            left = Waits(self._store, self._clock, self._entropy).termination(deployment)
            if left is not None:
                return left
        if not info.get("ending"):
            await self._delete(deployment, info, info[goes])
            self._note(target, ending=True)
        if any(each["id"] == info[goes] for each in await self._sets(deployment, info)):
            return self._soon()
        await self._route(deployment, info, info["production"], {info[stays]: 100})
        return None

    # -- parts -------------------------------------------------------------------------------------------------------

    def _named(self, info: Info) -> dict[str, str]:
        return {"cluster": info["cluster"], "service": info["service"]}

    async def _sets(self, deployment: Deployment, info: Info) -> list[Mapping[str, Any]]:
        return list((await self._ecs(deployment, "DescribeTaskSets", self._named(info)))["taskSets"])

    async def _delete(self, deployment: Deployment, info: Info, id: str) -> None:
        await self._ecs(deployment, "DeleteTaskSet", {**self._named(info), "taskSet": id, "force": True})

    async def _route(self, deployment: Deployment, info: Info, listener: str, weights: Mapping[str, int]) -> bool:
        try:
            groups = (info["blueGroup"], info["greenGroup"])
            return await listeners.route(self._call, deployment, listener, groups, weights)
        except AwsError as error:
            if error.status >= 500:
                raise
            raise DeploymentFails(
                "ELASTIC_LOAD_BALANCING_INVALID",
                f"The ELB could not be updated due to the following error: {error.message}",
            ) from error

    def _note(self, target: Target, **noted: Any) -> Target:
        return self.change_target(target, lambda each: replace(each, info={**each.info, **noted}))

    def _soon(self) -> float:
        return max(_LOOK_S, _LEAST_S * self._clock.speed)

    async def _look(self, deployment: Deployment, target: Target) -> None:
        """What GetDeploymentTarget shows of the task sets, as ECS has them."""
        info, shown = target.info, []
        for each in await self._sets(deployment, info):
            label = {info["blue"]: "Blue", info.get("green"): "Green"}.get(each["id"])
            if label is None:
                continue
            group = info["groups"][info["blueGroup" if label == "Blue" else "greenGroup"]]
            shown.append({
                "identifer": each["id"], "desiredCount": each["computedDesiredCount"],
                "pendingCount": each["pendingCount"], "runningCount": each["runningCount"], "status": each["status"],
                "trafficWeight": float(info["weight"] if label == "Green" else 100 - info["weight"]),
                "targetGroup": {"name": group}, "taskSetLabel": label,
            })  # fmt: skip
        if shown != info.get("taskSetsInfo"):
            self._note(target, taskSetsInfo=shown)

    async def stop(self, deployment: Deployment) -> bool:
        """Traffic stays as it has been shifted so far."""
        return True
