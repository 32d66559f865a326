"""Capacity providers, and the scaling of the function versions that run there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kunren.core.context import RequestContext
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.capacity.fleets import applied
from kunren.services.lambda_.capacity.model import CapacityProvider, FunctionScaling
from kunren.services.lambda_.capacity.rules import find_provider, managed_state, versions_with
from kunren.services.lambda_.checks import check_tags
from kunren.services.lambda_.errors import (
    CapacityProviderLimitExceededException,
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from kunren.services.lambda_.lookup import Source, find
from kunren.services.lambda_.model import Function, PublishedVersion
from kunren.services.lambda_.networks import resolve_vpc
from kunren.services.lambda_.view import timestamp

PROVIDERS_MAX = 1000
"""Lambda developer guide, "Lambda quotas": capacity providers per account and region."""
_KEPT = {
    "InstanceRequirements": "requirements",
    "CapacityProviderScalingConfig": "scaling",
    "PropagateTags": "propagate_tags",
    "TelemetryConfig": "telemetry",
}


class CapacityProviderOperations(ApiBase):
    def create_capacity_provider(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = params["CapacityProviderName"].rpartition(":")[2]
        tags = params.get("Tags") or {}
        check_tags(tags)
        with self._store.write() as tx:
            vpc = resolve_vpc(tx, ctx, params["VpcConfig"])
            if vpc is None:
                raise InvalidParameterValueException("A capacity provider needs subnets and security groups.")
            if tx.get(CapacityProvider, ctx.account, ctx.region, name) is not None:
                raise ResourceConflictException(f"Capacity provider already exists: {name}")
            if len(tx.list(CapacityProvider, ctx.account, ctx.region)) >= PROVIDERS_MAX:
                raise CapacityProviderLimitExceededException("The maximum number of capacity providers is exceeded.")
            provider = CapacityProvider(
                account=ctx.account,
                region=ctx.region,
                id=name,
                subnets=vpc.subnets,
                groups=vpc.groups,
                operator_role=params["PermissionsConfig"]["CapacityProviderOperatorRoleArn"],
                kms_key_arn=params.get("KmsKeyArn") or "",
                modified=self._clock.now(),
                tags=dict(tags),
                **{field: params.get(member) for member, field in _KEPT.items()},
            )
            tx.put(provider)
        return {"CapacityProvider": self._provider_shown(ctx, provider)}

    def update_capacity_provider(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        changes = {field: params[member] for member, field in _KEPT.items() if params.get(member) is not None}
        with self._store.write() as tx:
            provider = msgspec.structs.replace(self._provider(tx, ctx, params), modified=self._clock.now(), **changes)
            tx.put(provider)
        return {"CapacityProvider": self._provider_shown(ctx, provider)}

    def get_capacity_provider(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"CapacityProvider": self._provider_shown(ctx, self._provider(self._store.snapshot(), ctx, params))}

    def list_capacity_providers(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        providers = self._store.snapshot().list(CapacityProvider, ctx.account, ctx.region)
        wanted = params.get("State")
        found = [each for each in providers if not wanted or self._provider_state(ctx, each) == wanted]
        page, marker = self._page(found, params, lambda each: each.id)
        return {"CapacityProviders": [self._provider_shown(ctx, each) for each in page], "NextMarker": marker}

    def delete_capacity_provider(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            provider = self._provider(tx, ctx, params)
            functions = tx.list(Function, ctx.account, ctx.region)
            using = [each for each in functions if each.capacity is not None and each.capacity.provider == provider.arn]
            if using or versions_with(tx, provider):
                raise ResourceConflictException(
                    f"The capacity provider {provider.arn} cannot be deleted because it is in use by functions."
                )
            tx.delete(provider)
        return {"CapacityProvider": {**self._provider_shown(ctx, provider), "State": "Deleting"}}

    def list_function_versions_by_capacity_provider(
        self, ctx: RequestContext, params: dict[str, Any]
    ) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        provider = self._provider(snapshot, ctx, params)
        page, marker = self._page(versions_with(snapshot, provider), params, lambda each: each.id)
        shown = [
            {
                "FunctionArn": f"{each.arn}:{each.version}",
                "State": managed_state(snapshot, each, self._status(snapshot, each)),
            }
            for each in page
        ]
        return {"CapacityProviderArn": provider.arn, "FunctionVersions": shown, "NextMarker": marker}

    # Of one function version

    def put_function_scaling_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        told = params.get("FunctionScalingConfig") or {}
        minimum, maximum = told.get("MinExecutionEnvironments"), told.get("MaxExecutionEnvironments")
        if minimum is not None and maximum is not None and minimum > maximum:
            raise InvalidParameterValueException(
                "MinExecutionEnvironments must be less than or equal to MaxExecutionEnvironments."
            )
        with self._store.write() as tx:
            version = self._managed_version(tx, ctx, params)
            config = FunctionScaling(
                account=version.account, region=version.region, id=version.id, minimum=minimum, maximum=maximum
            )
            tx.put(config)
        snapshot = self._store.snapshot()
        return {"FunctionState": managed_state(snapshot, version, self._status(snapshot, version))}

    def get_function_scaling_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        version = self._managed_version(snapshot, ctx, params)
        now, asked = applied(snapshot, self._invoker.runtime, version)
        return {
            "FunctionArn": f"{version.arn}:{version.version}",
            "AppliedFunctionScalingConfig": now,
            "RequestedFunctionScalingConfig": asked or None,
        }

    def _managed_version(self, source: Source, ctx: RequestContext, params: Mapping[str, Any]) -> PublishedVersion:
        """Raises ResourceNotFoundException, InvalidParameterValueException."""
        version = find(source, self._name(ctx, params))
        if not isinstance(version, PublishedVersion) or version.capacity is None:
            raise InvalidParameterValueException("The function version has no capacity provider.")
        return version

    def _provider(self, source: Source, ctx: RequestContext, params: Mapping[str, Any]) -> CapacityProvider:
        found = find_provider(source, ctx.account, ctx.region, params["CapacityProviderName"])
        if found is None:
            raise ResourceNotFoundException(f"Capacity provider not found: {params['CapacityProviderName']}")
        return found

    def _provider_state(self, ctx: RequestContext, provider: CapacityProvider) -> str:
        """Active where its subnets and security groups are there to be used."""
        try:
            resolve_vpc(self._store.snapshot(), ctx, _vpc(provider))
        except InvalidParameterValueException:
            return "Failed"
        return "Active"

    def _provider_shown(self, ctx: RequestContext, provider: CapacityProvider) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "CapacityProviderArn": provider.arn,
            "State": self._provider_state(ctx, provider),
            "VpcConfig": _vpc(provider),
            "PermissionsConfig": {"CapacityProviderOperatorRoleArn": provider.operator_role},
            "KmsKeyArn": provider.kms_key_arn or None,
            "LastModified": timestamp(provider.modified),
        }
        kept = {member: getattr(provider, field) for member, field in _KEPT.items()}
        return {**shown, **{member: value for member, value in kept.items() if value is not None}}


def _vpc(provider: CapacityProvider) -> dict[str, Any]:
    return {"SubnetIds": list(provider.subnets), "SecurityGroupIds": list(provider.groups)}
