"""The IPv6 side of the address plan. Everything public lies in 3fff::/20 (RFC 9637): nothing can leak to a real host.

| block | holds |
| --- | --- |
| 3fff::/48 | the internet's own: router ::1, public resolver ::2 |
| 3fff:0:1::/48 | Route 53's authoritative name servers, as many as have IPv4 addresses |
| 3fff:0:2::/48 | Route 53's health checkers, a /64 for each region that AWS checks from |
| 3fff:0:3::/48 | links between namespaces, a /127 each |
| 3fff:0:4::/48 | client places, a /64 each, the client itself at ::10 |
| 3fff:0:5::/48 | edge locations, a /64 each |
| 3fff:0:6::/48 | anycast addresses |
| 3fff:100::/24 | regions, a /32 each |

In a region's block the first /48 is AWS's own, with the last numbers that its IPv4 addresses have; the rest are the
/56 blocks that VPCs get ("Amazon-provided").
"""

from __future__ import annotations

from ipaddress import IPv6Network

from kunren.world import addresses

PUBLIC = IPv6Network("3fff::/20")
EVERYWHERE = "::/0"
INTERNET_ROUTER = "3fff::1"
PUBLIC_RESOLVER = "3fff::2"
NAME_SERVERS = IPv6Network("3fff:0:1::/120")
_CHECKERS = IPv6Network("3fff:0:2::/48")
LINKS = IPv6Network("3fff:0:3::/48")
_PLACES = IPv6Network("3fff:0:4::/48")
_EDGES = IPv6Network("3fff:0:5::/48")
ANYCAST = IPv6Network("3fff:0:6::/48")
_REGIONS = IPv6Network("3fff:100::/24")
VPC_PREFIX, SUBNET_PREFIX = 56, 64
CLOUDFRONT = (str(ANYCAST[0xCF]),)
_FIRST_PAIR = 0x1_0000
"""Where every distribution with IPv6 answers, in every edge location."""


def anycast_pair(number: int) -> tuple[str, str]:
    """The two addresses (one from each network zone) of the number-th service that has anycast addresses."""
    half = ANYCAST.num_addresses // 2
    return str(ANYCAST[_FIRST_PAIR + number]), str(ANYCAST[half + _FIRST_PAIR + number])


def checker_network(region: str) -> IPv6Network:
    """The /64 of a region's health checkers. Raises ValueError for a region without."""
    return _nth(_CHECKERS, 64, addresses.CHECKER_REGIONS.index(region))


def checker_addresses(region: str) -> tuple[str, str]:
    network = checker_network(region)
    return str(network[0x10]), str(network[0x11])


def place_network(index: int) -> IPv6Network:
    """The /64 of the index-th client place."""
    return _nth(_PLACES, 64, index)


def client_address(index: int) -> str:
    return str(place_network(index)[0x10])


def edge_network(index: int) -> IPv6Network:
    """The /64 of the index-th edge location."""
    return _nth(_EDGES, 64, index)


def edge_address(index: int) -> str:
    return str(edge_network(index)[0x10])


def link(number: int) -> tuple[str, str]:
    """The two addresses of a link: the end nearer to the internet first."""
    return str(LINKS[2 * number]), str(LINKS[2 * number + 1])


def region_network(index: int) -> IPv6Network:
    """The /32 of the index-th region."""
    return _nth(_REGIONS, 32, index)


def region_router(index: int) -> str:
    return str(region_network(index)[1])


def function_egress(index: int) -> str:
    """Where functions without a VPC come from."""
    return str(region_network(index)[3])


VPC_BLOCKS = 1 << (VPC_PREFIX - 32)
_FIRST_VPC_BLOCK = 1 << (VPC_PREFIX - 48)


def vpc_block(index: int, number: int) -> IPv6Network:
    """The number-th block that the index-th region gives to VPCs, counted round."""
    room = VPC_BLOCKS - _FIRST_VPC_BLOCK
    return _nth(region_network(index), VPC_PREFIX, _FIRST_VPC_BLOCK + number % room)


def _nth(block: IPv6Network, prefix: int, index: int) -> IPv6Network:
    count = 1 << (prefix - block.prefixlen)
    if not 0 <= index < count:
        raise ValueError(f"the address plan has room for {count} in {block}, not for index {index}")
    return IPv6Network((int(block.network_address) + (index << (128 - prefix)), prefix))
