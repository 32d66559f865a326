"""Deployments of AWS Lambda functions: an alias goes from one version to another, all at once or by weights.

Traffic is shifted by Lambda's own UpdateAlias. A rollback gives all of it back to the version that had it.
"""

from __future__ import annotations

from dataclasses import replace as replaced
from typing import Any

from msgspec.structs import replace

from kunren.core.arn import build_arn
from kunren.core.errors import AwsError
from kunren.services.codedeploy import appspec, shifting
from kunren.services.codedeploy.errors import DeploymentFails
from kunren.services.codedeploy.model import Deployment, Event, Target
from kunren.services.codedeploy.platforms.base import PlatformBase

_EVENTS = ("BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic")
_HOOK_FAILED = "The overall deployment failed because a lifecycle event hook function of {} answered Failed."


class Functions(PlatformBase):
    async def begin(self, deployment: Deployment) -> list[Target]:
        spec = self._undone(deployment)
        if spec is None:
            spec = appspec.of_function(await self.text(deployment))
            await self._check(deployment, spec)
        name = spec.name.rpartition(":function:")[2] or spec.name
        info = {
            "functionName": name,
            "functionAlias": spec.alias,
            "currentVersion": spec.current,
            "targetVersion": spec.target,
            "targetVersionWeight": 0.0,
        }
        made = Target(
            account=deployment.account, region=deployment.region, id=f"{deployment.id}/{name}",
            deployment=deployment.id, target=name, updated_at=self._clock.now(), status="InProgress", info=info,
            arn=build_arn("lambda", deployment.region, deployment.account, f"function:{name}:{spec.alias}"),
            events=tuple(Event(name=each, function=spec.hooks.get(each, "")) for each in _EVENTS),
        )  # fmt: skip
        return [made]

    def _undone(self, deployment: Deployment) -> appspec.FunctionSpec | None:
        """For a rollback: the way back of what it undoes."""
        before = self._store.snapshot().get(Deployment, deployment.account, deployment.region, deployment.undoes)
        for each in self.targets(before) if before is not None else ():
            info = each.info
            back = appspec.FunctionSpec(
                info["functionName"], info["functionAlias"], info["targetVersion"], info["currentVersion"]
            )
            return replaced(back, hooks={})
        return None

    async def _check(self, deployment: Deployment, spec: appspec.FunctionSpec) -> None:
        """Raises DeploymentFails where the alias is not as the file says."""
        invalid = "INVALID_LAMBDA_CONFIGURATION"
        if spec.current == spec.target:
            raise DeploymentFails(invalid, appspec.NO_SUCH_CONFIGURATION)
        asked = {"FunctionName": spec.name, "Name": spec.alias}
        alias = await self._ask(deployment, "GetAlias", asked)
        if alias["FunctionVersion"] != spec.current:
            raise DeploymentFails(
                invalid,
                f"{appspec.NO_SUCH_CONFIGURATION} The Lambda function alias version does not match the current "
                "version in AppSpec file.",
            )
        wanted = {"FunctionName": spec.name, "Qualifier": spec.target}
        await self._ask(deployment, "GetFunctionConfiguration", wanted)

    async def _ask(self, deployment: Deployment, operation: str, params: dict[str, Any]) -> Any:
        try:
            return await self._call(deployment.account, deployment.region, "lambda", operation, params)
        except AwsError as error:
            code = "INVALID_LAMBDA_FUNCTION" if error.status < 500 else "INTERNAL_ERROR"
            raise DeploymentFails(code, f"{appspec.NO_SUCH_CONFIGURATION} {error.message}") from error

    async def step(self, deployment: Deployment) -> float | None:
        (target,) = self.targets(deployment)
        while True:
            failed = next((each for each in target.events if each.status == "Failed"), None)
            if failed is not None:
                raise DeploymentFails("HOOK_EXECUTION_FAILURE", _HOOK_FAILED.format(failed.name))
            event = target.current
            if event is None:
                self.change_target(target, lambda each: replace(each, status="Succeeded"))
                return None
            if event.name == "AllowTraffic":
                left = await self._shift(deployment, target, event)
            else:
                left = await self.hook(deployment, target, event)
            if left is not None:
                return left
            (target,) = self.targets(deployment)

    async def _shift(self, deployment: Deployment, target: Target, event: Event) -> float | None:
        """Give the new version its share. In how many seconds there is more; None when it has all."""
        now = self._clock.now()
        if event.status == "Pending":
            target = self.change_event(target, event.name, status="InProgress", started_at=now)
        began = event.started_at if event.started_at is not None else now
        routing = None if deployment.undoes else deployment.routing
        share, left = shifting.weight(routing, now - began)
        info = target.info
        if left is None:
            routes, version = {}, info["targetVersion"]
        else:
            routes, version = {info["targetVersion"]: share / 100}, info["currentVersion"]
        if share != info["targetVersionWeight"]:
            asked = {
                "FunctionName": info["functionName"], "Name": info["functionAlias"], "FunctionVersion": version,
                "RoutingConfig": {"AdditionalVersionWeights": routes},
            }  # fmt: skip
            await self._ask(deployment, "UpdateAlias", asked)
            shown = {**info, "targetVersionWeight": float(share)}
            target = self.change_target(target, lambda each: replace(each, info=shown))
        if left is None:
            self.change_event(target, event.name, status="Succeeded", ended_at=self._clock.now())
        return left

    async def stop(self, deployment: Deployment) -> bool:
        """Traffic stays as it has been shifted so far."""
        return True
