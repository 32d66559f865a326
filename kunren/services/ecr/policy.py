"""The policy of a repository, as it is weighed beside those of who asks ("Private repository policies"), and that of a
registry, by which another account may replicate into it ("Private registry permissions in Amazon ECR")."""

from __future__ import annotations

import json

from kunren.control.store import Snapshot, Tx
from kunren.core.authorization import Statements
from kunren.core.policies import ALLOW, Asker, decision
from kunren.services.ecr.model import Registry, Repository

_PULL = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_ROLE = "role/aws-service-role/replication.ecr.amazonaws.com/AWSServiceRoleForECRReplication"


def policy_of(snapshot: Snapshot, place: tuple[str, str, str]) -> Statements:
    """Its statements, which are about the repository alone; empty where there is none."""
    found = snapshot.get(Repository, *place)
    if found is None or found.policy is None:
        return ()
    return tuple({**each, "Resource": "*"} for each in _statements(found.policy))


def policy_of_registry(view: Snapshot | Tx, account: str, region: str) -> Statements:
    """Its statements; empty where there is none."""
    registry = view.get(Registry, account, region, Registry.only)
    return _statements(registry.policy) if registry is not None and registry.policy is not None else ()


def _statements(policy: str) -> Statements:
    statements = json.loads(policy)["Statement"]
    return (statements,) if isinstance(statements, dict) else tuple(statements)


def lets_replicate(view: Snapshot | Tx, account: str, into: Repository, action: str) -> bool:
    """Whether a registry lets another account's replication do that with a repository (`ReplicateImage`,
    `CreateRepository`). An account's own may."""
    if account == into.account:
        return True
    asker = Asker(account=account, arn=f"arn:aws:iam::{account}:{_ROLE}")
    statements = policy_of_registry(view, into.account, into.region)
    return decision(statements, asker, f"ecr:{action}", into.arn, {}) == ALLOW


def lets_pull(view: Snapshot | Tx, account: str, role: str | None, source: Repository) -> bool:
    """Whether an upstream repository lets the role of another account's cache pull, by its own policy or its
    registry's. An account's own may."""
    if account == source.account:
        return True
    statements = policy_of_registry(view, source.account, source.region)
    if source.policy is not None:
        statements += tuple({**each, "Resource": "*"} for each in _statements(source.policy))
    asker = Asker(account=account, arn=role or "")
    return all(decision(statements, asker, action, source.arn, {}) == ALLOW for action in _PULL)


def policy_by_arn(snapshot: Snapshot, arn: str) -> Statements:
    parts = arn.split(":", 5)
    if len(parts) < 6 or not parts[5].startswith("repository/"):
        return ()
    return policy_of(snapshot, (parts[4], parts[3], parts[5].removeprefix("repository/")))
