"""Whether a packet may pass, and which rule says so: security groups, network ACLs and routes on one flow, in words.

Pure. `dataplane.py` makes the kernel's rules of the same resources; a property test keeps the two together. For whoever
explains a decision, never on a packet's path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from kunren.services.ec2.model import NetworkAcl, SecurityGroup, SecurityGroupRule
from kunren.world.network import Route

PROTOCOLS = {"tcp": ("tcp", "6", "-1"), "udp": ("udp", "17", "-1")}
"""How rules name a protocol."""
EPHEMERAL = (32768, 60999)
"""The ports that Linux connects from."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`considered` are the rules that were looked at, each with what it allows; the last is the one that decided."""

    allowed: bool
    because: str
    considered: tuple[str, ...] = ()


def security_groups(
    groups: Sequence[SecurityGroup],
    blocks: Mapping[str, Iterable[str]],
    *,
    egress: bool,
    port: int,
    peer: str,
    protocol: str = "tcp",
) -> Verdict:
    """A TCP connection, or a UDP flow, through the union of an interface's groups: the first rule that lets it pass, in
    order.

    `blocks` are the CIDRs that the ids of security groups and prefix lists stand for; an interface without groups lets
    everything pass."""
    if not groups:
        return Verdict(True, "the interface has no security group")
    looked: list[str] = []
    names = ", ".join(f"{each.name} ({each.id})" for each in groups)
    for group in groups:
        for rule in group.rules:
            if rule.egress != egress:
                continue
            told = f"{group.name}: {rule_words(rule)}"
            looked.append(told)
            if _covers(rule, port, protocol) and _has_peer(rule, blocks, peer):
                return Verdict(True, f"security group {told}", tuple(looked))
    way = f"to {peer}" if egress else f"from {peer}"
    return Verdict(False, f"no rule of security group {names} allows {protocol.upper()} {port} {way}", tuple(looked))


def rule_words(rule: SecurityGroupRule) -> str:
    """A security group rule as people say it: "TCP 443 from 0.0.0.0/0"."""
    peer = rule.cidr_v4 or rule.cidr_v6 or rule.group_id or rule.prefix_list_id or "nobody"
    protocol = "all traffic" if rule.protocol == "-1" else rule.protocol.upper()
    ports = ""
    if rule.protocol in ("tcp", "udp") and rule.from_port >= 0:
        ports = f" {rule.from_port}" if rule.from_port == rule.to_port else f" {rule.from_port}-{rule.to_port}"
    return f"{protocol}{ports} {'to' if rule.egress else 'from'} {peer}"


def _covers(rule: SecurityGroupRule, port: int, protocol: str) -> bool:
    if rule.protocol not in PROTOCOLS[protocol]:
        return False
    if rule.protocol == "-1" or (rule.from_port <= 0 and rule.to_port in (-1, 65535)):
        return True
    return rule.from_port <= port <= rule.to_port


def _has_peer(rule: SecurityGroupRule, blocks: Mapping[str, Iterable[str]], peer: str) -> bool:
    cidrs = [rule.cidr_v4] if rule.cidr_v4 is not None else blocks.get(rule.group_id or rule.prefix_list_id or "", ())
    return any(ip_address(peer) in ip_network(each, strict=False) for each in cidrs)


def network_acl(
    acl: NetworkAcl | None, *, egress: bool, ports: tuple[int, int], peer: str, protocol: str = "tcp"
) -> Verdict:
    """TCP or UDP packets over a subnet's border: the first entry that matches decides. `ports` are the first and last
    that the packets may go to; an entry that has only a part of them decides nothing."""
    if acl is None:
        return Verdict(True, "the subnet has no network ACL")
    span = str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"
    looked: list[str] = []
    for entry in acl.entries:
        if entry.egress != egress or entry.cidr_v4 is None or entry.protocol not in PROTOCOLS[protocol]:
            continue
        low, high = (entry.from_port, entry.to_port) if entry.protocol != "-1" else (None, None)
        block = f"{'to' if egress else 'from'} {entry.cidr_v4}"
        range_ = (
            "all traffic"
            if entry.protocol == "-1"
            else f"{protocol.upper()} {'all' if low is None else f'{low}-{high}'}"
        )
        told = f"{acl.id} rule {entry.number}: {'allow' if entry.allow else 'deny'} {range_} {block}"
        looked.append(told)
        within = low is None or low < 0 or (low <= ports[0] and ports[1] <= (high if high is not None else low))
        if within and ip_address(peer) in ip_network(entry.cidr_v4, strict=False):
            return Verdict(entry.allow, f"network ACL {told}", tuple(looked))
    way = "to" if egress else "from"
    return Verdict(False, f"network ACL {acl.id} allows no {protocol.upper()} {span} {way} {peer}", tuple(looked))


def route(routes: Iterable[Route], address: str) -> Route | None:
    """The most specific route for an address; None where the table has none."""
    where = ip_address(address)
    fitting = [each for each in routes if where in ip_network(each.destination, strict=False)]
    return max(fitting, key=lambda each: ip_network(each.destination, strict=False).prefixlen, default=None)
