"""Registries: AWS::ECR::Repository."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.resources.kind import Declared, Kind, Setting, change, small, tagging
from kunren.services.cloudformation.work import Work

_EXCLUDED = "ImageTagMutabilityExclusionFilters"


def _more(work: Work) -> Mapping[str, Any]:
    found = _mutability(work)
    if (encryption := work.get("EncryptionConfiguration")) is not None:
        found["encryptionConfiguration"] = {small(key): value for key, value in encryption.items()}
    if (scanning := work.get("ImageScanningConfiguration")) is not None:
        found["imageScanningConfiguration"] = {small(key): value for key, value in scanning.items()}
    return found


def _scanning(work: Work) -> Mapping[str, Any]:
    stated = work.get("ImageScanningConfiguration") or {}
    return {
        "repositoryName": work.physical,
        "imageScanningConfiguration": {"scanOnPush": bool(stated.get("ScanOnPush"))},
    }


def _mutability(work: Work) -> dict[str, Any]:
    filters = [{small(key): value for key, value in each.items()} for each in work.get(_EXCLUDED) or ()]
    found: dict[str, Any] = {"imageTagMutability": work.get("ImageTagMutability", "MUTABLE")}
    return {**found, "imageTagMutabilityExclusionFilters": filters} if filters else found


class Repository(Declared):
    """Its two policies have operations that take them away; with `EmptyOnDelete` its images go with it."""

    async def create(self, work: Work) -> None:
        await super().create(work)
        await self._policies(work, {})

    async def update(self, work: Work) -> None:
        await super().update(work)
        await self._policies(work, work.before)

    async def _policies(self, work: Work, before: Mapping[str, Any]) -> None:
        at = {"repositoryName": work.physical}
        lifecycle = (work.get("LifecyclePolicy") or {}).get("LifecyclePolicyText")
        if lifecycle != (before.get("LifecyclePolicy") or {}).get("LifecyclePolicyText"):
            if lifecycle is None:
                await work.write("ecr", "DeleteLifecyclePolicy", at, missing_ok=True)
            else:
                await work.write("ecr", "PutLifecyclePolicy", {**at, "lifecyclePolicyText": lifecycle})
        policy = work.get("RepositoryPolicyText")
        if policy != before.get("RepositoryPolicyText"):
            if policy is None:
                await work.write("ecr", "DeleteRepositoryPolicy", at, missing_ok=True)
            else:
                text = policy if isinstance(policy, str) else json.dumps(policy)
                await work.write("ecr", "SetRepositoryPolicy", {**at, "policyText": text})


KINDS: tuple[Kind, ...] = (
    Repository(
        "AWS::ECR::Repository",
        "ecr",
        create="CreateRepository",
        extra=_more,
        also="EmptyOnDelete EncryptionConfiguration LifecyclePolicy RepositoryPolicyText",
        name="RepositoryName",
        longest=256,
        lower=True,
        key="repositoryName",
        describe="DescribeRepositories",
        by="repositoryNames[]",
        item="repositories[0]",
        gives={"Arn": "repositoryArn", "RepositoryUri": "repositoryUri"},
        updates="EmptyOnDelete LifecyclePolicy RepositoryPolicyText",
        settings=[
            change("PutImageTagMutability", "repositoryName", f"ImageTagMutability {_EXCLUDED}", _mutability),
            Setting("PutImageScanningConfiguration", "ImageScanningConfiguration", _scanning, on_create=False),
        ],
        tags=tagging("resourceArn", "Arn", tags="tags", keys="tagKeys"),
        delete="DeleteRepository",
        delete_extra=lambda work: {"force": bool(work.get("EmptyOnDelete"))},
    ),
)
