"""A data channel's order, acknowledgements and sending again, as a playbook."""

import itertools
import json
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.sessions.channel import RESEND_AFTER_S, UNACKNOWLEDGED_MAX, Channel
from kunren.dataplane.sessions.message import ACKNOWLEDGE, CLOSED, DATA, INPUT, OUTPUT, Message, packed, unpacked


def channel():
    numbers = itertools.count(1)
    return Channel(lambda: str(UUID(int=next(numbers))), lambda: 1000)


def said(sequence, payload=b"x", kind=INPUT):
    return packed(Message(kind, sequence, str(UUID(int=sequence + 100)), 1, DATA, payload))


def heard(sequence):
    told = {"AcknowledgedMessageSequenceNumber": sequence}
    return packed(Message(ACKNOWLEDGE, 0, str(UUID(int=5)), 1, 0, json.dumps(told).encode()))


@given(st.permutations(range(8)), st.lists(st.integers(0, 7), max_size=8))
def test_each_message_is_heeded_once_and_in_order_and_acknowledged_each_time(order, again):
    end, heeded = channel(), []
    for sequence in [*order, *again]:
        got, answers = end.take(said(sequence, bytes([sequence])))
        heeded += [each.payload[0] for each in got]
        told = unpacked(answers[0]).fields()
        assert told["AcknowledgedMessageSequenceNumber"] == sequence
        assert told["AcknowledgedMessageId"] == str(UUID(int=sequence + 100))
        assert told["AcknowledgedMessageType"] == "input_stream_data" and told["IsSequentialMessage"] is True
    assert heeded == list(range(8))


def test_what_is_not_acknowledged_goes_out_again():
    end = channel()
    first, second = end.send(DATA, b"1", 0.0), end.send(DATA, b"2", 0.5)
    assert [unpacked(each).sequence for each in (first, second)] == [0, 1] and unpacked(first).kind == OUTPUT
    assert end.again(RESEND_AFTER_S - 0.1) == []
    assert end.again(RESEND_AFTER_S) == [first]
    assert end.again(RESEND_AFTER_S + 0.5) == [second]
    end.take(heard(0))
    assert end.again(100.0) == [second]
    end.take(heard(1))
    assert end.again(200.0, all=True) == []


def test_only_so_much_is_under_way():
    end = channel()
    for _ in range(UNACKNOWLEDGED_MAX):
        assert not end.full
        end.send(DATA, b"x", 0.0)
    assert end.full
    end.take(heard(3))
    assert not end.full


def test_only_so_much_is_kept_of_what_comes_before_its_turn():
    end = channel()
    for sequence in range(2, 9):
        end.take(said(sequence, bytes(1 << 20)))
    assert list(end.early) == [2, 3, 4, 5]


def test_the_end_is_told_in_words():
    closed = unpacked(channel().closed("s-1", "i-1", "gone"))
    told = closed.fields()
    assert closed.kind == CLOSED
    assert (told["SessionId"], told["DestinationId"], told["Output"]) == ("s-1", "i-1", "gone")
    assert (told["MessageType"], told["SchemaVersion"]) == ("channel_closed", 1)
