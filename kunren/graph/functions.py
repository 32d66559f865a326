"""Lambda functions, their published versions and aliases."""

from __future__ import annotations

from kunren.graph.draft import Draft, grouped
from kunren.graph.model import Node
from kunren.services.elbv2.words import percent
from kunren.services.lambda_.lookup import version_number
from kunren.services.lambda_.model import Alias, Configured, Function, FunctionStatus, PublishedVersion
from kunren.services.lambda_.view import state


def add(draft: Draft) -> None:
    """An alias leads to its version, or by weights to two; ids are qualified ARNs, as a target names them."""
    versions = grouped(draft.every(PublishedVersion), lambda each: each.arn)
    aliases = grouped(draft.every(Alias), lambda each: each.arn.rpartition(":")[0])
    for function in draft.every(Function):
        draft.add(_node(draft, function, "function", function.id, function.arn, None))
        for version in sorted(versions.get(function.arn, ()), key=version_number):
            id = f"{function.arn}:{version.version}"
            draft.add(_node(draft, version, "function-version", f"{function.id}:{version.version}", id, function.arn))
        for alias in aliases.get(function.arn, ()):
            _add_alias(draft, function, alias)


def _node(draft: Draft, configured: Configured, kind: str, name: str, arn: str, within: str | None) -> Node:
    status = draft.snapshot.get(FunctionStatus, configured.account, configured.region, configured.id)
    return Node(
        id=arn, kind=kind, name=name, arn=arn, account=configured.account, region=configured.region, within=within,
        state=state(configured, status),
        details={
            "runtime": configured.runtime,
            "handler": configured.handler,
            "memory": f"{configured.memory_size} MB",
            "timeout": f"{configured.timeout} s",
        },
    )  # fmt: skip


def _add_alias(draft: Draft, function: Function, alias: Alias) -> None:
    id = f"{function.arn}:{alias.name}"
    shares = {alias.version: 1.0 - sum(alias.weights.values()), **alias.weights}
    told = ", ".join(
        f"version {version}" + (f" ({percent(share, 1)})" if alias.weights else "") for version, share in shares.items()
    )
    draft.add(
        Node(
            id=id, kind="function-alias", name=f"{function.id}:{alias.name}", arn=id, account=alias.account,
            region=alias.region, within=function.arn, details={"versions": told, "runtime": function.runtime},
        )
    )  # fmt: skip
    for version, share in shares.items():
        target = function.arn if version == "$LATEST" else f"{function.arn}:{version}"
        draft.join(id, target, percent(share, 1) if alias.weights else "")
