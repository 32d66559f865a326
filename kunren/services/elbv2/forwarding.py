"""Whether the rules of a load balancer may forward to the groups they name. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from kunren.core.context import RequestContext
from kunren.services.elbv2 import errors
from kunren.services.elbv2.actions import target_groups
from kunren.services.elbv2.address_types import check_groups
from kunren.services.elbv2.arns import check_arn
from kunren.services.elbv2.associations import View, group_users, groups_of, rules_of_balancer
from kunren.services.elbv2.attributes import TARGET_GROUP, value
from kunren.services.elbv2.limits import Limits
from kunren.services.elbv2.model import LoadBalancer, TargetGroup
from kunren.services.elbv2.network_attributes import crosses_zones, is_network
from kunren.services.elbv2.network_listeners import check_group as check_protocols

_NEEDS_HTTPS = ("GRPC", "HTTP2")
COUNT_OF_BALANCER, COUNT_OF_BALANCER_ACROSS = 50, 100
"""As how many targets of a Network Load Balancer an Application Load Balancer counts, in its zone or across zones."""


def check_forwards(
    view: View,
    ctx: RequestContext,
    limits: Limits,
    balancer: LoadBalancer,
    protocol: str,
    actions: Iterable[Mapping[str, Any]],
    replaced: str | None = None,
) -> None:
    """Check normalised actions for a listener with that protocol. `replaced` is the ARN of the rule they replace.

    Raises TargetGroupNotFound, InvalidConfigurationRequest, InvalidLoadBalancerAction, TargetGroupAssociationLimit,
    TooManyUniqueTargetGroupsPerLoadBalancer, TooManyTargets, TooManyRegistrationsForTargetId.
    """
    actions = tuple(actions)
    wanted = target_groups(actions)
    if not wanted:
        return
    groups = [_find(view, ctx, arn) for arn in wanted]
    for group in groups:
        _check_group(group, balancer, protocol)
    _check_stickiness(actions, groups)
    users = group_users(view, ctx.account, ctx.region)
    taken = [arn for arn in wanted if set(users.get(arn, ())) - {balancer.id}]
    if taken:
        raise errors.TargetGroupAssociationLimit(
            "The following target groups cannot be associated with more than one load balancer: " + ", ".join(taken)
        )
    others = groups_of(rule for rule in rules_of_balancer(view, balancer) if rule.id != replaced)
    reached = others | set(wanted)
    if len(reached) > limits.target_groups_per_load_balancer:
        raise errors.TooManyUniqueTargetGroupsPerLoadBalancer(
            f"The maximum number of unique target groups on load balancer '{balancer.id}' has been reached"
        )
    check_target_count(view, ctx, limits, balancer, reached)


def check_target_count(
    view: View, ctx: RequestContext, limits: Limits, balancer: LoadBalancer, groups: Iterable[str]
) -> None:
    """Raises TooManyTargets, TooManyRegistrationsForTargetId where the groups have more than a load balancer may."""
    each = (view.get(TargetGroup, ctx.account, ctx.region, arn) for arn in groups)
    found = [group for group in each if group is not None]
    if balancer.type == "network":
        _check_network(limits, balancer, found)
        return
    ids = Counter(target.id for group in found for target in group.targets)
    if ids.total() > limits.targets_per_load_balancer:
        raise _too_many(balancer)
    for id, times in ids.most_common(1):
        if times > limits.target_id_registrations_per_load_balancer:
            raise errors.TooManyRegistrationsForTargetId(
                f"The maximum number of registrations of target '{id}' on load balancer '{balancer.id}' has been"
                " reached"
            )


def _check_network(limits: Limits, balancer: LoadBalancer, groups: Iterable[TargetGroup]) -> None:
    """Targets are counted by zone, once for each of their groups. Those of a group that is balanced across zones count
    in every zone, so that there are as many altogether as in one zone; an Application Load Balancer counts for many."""
    zones: Counter[str] = Counter()
    everywhere = total = 0
    for group in groups:
        crosses = crosses_zones(balancer, group)
        for target in group.targets:
            count = 1 if group.target_type != "alb" else COUNT_OF_BALANCER_ACROSS if crosses else COUNT_OF_BALANCER
            total += count
            if crosses or target.availability_zone in (None, "all"):
                everywhere += count
            else:
                zones[target.availability_zone or ""] += count
    most = max(zones.values(), default=0) + everywhere
    if most > limits.targets_per_network_load_balancer_zone or total > limits.targets_per_network_load_balancer:
        raise _too_many(balancer)


def _too_many(balancer: LoadBalancer) -> errors.TooManyTargets:
    return errors.TooManyTargets(f"The maximum number of targets on load balancer '{balancer.id}' has been reached")


def _find(view: View, ctx: RequestContext, arn: str) -> TargetGroup:
    check_arn(arn, "target group")
    found = view.get(TargetGroup, ctx.account, ctx.region, arn)
    if found is None:
        raise errors.TargetGroupNotFound(f"Target groups '{arn}' not found")
    return found


def _check_group(group: TargetGroup, balancer: LoadBalancer, protocol: str) -> None:
    if group.vpc_id is not None and group.vpc_id != balancer.vpc_id:
        raise errors.InvalidConfigurationRequest(
            f"Target group '{group.id}' is not in the same VPC as load balancer '{balancer.id}'"
        )
    check_protocols(group, protocol)
    check_groups(balancer.ip_address_type, [group])
    if group.protocol_version in _NEEDS_HTTPS and protocol != "HTTPS":
        raise errors.InvalidConfigurationRequest(
            f"Listener protocol '{protocol}' is not supported with a target group with the protocol-version"
            f" '{group.protocol_version}'"
        )


def _check_stickiness(actions: Iterable[Mapping[str, Any]], groups: list[TargetGroup]) -> None:
    """Several groups of which one has sticky targets: the rule must keep a client with its group too."""
    if len(groups) < 2:
        return
    sticky = [
        group.id
        for group in groups
        if not is_network(group) and value(TARGET_GROUP, group.attributes, "stickiness.enabled") == "true"
    ]
    kept = all(
        action["ForwardConfig"]["TargetGroupStickinessConfig"]["Enabled"]
        for action in actions
        if "ForwardConfig" in action
    )
    if sticky and not kept:
        raise errors.InvalidLoadBalancerAction(
            "You must enable target group stickiness on the action if any of its target groups has stickiness"
            f" enabled: {', '.join(sticky)}"
        )
