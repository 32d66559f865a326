from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.dns.blocks import Blocks

BLOCKS = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 24)).map(
    lambda each: str(ip_network((each[0], each[1]), False))
)


def test_the_longest_block_comes_first_and_versions_stay_apart() -> None:
    found = Blocks.build({"10.0.0.0/8": "wide", "10.1.0.0/16": "narrow", "2001:db8::/32": "six"})
    assert list(found.matching(ip_network("10.1.2.0/24"))) == [("narrow", 16), ("wide", 8)]
    assert list(found.matching(ip_network("10.2.0.1/32"))) == [("wide", 8)]
    assert list(found.matching(ip_network("2001:db8:1::/48"))) == [("six", 32)]
    assert list(found.matching(ip_network("10.0.0.0/7"))) == [], "a block within the network does not hold it"


def test_what_is_no_block_is_refused() -> None:
    with pytest.raises(ValueError):
        Blocks.build({"10.0.0.1/8": "host bits"})


@given(st.sets(BLOCKS, max_size=8), st.integers(0, 2**32 - 1))
def test_matches_are_those_that_ipaddress_finds(blocks: set[str], address: int) -> None:
    asked = ip_network((address, 32))
    expected = [each for each in blocks if asked.subnet_of(ip_network(each))]  # type: ignore[arg-type]
    expected.sort(key=lambda each: -ip_network(each).prefixlen)
    assert [each for each, _ in Blocks.build({each: each for each in blocks}).matching(asked)] == expected
