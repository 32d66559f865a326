"""The deployment configurations that AWS provides ("Working with deployment configurations in CodeDeploy"). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from kunren.services.codedeploy.model import ECS, LAMBDA, SERVER, Config

PREFIX = "CodeDeployDefault."
DEFAULTS = {SERVER: f"{PREFIX}OneAtATime", LAMBDA: f"{PREFIX}LambdaAllAtOnce", ECS: f"{PREFIX}ECSAllAtOnce"}
_SINCE = 1_413_158_400.0  # of API version 2014-10-06, roughly


def canary(percent: int, minutes: int) -> dict[str, Any]:
    return {
        "type": "TimeBasedCanary",
        "timeBasedCanary": {"canaryPercentage": percent, "canaryInterval": minutes},
    }


def linear(percent: int, minutes: int) -> dict[str, Any]:
    return {
        "type": "TimeBasedLinear",
        "timeBasedLinear": {"linearPercentage": percent, "linearInterval": minutes},
    }


ALL_AT_ONCE: dict[str, Any] = {"type": "AllAtOnce"}


def _listed() -> Iterator[tuple[str, str, dict[str, Any] | None, dict[str, Any] | None]]:
    yield "OneAtATime", SERVER, {"type": "FLEET_PERCENT", "value": 99}, None
    yield "HalfAtATime", SERVER, {"type": "FLEET_PERCENT", "value": 50}, None
    yield "AllAtOnce", SERVER, {"type": "HOST_COUNT", "value": 0}, None
    yield "LambdaAllAtOnce", LAMBDA, None, ALL_AT_ONCE
    for minutes in (5, 10, 15, 30):
        yield f"LambdaCanary10Percent{minutes}Minutes", LAMBDA, None, canary(10, minutes)
    for minutes in (1, 2, 3, 10):
        name = f"LambdaLinear10PercentEvery{minutes}Minute{'s' if minutes > 1 else ''}"
        yield name, LAMBDA, None, linear(10, minutes)
    yield "ECSAllAtOnce", ECS, None, ALL_AT_ONCE
    for minutes in (1, 3):
        yield f"ECSLinear10PercentEvery{minutes}Minutes", ECS, None, linear(10, minutes)
    for minutes in (5, 15):
        yield f"ECSCanary10Percent{minutes}Minutes", ECS, None, canary(10, minutes)


def configs(account: str, region: str) -> dict[str, Config]:
    """All of them by name, as rows that every account has."""
    return {
        f"{PREFIX}{name}": Config(
            account=account, region=region, id=f"{PREFIX}{name}", config_id=str(uuid5(NAMESPACE_DNS, name)),
            platform=platform, created_at=_SINCE, minimum=minimum, routing=routing,
        )
        for name, platform, minimum, routing in _listed()
    }  # fmt: skip
