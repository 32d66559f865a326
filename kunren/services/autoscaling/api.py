"""The operations of Auto Scaling that keep a group's number and health. What follows from them is the controller's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from msgspec.structs import replace

from kunren.control.store import Snapshot, Store, Tx
from kunren.core import pagination
from kunren.core.clock import Clock, iso_utc
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.autoscaling import errors, views
from kunren.services.autoscaling.controller import end_member
from kunren.services.autoscaling.model import KINDS, LAUNCHING, TERMINATING, Activity, Group, Hook, Member
from kunren.services.ec2.instances import templates
from kunren.services.ec2.instances.model import LaunchTemplate
from kunren.services.ec2.model import Subnet
from kunren.services.elbv2.model import TargetGroup

Params = dict[str, Any]
Result = dict[str, Any]
PROCESSES = ("Launch", "Terminate", "ReplaceUnhealthy")
_NOT_YET = {
    "LaunchConfigurationName": "launch configurations (launch templates it has)",
    "MixedInstancesPolicy": "mixed instances",
    "InstanceId": "groups made from an instance",
    "LoadBalancerNames": "Classic Load Balancers",
    "PlacementGroup": "placement groups",
    "CapacityRebalance": "capacity rebalancing",
    "MaxInstanceLifetime": "maximum instance lifetimes",
    "TrafficSources": "traffic sources other than TargetGroupARNs",
    "AvailabilityZoneIds": "zones by their ids",
    "InstanceMaintenancePolicy": "instance maintenance policies",
    "AvailabilityZoneImpairmentPolicy": "zone impairment policies",
    "CapacityReservationSpecification": "capacity reservations",
}
_POLICIES = ("Default", "OldestInstance", "NewestInstance", "OldestLaunchTemplate")


class AutoScalingApi:
    service: ClassVar[str] = "autoscaling"

    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        """Registers its kinds with the store; the ec2 and elbv2 kinds are registered before."""
        store.register(*KINDS)
        self._store, self._clock, self._entropy = store, clock, entropy

    # -- groups ------------------------------------------------------------------------------------------------------

    def create_auto_scaling_group(self, ctx: RequestContext, params: Params) -> Result:
        name, now = params["AutoScalingGroupName"], self._clock.now()
        _refuse(params)
        if not params.get("LaunchTemplate"):
            raise errors.ValidationError(
                "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or "
                "MixedInstancesPolicy parameter."
            )
        with self._store.write() as tx:
            if tx.get(Group, ctx.account, ctx.region, name) is not None:
                raise errors.AlreadyExistsFault("AutoScalingGroup by this name already exists - A group with the name "
                                                f"{name} already exists")  # fmt: skip
            desired = params["DesiredCapacity"] if params.get("DesiredCapacity") is not None else params["MinSize"]
            kept, propagated = _tags(params.get("Tags") or ())
            group = Group(
                account=ctx.account, region=ctx.region, id=name, min_size=params["MinSize"],
                max_size=params["MaxSize"], desired=desired, created_at=now, tags=kept, propagated=propagated,
                cause=f"At {iso_utc(now)[:19]}Z a user request created an AutoScalingGroup changing the desired "
                f"capacity from 0 to {desired}.",
                **self._settings(tx, ctx, params),
            )  # fmt: skip
            hooks = {
                each["LifecycleHookName"]: _hook(each, None)
                for each in params.get("LifecycleHookSpecificationList") or ()
            }
            group = replace(group, hooks=hooks)
            _check_sizes(group)
            tx.put(group)
        return {}

    def update_auto_scaling_group(self, ctx: RequestContext, params: Params) -> Result:
        _refuse(params)
        with self._store.write() as tx:
            group = _find(tx, ctx, params["AutoScalingGroupName"])
            changed = replace(group, **self._settings(tx, ctx, params))
            changed = replace(
                changed,
                min_size=_given(params, "MinSize", group.min_size),
                max_size=_given(params, "MaxSize", group.max_size),
            )
            desired = _given(params, "DesiredCapacity", group.desired)
            if params.get("DesiredCapacity") is None:
                desired = min(max(desired, changed.min_size), changed.max_size)
            changed = self._resized(changed, desired)
            _check_sizes(changed)
            tx.put(changed)
        return {}

    def _settings(self, tx: Tx, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """The members that parameters of both operations set. Raises ValidationError."""
        found: dict[str, Any] = {}
        if named := params.get("LaunchTemplate"):
            template = _template(tx, ctx, named)
            found |= {
                "template": template.id,
                "template_name": template.name,
                "version": named.get("Version") or "$Default",
            }
        if params.get("VPCZoneIdentifier") or params.get("AvailabilityZones"):
            subnets = _subnets(tx, ctx, params)
            zones = tuple(dict.fromkeys(each.availability_zone for each in subnets))
            found |= {"subnets": tuple(each.id for each in subnets), "zones": zones}
        elif "AutoScalingGroupName" in params and params.get("MinSize") is not None and "TargetGroupARNs" in params:
            pass
        if params.get("TargetGroupARNs") is not None:
            found["target_groups"] = _target_groups(tx, ctx, params["TargetGroupARNs"])
        if kind := params.get("HealthCheckType"):
            kinds = {each.strip() for each in kind.split(",")}
            if not kinds <= {"EC2", "ELB"}:
                raise errors.NotYet(f"health checks of type {kind}")
            found["health_type"] = "ELB" if "ELB" in kinds else "EC2"
        if params.get("TerminationPolicies"):
            if unknown := [each for each in params["TerminationPolicies"] if each not in _POLICIES]:
                raise errors.NotYet(f"termination policy {unknown[0]}")
            found["policies"] = tuple(params["TerminationPolicies"])
        for member, field in (("HealthCheckGracePeriod", "grace_s"), ("DefaultCooldown", "cooldown_s"),
                              ("NewInstancesProtectedFromScaleIn", "protects_new")):  # fmt: skip
            if params.get(member) is not None:
                found[field] = params[member]
        if "subnets" not in found and params.get("MaxSize") is not None and _is_new(tx, ctx, params):
            raise errors.ValidationError("At least one Availability Zone or VPC Subnet is required.")
        return found

    def delete_auto_scaling_group(self, ctx: RequestContext, params: Params) -> Result:
        now = self._clock.now()
        with self._store.write() as tx:
            group = _find(tx, ctx, params["AutoScalingGroupName"])
            if group.members and not params.get("ForceDelete"):
                raise errors.ResourceInUseFault("You cannot delete an AutoScalingGroup while there are instances or "
                                                "pending Spot instance request(s) still in the group.")  # fmt: skip
            group = replace(group, deleting=True, min_size=0, desired=0, target_groups=(), hooks={})
            tx.put(group)
            for each in group.members.values():
                if not each.state.startswith("Terminating"):
                    why = "a user request force-deleted the AutoScalingGroup"
                    end_member(tx, self._entropy, group, each, why, now)
        return {}

    def describe_auto_scaling_groups(self, ctx: RequestContext, params: Params) -> Result:
        names = params.get("AutoScalingGroupNames") or ()
        groups = self._store.snapshot().list(Group, ctx.account, ctx.region)
        groups = [each for each in groups if not names or each.id in names]
        groups = [each for each in groups if all(_matches(each, one) for one in params.get("Filters") or ())]
        page, token = _page(groups, params, lambda each: each.id, 50)
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
        page, token = _page(found, params, lambda each: str(each["InstanceId"]), 50)
        return {"AutoScalingInstances": page, "NextToken": token}

    def describe_scaling_activities(self, ctx: RequestContext, params: Params) -> Result:
        name, wanted = params.get("AutoScalingGroupName"), params.get("ActivityIds") or ()
        found = [
            each
            for each in self._store.snapshot().list(Activity, ctx.account, ctx.region)
            if name in (None, each.group) and (not wanted or each.id in wanted)
        ]
        found.sort(key=lambda each: (-each.started, each.id))
        page, token = _page(found, params, lambda each: f"{1e11 - each.started:020.6f}{each.id}", 100)
        return {"Activities": [views.activity_to_wire(each) for each in page], "NextToken": token}

    # -- capacity ----------------------------------------------------------------------------------------------------

    def set_desired_capacity(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            group = _find(tx, ctx, params["AutoScalingGroupName"])
            changed = self._resized(group, params["DesiredCapacity"])
            _check_sizes(changed)
            tx.put(changed)
        return {}

    def _resized(self, group: Group, desired: int) -> Group:
        if desired == group.desired:
            return group
        cause = (
            f"At {iso_utc(self._clock.now())[:19]}Z a user request explicitly set group desired capacity changing the "
            f"desired capacity from {group.desired} to {desired}."
        )
        return replace(group, desired=desired, cause=cause, retry_at=None)

    def terminate_instance_in_auto_scaling_group(self, ctx: RequestContext, params: Params) -> Result:
        now = self._clock.now()
        with self._store.write() as tx:
            group, member = _find_member(tx, ctx, params.get("InstanceId") or "")
            if params["ShouldDecrementDesiredCapacity"]:
                if group.desired <= group.min_size:
                    raise errors.ValidationError(
                        "Currently, desiredSize equals minSize "
                        f"({group.min_size}). Terminating instance without replacement will violate group's min size "
                        "constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size."
                    )
                group = replace(group, desired=group.desired - 1)
                tx.put(group)
            why = "instance was taken out of service in response to a user request"
            activity = end_member(tx, self._entropy, group, member, why, now)
            return {"Activity": views.activity_to_wire(activity)}

    def set_instance_health(self, ctx: RequestContext, params: Params) -> Result:
        healthy = params["HealthStatus"].lower()
        if healthy not in ("healthy", "unhealthy"):
            raise errors.ValidationError("HealthStatus must be Healthy or Unhealthy")
        with self._store.write() as tx:
            group, member = _find_member(tx, ctx, params["InstanceId"])
            grace = member.since + group.grace_s if params.get("ShouldRespectGracePeriod", True) else 0.0
            if healthy == "healthy" or self._clock.now() >= grace:
                _put(tx, group, replace(member, healthy=healthy == "healthy"))
        return {}

    def set_instance_protection(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            group = _find(tx, ctx, params["AutoScalingGroupName"])
            for id in params["InstanceIds"]:
                if id not in group.members:
                    raise errors.ValidationError(f"The instance {id} is not part of Auto Scaling group {group.id}.")
                changed = replace(group.members[id], protected=params["ProtectedFromScaleIn"])
                group = _put(tx, group, changed)
        return {}

    def suspend_processes(self, ctx: RequestContext, params: Params) -> Result:
        return self._suspend(ctx, params, lambda now, named: now | named)

    def resume_processes(self, ctx: RequestContext, params: Params) -> Result:
        return self._suspend(ctx, params, lambda now, named: now - named)

    def _suspend(self, ctx: RequestContext, params: Params, change: Callable[[set[str], set[str]], set[str]]) -> Result:
        named = set(params.get("ScalingProcesses") or PROCESSES)
        if unknown := sorted(named - set(PROCESSES)):
            raise errors.NotYet(f"process {unknown[0]} that could be suspended (there are {', '.join(PROCESSES)})")
        with self._store.write() as tx:
            group = _find(tx, ctx, params["AutoScalingGroupName"])
            tx.put(replace(group, suspended=tuple(sorted(change(set(group.suspended), named)))))
        return {}

    # -- load balancers ----------------------------------------------------------------------------------------------

    def describe_load_balancer_target_groups(self, ctx: RequestContext, params: Params) -> Result:
        group = _find(self._store.snapshot(), ctx, params["AutoScalingGroupName"])
        shown = [{"LoadBalancerTargetGroupARN": each, "State": "InService"} for each in group.target_groups]
        return {"LoadBalancerTargetGroups": shown}

    # -- lifecycle hooks ---------------------------------------------------------------------------------------------

    def put_lifecycle_hook(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            group = _find(tx, ctx, params["AutoScalingGroupName"])
            name = params["LifecycleHookName"]
            tx.put(replace(group, hooks={**group.hooks, name: _hook(params, group.hooks.get(name))}))
        return {}

    def describe_lifecycle_hooks(self, ctx: RequestContext, params: Params) -> Result:
        group = _find(self._store.snapshot(), ctx, params["AutoScalingGroupName"])
        wanted = params.get("LifecycleHookNames") or list(group.hooks)
        if missing := [each for each in wanted if each not in group.hooks]:
            raise errors.ValidationError(f"No Lifecycle Hook found with name {missing[0]}")
        return {"LifecycleHooks": [views.hook_to_wire(group, each, group.hooks[each]) for each in sorted(wanted)]}

    def delete_lifecycle_hook(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            group = _find(tx, ctx, params["AutoScalingGroupName"])
            if params["LifecycleHookName"] not in group.hooks:
                raise errors.ValidationError("No Lifecycle Hook found")
            tx.put(replace(group, hooks={k: v for k, v in group.hooks.items() if k != params["LifecycleHookName"]}))
        return {}

    def complete_lifecycle_action(self, ctx: RequestContext, params: Params) -> Result:
        result = params["LifecycleActionResult"]
        if result not in ("CONTINUE", "ABANDON"):
            raise errors.ValidationError("LifecycleActionResult must be CONTINUE or ABANDON")
        return self._waiting(ctx, params, lambda waiting, hook, now: replace(waiting, result=result))

    def record_lifecycle_action_heartbeat(self, ctx: RequestContext, params: Params) -> Result:
        return self._waiting(ctx, params, lambda waiting, hook, now: replace(waiting, until=now + hook.timeout_s))

    def _waiting(self, ctx: RequestContext, params: Params, change: Callable[[Any, Hook, float], Any]) -> Result:
        name, now = params["LifecycleHookName"], self._clock.now()
        with self._store.write() as tx:
            group = _find(tx, ctx, params["AutoScalingGroupName"])
            for each in group.members.values():
                waiting = each.hooks.get(name)
                named = waiting is not None and (
                    params.get("LifecycleActionToken") == waiting.token or params.get("InstanceId") == each.id
                )
                if named and name in group.hooks:
                    _put(tx, group, replace(each, hooks={**each.hooks, name: change(waiting, group.hooks[name], now)}))
                    return {}
        token = params.get("LifecycleActionToken") or params.get("InstanceId")
        raise errors.ValidationError(f"No active Lifecycle Action found with token or instance ID {token}")

    # -- tags --------------------------------------------------------------------------------------------------------

    def create_or_update_tags(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            for each in params["Tags"]:
                group = _find(tx, ctx, each.get("ResourceId") or "")
                kept, propagated = _tags([each])
                others = tuple(key for key in group.propagated if key not in kept)
                tx.put(replace(group, tags={**group.tags, **kept}, propagated=tuple(sorted((*others, *propagated)))))
        return {}

    def delete_tags(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            for each in params["Tags"]:
                group = _find(tx, ctx, each.get("ResourceId") or "")
                left = {key: value for key, value in group.tags.items() if key != each["Key"]}
                tx.put(replace(group, tags=left, propagated=tuple(key for key in group.propagated if key in left)))
        return {}

    def describe_tags(self, ctx: RequestContext, params: Params) -> Result:
        groups = self._store.snapshot().list(Group, ctx.account, ctx.region)
        found = [tag for group in groups for tag in views.tags(group)]
        members = {"auto-scaling-group": "ResourceId", "key": "Key", "value": "Value"}
        for wanted in params.get("Filters") or ():
            member = members.get(wanted.get("Name") or "")
            if member is None:
                raise errors.NotYet(f"filter {wanted.get('Name')} of tags")
            found = [each for each in found if each[member] in (wanted.get("Values") or ())]
        page, token = _page(found, params, lambda each: f"{each['ResourceId']}\0{each['Key']}", 50)
        return {"Tags": page, "NextToken": token}


def _find(reader: Snapshot | Tx, ctx: RequestContext, name: str) -> Group:
    found = reader.get(Group, ctx.account, ctx.region, name)
    if found is None or found.deleting:
        raise errors.no_group(name)
    return found


def _find_member(tx: Tx, ctx: RequestContext, id: str) -> tuple[Group, Member]:
    for group in tx.list(Group, ctx.account, ctx.region):
        if id in group.members:
            return group, group.members[id]
    raise errors.ValidationError(f"Instance Id not found - No managed instance found for instance ID: {id}")


def _put(tx: Tx, group: Group, member: Member) -> Group:
    changed = replace(group, members={**group.members, member.id: member})
    tx.put(changed)
    return changed


def _is_new(tx: Tx, ctx: RequestContext, params: Params) -> bool:
    return tx.get(Group, ctx.account, ctx.region, params["AutoScalingGroupName"]) is None


def _given(params: Params, member: str, otherwise: int) -> int:
    value = params.get(member)
    return otherwise if value is None else int(value)


def _refuse(params: Params) -> None:
    for member, what in _NOT_YET.items():
        if params.get(member):
            raise errors.NotYet(what)


def _check_sizes(group: Group) -> None:
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


def _template(tx: Tx, ctx: RequestContext, named: Mapping[str, Any]) -> LaunchTemplate:
    try:
        found = templates.find(tx, ctx, named)
    except AwsError as error:
        raise errors.ValidationError(f"You must use a valid fully-formed launch template. {error.message}") from error
    version = found.version(named.get("Version"))
    if version is None:
        raise errors.ValidationError(f"You must use a valid fully-formed launch template. Version {named['Version']}")
    if not version.data.get("ImageId"):
        raise errors.ValidationError(
            "You must use a valid fully-formed launch template. The request must contain the parameter ImageId"
        )
    return found


def _subnets(tx: Tx, ctx: RequestContext, params: Params) -> list[Subnet]:
    zones = params.get("AvailabilityZones") or ()
    if text := params.get("VPCZoneIdentifier"):
        named = [each.strip() for each in text.split(",") if each.strip()]
        found = [tx.get(Subnet, ctx.account, ctx.region, each) for each in named]
        missing = [id for id, each in zip(named, found, strict=True) if each is None]
        if missing:
            raise errors.ValidationError(f"The subnet ID '{missing[0]}' does not exist")
        held = [each for each in found if each is not None]
        return [each for each in held if not zones or each.availability_zone in zones]
    defaults = [each for each in tx.list(Subnet, ctx.account, ctx.region) if each.default_for_az]
    held = [each for each in defaults if each.availability_zone in zones]
    if {each.availability_zone for each in held} != set(zones):
        raise errors.ValidationError("One or more availability zones have no default subnet")
    return held


def _target_groups(tx: Tx, ctx: RequestContext, arns: Iterable[str]) -> tuple[str, ...]:
    for each in arns:
        found = tx.get(TargetGroup, ctx.account, ctx.region, each)
        if found is None:
            raise errors.ValidationError(f"Provided Target Groups may not be valid: {each}")
        if found.target_type != "instance":
            raise errors.ValidationError("Provided Target Groups may not be valid. Their target type must be instance")
    return tuple(dict.fromkeys(arns))


def _hook(params: Params, before: Hook | None) -> Hook:
    transition = params.get("LifecycleTransition") or (before.transition if before else None)
    if transition not in (LAUNCHING, TERMINATING):
        raise errors.ValidationError("LifecycleTransition must be one of the two that there are")
    timeout = params.get("HeartbeatTimeout") or (before.timeout_s if before else 3600)
    result = params.get("DefaultResult") or (before.default_result if before else "ABANDON")
    if not 30 <= timeout <= 7200:
        raise errors.ValidationError("HeartbeatTimeout must be from 30 to 7200 seconds")
    if result not in ("CONTINUE", "ABANDON"):
        raise errors.ValidationError("DefaultResult must be CONTINUE or ABANDON")
    target = params.get("NotificationTargetARN")
    return Hook(
        transition=transition, timeout_s=timeout, default_result=result,
        target=target or (before.target if before else None),
        metadata=params.get("NotificationMetadata") or (before.metadata if before else None),
    )  # fmt: skip


def _tags(given: Iterable[Mapping[str, Any]]) -> tuple[dict[str, str], tuple[str, ...]]:
    kept = {each["Key"]: each.get("Value") or "" for each in given}
    return kept, tuple(sorted(each["Key"] for each in given if each.get("PropagateAtLaunch", True)))


def _matches(group: Group, wanted: Mapping[str, Any]) -> bool:
    name, values = wanted.get("Name") or "", wanted.get("Values") or ()
    if name == "tag-key":
        return any(key in values for key in group.tags)
    if name == "tag-value":
        return any(value in values for value in group.tags.values())
    if name.startswith("tag:"):
        return group.tags.get(name[4:]) in values
    raise errors.ValidationError(f"The filter {name} is not one of tag-key, tag-value and tag:KEY")


def _page(items: list[Any], params: Params, key: Callable[[Any], str], most: int) -> tuple[list[Any], str | None]:
    try:
        return pagination.page(items, params.get("NextToken"), min(params.get("MaxRecords") or most, 100), key)
    except pagination.InvalidToken as error:
        raise errors.InvalidNextToken("The NextToken value is not valid.") from error
