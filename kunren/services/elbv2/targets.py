"""Targets: what may be registered, what a (de)registration makes of the group's list, and the health that is shown.

Pure. A target is its id *and* port: one address may be registered several times.
"Register targets with your target group", "Health checks for your target groups".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kunren.services.elbv2 import errors
from kunren.services.elbv2.dataplane.weights import FULL, mitigates
from kunren.services.elbv2.draining import delay_seconds
from kunren.services.elbv2.model import Target, TargetAnomaly, TargetGroup, TargetHealth
from kunren.services.elbv2.network_attributes import QUIC

_NO_OVERRIDE = {
    "State": "no_override",
    "Reason": "AdministrativeOverride.NoOverride",
    "Description": "No override is currently active on target",
}
_PRIVATE = tuple(
    ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)


def same(target: Target, other: Target) -> bool:
    return (target.id, target.port) == (other.id, other.port)


def resolved(group: TargetGroup, given: Mapping[str, Any]) -> Target:
    """The target that a TargetDescription names: without a port it is the group's; functions have none."""
    port = None if group.target_type == "lambda" else given.get("Port") or group.port
    return Target(
        id=given["Id"],
        port=port,
        availability_zone=given.get("AvailabilityZone"),
        quic_server_id=given.get("QuicServerId"),
    )


def check_server_ids(group: TargetGroup, wanted: Iterable[Target], neighbours: Iterable[TargetGroup]) -> None:
    """Targets of QUIC have a server id each, which no other target behind the listener has and which stays; others
    have none. `neighbours` are the other groups behind the group's listeners. Raises ValidationError."""
    taken = {each.quic_server_id: each for other in (group, *neighbours) for each in other.targets}
    for target in wanted:
        id = target.quic_server_id
        if group.protocol not in QUIC:
            if id:
                raise errors.validation_error("'QuicServerId' is only supported for the QUIC and TCP_QUIC protocols")
            continue
        if id is None:
            raise errors.validation_error(
                f"'QuicServerId' must be specified for targets of the {group.protocol} protocol"
            )
        if not re.fullmatch(r"0x[0-9a-f]{16}", id):
            raise errors.validation_error(
                f"QuicServerId '{id}' must be '0x' followed by 16 hexadecimal characters in lower case"
            )
        before = next((each for each in group.targets if same(each, target)), None)
        if before is not None and before.quic_server_id != id:
            raise errors.validation_error(f"The QuicServerId of the registered target '{target.id}' cannot be modified")
        if not same(taken.setdefault(id, target), target):
            raise errors.validation_error(f"QuicServerId '{id}' is used by another target of the listener")


def check_ipv6(target: Target, subnets: Iterable[tuple[str, str]]) -> Target:
    """An IPv6 address of the VPC as target, with its zone. `subnets` are its (IPv6 CIDR, zone) pairs. Raises
    ValidationError, InvalidTarget."""
    try:
        address = ipaddress.IPv6Address(target.id)
    except ValueError as error:
        raise errors.validation_error(f"The IP address '{target.id}' is not a valid IPv6 address") from error
    detected = next((name for cidr, name in subnets if address in ipaddress.IPv6Network(cidr)), None)
    if detected is None:
        raise errors.InvalidTarget(f"The IP address '{target.id}' is not within the VPC's IPv6 CIDR blocks")
    zone = target.availability_zone
    if zone not in (None, "all", detected):
        raise errors.validation_error(
            f"The Availability Zone '{zone}' is not valid for the IP address '{target.id}'; it is in '{detected}'"
        )
    return msgspec.structs.replace(target, id=str(address), availability_zone=zone or detected)


def check_ip(target: Target, cidrs: Iterable[str], subnets: Iterable[tuple[str, str]], zones: Iterable[str]) -> Target:
    """An address as target, with its zone. `cidrs` are the VPC's blocks, `subnets` its (CIDR, zone) pairs, `zones`
    those of the region. Raises ValidationError, InvalidTarget."""
    try:
        address = ipaddress.IPv4Address(target.id)
    except ValueError as error:
        raise errors.validation_error(f"The IP address '{target.id}' is not a valid IPv4 address") from error
    zone = target.availability_zone
    if any(address in ipaddress.IPv4Network(cidr) for cidr in cidrs):
        detected = next((name for cidr, name in subnets if address in ipaddress.IPv4Network(cidr)), None)
        if zone not in (None, "all", detected):
            raise errors.validation_error(
                f"The Availability Zone '{zone}' is not valid for the IP address '{target.id}'; it is in '{detected}'"
            )
        return msgspec.structs.replace(target, availability_zone=zone or detected)
    if not any(address in block for block in _PRIVATE):
        raise errors.InvalidTarget(
            f"The IP address '{target.id}' is not within the VPC's CIDR blocks, the RFC 1918 ranges or the RFC 6598"
            " range"
        )
    if zone is None:
        raise errors.validation_error(
            f"The Availability Zone must be specified for the IP address '{target.id}', which is outside the VPC"
        )
    if zone != "all" and zone not in zones:
        raise errors.validation_error(f"The Availability Zone '{zone}' is not valid")
    return target


def check_function(target: Target) -> Target:
    """A Lambda function as target. Raises ValidationError."""
    if not target.id.startswith("arn:aws:lambda:") or ":function:" not in target.id:
        raise errors.validation_error(f"'{target.id}' is not a valid Lambda function ARN")
    if target.availability_zone not in (None, "all"):
        raise errors.validation_error("The Availability Zone of a Lambda target can only be 'all'")
    return msgspec.structs.replace(target, availability_zone="all")


def registered(group: TargetGroup, wanted: Iterable[Target], now: float) -> TargetGroup:
    """The group with the targets added. One that is there stays as it is; one that drains comes back when its delay is
    over."""
    targets = {(each.id, each.port): each for each in group.targets}
    for target in wanted:
        key = (target.id, target.port)
        before = targets.get(key)
        if before is None:
            targets[key] = msgspec.structs.replace(target, registered_at=now)
        elif before.draining_since is not None:
            targets[key] = msgspec.structs.replace(before, register_again=True)
    return msgspec.structs.replace(group, targets=tuple(targets.values()))


def deregistered(group: TargetGroup, wanted: Iterable[Target], now: float, in_use: bool) -> TargetGroup:
    """The group with the targets draining, or without them where nothing can be in flight. Unknown ones are passed
    over."""
    leaving = {(each.id, each.port) for each in wanted}
    at_once = not in_use or delay_seconds(group) == 0
    targets: list[Target] = []
    for target in group.targets:
        if (target.id, target.port) not in leaving:
            targets.append(target)
        elif not at_once:
            since = now if target.draining_since is None else target.draining_since
            targets.append(msgspec.structs.replace(target, draining_since=since, register_again=False))
    return msgspec.structs.replace(group, targets=tuple(targets))


def health(
    group: TargetGroup,
    target: Target,
    *,
    known: bool,
    in_use: bool,
    zone_enabled: bool,
    of_balancer: bool,
    observed: TargetHealth | None,
) -> dict[str, Any]:
    """TargetHealth of one target. `known`: it is registered; `in_use`: some listener reaches the group;
    `zone_enabled`: the load balancer is in the target's zone; `of_balancer`: the address is a load balancer's own."""
    if not known:
        return _state("unused", "Target.NotRegistered", "Target is not registered to the target group")
    if target.draining_since is not None:
        return _state("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
    if not in_use:
        return _state(
            "unused",
            "Target.NotInUse",
            "Target group is not configured to receive traffic from the load balancer",
        )
    if not zone_enabled:
        return _state(
            "unused",
            "Target.NotInUse",
            "Target is in an Availability Zone that is not enabled for the load balancer",
        )
    if of_balancer:
        return _state("unused", "Target.IpUnusable", "Target IP address is in use by a load balancer")
    if not group.health_check.enabled:
        return _state("unavailable", "Target.HealthCheckDisabled", "Health checks are not enabled for this target")
    if observed is None:
        return _state("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
    return _state(observed.state, observed.reason, observed.description)


def described(group: TargetGroup, target: Target, shown: Mapping[str, Any]) -> dict[str, Any]:
    """TargetHealthDescription."""
    description: dict[str, Any] = {"Id": target.id}
    if target.quic_server_id is not None:
        description["QuicServerId"] = target.quic_server_id
    if target.port is not None:
        description["Port"] = target.port
    if target.availability_zone is not None:
        description["AvailabilityZone"] = target.availability_zone
    whole: dict[str, Any] = {"Target": description, "TargetHealth": dict(shown)}
    if group.target_type != "lambda":
        port = group.health_check.port
        whole["HealthCheckPort"] = str(target.port) if port == "traffic-port" else port
        if shown.get("Reason") not in ("Target.NotRegistered", "Target.NotInUse"):
            whole["AdministrativeOverride"] = dict(_NO_OVERRIDE)
    return whole


_OVERRIDES = {
    "zonal_shift_active": (
        "AdministrativeOverride.ZonalShiftActive",
        "Zonal shift is currently active on target, traffic is shifted away from its Availability Zone",
    ),
    "zonal_shift_delegated_to_dns": (
        "AdministrativeOverride.ZonalShiftDelegatedToDns",
        "Zonal shift is currently active, but is delegated to DNS since cross-zone load balancing is off",
    ),
}


def override(state: str) -> dict[str, str]:
    """AdministrativeOverride of a target in a zone that traffic is shifted away from."""
    reason, description = _OVERRIDES[state]
    return {"State": state, "Reason": reason, "Description": description}


def anomaly(group: TargetGroup, observed: TargetAnomaly | None) -> dict[str, str]:
    """AnomalyDetection of one target."""
    if observed is None:
        return {"Result": "normal", "MitigationInEffect": "no"}
    mitigated = mitigates(group) and observed.weight < FULL
    return {
        "Result": "anomalous" if observed.anomalous else "normal",
        "MitigationInEffect": "yes" if mitigated else "no",
    }


def _state(state: str, reason: str | None, description: str | None) -> dict[str, Any]:
    shown = {"State": state, "Reason": reason, "Description": description}
    return {name: value for name, value in shown.items() if value is not None}
