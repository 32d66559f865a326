"""Deployment configurations: AWS's own, which every account has, and those that users make."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.services.codedeploy import errors, predefined, views
from kunren.services.codedeploy.api.base import ApiBase, Params, Result, find_config, page
from kunren.services.codedeploy.model import SERVER, Config, Group

_PARTS = {
    "TimeBasedCanary": ("timeBasedCanary", "canaryPercentage", "canaryInterval"),
    "TimeBasedLinear": ("timeBasedLinear", "linearPercentage", "linearInterval"),
}
_MINUTES_MAX = 2880
_MONITOR_MAX_S = 604_800


class Configs(ApiBase):
    def create_deployment_config(self, ctx: RequestContext, params: Params) -> Result:
        name, platform = params["deploymentConfigName"], params.get("computePlatform") or SERVER
        if name.startswith(predefined.PREFIX):
            raise errors.InvalidDeploymentConfigNameException(
                f"Deployment configuration names must not begin with {predefined.PREFIX}"
            )
        minimum, routing = _minimum(params, platform), _routing(params, platform)
        zonal = _zonal(params, platform)
        with self._store.write() as tx:
            if tx.get(Config, ctx.account, ctx.region, name) is not None:
                raise errors.DeploymentConfigAlreadyExistsException(f"Deployment Configuration already exists: {name}")
            made = Config(
                account=ctx.account, region=ctx.region, id=name, config_id=self._entropy.uuid(), platform=platform,
                created_at=self._clock.now(), minimum=minimum, routing=routing,
                zonal=zonal,
            )  # fmt: skip
            tx.put(made)
        return {"deploymentConfigId": made.config_id}

    def get_deployment_config(self, ctx: RequestContext, params: Params) -> Result:
        found = find_config(self._store.snapshot(), ctx, params["deploymentConfigName"])
        return {"deploymentConfigInfo": views.config(found)}

    def list_deployment_configs(self, ctx: RequestContext, params: Params) -> Result:
        own = [each.id for each in self._store.snapshot().list(Config, ctx.account, ctx.region)]
        names = sorted([*own, *predefined.configs(ctx.account, ctx.region)])
        shown, token = page(names, params.get("nextToken"), str)
        return {"deploymentConfigsList": shown, "nextToken": token}

    def delete_deployment_config(self, ctx: RequestContext, params: Params) -> None:
        name = params["deploymentConfigName"]
        if name in predefined.configs(ctx.account, ctx.region):
            raise errors.InvalidOperationException("You cannot delete the default deployment configuration")
        with self._store.write() as tx:
            found = tx.get(Config, ctx.account, ctx.region, name)
            if found is None:
                return
            if any(each.config == name for each in tx.list(Group, ctx.account, ctx.region)):
                raise errors.DeploymentConfigInUseException(f"Deployment configuration is in use: {name}")
            tx.delete(found)


def _minimum(params: Params, platform: str) -> dict[str, Any] | None:
    given = params.get("minimumHealthyHosts")
    if platform != SERVER:
        if given:
            raise errors.InvalidMinimumHealthyHostValueException(
                f"Minimum healthy hosts are not supported for the {platform} compute platform"
            )
        return None
    kind = (given or {}).get("type")
    if given is None or kind is None:
        raise errors.InvalidMinimumHealthyHostValueException("minimum healthy hosts argument is missing")
    value = given.get("value") or 0  # SDKs whose integers are never null, as Go's, leave a zero out
    if value < 0 or (kind == "FLEET_PERCENT" and value > 99):
        raise errors.InvalidMinimumHealthyHostValueException(
            "The minimum healthy hosts value must be a non-negative number, and below 100 for a percentage"
        )
    return {"type": kind, "value": value}


def _routing(params: Params, platform: str) -> dict[str, Any] | None:
    """Raises InvalidTrafficRoutingConfigurationException."""
    given = params.get("trafficRoutingConfig")
    if platform == SERVER:
        if given:
            raise _bad("Traffic routing is not supported for the Server compute platform")
        return None
    if not given:
        return predefined.ALL_AT_ONCE
    kind = given.get("type") or "AllAtOnce"
    if kind == "AllAtOnce":
        return predefined.ALL_AT_ONCE
    member, percent, minutes = _PARTS[kind]
    part = given.get(member) or {}
    if any(given.get(other) for other, _, _ in _PARTS.values() if other != member):
        raise _bad(f"A configuration of type {kind} has {member} alone")
    if not 1 <= (part.get(percent) or 0) <= 99:
        raise _bad(f"{percent} must be between 1 and 99")
    if not 1 <= (part.get(minutes) or 0) <= _MINUTES_MAX:
        raise _bad(f"{minutes} must be between 1 and {_MINUTES_MAX}")
    return {"type": kind, member: {percent: part[percent], minutes: part[minutes]}}


def _zonal(params: Params, platform: str) -> dict[str, Any] | None:
    """Raises InvalidZonalDeploymentConfigurationException."""
    given = {key: value for key, value in (params.get("zonalConfig") or {}).items() if value is not None}
    if not given:
        return None
    least = given.get("minimumHealthyHostsPerZone") or {}
    if platform != SERVER:
        raise errors.InvalidZonalDeploymentConfigurationException(
            f"A zonal configuration is not supported for the {platform} compute platform"
        )
    waits = [given.get(each) or 0 for each in ("firstZoneMonitorDurationInSeconds", "monitorDurationInSeconds")]
    if any(not 0 <= each <= _MONITOR_MAX_S for each in waits):
        raise errors.InvalidZonalDeploymentConfigurationException(
            f"A monitor duration must be between 0 and {_MONITOR_MAX_S} seconds"
        )
    if least:
        given["minimumHealthyHostsPerZone"] = least = {"value": 0, **least}
    value = least.get("value") or 0
    if value < 0 or (least.get("type") == "FLEET_PERCENT" and value > 99):
        raise errors.InvalidZonalDeploymentConfigurationException(
            "The minimum of healthy hosts per zone must not be negative, and below 100 for a percentage"
        )
    return given


def _bad(message: str) -> errors.InvalidTrafficRoutingConfigurationException:
    return errors.InvalidTrafficRoutingConfigurationException(message)
