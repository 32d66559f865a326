"""Security group rules as requests write them and as they are kept: pure.

A request has `IpPermissions` (one protocol and port range with many peers), the older flat members, or one
`SecurityGroupRule` (ModifySecurityGroupRules). All become `SecurityGroupRule` values of one peer each, in canonical
form: protocol names for 1, 6, 17 and 58, ports -1 where they mean nothing, CIDRs without host bits. Equal rules have
equal `identity`. What a peer's group is called or belongs to is the caller's to resolve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from msgspec.structs import replace

from kunren.services.ec2 import cidr, errors
from kunren.services.ec2.model import PeerGroup, SecurityGroupRule

_NAMES = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
_PORTS = ("tcp", "udp")
_DESCRIPTION_MAX = 255
_DESCRIPTION_MARKS = set(" ._-:/()#,@[]+=&;{}!$*")
GroupOf: TypeAlias = Callable[[Mapping[str, Any]], tuple[str, PeerGroup | None]]
Identity: TypeAlias = tuple[bool, str, int, int, str | None, str | None, str | None, str | None]


def identity(rule: SecurityGroupRule) -> Identity:
    """What makes two rules the same: all but id, description and tags."""
    return (
        rule.egress,
        rule.protocol,
        rule.from_port,
        rule.to_port,
        rule.cidr_v4,
        rule.cidr_v6,
        rule.group_id,
        rule.prefix_list_id,
    )


def protocol_of(text: str | None) -> str:
    """The canonical name. Raises InvalidParameterValue."""
    if text is None:
        raise errors.MissingParameter("ipProtocol")
    name = text.lower()
    if name in ("-1", *_NAMES.values()):
        return name
    if not (text.isascii() and text.isdigit() and int(text) <= 255):
        raise errors.InvalidParameterValue(f"Invalid value '{text}' for IP protocol. Unknown protocol.")
    return _NAMES.get(str(int(text)), str(int(text)))


def ports_of(protocol: str, from_port: int | None, to_port: int | None) -> tuple[int, int]:
    """The port range, or ICMP type and code; (-1, -1) where neither means anything. Raises InvalidParameterValue."""
    if protocol in _PORTS:
        if from_port is None or to_port is None:
            raise errors.InvalidParameterValue(
                "Invalid value for portRange. Must specify both from and to ports with TCP/UDP."
            )
        for which, port in (("from", from_port), ("to", to_port)):
            if not 0 <= port <= 65535:
                raise errors.InvalidParameterValue(f"TCP/UDP ({which}) port ({port}) out of range")
        if from_port > to_port:
            raise errors.InvalidParameterValue(f"Invalid TCP/UDP port range ({from_port}:{to_port})")
        return from_port, to_port
    if protocol == "icmpv6" and from_port is None and to_port is None:
        return -1, -1
    if protocol in ("icmp", "icmpv6"):
        if from_port is None or to_port is None:
            raise errors.InvalidParameterValue(
                "Invalid value for portRange. Must specify both from and to ports with ICMP."
            )
        for which, number in (("type", from_port), ("code", to_port)):
            if not -1 <= number <= 255:
                raise errors.InvalidParameterValue(f"ICMP {which} ({number}) out of range")
        if from_port == -1 and to_port != -1:
            raise errors.InvalidParameterValue(f"ICMP code ({to_port}) must be -1 where the type is -1")
        return from_port, to_port
    return -1, -1


def description_of(text: str | None) -> str | None:
    """Raises InvalidParameterValue."""
    if text is None:
        return None
    allowed = all(each in _DESCRIPTION_MARKS or (each.isascii() and each.isalnum()) for each in text)
    if len(text) > _DESCRIPTION_MAX or not allowed:
        raise errors.InvalidParameterValue(
            "Invalid rule description. Valid descriptions are strings less than 256 characters from the following "
            "set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
        )
    return text


def cidr_v4_of(text: str) -> str:
    block = cidr.parse_v4(text)
    if block is None:
        raise errors.InvalidParameterValue(f"CIDR block {text} is malformed")
    return str(block)


def cidr_v6_of(text: str) -> str:
    block = cidr.parse_v6(text)
    if block is None:
        raise errors.InvalidParameterValue(f"CIDR block {text} is malformed")
    return str(block)


def from_permissions(
    permissions: Iterable[Mapping[str, Any]], *, egress: bool, group_of: GroupOf
) -> list[SecurityGroupRule]:
    """One rule per peer, without ids. `group_of` finds a `UserIdGroupPair`'s group. Raises ec2 errors."""
    rules: list[SecurityGroupRule] = []
    for permission in permissions:
        protocol = protocol_of(permission.get("IpProtocol"))
        from_port, to_port = ports_of(protocol, permission.get("FromPort"), permission.get("ToPort"))
        rule = SecurityGroupRule(id="", egress=egress, protocol=protocol, from_port=from_port, to_port=to_port)
        peers = _peers(permission, group_of)
        if not peers:
            raise errors.MissingParameterText(
                "The request must contain at least one of ipRanges, ipv6Ranges, prefixListIds and groups "
                "in each of ipPermissions"
            )
        rules.extend(replace(rule, **each) for each in peers)
    return rules


def _peers(permission: Mapping[str, Any], group_of: GroupOf) -> list[dict[str, Any]]:
    peers: list[dict[str, Any]] = []

    def add(member: str, value: str, item: Mapping[str, Any]) -> None:
        peers.append({member: value, "description": description_of(item.get("Description"))})

    for item in permission.get("IpRanges") or ():
        add("cidr_v4", cidr_v4_of(item.get("CidrIp") or ""), item)
    for item in permission.get("Ipv6Ranges") or ():
        add("cidr_v6", cidr_v6_of(item.get("CidrIpv6") or ""), item)
    for item in permission.get("PrefixListIds") or ():
        add("prefix_list_id", item.get("PrefixListId") or "", item)
    for item in permission.get("UserIdGroupPairs") or ():
        group_id, peer = group_of(item)
        add("group_id", group_id, item)
        peers[-1]["peer"] = peer
    return peers


def flat(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The older members of an ingress request as one `IpPermission`; none where they are not used."""
    members = ("IpProtocol", "FromPort", "ToPort", "CidrIp", "SourceSecurityGroupName", "SourceSecurityGroupOwnerId")
    if all(params.get(each) is None for each in members):
        return []
    permission: dict[str, Any] = {each: params.get(each) for each in members[:3]}
    if params.get("SourceSecurityGroupName") is not None:
        # names a group, and opens everything to it ("SourceSecurityGroupName")
        if permission["IpProtocol"] is None:
            permission["IpProtocol"] = "-1"
        pair = {"GroupName": params["SourceSecurityGroupName"], "UserId": params.get("SourceSecurityGroupOwnerId")}
        permission["UserIdGroupPairs"] = [pair]
    if params.get("CidrIp") is not None:
        permission["IpRanges"] = [{"CidrIp": params["CidrIp"]}]
    return [permission]


def to_permissions(rules: Iterable[SecurityGroupRule], account: str) -> list[dict[str, Any]]:
    """Rules as `IpPermission`s, one per protocol and port range, in the order they first come."""
    found: dict[tuple[str, int, int], dict[str, Any]] = {}
    for rule in rules:
        permission = found.setdefault((rule.protocol, rule.from_port, rule.to_port), _empty_permission(rule))
        note = {"Description": rule.description}
        if rule.cidr_v4 is not None:
            permission["IpRanges"].append({"CidrIp": rule.cidr_v4, **note})
        elif rule.cidr_v6 is not None:
            permission["Ipv6Ranges"].append({"CidrIpv6": rule.cidr_v6, **note})
        elif rule.group_id is not None:
            permission["UserIdGroupPairs"].append({"GroupId": rule.group_id, **owner_of(rule, account), **note})
        else:
            permission["PrefixListIds"].append({"PrefixListId": rule.prefix_list_id, **note})
    return list(found.values())


def owner_of(rule: SecurityGroupRule, account: str) -> dict[str, Any]:
    """Whose the rule's group is, as answers have it."""
    if rule.peer is None:
        return {"UserId": account}
    return {"UserId": rule.peer.account, "VpcId": rule.peer.vpc_id, "VpcPeeringConnectionId": rule.peer.peering_id}


def _empty_permission(rule: SecurityGroupRule) -> dict[str, Any]:
    has_ports = rule.protocol in (*_PORTS, "icmp", "icmpv6")
    return {
        "IpProtocol": rule.protocol,
        "FromPort": rule.from_port if has_ports else None,
        "ToPort": rule.to_port if has_ports else None,
        "IpRanges": [],
        "Ipv6Ranges": [],
        "PrefixListIds": [],
        "UserIdGroupPairs": [],
    }


def in_words(rule: SecurityGroupRule) -> str:
    """The rule as EC2's error texts write it: `peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW`."""
    peer = rule.cidr_v4 or rule.cidr_v6 or rule.group_id or rule.prefix_list_id
    if rule.protocol in _PORTS:
        what = f"{rule.protocol.upper()}, from port: {rule.from_port}, to port: {rule.to_port}"
    elif rule.protocol in ("icmp", "icmpv6"):
        what = f"{rule.protocol.upper()}, type: {rule.from_port}, code: {rule.to_port}"
    else:
        what = "ALL" if rule.protocol == "-1" else f"protocol: {rule.protocol}"
    return f"peer: {peer}, {what}, ALLOW"


def added(have: Sequence[SecurityGroupRule], more: Sequence[SecurityGroupRule]) -> tuple[SecurityGroupRule, ...]:
    """All rules. Raises PermissionDuplicate for one that is there, InvalidParameterValue for one asked for twice."""
    known = {identity(each) for each in have}
    asked: set[Identity] = set()
    for rule in more:
        if identity(rule) in asked:
            raise errors.InvalidParameterValue("The same permission must not appear multiple times")
        if identity(rule) in known:
            raise errors.PermissionDuplicate(in_words(rule))
        asked.add(identity(rule))
    return (*have, *more)


def removed(
    have: Sequence[SecurityGroupRule], less: Sequence[SecurityGroupRule]
) -> tuple[list[SecurityGroupRule], list[SecurityGroupRule]]:
    """Those of `have` that `less` names, and those of `less` that are not there. Descriptions do not matter."""
    known = {identity(each): each for each in have}
    gone = {identity(each): known[identity(each)] for each in less if identity(each) in known}
    return list(gone.values()), [each for each in less if identity(each) not in known]
