"""What managed instances make of a function: checks, defaults, states. Pure readers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.core.context import RequestContext
from kunren.services.lambda_.capacity.model import Capacity, CapacityProvider, FunctionScaling
from kunren.services.lambda_.errors import (
    FunctionVersionsPerCapacityProviderLimitExceededException,
    InvalidParameterValueException,
    ResourceNotFoundException,
)
from kunren.services.lambda_.lookup import Source
from kunren.services.lambda_.model import Configured, FunctionStatus, PublishedVersion
from kunren.services.lambda_.view import state

MEMORY_MIN_MB = 2048
MEMORY_MAX_MB = 32_768
MINIMUM = 3
"""Environments, where no scaling config says otherwise: one for each of three zones."""
VERSIONS_MAX = 100
"""Lambda developer guide, "Lambda quotas": function versions per capacity provider."""
_PER_VCPU = {"python": 16, "nodejs": 64}
_PER_VCPU_ELSE = 8


def find_provider(source: Source, account: str, region: str, told: str) -> CapacityProvider | None:
    """By name or ARN."""
    name = told.removeprefix(f"arn:aws:lambda:{region}:{account}:capacity-provider:")
    return source.get(CapacityProvider, account, region, name)


def capacity_of(
    source: Source, ctx: RequestContext, params: Mapping[str, Any], before: Capacity | None, *, creating: bool
) -> Capacity | None:
    """A function's capacity as CreateFunction or UpdateFunctionConfiguration make it. A function is created on managed
    instances or never gets there. Raises InvalidParameterValueException, ResourceNotFoundException."""
    told = (params.get("CapacityProviderConfig") or {}).get("LambdaManagedInstancesCapacityProviderConfig")
    if not told:
        return before
    if before is None and not creating:
        raise InvalidParameterValueException(
            "You cannot add a capacity provider to an existing function that was created without one."
        )
    vpc = params.get("VpcConfig") or {}
    if vpc.get("SubnetIds") or vpc.get("SecurityGroupIds"):
        raise InvalidParameterValueException("VpcConfig and CapacityProviderConfig cannot be set together.")
    provider = find_provider(source, ctx.account, ctx.region, told["CapacityProviderArn"])
    if provider is None:
        raise ResourceNotFoundException(f"Capacity provider not found: {told['CapacityProviderArn']}")
    return Capacity(
        provider=provider.arn,
        concurrency=told.get("PerExecutionEnvironmentMaxConcurrency"),
        gib_per_vcpu=told.get("ExecutionEnvironmentMemoryGiBPerVCpu") or 2.0,
    )


def check_memory(memory_mb: int) -> None:
    """Raises InvalidParameterValueException."""
    if not MEMORY_MIN_MB <= memory_mb <= MEMORY_MAX_MB:
        raise InvalidParameterValueException(
            f"MemorySize of a function with a capacity provider must be between {MEMORY_MIN_MB} and {MEMORY_MAX_MB} MB."
        )


def concurrency_of(function: Configured) -> int:
    """How many invocations one environment has at once (developer guide, the runtimes' pages: 16 for each vCPU with
    Python, 64 with Node.js); 0 for a function that is not on managed instances."""
    capacity = function.capacity
    if capacity is None:
        return 0
    if capacity.concurrency is not None:
        return capacity.concurrency
    vcpus = max(1, int(function.memory_size / 1024 / capacity.gib_per_vcpu))
    family = function.runtime.rstrip("0123456789.x")
    return _PER_VCPU.get(family, _PER_VCPU_ELSE) * vcpus


def scaling_of(source: Source, version: Configured) -> tuple[int, int | None]:
    """The minimum and the maximum of its environments."""
    config = source.get(FunctionScaling, version.account, version.region, version.id)
    if config is None:
        return MINIMUM, None
    if config.minimum is None:
        return min(MINIMUM, config.maximum) if config.maximum is not None else MINIMUM, config.maximum
    return config.minimum, config.maximum


def managed_state(source: Source, function: Configured, status: FunctionStatus | None) -> str:
    """State as managed instances know it: $LATEST itself is not invoked, a version without environments is off."""
    now = state(function, status)
    if function.capacity is None or now != "Active":
        return now
    if not isinstance(function, PublishedVersion):
        return "ActiveNonInvocable"
    return "Deactivated" if scaling_of(source, function)[1] == 0 else "Active"


def versions_with(source: Source, provider: CapacityProvider) -> list[PublishedVersion]:
    """The published versions that have their environments there."""
    versions = source.list(PublishedVersion, provider.account, provider.region)
    return [each for each in versions if each.capacity is not None and each.capacity.provider == provider.arn]


def check_room(source: Source, version: PublishedVersion) -> None:
    """Before a version is published. Raises FunctionVersionsPerCapacityProviderLimitExceededException."""
    if version.capacity is None:
        return
    provider = find_provider(source, version.account, version.region, version.capacity.provider)
    others = [each for each in versions_with(source, provider) if each.id != version.id] if provider is not None else []
    if len(others) >= VERSIONS_MAX:
        raise FunctionVersionsPerCapacityProviderLimitExceededException(
            f"The maximum number of function versions ({VERSIONS_MAX}) of the capacity provider has been exceeded."
        )
