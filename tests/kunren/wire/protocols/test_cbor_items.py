"""CBOR items, by the examples of RFC 8949, appendix A."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.wire.protocols.cbor_items import Timestamp, decode, encode


@pytest.mark.parametrize(
    ("hexadecimal", "value"),
    [
        ("00", 0), ("17", 23), ("1818", 24), ("1903e8", 1000), ("1b000000e8d4a51000", 1000000000000),
        ("c249010000000000000000", 18446744073709551616), ("20", -1), ("3903e7", -1000), ("c349010000000000000000", -18446744073709551617),
        ("f93c00", 1.0), ("fa47c35000", 100000.0), ("fb3ff199999999999a", 1.1), ("f97c00", math.inf), ("f4", False), ("f5", True),
        ("f6", None), ("4401020304", b"\x01\x02\x03\x04"), ("6449455446", "IETF"), ("83010203", [1, 2, 3]),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}), ("5f42010243030405ff", b"\x01\x02\x03\x04\x05"),
        ("7f657374726561646d696e67ff", "streaming"), ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}), ("c11a514b67b0", datetime(2013, 3, 21, 20, 4, tzinfo=UTC)),
        ("c1fb41d452d9ec200000", datetime(2013, 3, 21, 20, 4, 0, 500_000, UTC)), ("d74401020304", b"\x01\x02\x03\x04"),
    ],
)  # fmt: skip
def test_the_examples_of_the_rfc_decode(hexadecimal: str, value: Any) -> None:
    assert decode(bytes.fromhex(hexadecimal)) == value


@pytest.mark.parametrize(
    "hexadecimal",
    [
        "",
        "18",
        "1c",
        "61",
        "5bffffffffffffffff",
        "9bffffffffffffffff",
        "ff",
        "0000",
        "bf6161ff",
        "81ff",
        "a1f601",
        "c161",
        "c1fb7ff0000000000000",
        "1f",
        "f8ff",
    ],
)
def test_what_is_malformed_is_refused(hexadecimal: str) -> None:
    with pytest.raises(ValueError):
        decode(bytes.fromhex(hexadecimal))


def test_nesting_has_a_limit() -> None:
    with pytest.raises(ValueError, match="deep"):
        decode(b"\x81" * 10_000 + b"\x00")


def test_a_timestamp_goes_out_under_tag_1() -> None:
    assert encode(Timestamp(1363896240.5)).hex() == "c1fb41d452d9ec200000"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_encoded_decodes_to_itself(value: Any) -> None:
    assert decode(encode(value)) == value


@given(st.binary(max_size=64))
def test_noise_is_decoded_or_refused(noise: bytes) -> None:
    try:
        decode(noise)
    except ValueError:
        pass
