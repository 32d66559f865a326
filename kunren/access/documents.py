"""Whether a policy document that comes with a call is one. Pure. (IAM's own are moto's to check, S3's S3's.)

IAM user guide, "Grammar of the IAM JSON policy language".
"""

from __future__ import annotations

import json
from typing import Any

from kunren.core.conditions import are_well_formed, many
from kunren.core.policies import ALLOW, DENY

SIZE_MAX = 2048
"""Characters of a session's policy."""


def wrong_with(text: str) -> str | None:
    """What is wrong with a session's policy, in STS's words; None where it is well formed."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return "This policy contains invalid Json"
    if not isinstance(document, dict):
        return "Syntax errors in policy."
    if document.get("Version") not in (None, "2012-10-17", "2008-10-17"):
        return "The policy failed legacy parsing"
    found = many(document.get("Statement"))
    if not found:
        return "Syntax errors in policy."
    return next((told for told in map(_wrong_statement, found) if told), None)


def _wrong_statement(one: Any) -> str | None:
    if not isinstance(one, dict) or one.get("Effect") not in (ALLOW, DENY):
        return "Syntax errors in policy."
    if "Principal" in one or "NotPrincipal" in one:
        return "Policy document should not specify a principal."
    for kinds in (("Action", "NotAction"), ("Resource", "NotResource")):
        values = [each for kind in kinds for each in many(one.get(kind))]
        if not values or not all(isinstance(each, str) for each in values):
            return f"Policy statement must contain {kinds[0].lower()}s."
    actions = [each for kind in ("Action", "NotAction") for each in many(one.get(kind))]
    if any(each != "*" and ":" not in each for each in actions):
        return "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
    if not are_well_formed(one.get("Condition") or {}):
        return "Syntax errors in policy."
    return None
