"""Registering, deregistering and looking at targets."""

from __future__ import annotations

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.ec2 import store as ec2
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.instances.states import state as instance_state
from kunren.services.ec2.model import Vpc
from kunren.services.elbv2 import arns, errors, targets
from kunren.services.elbv2.api.base import Api, Params, Result, View, find_group
from kunren.services.elbv2.associations import group_users, groups_of, listeners_of, rules_of_balancer
from kunren.services.elbv2.dataplane.standing import shifted_zone
from kunren.services.elbv2.dataplane.targets import keeps_zones
from kunren.services.elbv2.draining import settled
from kunren.services.elbv2.forwarding import check_target_count
from kunren.services.elbv2.model import LoadBalancer, Target, TargetAnomaly, TargetGroup, TargetHealth, target_health_id
from kunren.services.elbv2.network_attributes import QUIC, crosses_zones, is_network, unhealthy_until


class TargetsApi(Api):
    def register_targets(self, ctx: RequestContext, params: Params) -> Result:
        """RegisterTargets. Targets that are there already stay as they are."""
        now = self._parts.clock.now()
        with self._store.write() as tx:
            group = settled(find_group(tx, ctx, params["TargetGroupArn"]), now)
            wanted = self._wanted(tx, ctx, group, params)
            changed = targets.registered(group, wanted, now)
            tx.put(changed)
            self._check_counts(tx, ctx, group, changed)
        return {}

    def deregister_targets(self, ctx: RequestContext, params: Params) -> Result:
        """DeregisterTargets: they drain where a listener reaches the group, and are gone at once elsewhere."""
        now = self._parts.clock.now()
        if not params["Targets"]:
            raise errors.validation_error("At least one target must be specified")
        with self._store.write() as tx:
            group = settled(find_group(tx, ctx, params["TargetGroupArn"]), now)
            wanted = [targets.resolved(group, given) for given in params["Targets"]]
            in_use = group.id in group_users(tx, ctx.account, ctx.region)
            tx.put(targets.deregistered(group, wanted, now, in_use))
        return {}

    def describe_target_health(self, ctx: RequestContext, params: Params) -> Result:
        """DescribeTargetHealth: of all targets, or of those named, registered or not."""
        snapshot = self._store.snapshot()
        group = settled(find_group(snapshot, ctx, params["TargetGroupArn"]), self._parts.clock.now())
        users = group_users(snapshot, ctx.account, ctx.region).get(group.id, ())
        found = (snapshot.get(LoadBalancer, ctx.account, ctx.region, arn) for arn in users)
        balancers = [each for each in found if each is not None]
        now = self._parts.clock.now()
        asked: list[Target] = list(group.targets)
        if params.get("Targets"):
            asked = [targets.resolved(group, given) for given in params["Targets"]]
        shown = [_description(snapshot, group, target, balancers, now) for target in asked]
        if set(params.get("Include") or ()) & {"AnomalyDetection", "All"} and group.target_type != "lambda":
            for target, each in zip(asked, shown, strict=True):
                each["AnomalyDetection"] = _anomaly(snapshot, group, target)
        return {"TargetHealthDescriptions": shown}

    def _wanted(self, tx: Tx, ctx: RequestContext, group: TargetGroup, params: Params) -> list[Target]:
        """The targets of the call, checked. Raises ValidationError, InvalidTarget, AccessDenied."""
        wanted = [targets.resolved(group, given) for given in params["Targets"]]
        if not wanted:
            raise errors.validation_error("At least one target must be specified")
        if group.target_type == "lambda":
            pairs = zip(wanted, params["Targets"], strict=True)
            return [self._function(group, target, given) for target, given in pairs]
        targets.check_server_ids(group, wanted, _neighbours(tx, group))
        if group.target_type == "alb":
            return [self._balancer(tx, ctx, group, target) for target in wanted]
        if group.target_type == "ip":
            assert group.vpc_id is not None
            vpc = tx.get(Vpc, ctx.account, ctx.region, group.vpc_id)
            if vpc is None:
                raise errors.InvalidTarget(f"The VPC ID '{group.vpc_id}' is not found")
            if group.ip_address_type == "ipv6":
                held = ec2.subnets_of(tx, vpc)
                six = [(each.cidr_v6, each.availability_zone) for each in held if each.cidr_v6 is not None]
                return [targets.check_ipv6(target, six) for target in wanted]
            subnets = [(subnet.cidr, subnet.availability_zone) for subnet in ec2.subnets_of(tx, vpc)]
            region = self._parts.spec.region(ctx.region)
            zones = [f"{ctx.region}{letter}" for letter in region.zones] if region is not None else []
            return [targets.check_ip(target, ec2.vpc_cidrs(vpc), subnets, zones) for target in wanted]
        return self._instances(tx, ctx, group, wanted)

    def _instances(self, tx: Tx, ctx: RequestContext, group: TargetGroup, wanted: list[Target]) -> list[Target]:
        """Instances of the group's VPC that run. Raises InvalidTarget."""
        found = [tx.get(Instance, ctx.account, ctx.region, target.id) for target in wanted]
        stopped = [
            target.id for target, each in zip(wanted, found, strict=True) if each is None or each.wanted != "running"
        ]
        if stopped:
            names = ", ".join(f"'{each}'" for each in stopped)
            raise errors.InvalidTarget(
                f"The following targets are not in a running state and cannot be registered: {names}"
            )
        if strangers := [each.id for each in found if each is not None and each.vpc_id != group.vpc_id]:
            names = ", ".join(f"'{each}'" for each in strangers)
            raise errors.InvalidTarget(
                f"The following targets are not in the target group VPC '{group.vpc_id}': {names}"
            )
        zones = {each.id: each.availability_zone for each in found if each is not None}
        return [msgspec.structs.replace(target, availability_zone=zones[target.id]) for target in wanted]

    def _function(self, group: TargetGroup, target: Target, given: Params) -> Target:
        if given.get("Port") is not None:
            raise errors.validation_error("A port cannot be specified for targets with target type 'lambda'")
        checked = targets.check_function(target)
        allowed = self._parts.may_invoke(self._store.snapshot(), target.id, group.id)
        if allowed is None:
            raise errors.InvalidTarget(f"The Lambda function '{target.id}' does not exist")
        if not allowed:
            raise errors.not_allowed_to_invoke(target.id, group.id)
        return checked

    def _balancer(self, tx: Tx, ctx: RequestContext, group: TargetGroup, target: Target) -> Target:
        """An Application Load Balancer of the group's VPC that listens on the target's port. Raises ValidationError,
        InvalidTarget."""
        arns.check_arn(target.id, "load balancer")
        found = tx.get(LoadBalancer, ctx.account, ctx.region, target.id)
        if found is None or found.type != "application":
            raise errors.InvalidTarget(f"The following targets do not exist: '{target.id}'")
        if found.vpc_id != group.vpc_id:
            raise errors.InvalidTarget(
                f"The Application Load Balancer '{target.id}' is not in the same VPC as target group '{group.id}'"
            )
        if target.port not in [each.port for each in listeners_of(tx, found)]:
            raise errors.InvalidTarget(
                f"The Application Load Balancer '{target.id}' has no listener on the target's port '{target.port}'"
            )
        return msgspec.structs.replace(target, availability_zone="all")

    def _check_counts(self, tx: Tx, ctx: RequestContext, before: TargetGroup, after: TargetGroup) -> None:
        """Raises TooManyTargets, TooManyRegistrationsForTargetId; the group is written already."""
        limit = 1 if after.target_type in ("lambda", "alb") else self._limits.targets_per_target_group
        if len(after.targets) > limit:
            raise errors.TooManyTargets(
                f"The maximum number of targets on target group '{after.id}' has been reached; the limit is '{limit}'"
            )
        more = len(after.targets) > len(before.targets)
        for arn in group_users(tx, ctx.account, ctx.region).get(after.id, ()) if more else ():
            balancer = tx.get(LoadBalancer, ctx.account, ctx.region, arn)
            if balancer is not None:
                reached = groups_of(rules_of_balancer(tx, balancer))
                check_target_count(tx, ctx, self._limits, balancer, reached)


def _neighbours(tx: Tx, group: TargetGroup) -> list[TargetGroup]:
    """The other QUIC groups of the load balancers that the group is behind."""
    if group.protocol not in QUIC:
        return []
    users = group_users(tx, group.account, group.region)
    beside = [arn for arn, balancers in users.items() if set(balancers) & set(users.get(group.id, ()))]
    found = (tx.get(TargetGroup, group.account, group.region, arn) for arn in beside if arn != group.id)
    return [each for each in found if each is not None and each.protocol in QUIC]


def _anomaly(view: View, group: TargetGroup, target: Target) -> Result:
    id = target_health_id(group.id, target)
    return targets.anomaly(group, view.get(TargetAnomaly, group.account, group.region, id))


def _description(view: View, group: TargetGroup, asked: Target, balancers: list[LoadBalancer], now: float) -> Result:
    target = next((each for each in group.targets if targets.same(each, asked)), None)
    zone = target.availability_zone if target is not None else None
    enabled = {node.zone_name for balancer in balancers for node in balancer.zones}
    own = any(
        asked.id in (node.private_ip, node.ipv6) and balancer.vpc_id == group.vpc_id
        for balancer in view.list(LoadBalancer, group.account, group.region)
        for node in balancer.zones
    )
    observed = None
    if target is not None:
        observed = view.get(TargetHealth, group.account, group.region, target_health_id(group.id, target))
    shown = targets.health(
        group,
        target or asked,
        known=target is not None,
        in_use=bool(balancers),
        zone_enabled=zone in (None, "all") or zone in enabled,
        of_balancer=own,
        observed=observed,
    )
    if group.target_type == "instance" and (stopped := _not_running(view, group, asked)):
        shown = {"State": "unused", "Reason": "Target.InvalidState", "Description": f"Target is in the {stopped} state"}
    if shown["State"] == "unhealthy" and observed is not None and is_network(group):
        until = unhealthy_until(group, observed.since)
        if until is not None and now < until:
            shown["State"] = "unhealthy.draining"
    described = targets.described(group, target or asked, shown)
    if "AdministrativeOverride" in described and (found := _override(view, group, target or asked, balancers)):
        described["AdministrativeOverride"] = found
    return described


def _not_running(view: View, group: TargetGroup, target: Target) -> str | None:
    """The state of an instance that is stopped or terminated, or on the way there."""
    instance = view.get(Instance, group.account, group.region, target.id)
    if instance is None or instance.wanted == "running":
        return None
    return instance_state(view, instance)


def _override(view: View, group: TargetGroup, target: Target, balancers: list[LoadBalancer]) -> Result | None:
    """AdministrativeOverride of a target whose zone traffic is shifted away from."""
    for balancer in balancers:
        away = shifted_zone(view, balancer)
        if away is None or target.availability_zone in ("all", None, ""):
            continue
        if target.availability_zone == away:
            crosses = crosses_zones(balancer, group) if is_network(group) else not keeps_zones(group)
            return targets.override("zonal_shift_active" if crosses else "zonal_shift_delegated_to_dns")
    return None
