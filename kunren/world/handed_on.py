"""How a target's security groups know what a Network Load Balancer's node handed on to it: by the node's MAC address.

The target sees the client's address, so that tells nothing of the load balancer. The first packet of a balanced flow
gets the node's own mark once it is routed, and by it the sender's address of its Ethernet frame as it leaves by the
subnet's bridge. Nothing learns from that address: answers go where they always go. Pure text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from kunren.world import nft
from kunren.world.facts import Ruleset
from kunren.world.network import NodeAddress

_NODE_MARK = 0x4000_0000
_AFTER_ALL = "130"  # translation, and network ACLs, which look at other marks
_FAMILY = "bridge"


def node_mark(interface_id: str) -> int:
    """The mark of a node's flows."""
    return _NODE_MARK | int.from_bytes(blake2b(interface_id.encode(), digest_size=4).digest()) >> 2


def told(nodes: Sequence[NodeAddress]) -> list[NodeAddress]:
    """The nodes whose handing on some security group wants to know of."""
    return sorted((each for each in nodes if each.mac), key=lambda each: each.id)


def marking_chain(nodes: Sequence[NodeAddress], flow_marks: Mapping[str, int]) -> str:
    """The chain of the VPC's table that marks what nodes hand on; "" where nobody wants to know. `flow_marks` (by
    subnet) are what connections that a proxy makes under its clients' addresses have; of several load balancers with
    such a proxy in a subnet, the first is taken for all."""
    if not told(nodes):
        return ""
    marks = {node_mark(each.id): flow_marks[each.subnet_id] for each in told(nodes)}
    balanced = f"ct state new ct direction original ct mark {nft.among([f'{each:#x}' for each in marks])}"
    lines = [f"{balanced} meta mark set ct mark"]
    lines += [
        f"ct state new ct mark 0 meta l4proto tcp meta mark {flow:#x} meta mark set {node:#x}"
        for node, flow in marks.items()
    ]
    return nft.chain("handed_on", "filter", "postrouting", _AFTER_ALL, "accept", lines)


def bridge_rules(namespace: str, nodes: Sequence[NodeAddress]) -> list[Ruleset]:
    """The table of a VPC's bridges; none where nobody wants to know."""
    if not told(nodes):
        return []
    macs = ", ".join(f"{node_mark(each.id):#x} : {each.mac}" for each in told(nodes))
    marks = nft.among([f"{node_mark(each.id):#x}" for each in told(nodes)])
    lines = [f"meta mark {marks} ether saddr set meta mark map {{ {macs} }}"]
    chain = nft.chain("output", "filter", "output", "0", "accept", lines)
    return [Ruleset(namespace, f"table {_FAMILY} kunren {{\n{chain}}}\n", family=_FAMILY)]
