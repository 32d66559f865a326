"""From the port mappings of a subnet's entrances to the text of an nft table in its VPC's namespace. Pure.

What an edge location sends to the entrance, at a port of the accelerator's, gets the private address and port that this
port stands for; a port that stands for nobody (or for whom traffic is denied) has no way further.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from kunren.world.firewall import UPLINK

_BEFORE_ADDRESSES = -106


class Port(NamedTuple):
    """By this protocol ("tcp" or "udp"), `port` leads to `to_port` of `address`."""

    protocol: str
    port: int
    address: str
    to_port: int


def table_name(owner: str) -> str:
    return f"ports_{blake2b(owner.encode(), digest_size=8).hexdigest()}"


def table_text(owner: str, entrances: Mapping[str, Sequence[Port]]) -> str:
    """The whole table; "" where no port leads anywhere."""
    maps, lines = [], []
    for number, (entrance, ports) in enumerate(sorted(entrances.items())):
        for protocol in ("tcp", "udp"):
            listed = [f"{each.port} : {each.address} . {each.to_port}" for each in ports if each.protocol == protocol]
            if listed:
                name = f"{protocol}_{number}"
                maps.append(
                    f"  map {name} {{\n    type inet_service : ipv4_addr . inet_service\n"
                    f"    elements = {{ {', '.join(listed)} }}\n  }}\n"
                )
                lines.append(f'iifname "{UPLINK}" ip daddr {entrance} dnat ip to {protocol} dport map @{name}')
    if not lines:
        return ""
    head = f"type nat hook prerouting priority {_BEFORE_ADDRESSES}; policy accept;"
    chain = "  chain lead {\n" + "".join(f"    {each}\n" for each in (head, *lines)) + "  }\n"
    return f"table ip {table_name(owner)} {{\n{''.join(maps)}{chain}}}\n"
