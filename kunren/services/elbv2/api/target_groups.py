"""Target groups: create, modify, describe, delete, attributes."""

from __future__ import annotations

import re

import msgspec

from kunren.core.context import RequestContext
from kunren.core.errors import NotImplementedByKunren
from kunren.services.ec2.model import Vpc
from kunren.services.elbv2 import arns, attributes, errors, health_checks
from kunren.services.elbv2.api.base import (
    Api,
    Params,
    Result,
    View,
    find_balancer,
    find_group,
    new_tags,
    pages,
)
from kunren.services.elbv2.associations import group_users
from kunren.services.elbv2.describe import target_group
from kunren.services.elbv2.model import HealthCheck, TargetGroup, TargetHealth, target_health_id
from kunren.services.elbv2.network_attributes import PROTOCOLS, is_network

_NAME_LENGTH_MAX = 32
_PROTOCOLS = ("HTTP", "HTTPS")
_VERSIONS = ("HTTP1", "HTTP2", "GRPC")
_NAME_PATTERN = r"(?!.*--)(?!^-)(?!.*-$)^[A-Za-z0-9-]+$"


class TargetGroupsApi(Api):
    def create_target_group(self, ctx: RequestContext, params: Params) -> Result:
        """CreateTargetGroup. The same name with the same settings returns what there is."""
        _check_name(params["Name"])
        _refuse_unbuilt(params)
        target_type = params.get("TargetType") or "instance"
        version = _check_kind(params, target_type)
        check = _health_check(params, target_type, version)
        tags = new_tags(params)
        with self._store.write() as tx:
            vpc_id = params.get("VpcId")
            if vpc_id is not None and tx.get(Vpc, ctx.account, ctx.region, vpc_id) is None:
                raise errors.validation_error(f"The VPC ID '{vpc_id}' is not found")
            created = TargetGroup(
                account=ctx.account,
                region=ctx.region,
                id=arns.target_group_arn(self._parts.entropy, ctx.account, ctx.region, params["Name"]),
                name=params["Name"],
                target_type=target_type,
                protocol=params.get("Protocol"),
                protocol_version=version,
                port=params.get("Port"),
                vpc_id=vpc_id,
                ip_address_type=_address_type(params, target_type),
                health_check=check,
                created_time=self._parts.clock.now(),
                tags=tags,
            )
            existing = _by_name(tx, ctx, params["Name"])
            if existing is not None:
                if _settings(existing) != _settings(created):
                    raise errors.DuplicateTargetGroupName(
                        f"A target group with the same name '{existing.name}' exists, but with different settings"
                    )
                return {"TargetGroups": [_shown(tx, existing)]}
            if len(tx.list(TargetGroup, ctx.account, ctx.region)) >= self._limits.target_groups:
                raise errors.TooManyTargetGroups("The maximum number of target groups has been reached")
            tx.put(created)
        return {"TargetGroups": [target_group(created, ())]}

    def modify_target_group(self, ctx: RequestContext, params: Params) -> Result:
        """ModifyTargetGroup: health check settings; what is not named stays."""
        with self._store.write() as tx:
            found = find_group(tx, ctx, params["TargetGroupArn"])
            if is_network(found):
                check = health_checks.network_settings(found.health_check, params, found.target_type)
            else:
                check = health_checks.settings(found.health_check, params, found.target_type, found.protocol_version)
            changed = msgspec.structs.replace(found, health_check=check)
            tx.put(changed)
            return {"TargetGroups": [_shown(tx, changed)]}

    def describe_target_groups(self, ctx: RequestContext, params: Params) -> Result:
        """DescribeTargetGroups: all, those of a load balancer, of the ARNs, or of the names."""
        wanted, names = params.get("TargetGroupArns") or [], params.get("Names") or []
        balancer_arn = params.get("LoadBalancerArn")
        if sum(map(bool, (wanted, names, balancer_arn))) > 1:
            raise errors.validation_error(
                "Target group names, target group ARNs, and a load balancer ARN cannot be specified at the same time"
            )
        for arn in wanted:
            arns.check_arn(arn, "target group")
        snapshot = self._store.snapshot()
        users = group_users(snapshot, ctx.account, ctx.region)
        found = snapshot.list(TargetGroup, ctx.account, ctx.region)
        if balancer_arn:
            balancer = find_balancer(snapshot, ctx, balancer_arn)
            found = [each for each in found if balancer.id in users.get(each.id, ())]
        elif wanted or names:
            found = [each for each in found if each.id in wanted or each.name in names]
            if len(found) != len(set(wanted) | set(names)):
                raise errors.TargetGroupNotFound("One or more target groups not found")
        chosen, marker = pages(params, found, lambda each: each.id)
        shown = [target_group(each, users.get(each.id, ())) for each in chosen]
        return {"TargetGroups": shown, "NextMarker": marker}

    def delete_target_group(self, ctx: RequestContext, params: Params) -> Result:
        """DeleteTargetGroup, once no rule refers to it. One that is not there is deleted."""
        arn = params["TargetGroupArn"]
        arns.check_arn(arn, "target group")
        with self._store.write() as tx:
            found = tx.get(TargetGroup, ctx.account, ctx.region, arn)
            if found is None:
                return {}
            if arn in group_users(tx, ctx.account, ctx.region):
                raise errors.ResourceInUse(f"Target group '{arn}' is currently in use by a listener or a rule")
            for target in found.targets:
                health = tx.get(TargetHealth, ctx.account, ctx.region, target_health_id(arn, target))
                if health is not None:
                    tx.delete(health)
            tx.delete(found)
        return {}

    def describe_target_group_attributes(self, ctx: RequestContext, params: Params) -> Result:
        found = find_group(self._store.snapshot(), ctx, params["TargetGroupArn"])
        table = attributes.target_group_table(found.target_type, found.protocol, found.protocol_version)
        return {"Attributes": attributes.described(table, found.attributes)}

    def modify_target_group_attributes(self, ctx: RequestContext, params: Params) -> Result:
        """ModifyTargetGroupAttributes: all or nothing; answers with every attribute."""
        with self._store.write() as tx:
            found = find_group(tx, ctx, params["TargetGroupArn"])
            merged = attributes.merge_target_group(
                found.target_type, found.protocol, found.attributes, params["Attributes"], found.protocol_version
            )
            if found.ip_address_type == "ipv6" and merged.get("preserve_client_ip.enabled") == "true":
                raise NotImplementedByKunren("elbv2", "client IP preservation of target groups of IPv6")
            off = merged.get("load_balancing.cross_zone.enabled") == "false"
            if off and any(target.availability_zone == "all" for target in found.targets):
                raise errors.InvalidConfigurationRequest(
                    "You cannot turn off cross-zone load balancing while targets are registered with the Availability"
                    " Zone 'all'"
                )
            tx.put(msgspec.structs.replace(found, attributes=merged))
        table = attributes.target_group_table(found.target_type, found.protocol, found.protocol_version)
        return {"Attributes": attributes.described(table, merged)}


def _health_check(params: Params, target_type: str, version: str | None) -> HealthCheck:
    """A new group's health check. Raises ValidationError."""
    if params.get("Protocol") in PROTOCOLS:
        before = health_checks.network_defaults(target_type, params.get("HealthCheckProtocol"))
        return health_checks.network_settings(before, params, target_type)
    return health_checks.settings(health_checks.defaults(target_type, version), params, target_type, version)


def _by_name(view: View, ctx: RequestContext, name: str) -> TargetGroup | None:
    return next((each for each in view.list(TargetGroup, ctx.account, ctx.region) if each.name == name), None)


def _shown(view: View, group: TargetGroup) -> Result:
    return target_group(group, group_users(view, group.account, group.region).get(group.id, ()))


def _settings(group: TargetGroup) -> tuple[object, ...]:
    """What a second CreateTargetGroup with the name must repeat."""
    return (
        group.target_type,
        group.protocol,
        group.protocol_version,
        group.port,
        group.vpc_id,
        group.ip_address_type,
        group.health_check,
        group.tags,
    )


def _check_name(name: str) -> None:
    if len(name) > _NAME_LENGTH_MAX:
        raise errors.validation_error(
            f"Target group name '{name}' cannot be longer than '{_NAME_LENGTH_MAX}' characters"
        )
    if not re.fullmatch(r"[A-Za-z0-9-]+", name):
        raise errors.validation_error(
            f"Target group name '{name}' can only contain characters that are alphanumeric characters or hyphens(-)"
        )
    if name.startswith("-") or name.endswith("-"):
        raise errors.validation_error(f"Target group name '{name}' cannot begin or end with '-'")
    if not re.fullmatch(_NAME_PATTERN, name):
        raise errors.validation_error(
            f"1 validation error detected: Value '{name}' at 'targetGroup.targetGroupArn.targetGroupName' failed to"
            f" satisfy constraint: Member must satisfy regular expression pattern: {_NAME_PATTERN}"
        )


def _refuse_unbuilt(params: Params) -> None:
    """What only a Gateway Load Balancer could use."""
    protocol = params.get("Protocol")
    unbuilt = {
        f"Protocol {protocol}": protocol is not None and protocol not in (*_PROTOCOLS, *PROTOCOLS),
        "TargetControlPort": params.get("TargetControlPort") is not None,
    }
    for what, asked in unbuilt.items():
        if asked:
            raise NotImplementedByKunren("elbv2", f"CreateTargetGroup with {what}")


def _address_type(params: Params, target_type: str) -> str:
    """Raises ValidationError."""
    address_type: str = params.get("IpAddressType") or "ipv4"
    if address_type == "ipv6" and target_type in ("lambda", "alb"):
        raise errors.validation_error(
            f"IP address type 'ipv6' cannot be specified for target groups with target type '{target_type}'"
        )
    if address_type == "ipv6" and params.get("Protocol") in ("UDP", "TCP_UDP", "QUIC", "TCP_QUIC"):
        raise errors.validation_error(
            f"IP address type 'ipv6' cannot be specified for target groups with the {params['Protocol']} protocol"
        )
    return address_type


def _check_kind(params: Params, target_type: str) -> str | None:
    """Which members the target type needs or forbids; the protocol version with its default."""
    members = {"Protocol": "protocol", "Port": "port", "VpcId": "VPC ID"}
    if target_type == "lambda":
        for member in (*members, "ProtocolVersion"):
            if params.get(member) is not None:
                raise errors.validation_error(
                    f"{'VPC ID' if member == 'VpcId' else member} cannot be specified for target groups with target"
                    " type 'lambda'"
                )
        return None
    for member, words in members.items():
        if params.get(member) is None:
            raise errors.validation_error(f"A {words} must be specified")
    if target_type == "alb" and params["Protocol"] != "TCP":
        raise errors.validation_error("Protocol must be 'TCP' for target groups with target type 'alb'")
    if params["Protocol"] in PROTOCOLS:
        if params.get("ProtocolVersion") is not None:
            raise errors.validation_error(
                f"ProtocolVersion cannot be specified for target groups with the {params['Protocol']} protocol"
            )
        return None
    version: str = (params.get("ProtocolVersion") or "HTTP1").upper()
    if version not in _VERSIONS:
        raise errors.validation_error(
            f"Protocol version '{params['ProtocolVersion']}' must be one of '{', '.join(_VERSIONS)}'"
        )
    return version
