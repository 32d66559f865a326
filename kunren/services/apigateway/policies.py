"""Resource policies of APIs: how they are kept, and whom they let in. Pure.

"Controlling access to a REST API with API Gateway resource policies": `execute-api:/stage/method/path` in a resource
stands for the API's own ARN in front of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kunren.core.policies import Asker, decision, many
from kunren.services.apigateway.errors import BadRequestException

INVOKE = "execute-api:Invoke"
BYTES_MAX = 8192
_INVALID = "Invalid policy document. Please check the policy syntax and ensure that Principals are valid."


def checked(policy: str, arn: str) -> str:
    """A policy as it is kept, short resources written in full. Raises BadRequestException."""
    if not policy:
        return ""
    if len(policy) > BYTES_MAX:
        raise BadRequestException(f"The resource policy must not be larger than {BYTES_MAX} bytes")
    try:
        told = json.loads(policy)
    except ValueError:
        raise BadRequestException(_INVALID) from None
    if not isinstance(told, dict) or "Statement" not in told:
        raise BadRequestException(_INVALID)
    statements = many(told["Statement"])
    for each in statements:
        _check(each)
        for name in ("Resource", "NotResource"):
            if name in each:
                written = [_in_full(one, arn) for one in many(each[name])]
                each[name] = written if isinstance(each[name], list) else written[0]
    return json.dumps(told, separators=(",", ":"))


def _check(statement: Any) -> None:
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        raise BadRequestException(_INVALID)
    if "Principal" not in statement and "NotPrincipal" not in statement:
        raise BadRequestException(_INVALID)
    if "Action" not in statement and "NotAction" not in statement:
        raise BadRequestException(_INVALID)
    principal = statement.get("Principal", statement.get("NotPrincipal"))
    if principal != "*" and not isinstance(principal, dict):
        raise BadRequestException(_INVALID)
    texts = [*many(statement.get("Resource")), *many(statement.get("Action")), *many(statement.get("NotAction"))]
    if not all(isinstance(each, str) for each in texts) or not isinstance(statement.get("Condition", {}), dict):
        raise BadRequestException(_INVALID)


def _in_full(resource: str, arn: str) -> str:
    return f"{arn}/{resource.removeprefix('execute-api:/')}" if resource.startswith("execute-api:/") else resource


def lets_in(policy: str, resource: str, asker: Asker, known: Mapping[str, str], own: bool) -> bool:
    """Whether a policy lets somebody invoke. Where identities are known (`own`: a signature by the API's own account),
    silence is left to the identity's policies; otherwise silence refuses."""
    statements = many(json.loads(policy)["Statement"])
    found = decision(statements, asker, INVOKE, resource, known)
    return found == "Allow" or (found is None and own)
