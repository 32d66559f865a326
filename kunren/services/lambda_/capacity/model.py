"""Capacity providers, and how many environments a version is to have."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource

LATEST_PUBLISHED = "$LATEST.PUBLISHED"
"""The version that PublishTo makes and makes anew, and that an unqualified invocation runs."""


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """A function's place on managed instances: `provider` is an ARN; `concurrency` None is the runtime's default."""

    provider: str
    concurrency: int | None = None
    gib_per_vcpu: float = 2.0


class CapacityProvider(Resource, frozen=True, kw_only=True):
    """Desired: where instances are to be. The members that are dicts are kept as they came: they decide nothing."""

    kind: ClassVar[str] = "lambda.capacity-provider"

    subnets: tuple[str, ...]
    groups: tuple[str, ...]
    operator_role: str
    requirements: dict[str, Any] | None = None
    scaling: dict[str, Any] | None = None
    propagate_tags: dict[str, Any] | None = None
    telemetry: dict[str, Any] | None = None
    kms_key_arn: str = ""
    modified: float
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:capacity-provider:{self.id}"


class FunctionScaling(Resource, frozen=True, kw_only=True):
    """Desired: how many environments a published version has. Its id is `name:version`; None is AWS's default."""

    kind: ClassVar[str] = "lambda.function-scaling"

    minimum: int | None = None
    maximum: int | None = None


CAPACITY_RESOURCES = (CapacityProvider, FunctionScaling)
