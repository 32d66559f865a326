"""The policy of a repository, as it is weighed beside those of who asks ("Private repository policies")."""

from __future__ import annotations

import json

from kunren.control.store import Snapshot
from kunren.core.authorization import Statements
from kunren.services.ecr.model import Repository
from kunren.services.ecr.pushing import Place


def policy_of(snapshot: Snapshot, place: Place) -> Statements:
    """Its statements, which are about the repository alone; empty where there is none."""
    found = snapshot.get(Repository, *place)
    if found is None or found.policy is None:
        return ()
    statements = json.loads(found.policy)["Statement"]
    return tuple(
        {**each, "Resource": "*"} for each in ([statements] if isinstance(statements, dict) else statements)
    )  # fmt: skip


def policy_by_arn(snapshot: Snapshot, arn: str) -> Statements:
    parts = arn.split(":", 5)
    if len(parts) < 6 or not parts[5].startswith("repository/"):
        return ()
    return policy_of(snapshot, Place(parts[4], parts[3], parts[5].removeprefix("repository/")))
