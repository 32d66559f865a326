"""Network ACLs as chains of the VPC's table. Pure.

An ACL looks at each packet that crosses its subnet's border, by itself: they stand before anything that knows
connections. What stays within a subnet crosses none: workloads reach each other over the bridge, and a load balancer
node, whose address lives in the router's namespace, counts as standing in its subnet. Traffic with the VPC's resolver,
the router itself and link-local services is never filtered (VPC User Guide, "Network ACL basics").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kunren.world import nft
from kunren.world.network import Acl, AclRule

_LINK_LOCAL = "169.254.0.0/16"
# Before security groups, after the internet gateway's translation of what arrives; what leaves a subnet comes first.
_OUT_OF, _INTO = "-20", "-10"


@dataclass(frozen=True, slots=True)
class Border:
    """A subnet's border: its bridge, the router's address on it, and the addresses of its load balancer nodes."""

    device: str
    router: str
    nodes: tuple[str, ...] = ()
    acl: Acl | None = None


def acl_chains(borders: Sequence[Border], resolver: str) -> list[str]:
    """The chains of all ACLs, and those that lead packets to them; none where no border has an ACL."""
    acls = {border.acl.id: border.acl for border in borders if border.acl is not None}
    if not acls:
        return []
    exempt = [_LINK_LOCAL, resolver, *(border.router for border in borders)]
    chains = []
    for acl in acls.values():
        chains.append(nft.jump_chain(_into(acl), [*_rules(acl.ingress, "saddr"), "drop"]))
        chains.append(nft.jump_chain(_out_of(acl), [*_rules(acl.egress, "daddr"), "drop"]))
    guarded = [(border, border.acl) for border in borders if border.acl is not None]
    for priority, name, rules in (
        (_OUT_OF, "leaving", [_leaving(border, acl, exempt) for border, acl in guarded]),
        (_INTO, "entering", [_entering(border, acl, exempt) for border, acl in guarded]),
    ):
        for hook in ("forward", "input", "output"):
            lines = [each[hook] for each in rules if hook in each]
            chains.append(nft.chain(f"acl_{name}_{hook}", "filter", hook, priority, "accept", lines))
    return chains


def _leaving(border: Border, acl: Acl, exempt: Sequence[str]) -> dict[str, str]:
    """What leaves the subnet, by hook: through the router, for another subnet's node in its namespace, or from a node
    of its own there."""
    device, here = border.device, nft.among(border.nodes)
    lines = {
        "forward": f'iifname "{device}" oifname != "{device}" jump {_out_of(acl)}',
        "input": f'iifname "{device}" ip daddr != {nft.among([*exempt, *border.nodes])} jump {_out_of(acl)}',
    }
    if border.nodes:
        lines["output"] = f'oifname != "{device}" ip saddr {here} ip daddr != {here} jump {_out_of(acl)}'
    return lines


def _entering(border: Border, acl: Acl, exempt: Sequence[str]) -> dict[str, str]:
    """What enters it, likewise. A node of another subnet may speak with a client's address (client IP preservation)."""
    device, here = border.device, nft.among(border.nodes)
    lines = {
        "forward": f'oifname "{device}" iifname != "{device}" jump {_into(acl)}',
        "output": f'oifname "{device}" ip saddr != {nft.among([*exempt, *border.nodes])} jump {_into(acl)}',
    }
    if border.nodes:
        lines["input"] = f'iifname != "{device}" ip daddr {here} ip saddr != {here} jump {_into(acl)}'
    return lines


def _rules(rules: Sequence[AclRule], side: str) -> list[str]:
    lines = []
    for rule in rules:
        if (what := nft.traffic(rule.protocol, rule.from_port, rule.to_port)) is not None:
            peer = "" if rule.cidr.endswith("/0") else f"ip {side} {rule.cidr}"
            lines.append(nft.line(peer, what, "return" if rule.allow else "drop"))
    return lines


def _into(acl: Acl) -> str:
    return nft.named("into", acl.id)


def _out_of(acl: Acl) -> str:
    return nft.named("outof", acl.id)
