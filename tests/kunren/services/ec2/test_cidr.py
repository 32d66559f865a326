from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.ec2 import cidr

BLOCKS = st.builds(
    lambda number, prefix: IPv4Network((number, prefix), strict=False), st.integers(0, 2**32 - 1), st.integers(16, 28)
)


def test_host_bits_are_cleared_as_aws_does():
    assert str(cidr.parse_v4("100.68.0.18/18")) == "100.68.0.0/18"
    assert str(cidr.parse_v6("2001:db8::1/32")) == "2001:db8::/32"


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.0",
        "10.0.0.0/33",
        "10.0.0/16",
        "",
        "/16",
        "10.0.0.0/-1",
        "a/16",
        "10.0.0.0/1６",
        "::/0",
        "10.0.0.0/255.0.0.0",
    ],
)
def test_what_is_no_ipv4_block_is_none(text):
    assert cidr.parse_v4(text) is None


@pytest.mark.parametrize("text", ["::", "::/129", "fe80::%eth0/64", "10.0.0.0/8", "x/1"])
def test_what_is_no_ipv6_block_is_none(text):
    assert cidr.parse_v6(text) is None


@pytest.mark.parametrize("block", ["10.0.0.0/15", "10.0.0.0/29", "127.0.0.0/16", "169.254.0.0/16", "198.19.0.0/16"])
def test_impossible_vpc_blocks(block):
    assert not cidr.possible_vpc(IPv4Network(block))


@pytest.mark.parametrize(
    ("primary", "block", "restricted"),
    [
        # the table of "IPv4 CIDR block association restrictions"
        ("10.0.0.0/16", "10.1.0.0/16", False),
        ("10.0.0.0/16", "172.16.0.0/16", True),
        ("10.0.0.0/16", "192.168.0.0/16", True),
        ("10.0.0.0/16", "198.19.0.0/16", True),
        ("10.0.0.0/16", "100.64.0.0/16", False),
        ("172.31.0.0/16", "172.16.0.0/16", False),
        ("172.31.0.0/16", "10.0.0.0/16", True),
        ("192.168.0.0/16", "10.0.0.0/16", True),
        ("100.64.0.0/16", "10.0.0.0/16", True),
        ("100.64.0.0/16", "100.65.0.0/16", False),
    ],
)
def test_secondary_blocks_keep_to_the_range_of_the_primary(primary, block, restricted):
    assert cidr.restricted_secondary(IPv4Network(primary), IPv4Network(block)) is restricted


@given(BLOCKS, st.lists(BLOCKS, max_size=6))
def test_a_conflict_is_an_address_in_both(block, others):
    found = cidr.overlapping(block, map(str, others))
    shares = [each for each in others if int(each[0]) <= int(block[-1]) and int(block[0]) <= int(each[-1])]
    assert found == (str(shares[0]) if shares else None)


@given(BLOCKS)
def test_first_four_and_last_address_are_never_usable(block):
    first, last = cidr.usable(block)
    assert IPv4Address(first) == block[4]
    assert IPv4Address(last) == block[-2]
    assert cidr.capacity(block) == block.num_addresses - 5


@given(st.integers(0, 30), st.sets(st.integers(5, 25)))
def test_the_next_free_number_is_free_and_the_search_goes_round(start, taken):
    found = cidr.next_free(start, 5, 25, taken.__contains__)
    free = set(range(5, 26)) - taken
    assert (found is None) == (not free)
    if found is not None:
        begin = start if 5 <= start <= 25 else 5
        assert found == min(free, key=lambda each: (each < begin, each))


def test_a_free_block_is_the_lowest_that_overlaps_nothing():
    parent = IPv4Network("172.31.0.0/16")
    assert str(cidr.free_block(parent, 20, ["172.31.0.0/20", "172.31.32.0/24"])) == "172.31.16.0/20"
    assert cidr.free_block(parent, 20, ["172.31.0.0/16"]) is None


def test_the_resolver_is_the_base_plus_two():
    assert cidr.resolver("10.0.0.0/16") == "10.0.0.2"
