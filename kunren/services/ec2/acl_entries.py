"""Rules about the entries of network ACLs: pure. "Network ACL rules" in the VPC user guide.

Entries are looked at in the order of their numbers, each direction by itself; the first that matches decides, and
where none does the packet is denied. Ports are the destination's. A network ACL keeps no state: answers need an entry
of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kunren.services.ec2 import cidr, errors
from kunren.services.ec2.model import AclEntry

EVERYWHERE = "0.0.0.0/0"
NUMBER_MAX = 32766
LAST_NUMBER = 32767  # shown as `*`: what no other entry matched
OPEN = tuple(
    AclEntry(number=100, egress=egress, allow=True, protocol="-1", cidr_v4=EVERYWHERE) for egress in (True, False)
)
LAST = tuple(
    AclEntry(number=LAST_NUMBER, egress=egress, allow=False, protocol="-1", cidr_v4=EVERYWHERE)
    for egress in (True, False)
)
LAST_V6 = tuple(
    AclEntry(number=LAST_NUMBER + 1, egress=egress, allow=False, protocol="-1", cidr_v6="::/0")
    for egress in (True, False)
)
_PROTOCOLS = {"all": "-1", "icmp": "1", "tcp": "6", "udp": "17", "icmpv6": "58"}
_PORTS, _ICMP = ("6", "17"), ("1", "58")


def from_request(params: Mapping[str, Any]) -> AclEntry:
    """Raises MissingParameter, InvalidParameterValue and InvalidParameterCombination."""
    number = params["RuleNumber"]
    if not 1 <= number <= NUMBER_MAX:
        raise errors.InvalidParameterValue(
            f"Value ({number}) for parameter ruleNumber is invalid. Must be between 1 and {NUMBER_MAX}."
        )
    protocol = _protocol(params["Protocol"])
    entry: dict[str, Any] = _block(params) | _ports(protocol, params) | _icmp(protocol, params)
    if protocol == "58" and "cidr_v6" not in entry:
        raise errors.InvalidParameterValue("ICMPv6 rules must specify an IPv6 CIDR block.")
    allow = params["RuleAction"] == "allow"
    return AclEntry(number=number, egress=params["Egress"], allow=allow, protocol=protocol, **entry)


def _protocol(text: str) -> str:
    known = _PROTOCOLS.get(text.lower(), text)
    if known != "-1" and not (known.isascii() and known.isdigit() and int(known) <= 255):
        raise errors.InvalidParameterValue(f"Invalid value '{text}' for IP protocol. Unknown protocol.")
    return known if known == "-1" else str(int(known))


def _block(params: Mapping[str, Any]) -> dict[str, str]:
    v4, v6 = params.get("CidrBlock"), params.get("Ipv6CidrBlock")
    if not v4 and not v6:
        raise errors.MissingParameterText("Either 'cidrBlock' or 'ipv6CidrBlock' should be provided.")
    if v4 and v6:
        raise errors.InvalidParameterCombination("Only one of 'cidrBlock' and 'ipv6CidrBlock' should be provided.")
    block = cidr.parse_v4(v4) if v4 else cidr.parse_v6(v6 or "")
    if block is None:
        member = "cidrBlock" if v4 else "ipv6CidrBlock"
        raise errors.InvalidParameterValue(
            f"Value ({v4 or v6}) for parameter {member} is invalid. This is not a valid CIDR block."
        )
    return {"cidr_v4" if v4 else "cidr_v6": str(block)}


def _ports(protocol: str, params: Mapping[str, Any]) -> dict[str, int]:
    if protocol not in _PORTS:
        return {}
    given = params.get("PortRange") or {}
    low, high = given.get("From"), given.get("To")
    if low is None or high is None:
        raise errors.MissingParameter("portRange")
    if (low, high) == (-1, -1):  # "-1 for all ports", as the console sends it
        low, high = 0, 65535
    if not 0 <= low <= high <= 65535:
        raise errors.InvalidParameterValue(f"Invalid TCP/UDP port range ({low}:{high})")
    return {"from_port": low, "to_port": high}


def _icmp(protocol: str, params: Mapping[str, Any]) -> dict[str, int]:
    if protocol not in _ICMP:
        return {}
    given = params.get("IcmpTypeCode") or {}
    kind, code = given.get("Type"), given.get("Code")
    if kind is None or code is None:
        raise errors.MissingParameter("icmpTypeCode")
    if not (-1 <= kind <= 255 and -1 <= code <= 255):
        raise errors.InvalidParameterValue(f"ICMP type-code ({kind}:{code}) out of range")
    return {"icmp_type": kind, "icmp_code": code}


def in_order(entries: Iterable[AclEntry]) -> tuple[AclEntry, ...]:
    """Egress first, as EC2 shows them; by number within a direction."""
    return tuple(sorted(entries, key=lambda each: (not each.egress, each.number)))


def find(entries: Sequence[AclEntry], number: int, egress: bool) -> AclEntry | None:
    return next((each for each in entries if (each.number, each.egress) == (number, egress)), None)


def to_wire(entry: AclEntry) -> dict[str, Any]:
    icmp = {"Type": entry.icmp_type, "Code": entry.icmp_code} if entry.icmp_type is not None else None
    ports = {"From": entry.from_port, "To": entry.to_port} if entry.from_port is not None else None
    return {
        "RuleNumber": entry.number,
        "Egress": entry.egress,
        "RuleAction": action(entry),
        "Protocol": entry.protocol,
        "CidrBlock": entry.cidr_v4,
        "Ipv6CidrBlock": entry.cidr_v6,
        "PortRange": ports,
        "IcmpTypeCode": icmp,
    }


def action(entry: AclEntry) -> str:
    return "allow" if entry.allow else "deny"
