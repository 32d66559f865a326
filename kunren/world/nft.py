"""The pieces of nft's language that firewalls and network ACLs are written with. Pure text."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

PORT_MAX = 65535


class Family(NamedTuple):
    """What nft calls things of one version of IP. `neighbours` is what finds out who has an address, which no filter
    may stop: a rule's match, empty where that is not IP."""

    name: str
    address_type: str
    icmp: str
    neighbours: str


V4 = Family("ip", "ipv4_addr", "icmp", "")
V6 = Family("ip6", "ipv6_addr", "icmpv6", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }")
_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6"}


def traffic(protocol: str, first: int, last: int, family: Family = V4) -> str | None:
    """The match for a protocol with its ports, or type and code (-1: any); "" matches all, None nothing of the family.

    `protocol` is "tcp", "udp", "icmp", "icmpv6", a number, or "-1" for all.
    """
    protocol = _PROTOCOLS.get(protocol, protocol)
    if protocol == "-1":
        return ""
    if protocol in ("icmp", "icmpv6") and protocol != family.icmp:
        return None
    if protocol in ("tcp", "udp"):
        if first <= 0 and last in (-1, PORT_MAX):
            return f"meta l4proto {protocol}"
        return f"{protocol} dport {first}" if first == last else f"{protocol} dport {first}-{last}"
    if protocol == family.icmp:
        if first == -1:
            return f"meta l4proto {'ipv6-icmp' if family is V6 else 'icmp'}"
        return f"{protocol} type {first}" + ("" if last == -1 else f" {protocol} code {last}")
    return f"meta l4proto {int(protocol)}"


def line(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def among(values: Sequence[str]) -> str:
    return f"{{ {', '.join(values)} }}"


def named(prefix: str, identity: str) -> str:
    """A name from an id of any form."""
    return f"{prefix}_{blake2b(identity.encode(), digest_size=8).hexdigest()}"


def address_map(name: str, elements: Sequence[tuple[str, str]]) -> str:
    listed = ", ".join(f"{key} : {value}" for key, value in elements)
    return f"  map {name} {{\n    type ipv4_addr : ipv4_addr\n    elements = {{ {listed} }}\n  }}\n"


def chain(name: str, kind: str, hook: str, priority: str, policy: str, lines: Sequence[str]) -> str:
    """A chain that the kernel enters by itself."""
    return jump_chain(name, [f"type {kind} hook {hook} priority {priority}; policy {policy};", *lines])


def jump_chain(name: str, lines: Sequence[str]) -> str:
    return f"  chain {name} {{\n" + "".join(f"    {each}\n" for each in lines) + "  }\n"


def table(*parts: str, family: Family = V4) -> str:
    return f"table {family.name} kunren {{\n" + "".join(parts) + "}\n"
