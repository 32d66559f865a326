"""From anycast listeners to the text that `nft` loads at an edge location. Pure.

The first packet of a flow is translated to a destination; connection tracking then translates all that follows, in both
directions, whatever becomes of these rules. A TCP segment that belongs to no
flow (one that was idle for too long) is answered with a reset; a port that nobody listens at is silent.

A flow's destination is chosen by a hash of its five-tuple, or of its two addresses, over a table of slots. Each
destination has as many slots as its share says, to the nearest; which ones is chosen so that a change of shares moves
few others (rendezvous hashing with quotas).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from ipaddress import IPv4Address
from math import floor

from kunren.dataplane.anycast.table import AnycastListener, Destination
from kunren.dataplane.flows.ruleset import jhash, seed_of

SLOTS = 512
ENDED_PORT = 9340
"""Where an edge location ends connections."""
_MARK = 0x1000_0000
_OF_NO_FLOW = "tcp flags & (fin | syn | rst | ack) != syn"
_FLOW = {
    False: "jhash {ip} saddr . th sport . {ip} daddr . th dport",
    True: "jhash {ip} saddr . {ip} daddr",
}


def table_name(owner: str, ip: str = "ip") -> str:
    """The name of an owner's table. `ip` is nft's family, "ip" or "ip6"."""
    return f"anycast{ip[2:]}_{blake2b(owner.encode(), digest_size=8).hexdigest()}"


def ruleset(
    owner: str, addresses: Sequence[str], edge: str, listeners: Sequence[AnycastListener], ip: str = "ip"
) -> str:
    """The whole table. `addresses` are the owner's anycast addresses, `edge` is the edge location's own, of that
    family."""
    own = ", ".join(addresses)
    begin, refused, balance, source = [], [], [], []
    for number, each in enumerate(listeners):
        where = f"{ip} daddr {{ {own} }} {each.protocol} dport {{ {_ports(each.ranges)} }}"
        begin.append(f"ct state new {where} ct mark set {_MARK | number:#x}")
        if each.protocol == "tcp":
            refused.append(f"ct state new,invalid {where} {_OF_NO_FLOW} reject with tcp reset")
        balance += _translations(where, own, each, seed_of(owner), ip)
        hidden = sorted({to.address for to in each.destinations if not to.preserve})
        if hidden:
            ours = f"ct mark {_MARK | number:#x} ct original {ip} daddr {{ {own} }}"  # other owners have the same marks
            source.append(f"{ours} {ip} daddr {{ {', '.join(hidden)} }} snat {ip} to {edge}")
    refused.append(f"{ip} daddr {{ {own} }} meta l4proto {{ tcp, udp }} ct state new,invalid drop")
    parts = (
        _base("begin", "filter", "prerouting", -140, begin),
        _base("balance", "nat", "prerouting", -105, balance),
        _base("closed", "filter", "input", -15, refused),
        _base("source", "nat", "postrouting", 95, source),
    )
    return f"table {ip} {table_name(owner, ip)} {{\n{''.join(parts)}}}\n"


def slots(destinations: Iterable[Destination]) -> list[Destination]:
    """Who has each of the `SLOTS` slots; none where nobody has a share."""
    served = sorted(each for each in destinations if each.share > 0)
    if not served:
        return []
    quotas = _quotas([each.share for each in served])
    left = dict(zip(served, quotas, strict=True))
    found = []
    for slot in range(SLOTS):
        chosen = max((each for each in served if left[each]), key=lambda each: _bid(slot, each.address))
        left[chosen] -= 1
        found.append(chosen)
    return found


def _quotas(shares: Sequence[float]) -> list[int]:
    """Whole numbers of slots in these proportions, by largest remainder."""
    total = sum(shares)
    exact = [share / total * SLOTS for share in shares]
    quotas = [floor(each) for each in exact]
    by_remainder = sorted(range(len(exact)), key=lambda number: quotas[number] - exact[number])
    for number in by_remainder[: SLOTS - sum(quotas)]:
        quotas[number] += 1
    return quotas


def _bid(slot: int, address: str) -> bytes:
    return blake2b(f"{slot} {address}".encode(), digest_size=8).digest()


def sticky_destination(owner: str, listener: AnycastListener, client: str, address: str) -> Destination:
    """Where a sticky listener's flows from that client to one of the owner's addresses go, as the kernel finds it.
    There must be somebody with a share."""
    return slots(listener.destinations)[sticky_slot(owner, client, address)]


def sticky_slot(owner: str, client: str, address: str) -> int:
    """The slot of a client's flows to one of the owner's addresses, as the kernel finds it."""
    ends = IPv4Address(client).packed + IPv4Address(address).packed
    return jhash(ends, seed_of(owner)) * SLOTS >> 32


def _translations(where: str, own: str, listener: AnycastListener, seed: int, ip: str) -> list[str]:
    """One line for the ports that stay as they are, and one for each that some destination wants otherwise."""
    chosen = slots(listener.destinations)
    if not chosen:
        return []
    if listener.ended:
        return [f"{where} redirect to :{ENDED_PORT}"]
    # without a seed the kernel takes another with every change of the table, and sticky clients would be shuffled
    key = f"{_FLOW[listener.sticky].format(ip=ip)} mod {SLOTS} seed {seed:#x}"
    lines = []
    for asked in sorted({asked for each in chosen for asked, _ in each.ports}):
        listed = ", ".join(
            f"{slot} : {each.address} . {dict(each.ports).get(asked, asked)}" for slot, each in enumerate(chosen)
        )
        lines.append(f"{ip} daddr {{ {own} }} {listener.protocol} dport {asked} dnat {ip} to {key} map {{ {listed} }}")
    listed = ", ".join(f"{slot} : {each.address}" for slot, each in enumerate(chosen))
    return [*lines, f"{where} dnat {ip} to {key} map {{ {listed} }}"]


def _ports(ranges: Iterable[tuple[int, int]]) -> str:
    return ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in ranges)


def _base(name: str, kind: str, hook: str, priority: int, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    head = f"type {kind} hook {hook} priority {priority}; policy accept;"
    return f"  chain {name} {{\n" + "".join(f"    {line}\n" for line in (head, *lines)) + "  }\n"
