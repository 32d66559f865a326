"""The network ACL that takes the place of a subnet's while its traffic is denied: pure.

It denies first, and then has what the subnet's own had, in its order; ACLs know no connections, so established ones are
cut too. Traffic within a subnet crosses no border. "aws:network:disrupt-connectivity".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import msgspec

from kunren.services.ec2.acl_entries import to_wire
from kunren.services.ec2.model import AclEntry

EVERYWHERE = "0.0.0.0/0"
Network = IPv4Network | IPv6Network


def disrupted(
    scope: str, entries: Sequence[AclEntry], *, vpc: Sequence[str] = (), denied: Sequence[str] = ()
) -> list[AclEntry]:
    """The entries for a scope, numbered anew. `vpc` are the VPC's blocks, for the scope vpc; `denied` the blocks that
    the other scopes but `all` deny."""
    if scope == "all":
        return []
    if scope == "vpc":
        return _numbered(part for each in entries for part in _within(each, vpc))
    first = [_deny(block, egress) for egress in (True, False) for block in denied]
    return _numbered([*first, *entries])


def requests(entries: Iterable[AclEntry]) -> list[dict[str, Any]]:
    """The parameters of CreateNetworkAclEntry for each."""
    return [{name: value for name, value in to_wire(each).items() if value is not None} for each in entries]


def _deny(block: str, egress: bool) -> AclEntry:
    return msgspec.structs.replace(
        AclEntry(number=1, egress=egress, allow=False, protocol="-1"), **_member(block)
    )  # fmt: skip


def _within(entry: AclEntry, blocks: Sequence[str]) -> list[AclEntry]:
    """What is left of an entry where only these blocks may be spoken to."""
    said = ip_network(entry.cidr_v4 or entry.cidr_v6 or "")
    found = []
    for block in map(ip_network, blocks):
        if block.version != said.version:
            continue
        if _inside(block, said):
            found.append(msgspec.structs.replace(entry, **_member(str(block))))
        elif _inside(said, block):
            found.append(entry)
    return found


def _inside(one: Network, other: Network) -> bool:
    return one.prefixlen >= other.prefixlen and one.network_address in other


def _member(block: str) -> dict[str, str]:
    return {"cidr_v6" if ":" in block else "cidr_v4": block}


def _numbered(entries: Iterable[AclEntry]) -> list[AclEntry]:
    counts: Mapping[bool, list[int]] = {True: [], False: []}
    numbered = []
    for each in entries:
        counts[each.egress].append(1)
        numbered.append(msgspec.structs.replace(each, number=len(counts[each.egress])))
    return numbered
