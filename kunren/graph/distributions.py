"""CloudFront distributions: behaviours, functions at the edge, origins and origin groups, and what the origins are."""

from __future__ import annotations

from kunren.dataplane.edge.site import Behaviour, Origin, OriginGroup, Site
from kunren.graph import certificates
from kunren.graph.draft import Draft
from kunren.graph.model import Node
from kunren.services.cloudfront.model import Distribution, DistributionStatus, Function
from kunren.services.cloudfront.translate import site

EVENTS = ("viewer-request", "origin-request", "origin-response", "viewer-response")


def add(draft: Draft) -> None:
    """Edges lead from a distribution to its behaviours, and on to functions (by event), origins and origin groups."""
    for function in draft.worldwide(Function):
        _add_function(draft, function)
    for distribution in draft.worldwide(Distribution):
        _add_distribution(draft, distribution, site(draft.snapshot, distribution))


def function_id(account: str, name: str) -> str:
    return f"arn:aws:cloudfront::{account}:function/{name}"


def _add_function(draft: Draft, function: Function) -> None:
    shown = function.live or function.development
    stage = "LIVE" if function.live is not None else "DEVELOPMENT"
    id = function_id(function.account, function.id)
    draft.add(
        Node(
            id=id, kind="edge-function", name=function.id, arn=id, account=function.account,
            details={"runtime": shown.config["Runtime"], "stage": stage},
        )
    )  # fmt: skip


def _add_distribution(draft: Draft, distribution: Distribution, shown: Site) -> None:
    status = draft.snapshot.get(DistributionStatus, distribution.account, "", distribution.id)
    deployed = status is not None and status.revision >= distribution.revision
    arn = f"arn:aws:cloudfront::{distribution.account}:distribution/{distribution.id}"
    details = {"domain name": shown.domain_name, "aliases": ", ".join(shown.names[1:])}
    if not distribution.config["Enabled"]:
        details["disabled"] = "yes"
    draft.names[shown.domain_name.lower()] = arn
    draft.add(
        Node(
            id=arn, kind="distribution", name=distribution.id, arn=arn, account=distribution.account,
            state="Deployed" if deployed else "InProgress", details=details,
        )
    )  # fmt: skip
    certificate = distribution.config["ViewerCertificate"].get("ACMCertificateArn")
    if certificate:
        certificates.join(draft, arn, certificate, "certificate by SNI")
    for number, behaviour in enumerate(shown.behaviours):
        _add_behaviour(draft, distribution, arn, number, behaviour)
    for origin in shown.origins.values():
        _add_origin(draft, distribution.account, arn, origin)
    for group in shown.groups.values():
        _add_group(draft, distribution.account, arn, group)


def _add_behaviour(draft: Draft, distribution: Distribution, arn: str, number: int, shown: Behaviour) -> None:
    id = f"{arn}/behaviour/{number}"
    details = {"viewers": shown.viewer_protocol, "methods": ", ".join(sorted(shown.methods)), "cache": _caching(shown)}
    draft.add(
        Node(
            id=id, kind="behaviour", name="default" if shown.pattern == "*" else shown.pattern,
            account=distribution.account, within=arn, details=details,
        )
    )  # fmt: skip
    draft.join(arn, id, shown.pattern)
    for event in EVENTS:
        if event in shown.scripts:
            draft.join(id, function_id(distribution.account, shown.scripts[event].name), event)
        elif event in shown.lambdas:
            draft.join(id, shown.lambdas[event].arn, event)
    draft.join(id, f"{arn}/origin/{shown.origin}")


def _caching(shown: Behaviour) -> str:
    rules = shown.cache
    if rules.max_ttl <= 0:
        return "off"
    return f"{rules.default_ttl:.0f} s unless the origin says so ({rules.min_ttl:.0f} to {rules.max_ttl:.0f} s)"


def _add_origin(draft: Draft, account: str, arn: str, origin: Origin) -> None:
    id = f"{arn}/origin/{origin.id}"
    details = {"domain name": origin.domain, "protocol": origin.protocol}
    if origin.path:
        details["path"] = origin.path
    draft.add(Node(id=id, kind="origin", name=origin.id, account=account, within=arn, details=details))
    draft.asked[id] = origin.domain


def _add_group(draft: Draft, account: str, arn: str, group: OriginGroup) -> None:
    id = f"{arn}/origin/{group.id}"
    details = {"fails over on": ", ".join(map(str, sorted(group.statuses)))}
    draft.add(Node(id=id, kind="origin-group", name=group.id, account=account, within=arn, details=details))
    for number, member in enumerate(group.members):
        draft.join(id, f"{arn}/origin/{member}", "secondary" if number else "primary")
