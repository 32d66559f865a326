"""Strict mode: what a request to the registry is called in policies, and whether they let the token's holder do it.

"Amazon ECR repository policies", Service authorization reference: a pull is BatchGetImage and GetDownloadUrlForLayer, a
push what ECR's API calls the same steps.
"""

from __future__ import annotations

from typing import Protocol

from kunren.core.authorization import Caller, Statements, denial
from kunren.core.fronts import FrontAccess
from kunren.services.ecr.registry.asked import Asked
from kunren.services.ecr.tokens import Holder

_ACTIONS = {
    ("manifests", "GET"): "BatchGetImage",
    ("manifests", "HEAD"): "BatchGetImage",
    ("manifests", "PUT"): "PutImage",
    ("manifests", "DELETE"): "BatchDeleteImage",
    ("blobs", "GET"): "GetDownloadUrlForLayer",
    ("blobs", "HEAD"): "BatchCheckLayerAvailability",
    ("blobs/uploads", "POST"): "InitiateLayerUpload",
    ("blobs/uploads", "PUT"): "CompleteLayerUpload",
    ("blobs/uploads", "PATCH"): "UploadLayerPart",
    ("blobs/uploads", "GET"): "UploadLayerPart",
    ("blobs/uploads", "DELETE"): "UploadLayerPart",
    ("tags", "GET"): "ListImages",
    ("referrers", "GET"): "ListImageReferrers",
    ("catalog", "GET"): "DescribeRepositories",
}


class RegistryAccess(FrontAccess, Protocol):
    """What of strict mode the registry needs."""

    async def holder(self, access_key: str, role: str, session: str) -> Caller | None:
        """Who has a key, or is in a session of a role; None where nobody has it any more."""
        ...


async def denied(access: RegistryAccess, holder: Holder, asked: Asked, policy: Statements) -> str | None:
    """AWS's sentence where policies do not let the holder; `policy` is the repository's."""
    kind, method = asked.path.kind, asked.request.method
    name = _ACTIONS.get((kind, method)) or (_ACTIONS.get((kind, "GET")) if method == "HEAD" else None)
    return await denied_action(access, holder, asked, name, policy) if name is not None else None


async def denied_action(
    access: RegistryAccess, holder: Holder, asked: Asked, name: str, policy: Statements
) -> str | None:  # fmt: skip
    """The same, of one of ECR's actions on the repository."""
    caller = await access.holder(holder.access_key, holder.role, holder.session)
    if caller is None:
        return "The security token included in the request is invalid."
    path = asked.path
    resource = f"arn:aws:ecr:{path.region}:{path.account}:repository/{path.name or '*'}"
    verdict = access.may(caller, f"ecr:{name}", resource, asked.request, path.region, policy)
    return None if verdict.allowed else denial(caller.arn, f"ecr:{name}", resource, verdict)
