"""Rules about CIDR blocks and the addresses in them: pure, IPv4 unless a name says otherwise.

Follows "VPC CIDR blocks" and "Subnet CIDR blocks" of the VPC user guide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from itertools import chain

VPC_PREFIXES = range(16, 29)
RESERVED_FIRST = 4  # network, router, resolver, and one that AWS keeps for later
RESERVED_LAST = 1  # broadcast
_PRIVATE = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
_SHARED = IPv4Network("100.64.0.0/10")
_IMPOSSIBLE = tuple(
    IPv4Network(each) for each in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4")
)
WORLD_PUBLIC = IPv4Network("198.18.0.0/15")


def parse_v4(text: str) -> IPv4Network | None:
    """The block in canonical form (AWS clears host bits: 100.68.0.18/18 is 100.68.0.0/18), or None."""
    if "/" not in text or not text.isascii():
        return None
    address, _, prefix = text.partition("/")
    if not (prefix.isdigit() and len(prefix) <= 2):
        return None
    try:
        return IPv4Network((address, int(prefix)), strict=False)
    except ValueError:
        return None


def parse_v6(text: str) -> IPv6Network | None:
    """The IPv6 block in canonical form, or None."""
    address, slash, prefix = text.partition("/")
    if not slash or not (prefix.isascii() and prefix.isdigit() and len(prefix) <= 3) or "%" in text:
        return None
    try:
        return IPv6Network((address, int(prefix)), strict=False)
    except ValueError:
        return None


def possible_vpc(block: IPv4Network) -> bool:
    """May a VPC have this block as its primary one: /16 to /28, and not a range that can never be routed. The world's
    own public range is refused too: its addresses could not be told from the internet's."""
    return block.prefixlen in VPC_PREFIXES and not any(block.overlaps(each) for each in (*_IMPOSSIBLE, WORLD_PUBLIC))


def restricted_secondary(primary: IPv4Network, block: IPv4Network) -> bool:
    """Is `block` of a range that cannot join a VPC whose primary block is `primary`: the other private ranges, and
    198.19.0.0/16 ("IPv4 CIDR block association restrictions")."""
    if any(block.overlaps(each) for each in (*_IMPOSSIBLE, WORLD_PUBLIC)):
        return True
    home = next((each for each in _PRIVATE if primary.subnet_of(each)), None)
    if home is None:  # a public or shared primary block allows public and shared ones only
        return any(block.overlaps(each) for each in _PRIVATE)
    return any(block.overlaps(each) for each in _PRIVATE if each != home)


def overlapping(block: IPv4Network, others: Iterable[str]) -> str | None:
    """The first of `others` that shares an address with `block`."""
    return next((each for each in others if block.overlaps(IPv4Network(each))), None)


def possible_subnet(block: IPv4Network, vpc_blocks: Iterable[str]) -> bool:
    """A subnet is /16 to /28 and lies in one of its VPC's blocks."""
    return block.prefixlen in VPC_PREFIXES and any(block.subnet_of(IPv4Network(each)) for each in vpc_blocks)


def usable(block: IPv4Network) -> tuple[int, int]:
    """First and last address, as numbers, that an interface of the subnet may have."""
    start = int(block.network_address)
    return start + RESERVED_FIRST, start + block.num_addresses - 1 - RESERVED_LAST


def capacity(block: IPv4Network) -> int:
    """How many interfaces the subnet has room for."""
    first, last = usable(block)
    return last - first + 1


def next_free(start: int, first: int, last: int, taken: Callable[[int], bool]) -> int | None:
    """The first number from `start` on, round the end to `first`, that is not taken; None where all are."""
    if not first <= start <= last:
        start = first
    return next((each for each in chain(range(start, last + 1), range(first, start)) if not taken(each)), None)


def free_block(parent: IPv4Network, prefix: int, taken: Iterable[str]) -> IPv4Network | None:
    """The lowest block of that size in `parent` that overlaps none of `taken`."""
    used = [IPv4Network(each) for each in taken]
    return next((each for each in parent.subnets(new_prefix=prefix) if not any(map(each.overlaps, used))), None)


def resolver(vpc_cidr: str) -> str:
    """Where the VPC's own resolver answers: the base of the VPC's primary block plus two."""
    return str(IPv4Network(vpc_cidr).network_address + 2)


def is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True
