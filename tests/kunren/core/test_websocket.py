"""WebSocket's bytes: RFC 6455's own examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.websocket import CLOSE, TEXT, Frame, accept_of, framed, taken


def test_a_key_is_accepted_as_the_rfc_says():
    assert accept_of("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("raw", "frame"),
    [
        ("81 05 48 65 6c 6c 6f", Frame(TEXT, b"Hello")),
        ("81 85 37 fa 21 3d 7f 9f 4d 51 58", Frame(TEXT, b"Hello")),
        ("01 03 48 65 6c", Frame(TEXT, b"Hel", False)),
        ("88 00", Frame(CLOSE, b"")),
    ],
)
def test_frames_are_those_of_the_rfc(raw, frame):
    data = bytes.fromhex(raw)
    assert taken(data + b"more") == (frame, len(data))
    assert taken(data[:-1]) is None
    assert framed(TEXT, b"Hello", bytes.fromhex("37fa213d")) == bytes.fromhex("818537fa213d7f9f4d5158")


@given(st.binary(max_size=300) | st.integers(65530, 65540).map(bytes), st.sampled_from([b"", b"\1\2\3\4"]))
def test_what_is_framed_is_taken_whatever_its_length(payload, mask):
    raw = framed(TEXT, payload, mask)
    assert taken(raw) == (Frame(TEXT, payload), len(raw))
    assert taken(raw[: len(raw) - 1]) is None
