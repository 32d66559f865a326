"""Messages of a data channel, by the places that AWS's clients give their parts."""

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.sessions.message import INPUT, Message, NotAMessage, packed, unpacked

ID = "00112233-4455-6677-8899-aabbccddeeff"


def test_the_parts_stand_where_clients_look_for_them():
    raw = packed(Message("output_stream_data", 7, ID, 1_700_000_000_000, 1, b"hello", 3))
    assert struct.unpack(">I", raw[:4]) == (116,)
    assert raw[4:36] == b"output_stream_data".ljust(32)
    assert struct.unpack(">IQqQ", raw[36:64]) == (1, 1_700_000_000_000, 7, 3)
    assert raw[64:80].hex() == "8899aabbccddeeff0011223344556677"
    assert raw[80:112] == hashlib.sha256(b"hello").digest()
    assert struct.unpack(">II", raw[112:120]) == (1, 5)
    assert raw[120:] == b"hello"


@given(st.integers(0, 2**40), st.binary(max_size=2000), st.integers(0, 12), st.uuids())
def test_what_is_packed_is_unpacked(sequence, payload, what, id):
    message = Message(INPUT, sequence, str(id), 1, what, payload, 0)
    assert unpacked(packed(message)) == message


@given(st.binary(max_size=300))
def test_other_bytes_are_no_message(raw):
    with pytest.raises(NotAMessage):
        unpacked(raw)


def test_a_damaged_payload_is_no_message():
    raw = packed(Message(INPUT, 0, ID, 1, 1, b"hello"))
    for wrong in (raw[:-1], raw[:-1] + b"x", raw[:119]):
        with pytest.raises(NotAMessage):
            unpacked(wrong)
