"""Network ACLs as chains of the VPC's table. Pure.

An ACL looks at each packet that crosses its subnet's border, by itself: they stand before anything that knows
connections. What stays within a subnet crosses none: workloads reach each other over the bridge, and a load balancer
node, whose address lives in the router's namespace, counts as standing in its subnet. Traffic with the VPC's resolver,
the router itself and link-local services is never filtered (VPC User Guide, "Network ACL basics").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kunren.world import nft
from kunren.world.network import Acl, AclRule
from kunren.world.nft import V4, V6, Family

_BEFORE_TRANSLATION, _AFTER_TRANSLATION = "-120", "110"  # of balanced flows, and after they are marked
_LINK_LOCAL = {V4: ("169.254.0.0/16",), V6: ("fe80::/10", "ff00::/8")}
# Before security groups, after the internet gateway's translation of what arrives; what leaves a subnet comes first.
_OUT_OF, _INTO = "-20", "-10"


@dataclass(frozen=True, slots=True)
class Border:
    """A subnet's border: its bridge, the router's address on it, and the addresses of its load balancer nodes."""

    device: str
    router: str
    nodes: tuple[str, ...] = ()
    acl: Acl | None = None


def acl_chains(
    borders: Sequence[Border], resolver: str, public: Mapping[str, str], flow_mark: int, family: Family = V4
) -> list[str]:
    """The chains of all ACLs, and those that lead packets to them; none where no border has an ACL. `public` are the
    VPC's public addresses with the private ones they stand for; `flow_mark` is what balanced flows are marked with."""
    ip = family.name
    acls = {border.acl.id: border.acl for border in borders if border.acl is not None}
    if not acls:
        return []
    exempt = [*_LINK_LOCAL[family], resolver, *(border.router for border in borders)]
    chains = []
    for acl in acls.values():
        chains.append(nft.jump_chain(_into(acl), [*_rules(acl.ingress, "saddr", family), "drop"]))
        chains.append(nft.jump_chain(_out_of(acl), [*_rules(acl.egress, "daddr", family), "drop"]))
    guarded = [(border, border.acl) for border in borders if border.acl is not None]
    nodes = {border.device: _addresses(border, public) for border in borders}
    every = [address for each in nodes.values() for address in each]
    flow = f"meta mark & {flow_mark:#x} == {flow_mark:#x}"
    not_flows = [f"{flow} ct original {ip} daddr {nft.among(every)} accept"] if every else []
    for priority, name, rules in (
        (_OUT_OF, "leaving", [_leaving(border, acl, exempt, ip) for border, acl in guarded]),
        (_INTO, "entering", [_entering(border, acl, exempt, ip) for border, acl in guarded]),
    ):
        for hook in ("forward", "input", "output"):
            lines = [f"{family.neighbours} accept"] if family.neighbours else []
            lines += [*(not_flows if hook == "forward" else []), *(each[hook] for each in rules if hook in each)]
            chains.append(nft.chain(f"acl_{name}_{hook}", "filter", hook, priority, "accept", lines))
    for name, side, hook, priority in (
        ("arriving", "iifname", "prerouting", _BEFORE_TRANSLATION),
        ("passed_on", "oifname", "postrouting", _AFTER_TRANSLATION),
    ):
        lines = [f"{flow} {line}" for border, acl in guarded for line in _passing(border, acl, side, nodes, ip)]
        if lines:
            chains.append(nft.chain(f"acl_{name}", "filter", hook, priority, "accept", lines))
    return chains


def _passing(border: Border, acl: Acl, side: str, nodes: Mapping[str, Sequence[str]], ip: str) -> list[str]:
    """What is sent to a load balancer's node and handed on by the kernel (`dataplane/flows`), and what answers it.

    It crosses the border of the node's subnet on its way in, and again on its way out, with the addresses that are on
    the wire there: before and after translation. What arrives (`side` is "iifname") leaves the client's or the target's
    subnet and enters the node's; what is passed on ("oifname") leaves the node's and enters the other."""
    device, lines = border.device, []
    end, node = (_out_of(acl), _into(acl)) if side == "iifname" else (_into(acl), _out_of(acl))
    others = [address for other, each in nodes.items() if other != device for address in each]
    if others:
        lines.append(f'{side} "{device}" ct original {ip} daddr {nft.among(others)} jump {end}')
    if nodes[device]:
        lines.append(f'{side} != "{device}" ct original {ip} daddr {nft.among(nodes[device])} jump {node}')
    return lines


def _addresses(border: Border, public: Mapping[str, str]) -> list[str]:
    """The addresses of the border's load balancer nodes, public ones too."""
    return [*border.nodes, *sorted(address for address, private in public.items() if private in border.nodes)]


def _leaving(border: Border, acl: Acl, exempt: Sequence[str], ip: str) -> dict[str, str]:
    """What leaves the subnet, by hook: through the router, for another subnet's node in its namespace, or from a node
    of its own there."""
    device, here = border.device, nft.among(border.nodes)
    lines = {
        "forward": f'iifname "{device}" oifname != "{device}" jump {_out_of(acl)}',
        "input": f'iifname "{device}" {ip} daddr != {nft.among([*exempt, *border.nodes])} jump {_out_of(acl)}',
    }
    if border.nodes:
        lines["output"] = f'oifname != "{device}" {ip} saddr {here} {ip} daddr != {here} jump {_out_of(acl)}'
    return lines


def _entering(border: Border, acl: Acl, exempt: Sequence[str], ip: str) -> dict[str, str]:
    """What enters it, likewise. A node of another subnet may speak with a client's address (client IP preservation)."""
    device, here = border.device, nft.among(border.nodes)
    lines = {
        "forward": f'oifname "{device}" iifname != "{device}" jump {_into(acl)}',
        "output": f'oifname "{device}" {ip} saddr != {nft.among([*exempt, *border.nodes])} jump {_into(acl)}',
    }
    if border.nodes:
        lines["input"] = f'iifname != "{device}" {ip} daddr {here} {ip} saddr != {here} jump {_into(acl)}'
    return lines


def _rules(rules: Sequence[AclRule], side: str, family: Family) -> list[str]:
    lines = []
    for rule in rules:
        if (":" in rule.cidr) != (family is V6):
            continue
        if (what := nft.traffic(rule.protocol, rule.from_port, rule.to_port, family)) is not None:
            peer = "" if rule.cidr.endswith("/0") else f"{family.name} {side} {rule.cidr}"
            lines.append(nft.line(peer, what, "return" if rule.allow else "drop"))
    return lines


def _into(acl: Acl) -> str:
    return nft.named("into", acl.id)


def _out_of(acl: Acl) -> str:
    return nft.named("outof", acl.id)
