"""Bucket policies: whether one is well formed, and whether it makes a bucket public. Pure functions of the document.

"Bucket policies for Amazon S3", "The meaning of public". Whom a policy lets in is `kunren.core.policies`'s to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from kunren.core.conditions import are_well_formed, is_operator
from kunren.core.policies import LITERAL, many
from kunren.services.s3.errors import refusal
from kunren.services.s3.model import Bucket

SIZE_MAX = 20 * 1024


def parse(text: str, bucket: str) -> dict[str, Any]:
    """The document. Raises MalformedPolicy in S3's words."""
    if len(text.encode()) > SIZE_MAX:
        raise refusal("MalformedPolicy", "Policies must not be larger than 20 kilobytes")
    if not text.lstrip().startswith("{"):
        raise refusal("MalformedPolicy")
    try:
        document = json.loads(text)
    except ValueError:
        raise refusal("MalformedPolicy", "This policy contains invalid Json") from None
    if document.get("Version") not in (None, "2012-10-17", "2008-10-17"):
        raise refusal("MalformedPolicy", "The policy must contain a valid version string")
    if "Statement" not in document:
        raise refusal("MalformedPolicy", "Missing required field Statement")
    if not statements(document):
        raise refusal("MalformedPolicy", "Could not parse the policy: Statement is empty!")
    for each in statements(document):
        _check(each, bucket)
    found: dict[str, Any] = document
    return found


@lru_cache(maxsize=256)
def _document(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    if found.get("Version") != "2012-10-17":
        found["Statement"] = [{**each, LITERAL: True} for each in statements(found)]
    return found


def of(bucket: Bucket) -> dict[str, Any] | None:
    """The document of a bucket's policy; None where it has none."""
    text = bucket.settings.get("policy")
    return _document(text) if text is not None else None


def _check(statement: Any, bucket: str) -> None:
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        raise refusal("MalformedPolicy", "Missing required field Effect")
    if "Principal" not in statement and "NotPrincipal" not in statement:
        raise refusal("MalformedPolicy", "Missing required field Principal")
    if "Action" not in statement and "NotAction" not in statement:
        raise refusal("MalformedPolicy", "Missing required field Action")
    if "Resource" not in statement and "NotResource" not in statement:
        raise refusal("MalformedPolicy", "Missing required field Resource")
    principal = statement.get("Principal", statement.get("NotPrincipal"))
    if principal != "*" and not isinstance(principal, dict):
        raise refusal("MalformedPolicy", "Invalid policy syntax.")
    if isinstance(principal, dict) and not _is_principal(principal):
        raise refusal("MalformedPolicy", "Invalid principal in policy")
    conditions = statement.get("Condition") or {}
    for operator in conditions if isinstance(conditions, dict) else ():
        if not is_operator(operator):
            raise refusal("MalformedPolicy", f"Invalid Condition type : {operator}")
    if not are_well_formed(conditions):
        raise refusal("MalformedPolicy", "Invalid policy syntax.")
    for action in many(statement.get("Action", statement.get("NotAction"))):
        if action != "*" and not str(action).lower().startswith("s3:"):
            raise refusal("MalformedPolicy", "Policy has invalid action")
    own = f"arn:aws:s3:::{bucket}"
    for resource in many(statement.get("Resource", statement.get("NotResource"))):
        if resource != "*" and resource != own and not str(resource).startswith(own + "/"):
            wild = str(resource).startswith("arn:aws:s3:::") and "*" in resource.split("/")[0]
            if not wild:
                raise refusal("MalformedPolicy", "Policy has invalid resource")


_PEOPLE = re.compile(r"\*|\d{12}|arn:aws[a-z-]*:(iam|sts)::(\d{12}|cloudfront):.+|A[A-Z0-9]{15,}")


def _is_principal(principal: Mapping[str, Any]) -> bool:
    """Whether everybody in it has the form of somebody whom there may be."""
    people = [each for each in many(principal.get("AWS")) if not _PEOPLE.fullmatch(str(each))]
    return not people and bool(principal) and set(principal) <= {"AWS", "Service", "CanonicalUser", "Federated"}


def statements(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return many(document.get("Statement"))


def is_public(document: Mapping[str, Any]) -> bool:
    """Whether it lets in everybody who meets no fixed condition."""
    return any(
        each["Effect"] == "Allow" and _anyone(each.get("Principal")) and not _narrowed(each.get("Condition") or {})
        for each in statements(document)
    )


def _anyone(principal: Any) -> bool:
    return principal == "*" or (isinstance(principal, dict) and "*" in many(principal.get("AWS")))


_FIXED = ("aws:sourceip", "aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:sourceaccount",
          "aws:userid", "aws:principalorgid", "s3:dataaccesspointarn")  # fmt: skip


def _narrowed(conditions: Mapping[str, Any]) -> bool:
    return any(
        key.lower() in _FIXED and not any("*" in str(value) for value in many(values))
        for wanted in conditions.values()
        for key, values in wanted.items()
    )
