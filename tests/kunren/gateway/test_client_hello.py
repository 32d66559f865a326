import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.gateway.client_hello import Incomplete, server_name


def hello(name):
    """What OpenSSL sends first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = name is not None
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_the_name_is_read_from_a_hello_and_nothing_from_half_of_one():
    whole = hello("api.example.test")
    assert server_name(whole) == "api.example.test"
    assert server_name(hello(None)) is None
    for cut in (0, 3, 5, 40, len(whole) - 1):
        with pytest.raises(Incomplete):
            server_name(whole[:cut])


def test_a_hello_may_come_in_several_records():
    whole = hello("api.example.test")
    head, body = whole[:3], whole[5:]
    records = b"".join(head + len(part).to_bytes(2, "big") + part for part in (body[:2], body[2:100], body[100:]))
    assert server_name(records) == "api.example.test"


@given(st.binary(max_size=300))
def test_what_is_no_hello_has_no_name(data):
    try:
        assert server_name(b"\x16\x03\x01" + data) is None or data
    except Incomplete:
        pass
