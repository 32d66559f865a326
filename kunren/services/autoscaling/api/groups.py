"""Groups: what they are made of. What follows from it is the controller's."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.clock import iso_utc
from kunren.core.context import RequestContext
from kunren.services.autoscaling import checks, choices, errors, views
from kunren.services.autoscaling.activities import end_member
from kunren.services.autoscaling.api.base import Operations, Params, Result, find, paged
from kunren.services.autoscaling.model import Group

_NOT_YET = {
    "LaunchConfigurationName": "launch configurations (launch templates it has)",
    "InstanceId": "groups made from an instance",
    "LoadBalancerNames": "Classic Load Balancers",
    "AvailabilityZoneIds": "zones by their ids",
    "AvailabilityZoneImpairmentPolicy": "zone impairment policies",
    "CapacityReservationSpecification": "capacity reservations",
    "DeletionProtection": "deletion protection of groups",
    "InstanceLifecyclePolicy": "instance lifecycle policies",
}
TERMINATION_POLICIES = (
    "AllocationStrategy", "ClosestToNextInstanceHour", "Default", "NewestInstance", "OldestInstance",
    "OldestLaunchConfiguration", "OldestLaunchTemplate",
)  # fmt: skip
_NETWORKED = {"LaunchTemplate", "MixedInstancesPolicy", "VPCZoneIdentifier", "AvailabilityZones"}
_PLAIN = (
    ("HealthCheckGracePeriod", "grace_s"),
    ("DefaultCooldown", "cooldown_s"),
    ("NewInstancesProtectedFromScaleIn", "protects_new"),
    ("CapacityRebalance", "rebalances"),
    ("PlacementGroup", "placement_group"),
    ("DesiredCapacityType", "capacity_type"),
)


class GroupOperations(Operations):
    def create_auto_scaling_group(self, ctx: RequestContext, params: Params) -> Result:
        name, now = params["AutoScalingGroupName"], self._clock.now()
        _refuse(params)
        if not params.get("LaunchTemplate") and not params.get("MixedInstancesPolicy"):
            raise errors.ValidationError(
                "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or "
                "MixedInstancesPolicy parameter."
            )
        with self._store.write() as tx:
            if ":" in name:
                raise errors.ValidationError("The name of an Auto Scaling group cannot contain a colon")
            if tx.get(Group, ctx.account, ctx.region, name) is not None:
                raise errors.AlreadyExistsFault("AutoScalingGroup by this name already exists - A group with the name "
                                                f"{name} already exists")  # fmt: skip
            desired = params["DesiredCapacity"] if params.get("DesiredCapacity") is not None else params["MinSize"]
            kept, propagated = checks.tags(params.get("Tags") or ())
            group = Group(
                account=ctx.account, region=ctx.region, id=name, min_size=params["MinSize"],
                max_size=params["MaxSize"], desired=desired, created_at=now, tags=kept, propagated=propagated,
                cause=f"At {iso_utc(now)[:19]}Z a user request created an AutoScalingGroup changing the desired "
                f"capacity from 0 to {desired}.",
                **self._settings(tx, ctx, params, None),
            )  # fmt: skip
            hooks = {
                each["LifecycleHookName"]: checks.hook(each, None)
                for each in params.get("LifecycleHookSpecificationList") or ()
            }
            group = replace(group, hooks=hooks)
            check_sizes(group)
            checks.networks(tx, ctx, group)
            tx.put(group)
        return {}

    def update_auto_scaling_group(self, ctx: RequestContext, params: Params) -> Result:
        _refuse(params)
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            changed = replace(group, **self._settings(tx, ctx, params, group))
            changed = replace(
                changed,
                min_size=_given(params, "MinSize", group.min_size),
                max_size=_given(params, "MaxSize", group.max_size),
            )
            desired = _given(params, "DesiredCapacity", group.desired)
            if params.get("DesiredCapacity") is None:
                desired = min(max(desired, changed.min_size), changed.max_size)
            why = (
                f"a user request update of AutoScalingGroup constraints to min: {changed.min_size}, max: "
                f"{changed.max_size}, desired: {desired}"
            )
            changed = resized(changed, desired, why, self._clock.now())
            check_sizes(changed)
            if _NETWORKED & params.keys():
                checks.networks(tx, ctx, changed)
            tx.put(changed)
        return {}

    def _settings(self, tx: Tx, ctx: RequestContext, params: Params, before: Group | None) -> dict[str, Any]:
        """The members that parameters of both operations set. Raises ValidationError."""
        found: dict[str, Any] = {}
        if params.get("LaunchTemplate") or params.get("MixedInstancesPolicy"):
            chosen = checks.configuration(tx, ctx, params, before.mixed if before is not None else None)
            found |= {"template": chosen.template, "template_name": chosen.template_name, "version": chosen.version,
                      "mixed": chosen.mixed}  # fmt: skip
        if params.get("VPCZoneIdentifier") or params.get("AvailabilityZones"):
            subnets = checks.subnets(tx, ctx, params)
            zones = tuple(dict.fromkeys(each.availability_zone for each in subnets))
            found |= {"subnets": tuple(each.id for each in subnets), "zones": zones}
        elif before is None:
            raise errors.ValidationError("At least one Availability Zone or VPC Subnet is required.")
        arns = params.get("TargetGroupARNs")
        if arns is None and params.get("TrafficSources") is not None:
            arns = [checks.traffic_source(each) for each in params["TrafficSources"]]
        if arns is not None:
            found["target_groups"] = checks.target_groups(tx, ctx, arns)
        if kind := params.get("HealthCheckType"):
            kinds = {each.strip() for each in kind.split(",")}
            if not kinds <= {"EC2", "ELB"}:
                raise errors.NotYet(f"health checks of type {kind}")
            found["health_type"] = "ELB" if "ELB" in kinds else "EC2"
        if params.get("TerminationPolicies"):
            found["policies"] = checks.termination_policies(params["TerminationPolicies"], TERMINATION_POLICIES)
        if params.get("InstanceMaintenancePolicy"):
            found["maintenance"] = checks.maintenance(params["InstanceMaintenancePolicy"])
        if distribution := params.get("AvailabilityZoneDistribution"):
            found["balanced_only"] = distribution.get("CapacityDistributionStrategy") == "balanced-only"
        if (warmup := params.get("DefaultInstanceWarmup")) is not None:
            found["warmup_s"] = None if warmup < 0 else warmup
        if (lifetime := params.get("MaxInstanceLifetime")) is not None:
            if lifetime and lifetime < 86_400:
                raise errors.ValidationError("MaxInstanceLifetime must be at least 86400 seconds, or 0 for none")
            found["lifetime_s"] = lifetime or None
        return found | {field: params[name] for name, field in _PLAIN if params.get(name) is not None}

    def delete_auto_scaling_group(self, ctx: RequestContext, params: Params) -> Result:
        now = self._clock.now()
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            if group.members and not params.get("ForceDelete"):
                raise errors.ResourceInUseFault("You cannot delete an AutoScalingGroup while there are instances or "
                                                "pending Spot instance request(s) still in the group.")  # fmt: skip
            group = replace(group, deleting=True, min_size=0, desired=0, target_groups=(), hooks={})
            tx.put(group)
            for each in group.members.values():
                if not choices.is_going(each):
                    why = "a user request force-deleted the AutoScalingGroup"
                    end_member(tx, self._entropy, group, each, why, now)
        return {}

    def describe_auto_scaling_groups(self, ctx: RequestContext, params: Params) -> Result:
        names = params.get("AutoScalingGroupNames") or ()
        groups = self._store.snapshot().list(Group, ctx.account, ctx.region)
        groups = [each for each in groups if not names or each.id in names]
        groups = [each for each in groups if all(checks.matches(each, one) for one in params.get("Filters") or ())]
        page, token = paged(groups, params, lambda each: each.id, 50)
        return {"AutoScalingGroups": [views.group_to_wire(each) for each in page], "NextToken": token}

    def describe_auto_scaling_instances(self, ctx: RequestContext, params: Params) -> Result:
        wanted = params.get("InstanceIds") or ()
        found = [
            {"AutoScalingGroupName": group.id, **views.member(group, each)}
            for group in self._store.snapshot().list(Group, ctx.account, ctx.region)
            for each in group.members.values()
            if not wanted or each.id in wanted
        ]
        found.sort(key=lambda each: each["InstanceId"])
        for each in found:
            each["HealthStatus"] = each["HealthStatus"].upper()
        page, token = paged(found, params, lambda each: str(each["InstanceId"]), 50)
        return {"AutoScalingInstances": page, "NextToken": token}


def _given(params: Params, member: str, otherwise: int) -> int:
    value = params.get(member)
    return otherwise if value is None else int(value)


def _refuse(params: Params) -> None:
    for member, what in _NOT_YET.items():
        if params.get(member):
            raise errors.NotYet(what)
    if (unit := params.get("DesiredCapacityType")) not in (None, "", "units"):
        raise errors.NotYet(f"desired capacity in {unit}")


def check_sizes(group: Group) -> None:
    if group.min_size < 0 or group.max_size < group.min_size:
        raise errors.ValidationError(
            f"Max bound, {group.max_size}, must be greater than or equal to min bound, {group.min_size}"
        )
    if group.desired < group.min_size:
        raise errors.ValidationError(
            f"New SetDesiredCapacity value {group.desired} is below min value {group.min_size} for the "
            "AutoScalingGroup."
        )
    if group.desired > group.max_size:
        raise errors.ValidationError(
            f"New SetDesiredCapacity value {group.desired} is above max value {group.max_size} for the "
            "AutoScalingGroup."
        )


def resized(group: Group, desired: int, why: str, now: float) -> Group:
    """The group with another desired capacity, and why it has it."""
    if desired == group.desired:
        return group
    cause = f"At {iso_utc(now)[:19]}Z {why} changing the desired capacity from {group.desired} to {desired}."
    return replace(group, desired=desired, cause=cause, retry_at=None)
