"""Resources that a request names in other ways than policies do, and what tells their ARN: the service itself is asked.

AWS KMS developer guide, "Controlling access to aliases" (a policy for a key counts for its alias too); Secrets Manager
user guide, "What's in a secret?" (an ARN has six letters more than the name).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.core.calling import CallService
from kunren.core.conditions import many
from kunren.core.errors import AwsError

_KEY_ID_BYTES = 36
"""A ciphertext of moto's begins with the id of its key."""
_ABOUT_ALIASES = frozenset({"CreateAlias", "DeleteAlias", "UpdateAlias"})


def has_other_names(service: str, operation: str, params: Mapping[str, Any]) -> bool:
    """Whether the resource is named in a way that tells no ARN."""
    if service == "secretsmanager":
        names = [*many(params.get("SecretId")), *many(params.get("SecretIdList"))]
        return any(isinstance(each, str) and not each.startswith("arn:") for each in names)
    if service != "kms" or operation in _ABOUT_ALIASES:
        return False
    key = params.get("KeyId")
    return "alias/" in key if isinstance(key, str) else "CiphertextBlob" in params


async def with_arns(
    call: CallService, account: str, region: str, service: str, params: Mapping[str, Any]
) -> dict[str, Any]:  # fmt: skip
    """The parameters with the ARNs of what there is of it."""

    async def arn(name: Any) -> Any:
        operation, member = ("DescribeSecret", "SecretId") if service == "secretsmanager" else ("DescribeKey", "KeyId")
        try:
            found = await call(account, region, service, operation, {member: name})
        except AwsError:
            return name  # nothing that there is
        return found["ARN"] if service == "secretsmanager" else found["KeyMetadata"]["Arn"]

    told = dict(params)
    if service == "kms" and "KeyId" not in told:
        blob = told["CiphertextBlob"]
        told["KeyId"] = blob[:_KEY_ID_BYTES].decode("latin-1") if isinstance(blob, bytes) else ""
    for member in ("SecretId", "KeyId"):
        if member in told:
            told[member] = await arn(told[member])
    if "SecretIdList" in told:
        told["SecretIdList"] = [await arn(each) for each in many(told["SecretIdList"])]
    return told
