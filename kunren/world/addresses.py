"""The address plan of the world. Everything public lies in 198.18.0.0/15 (RFC 2544): nothing can leak to a real host.

| block | holds |
| --- | --- |
| 198.18.0.0/24 | the internet's own: router .1, public resolver .2 |
| 198.18.1.0/24 | Route 53's authoritative name servers, every address of it |
| 198.18.2.0/24 | Route 53's health checkers, a /27 for each region that AWS checks from |
| 198.18.16.0/20 | links between the internet and what is joined to it |
| 198.18.32.0/19 | where accelerators' flows enter VPCs, a /24 for each region: only edge locations have a way there |
| 198.18.64.0/18 | client places, a /24 each, the client itself at .10 |
| 198.18.128.0/18 | edge locations, a /24 each |
| 198.18.192.0/18 | anycast addresses, from two halves: AWS's "network zones" |
| 198.19.0.0/16 | regions, a /21 each |

In a region's block, .1 is its router, .2 its service endpoints, .3 functions without a VPC, .4 and .5 the endpoints of
S3 and DynamoDB (of their own, so that a gateway endpoint leads there alone), .6 the websites of buckets, .7 API
Gateway's APIs; from .16 on they are the customers' public addresses.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

PUBLIC = IPv4Network("198.18.0.0/15")
INTERNET_ROUTER = "198.18.0.1"
PUBLIC_RESOLVER = "198.18.0.2"
NAME_SERVERS = IPv4Network("198.18.1.0/24")
CHECKERS = IPv4Network("198.18.2.0/24")
CHECKER_PREFIX = 27
CHECKER_REGIONS = (
    "us-east-1", "us-west-1", "us-west-2", "eu-west-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1",
    "sa-east-1",
)  # fmt: skip
"""Where AWS has Route 53's health checkers (HealthCheckRegion)."""
ENTRANCES = IPv4Network("198.18.32.0/19")
_PLACES = IPv4Network("198.18.64.0/18")
EDGES = IPv4Network("198.18.128.0/18")
ANYCAST = IPv4Network("198.18.192.0/18")
REGIONS = IPv4Network("198.19.0.0/16")
_FIRST_CUSTOMER = 16


def checker_network(region: str) -> IPv4Network:
    """The /27 of a region's health checkers. Raises ValueError for a region without."""
    return _nth(CHECKERS, CHECKER_PREFIX, CHECKER_REGIONS.index(region))


def checker_addresses(region: str) -> tuple[str, str]:
    """A region's two health checkers; with all eight regions they are sixteen, as on AWS."""
    network = checker_network(region)
    return str(network[10]), str(network[11])


def place_network(index: int) -> IPv4Network:
    """The /24 of the index-th client place (0 to 63)."""
    return _nth(_PLACES, 24, index)


def client_address(index: int) -> str:
    """Where `kunren exec --from PLACE` has its programs."""
    return str(place_network(index)[10])


def edge_network(index: int) -> IPv4Network:
    """The /24 of the index-th edge location (0 to 63)."""
    return _nth(EDGES, 24, index)


def edge_address(index: int) -> str:
    """From where the index-th edge location speaks when it speaks for itself."""
    return str(edge_network(index)[10])


ANYCAST_LISTS_MAX, _LIST_ADDRESSES = 24, 21
ANYCAST_PAIRS_MAX = ANYCAST.num_addresses // 2 - 16 - ANYCAST_LISTS_MAX * _LIST_ADDRESSES
CLOUDFRONT = (str(ANYCAST[ANYCAST.num_addresses // 2 - 2]), str(ANYCAST[-2]))
"""Where every distribution answers, in every edge location."""


def anycast_pair(number: int) -> tuple[str, str]:
    """The two addresses (one from each network zone) of the number-th service that has anycast addresses."""
    if not 0 <= number < ANYCAST_PAIRS_MAX:
        raise ValueError(f"the address plan has room for {ANYCAST_PAIRS_MAX} pairs of anycast addresses")
    half = ANYCAST.num_addresses // 2
    return str(ANYCAST[1 + number]), str(ANYCAST[half + 1 + number])


def anycast_list(number: int, count: int) -> tuple[str, ...]:
    """So many addresses (up to 21) of the number-th list of anycast addresses (0 to 23)."""
    first = 1 + ANYCAST_PAIRS_MAX + number * _LIST_ADDRESSES
    return tuple(str(ANYCAST[first + each]) for each in range(count))


def region_network(index: int) -> IPv4Network:
    """The /21 of the index-th region (0 to 31)."""
    return _nth(REGIONS, 21, index)


def region_router(index: int) -> str:
    return str(region_network(index)[1])


def service_endpoint(index: int) -> str:
    """Where the region's service endpoints (`sqs.us-east-1.amazonaws.com` …) answer inside the world."""
    return str(region_network(index)[2])


def function_egress(index: int) -> str:
    """Where functions without a VPC come from."""
    return str(region_network(index)[3])


def s3_endpoint(index: int) -> str:
    return str(region_network(index)[4])


def dynamodb_endpoint(index: int) -> str:
    return str(region_network(index)[5])


def website_endpoint(index: int) -> str:
    """Where the websites of buckets answer, over HTTP alone."""
    return str(region_network(index)[6])


def api_endpoint(index: int) -> str:
    """Where API Gateway's APIs and their custom domains answer, over HTTPS alone."""
    return str(region_network(index)[7])


def endpoints(index: int) -> tuple[str, ...]:
    """Every address at which something of AWS answers in the region."""
    return (*gateway_endpoints(index), api_endpoint(index))


def gateway_endpoints(index: int) -> tuple[str, ...]:
    """Those of them at which the gateway itself answers."""
    return service_endpoint(index), s3_endpoint(index), dynamodb_endpoint(index), website_endpoint(index)


def customer_addresses(index: int) -> tuple[IPv4Address, IPv4Address]:
    """First and last public address that a region gives to network interfaces and load balancers."""
    network = region_network(index)
    return network[_FIRST_CUSTOMER], network[-2]


def entrance_network(index: int) -> IPv4Network:
    """The /24 by which accelerators' flows enter the index-th region's VPCs (0 to 31)."""
    return _nth(ENTRANCES, 24, index)


def _nth(block: IPv4Network, prefix: int, index: int) -> IPv4Network:
    count = 1 << (prefix - block.prefixlen)
    if not 0 <= index < count:
        raise ValueError(f"the address plan has room for {count} in {block}, not for index {index}")
    start = int(block.network_address) + index * (1 << (32 - prefix))
    return IPv4Network((start, prefix))
