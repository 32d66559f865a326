"""Messages with descriptors over a unix socket."""

from __future__ import annotations

import os
import socket

from hypothesis import given
from hypothesis import strategies as st

from kunren.world.agent import frames

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(min_size=1).filter(lambda name: name != "fds"), VALUES), max_size=5))
def test_messages_come_out_as_they_went_in_however_the_stream_is_cut(messages):
    here, there = socket.socketpair()
    with here, there:
        stream = b"".join(frames.encode(message) for message in messages)
        reader = frames.Reader(there)
        found = []
        step = max(1, len(stream) // 9)
        for start in range(0, len(stream), step):
            here.sendall(stream[start : start + step])
            assert reader.receive()
            found += [message for message, _ in reader.messages()]
        assert found == messages


def test_descriptors_stay_with_their_messages():
    here, there = socket.socketpair()
    pipes = [os.pipe() for _ in range(3)]
    with here, there:
        frames.send(here, {"name": "one"}, [pipes[0][1]])
        frames.send(here, {"name": "none"})
        frames.send(here, {"name": "two"}, [pipes[1][1], pipes[2][1]])
        reader = frames.Reader(there)
        found = []
        while len(found) < 3:
            reader.receive()
            found += reader.messages()
    assert [(message["name"], len(fds)) for message, fds in found] == [("one", 1), ("none", 0), ("two", 2)]
    given_out = [fd for _, fds in found for fd in fds]
    for (read_end, write_end), received in zip(pipes, given_out, strict=True):
        os.close(write_end)
        os.write(received, b"x")
        assert os.read(read_end, 1) == b"x"
        os.close(received)
        os.close(read_end)


def test_the_end_of_the_stream_is_told():
    here, there = socket.socketpair()
    here.close()
    assert frames.Reader(there).receive() is False
    there.close()
