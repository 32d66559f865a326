"""What is checked of what groups are made of. Raises ValidationError."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
from kunren.services.autoscaling import errors, mixed
from kunren.services.autoscaling.model import LAUNCHING, TERMINATING, Configuration, Group, Hook
from kunren.services.ec2.instances import templates
from kunren.services.ec2.instances.model import LaunchTemplate
from kunren.services.ec2.model import SecurityGroup, Subnet
from kunren.services.elbv2.model import TargetGroup

Params = Mapping[str, Any]


def template(tx: Tx, ctx: RequestContext, named: Mapping[str, Any]) -> LaunchTemplate:
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


def configuration(
    tx: Tx, ctx: RequestContext, params: Params, before: Mapping[str, Any] | None = None
) -> Configuration:
    """What LaunchTemplate or MixedInstancesPolicy of the parameters comes to."""
    if params.get("LaunchTemplate") and params.get("MixedInstancesPolicy"):
        raise errors.ValidationError(
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or "
            "MixedInstancesPolicy parameter."
        )
    policy = params.get("MixedInstancesPolicy")
    given = policy.get("LaunchTemplate") if policy else None
    if policy and not given:
        if before is None:
            raise errors.ValidationError("You must specify a launch template in the MixedInstancesPolicy")
        given = before["LaunchTemplate"]
    named = given["LaunchTemplateSpecification"] if given is not None else params["LaunchTemplate"]
    found = template(tx, ctx, named)
    if policy and given is not None:
        for each in given.get("Overrides") or ():
            if each.get("LaunchTemplateSpecification"):
                template(tx, ctx, each["LaunchTemplateSpecification"])
    _types(found, named, (given or {}).get("Overrides") or [{}])
    told = {"LaunchTemplateId": found.id, "LaunchTemplateName": found.name,
            "Version": named.get("Version") or "$Default"}  # fmt: skip
    return Configuration(
        template=found.id, template_name=found.name, version=told["Version"],
        mixed=mixed.complete({**policy, "LaunchTemplate": given}, told) if policy else None,
    )  # fmt: skip


def _types(found: LaunchTemplate, named: Params, overrides: Iterable[Params]) -> None:
    """Raises NotImplemented where the template itself would choose types by attributes."""
    version = found.version(named.get("Version"))
    if version is None or not version.data.get("InstanceRequirements"):
        return
    if not all(each.get("InstanceType") or each.get("InstanceRequirements") for each in overrides):
        raise errors.NotYet("types that a launch template's InstanceRequirements choose (those of overrides do)")


def traffic_source(source: Mapping[str, Any]) -> str:
    """The target group that a traffic source is."""
    if source.get("Type", "elbv2") != "elbv2" or ":targetgroup/" not in source["Identifier"]:
        raise errors.NotYet(f"traffic sources of type {source.get('Type')}")
    return str(source["Identifier"])


def termination_policies(given: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    for each in given:
        if each.startswith("arn:"):
            raise errors.NotYet("custom termination policies by functions")
        if each not in known:
            raise errors.ValidationError(f"Invalid termination policy: {each}")
    return tuple(given)


def maintenance(given: Mapping[str, Any]) -> tuple[int, int] | None:
    """Least and most healthy, in percent."""
    least, most = given.get("MinHealthyPercentage"), given.get("MaxHealthyPercentage")
    if least is None or most is None:
        raise errors.ValidationError("Both MinHealthyPercentage and MaxHealthyPercentage must be specified")
    if least == most == -1:
        return None
    if not (0 <= least <= 100 <= most <= 200 and most - least <= 100):
        raise errors.ValidationError(
            "The difference between MinHealthyPercentage and MaxHealthyPercentage cannot be greater than 100"
        )
    return least, most


def subnets(tx: Tx, ctx: RequestContext, params: Params) -> list[Subnet]:
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


def networks(tx: Tx, ctx: RequestContext, group: Group) -> None:
    """The group's subnets are of one VPC, and the security groups of its templates too."""
    placed = [tx.get(Subnet, group.account, group.region, each) for each in group.subnets]
    vpcs = {each.vpc_id for each in placed if each is not None}
    if len(vpcs) > 1:
        raise errors.ValidationError("The subnets of the Auto Scaling group must all be in the same VPC.")
    for id in _security_groups(tx, ctx, group):
        found = tx.get(SecurityGroup, group.account, group.region, id)
        if found is not None and not vpcs & {found.vpc_id, *found.more_vpcs}:
            raise errors.ValidationError(
                "One or more security groups in the launch template are not linked to the VPCs configured in the Auto "
                "Scaling group"
            )


def _security_groups(tx: Tx, ctx: RequestContext, group: Group) -> set[str]:
    """Those that the templates name by their ids."""
    others = (each.get("LaunchTemplateSpecification") for each in mixed.overrides(group.mixed))
    named: set[str] = set()
    for each in ({"LaunchTemplateId": group.template, "Version": group.version}, *filter(None, others)):
        version = template(tx, ctx, each).version(each.get("Version"))
        data = version.data if version is not None else {}
        named.update(data.get("SecurityGroupIds") or ())
        for each in data.get("NetworkInterfaces") or ():
            named.update(each.get("Groups") or ())
    return named


def target_groups(tx: Tx, ctx: RequestContext, arns: Iterable[str]) -> tuple[str, ...]:
    for each in arns:
        found = tx.get(TargetGroup, ctx.account, ctx.region, each)
        if found is None:
            raise errors.ValidationError(f"Provided Target Groups may not be valid: {each}")
        if found.target_type != "instance":
            raise errors.ValidationError("Provided Target Groups may not be valid. Their target type must be instance")
    return tuple(dict.fromkeys(arns))


def hook(params: Params, before: Hook | None) -> Hook:
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


def tags(given: Iterable[Mapping[str, Any]]) -> tuple[dict[str, str], tuple[str, ...]]:
    kept = {each["Key"]: each.get("Value") or "" for each in given}
    return kept, tuple(sorted(each["Key"] for each in given if each.get("PropagateAtLaunch", True)))


def matches(group: Group, wanted: Mapping[str, Any]) -> bool:
    name, values = wanted.get("Name") or "", wanted.get("Values") or ()
    if name == "tag-key":
        return any(key in values for key in group.tags)
    if name == "tag-value":
        return any(value in values for value in group.tags.values())
    if name.startswith("tag:"):
        return group.tags.get(name[4:]) in values
    raise errors.ValidationError(f"The filter {name} is not one of tag-key, tag-value and tag:KEY")
