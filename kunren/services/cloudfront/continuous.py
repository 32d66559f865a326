"""Staging distributions and the policies that send them some of their primary's requests: what may be, and what follows
of it. Pure reads.

Developer Guide, "Use CloudFront continuous deployment to safely test CDN configuration changes".
"""

from __future__ import annotations

from typing import Any, TypeAlias

from kunren.control.store import Snapshot, Tx
from kunren.dataplane.edge.site import Split
from kunren.services.cloudfront.checks import items
from kunren.services.cloudfront.errors import (
    ContinuousDeploymentPolicyInUse,
    IllegalUpdate,
    InvalidArgument,
    NoSuchContinuousDeploymentPolicy,
    StagingDistributionInUse,
)
from kunren.services.cloudfront.model import ContinuousDeploymentPolicy, Distribution

View: TypeAlias = Snapshot | Tx
HEADER_PREFIX = "aws-cf-cd-"
WEIGHT_MAX = 0.15
SESSION_S = range(300, 3601)


def find_policy(view: View, account: str, identity: str) -> ContinuousDeploymentPolicy:
    """Raises NoSuchContinuousDeploymentPolicy."""
    found = view.get(ContinuousDeploymentPolicy, account, "", identity)
    if found is None:
        raise NoSuchContinuousDeploymentPolicy
    return found


def check_policy(view: View, account: str, config: dict[str, Any], own_id: str | None) -> None:
    """Raises what is wrong with a policy; `own_id` is that of the one that changes."""
    names = items(config["StagingDistributionDnsNames"])
    if len(names) != 1:
        raise InvalidArgument("A continuous deployment policy must have exactly one staging distribution.")
    staging = by_domain_name(view, account, names[0])
    if staging is None or not staging.config["Staging"]:
        raise InvalidArgument(f"{names[0]} is not the domain name of a staging distribution.")
    for other in view.list(ContinuousDeploymentPolicy, account, ""):
        if other.id != own_id and names[0] in items(other.config["StagingDistributionDnsNames"]):
            raise StagingDistributionInUse
    traffic = config.get("TrafficConfig")
    if traffic:
        _check_traffic(traffic)
    elif config["Enabled"]:
        raise InvalidArgument("An enabled continuous deployment policy must have a TrafficConfig.")


def _check_traffic(traffic: dict[str, Any]) -> None:
    header, weight = traffic.get("SingleHeaderConfig"), traffic.get("SingleWeightConfig")
    if (traffic["Type"] == "SingleHeader") != bool(header) or (traffic["Type"] == "SingleWeight") != bool(weight):
        raise InvalidArgument("A TrafficConfig must have the configuration of its type, and no other.")
    if header and not header["Header"].lower().startswith(HEADER_PREFIX):
        raise InvalidArgument(f"The header of a continuous deployment policy must have the prefix {HEADER_PREFIX}.")
    if weight:
        if not 0 <= weight["Weight"] <= WEIGHT_MAX:
            raise InvalidArgument("The weight of a continuous deployment policy must be between 0 and 0.15.")
        sticky = weight.get("SessionStickinessConfig")
        if sticky and not (
            sticky["IdleTTL"] in SESSION_S
            and sticky["MaximumTTL"] in SESSION_S
            and sticky["IdleTTL"] <= sticky["MaximumTTL"]
        ):
            raise InvalidArgument("IdleTTL and MaximumTTL must be 300 to 3600, and IdleTTL not above MaximumTTL.")


def check_distribution(view: View, account: str, config: dict[str, Any], before: Distribution | None) -> None:
    """Raises what is wrong with a distribution's part in continuous deployment; `before` is the one that changes."""
    if before is not None and config["Staging"] != before.config["Staging"]:
        raise IllegalUpdate("A distribution cannot become a staging distribution, nor cease to be one.")
    wanted = config["ContinuousDeploymentPolicyId"]
    if config["Staging"] and (wanted or items(config["Aliases"])):
        raise InvalidArgument(
            "A staging distribution can have neither alternate domain names nor a continuous deployment policy."
        )
    if not wanted:
        return
    if before is None:
        raise InvalidArgument("Continuous deployment policy is not supported during distribution creation.")
    find_policy(view, account, wanted)
    if any(each.id != before.id for each in attached(view, account, wanted)):
        raise ContinuousDeploymentPolicyInUse
    if config["HttpVersion"] in ("http3", "http2and3"):
        raise InvalidArgument("Continuous deployment is not supported for distributions that support HTTP/3.")


def attached(view: View, account: str, policy_id: str) -> list[Distribution]:
    """The primary distributions that have the policy: one at most."""
    return [
        each
        for each in view.list(Distribution, account, "")
        if each.config["ContinuousDeploymentPolicyId"] == policy_id
    ]


def by_domain_name(view: View, account: str, domain_name: str) -> Distribution | None:
    return next((each for each in view.list(Distribution, account, "") if each.domain_name == domain_name), None)


def split(view: View, primary: Distribution) -> Split | None:
    """How the edge splits a primary's requests; None while it does not."""
    wanted = primary.config["ContinuousDeploymentPolicyId"]
    policy = view.get(ContinuousDeploymentPolicy, primary.account, "", wanted) if wanted else None
    if policy is None or not policy.config["Enabled"]:
        return None
    traffic = policy.config["TrafficConfig"]
    header, weight = traffic.get("SingleHeaderConfig"), traffic.get("SingleWeightConfig") or {}
    sticky = weight.get("SessionStickinessConfig") or {}
    return Split(
        staging=items(policy.config["StagingDistributionDnsNames"])[0],
        header=(header["Header"], header["Value"]) if header else None,
        weight=float(weight.get("Weight", 0.0)),
        idle_s=sticky.get("IdleTTL"),
        maximum_s=sticky.get("MaximumTTL"),
        since=policy.sessions_since,
    )


def primary_of(view: View, staging: Distribution) -> Distribution | None:
    """The distribution whose requests a staging distribution is sent."""
    for policy in view.list(ContinuousDeploymentPolicy, staging.account, ""):
        if staging.domain_name in items(policy.config["StagingDistributionDnsNames"]):
            return next(iter(attached(view, staging.account, policy.id)), None)
    return None
