"""What is lost on purpose within a VPC, as one nft table of its own that stands before all others. Pure.

Nothing is refused: packets vanish, as where power or a cable is gone. A subnet's load balancer nodes live in the VPC's
namespace, so a packet belongs to a broken subnet by its addresses: its own, those it had before translation, and the
public ones that stand for them. Each packet is looked at once on its way, so that a share of loss is that share.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network

from kunren.world import nft
from kunren.world.facts import Fact, Ruleset
from kunren.world.network import (
    Broken,
    EndpointLink,
    NatGateway,
    VpcNetwork,
    Workload,
    vpc_namespace,
    workload_namespace,
)

BROKEN = "broken"
"""The table's name."""
_FIRST = "-400"
_HOOKS = ("input", "forward", "output")


def dropped(loss: float) -> str:
    """The verdict by which that share of packets (0 to 1) is lost."""
    return "drop" if loss >= 1 else f"numgen random mod 1000000 < {round(loss * 1_000_000)} drop"


def table(*parts: str, family: str = "ip") -> str:
    return f"table {family} {BROKEN} {{\n" + "".join(parts) + "}\n"


def vpc_facts(network: VpcNetwork, peering_devices: Mapping[str, str]) -> list[Fact]:
    """What is lost in the VPC's own namespace, and where nothing passes at all, in those on its subnets: what two of a
    subnet say to each other never comes to the VPC's."""
    facts: list[Fact] = []
    families = ("ip", "ip6") if network.cidrs6 else ("ip",)
    for family in families:
        text = vpc_table(network, peering_devices, family)
        facts += [Ruleset(vpc_namespace(network.id), text, BROKEN, family)] if text else []
    cut_off = [each for each in network.broken if each.loss >= 1]
    dark = {each.id for each in network.subnets if any(one.whole or each.id in one.subnets for one in cut_off)}
    there: list[Workload | NatGateway | EndpointLink] = [*network.workloads, *network.nat_gateways, *network.links]
    names = [workload_namespace(each.id) for each in there if each.subnet_id in dark]
    return facts + [Ruleset(name, inside_table(ip), BROKEN, ip) for name in names for ip in families]


def vpc_table(network: VpcNetwork, peering_devices: Mapping[str, str], ip: str = "ip") -> str:
    """The table of the VPC's namespace; "" where nothing is broken."""
    if not network.broken:
        return ""
    lines: dict[str, list[str]] = {hook: [] for hook in _HOOKS}
    for broken in network.broken:
        for hook, matches in _matches(network, broken, peering_devices, ip).items():
            lines[hook] += [nft.line(match, dropped(broken.loss)) for match in matches]
    return table(*(nft.chain(hook, "filter", hook, _FIRST, "accept", lines[hook]) for hook in _HOOKS), family=ip)


def inside_table(ip: str = "ip") -> str:
    """The table of a namespace on a subnet where nothing passes."""
    return table(
        nft.chain("arriving", "filter", "prerouting", _FIRST, "accept", ['iifname != "lo" drop']),
        nft.chain("leaving", "filter", "output", _FIRST, "accept", ['oifname != "lo" drop']),
        family=ip,
    )


def _matches(network: VpcNetwork, broken: Broken, peering_devices: Mapping[str, str], ip: str) -> dict[str, list[str]]:
    if broken.whole:
        return {"input": ['iifname != "lo"'], "forward": [""], "output": ['oifname != "lo"']}
    if broken.peerings:
        named = nft.among([f'"{peering_devices[each]}"' for each in broken.peerings if each in peering_devices])
        if named == nft.among([]):
            return {}
        into, out_of = f"iifname {named}", f"oifname {named}"
        return {"input": [into], "forward": [into, f"iifname != {named} {out_of}"], "output": [out_of]}
    if ip == "ip":
        theirs = _addresses(network, broken.subnets)
    else:
        theirs = [each.cidr6 for each in network.subnets if each.id in broken.subnets and each.cidr6]
    if not theirs:
        return {}
    them = nft.among(theirs)
    own = [f"{ip} saddr {them}", f"{ip} saddr != {them} {ip} daddr {them}"]
    handed_on = f"{ip} saddr != {them} {ip} daddr != {them} ct original {ip} daddr {them}"
    return {"input": [f'iifname != "lo" {each}' for each in own], "forward": [*own, handed_on], "output": own}


def _addresses(network: VpcNetwork, subnet_ids: tuple[str, ...]) -> list[str]:
    """The subnets' blocks and the public addresses of what is on them. The VPC's resolver has an address of its first
    block and stands in no zone."""
    resolver = IPv4Network(IPv4Network(network.cidrs[0])[2])
    blocks = [
        block
        for each in network.subnets
        if each.id in subnet_ids
        for block in _without(IPv4Network(each.cidr), resolver)
    ]
    public = sorted(
        address for address, private in network.arriving.items() if any(IPv4Address(private) in each for each in blocks)
    )
    return [*(str(each) for each in blocks), *public]


def _without(block: IPv4Network, one: IPv4Network) -> list[IPv4Network]:
    return sorted(block.address_exclude(one)) if one.subnet_of(block) else [block]
