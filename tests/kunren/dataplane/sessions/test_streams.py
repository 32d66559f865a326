"""Frames of port forwarding, whole and in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.sessions.message import NotAMessage
from kunren.dataplane.sessions.streams import NOP, PUSH, SYN, Frame, packed, taken

FRAMES = st.lists(
    st.builds(Frame, st.integers(SYN, NOP), st.integers(0, 2**32 - 1), st.binary(max_size=40)), max_size=6
)


def test_a_frame_is_written_as_smux_writes_it():
    assert packed(Frame(SYN, 3)) == b"\x01\x00\x00\x00\x03\x00\x00\x00"
    assert packed(Frame(PUSH, 258, b"ab")) == b"\x01\x02\x02\x00\x02\x01\x00\x00ab"


@given(FRAMES, st.integers(1, 20))
def test_frames_come_out_as_they_went_in_however_they_are_cut(frames, size):
    raw = b"".join(map(packed, frames))
    waiting, found = bytearray(), []
    for at in range(0, len(raw), size):
        waiting += raw[at : at + size]
        found += taken(waiting)
    assert found == frames
    assert waiting == b""


@pytest.mark.parametrize("raw", [b"\x02\x00\x00\x00\x03\x00\x00\x00", b"\x01\x09\x00\x00\x03\x00\x00\x00"])
def test_what_is_no_frame_is_refused(raw):
    with pytest.raises(NotAMessage):
        taken(bytearray(raw))
