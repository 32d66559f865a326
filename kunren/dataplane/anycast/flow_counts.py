"""Counting an accelerator's packets at an edge location, by flow and direction, in a table of its own. Pure.

The counts are elements of nft sets, one flow each, forgotten when nothing came for `KEPT_S`. What they say of a flow is
what connection tracking knows: who sent it where, and who answers it to whom.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from kunren.world import nft
from kunren.world.flow_counts import FLOWS_MAX, Count

INGRESS, EGRESS, _AS = "ingress", "egress", "as"
_AFTER_TRANSLATION = "310"
_PROTOCOLS = {"tcp": 6, "udp": 17}
_TYPES = "ipv4_addr . inet_service . inet_service . ipv4_addr . inet_service"
_CLIENT = "ct original ip saddr . ct original proto-src . ct original proto-dst"
_ENDPOINT, _SOURCE = "ct reply ip saddr . ct reply proto-src", "ct reply ip daddr . ct reply proto-dst"
_ELEMENT = re.compile(r"([\d.]+) \. (\d+) \. (\d+) \. ([\d.]+) \. (\d+) counter packets (\d+) bytes (\d+)")


class Flow(NamedTuple):
    """Who asked where, who answers (as the edge translates), and as whom the edge asks there."""

    client: str
    client_port: int
    asked: str
    asked_port: int
    endpoint: str
    endpoint_port: int
    source: str
    source_port: int
    protocol: int


Counts = dict[tuple[str, Flow], Count]  # by direction and flow


def table_name(owner: str) -> str:
    return f"flowlog_{blake2b(owner.encode(), digest_size=8).hexdigest()}"


def table_text(owner: str, addresses: Sequence[str], kept_s: int) -> str:
    """What nft loads. `addresses` are the owner's anycast addresses, `kept_s` real seconds. nft's keys have five parts
    at most, so there are sets for each protocol and address: of what came and went by endpoint, and of sources."""
    sets, came, went = [], [], []
    for protocol in _PROTOCOLS:
        for number, address in enumerate(addresses):
            ours = f"meta l4proto {protocol} ct original ip daddr {address} ct direction"
            which = f"{protocol}_{number}"
            came.append(f"{ours} original update @{INGRESS}_{which} {{ {_CLIENT} . {_ENDPOINT} }}")
            came.append(f"{ours} original update @{_AS}_{which} {{ {_CLIENT} . {_SOURCE} }}")
            went.append(f"{ours} reply update @{EGRESS}_{which} {{ {_CLIENT} . {_ENDPOINT} }}")
            sets += [f"{kind}_{which}" for kind in (INGRESS, EGRESS, _AS)]
    body = "".join(
        f"  set {name} {{\n    type {_TYPES}\n    size {FLOWS_MAX}\n    flags dynamic,timeout\n"
        f"    timeout {kept_s}s\n    counter\n  }}\n"
        for name in sets
    )
    body += nft.chain("here", "filter", "input", _AFTER_TRANSLATION, "accept", came)
    body += nft.chain("through", "filter", "postrouting", _AFTER_TRANSLATION, "accept", [*came, *went])
    return f"table ip {table_name(owner)} {{\n{body}}}\n"


def parsed(listed: Mapping[str, str], addresses: Sequence[str]) -> tuple[Counts, bool]:
    """The counts of an edge location from its sets, as nft lists them, and whether there was no room for some."""
    found: Counts = {}
    full = False
    for protocol, code in _PROTOCOLS.items():
        for number, address in enumerate(addresses):
            which = f"{protocol}_{number}"
            elements = {kind: _ELEMENT.findall(listed.get(f"{kind}_{which}", "")) for kind in (_AS, INGRESS, EGRESS)}
            full = full or any(len(each) >= FLOWS_MAX for each in elements.values())
            sources = {words[:3]: (words[3], int(words[4])) for words in elements[_AS]}
            for direction in (INGRESS, EGRESS):
                for words in elements[direction]:
                    client, port, asked_port, endpoint, endpoint_port, packets, size = words
                    source = sources.get(words[:3], (client, int(port)))
                    flow = Flow(
                        client, int(port), address, int(asked_port), endpoint, int(endpoint_port), *source, code
                    )
                    found[direction, flow] = Count(int(packets), int(size))
    return found, full


def since(before: Counts, now: Counts) -> Counts:
    """What has come since; a flow that was forgotten meanwhile counts anew."""
    found: Counts = {}
    for key, count in now.items():
        old = before.get(key, Count())
        found[key] = count if count.packets < old.packets else count.minus(old)
    return {key: count for key, count in found.items() if count.packets}
