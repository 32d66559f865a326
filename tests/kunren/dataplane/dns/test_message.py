from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kunren.dataplane.dns import names
from kunren.dataplane.dns.answer import NOERROR, Answer
from kunren.dataplane.dns.message import Bad, Query, build_bad, build_response, parse_query
from kunren.dataplane.dns.zones import NS, A, RRset

n = names.to_wire
GOOD = dns.message.make_query("www.Example.com", "A", use_edns=0).to_wire()


def parsed(packet: bytes) -> Query:
    query = parse_query(packet)
    assert isinstance(query, Query)
    return query


@given(st.binary(max_size=80))
@example(GOOD[:-1])
@example(GOOD + b"\0")
def test_no_packet_raises(packet: bytes) -> None:
    query = parse_query(packet)
    if isinstance(query, Bad):
        assert len(build_bad(query)) >= 12


@given(st.integers(min_value=0, max_value=len(GOOD) - 1), st.integers(min_value=0, max_value=255))
def test_no_corrupted_question_raises(position: int, byte: int) -> None:
    packet = GOOD[:position] + bytes((byte,)) + GOOD[position + 1 :]
    query = parse_query(packet)
    if isinstance(query, Query):
        build_response(query, Answer(NOERROR), recursive=True, limit=512)


def test_a_response_and_a_stub_of_a_header_are_met_with_silence() -> None:
    assert parse_query(b"\0" * 11) is None
    assert parse_query(dns.message.make_response(dns.message.make_query("a.", "A")).to_wire()) is None


def test_what_is_no_plain_question_gets_the_right_code() -> None:
    update = dns.message.make_query("a.test", "A")
    update.set_opcode(dns.opcode.NOTIFY)
    chaos = dns.message.make_query("version.bind", "TXT", "CH")
    transfer = dns.message.make_query("a.test", "AXFR")
    two = GOOD[:4] + b"\0\2" + GOOD[6:]
    future = dns.message.make_query("a.test", "A", use_edns=1)
    for packet, code in (
        (update.to_wire(), dns.rcode.NOTIMP),
        (chaos.to_wire(), dns.rcode.REFUSED),
        (transfer.to_wire(), dns.rcode.REFUSED),
        (two, dns.rcode.FORMERR),
        (future.to_wire(), dns.rcode.BADVERS),
    ):
        bad = parse_query(packet)
        assert isinstance(bad, Bad)
        reply = dns.message.from_wire(build_bad(bad))
        assert reply.rcode() == code
        assert reply.id == bad.id


def test_the_client_subnet_is_read() -> None:
    option = dns.edns.ECSOption("203.0.113.0", 24)
    assert (
        parsed(dns.message.make_query("a.test", "A", use_edns=0, options=[option]).to_wire()).subnet == "203.0.113.0/24"
    )


def test_dnspython_reads_what_was_assembled_and_the_letters_case_comes_back() -> None:
    query = parsed(GOOD)
    reply = Answer(
        NOERROR,
        answer=(
            RRset(n("www.example.com"), A, 60, (b"\x0a\0\0\1", b"\x0a\0\0\2")),
            RRset(n("other.example.net"), A, 5, (b"\x0a\0\0\3", b"\x0a\0\0\4")),
        ),
        authority=(RRset(n("example.com"), NS, 900, (n("ns.example.com"),)),),
        additional=(RRset(n("x.other.example.net"), A, 7, (b"\x0a\0\0\5",)),),
    )
    wire = build_response(query, reply, recursive=False, limit=512)
    message = dns.message.from_wire(wire)
    assert message.flags & dns.flags.AA and not message.flags & dns.flags.RA
    assert str(message.question[0].name) == "www.Example.com."
    assert [line for each in message.answer for line in each.to_text().lower().splitlines()] == [
        "www.example.com. 60 in a 10.0.0.1",
        "www.example.com. 60 in a 10.0.0.2",
        "other.example.net. 5 in a 10.0.0.3",
        "other.example.net. 5 in a 10.0.0.4",
    ]
    assert message.authority[0].to_text().lower() == "example.com. 900 in ns ns.example.com."
    assert message.additional[0].to_text() == "x.other.example.net. 7 IN A 10.0.0.5"
    assert message.edns == 0 and message.payload == 4096


def test_an_answer_too_large_is_truncated_and_authority_is_left_out_before_that() -> None:
    query = parsed(GOOD)
    answers = (RRset(n("www.example.com"), A, 60, tuple(bytes((10, 0, 0, each)) for each in range(30))),)
    small = build_response(query, Answer(NOERROR, answer=answers), recursive=True, limit=512)
    assert len(small) < 512 and dns.message.from_wire(small).flags & dns.flags.TC
    extra = (RRset(n("example.com"), NS, 60, (b"\x3fa" * 60,)),)
    whole = build_response(query, Answer(NOERROR, answer=answers, authority=extra), recursive=True, limit=600)
    assert not dns.message.from_wire(whole).flags & dns.flags.TC


def test_record_sets_beyond_the_reach_of_pointers_are_still_right() -> None:
    query = parsed(GOOD)
    rdatas = tuple(bytes((10, 0, each >> 8, each & 255)) for each in range(1200))
    many = tuple(RRset(n(f"h{each}.example.net"), A, 1, (rdatas[each], rdatas[each + 1])) for each in range(1100))
    wire = build_response(query, Answer(NOERROR, answer=many), recursive=True, limit=65535)
    message = dns.message.from_wire(wire)
    assert len(message.answer) == 1100
    assert all(len(each) == 2 for each in message.answer)


def with_subnet(family: int, source: int, scope: int, address: bytes) -> bytes:
    body = bytes((0, family, source, scope)) + address
    option = dns.edns.GenericOption(8, body)
    return dns.message.make_query("a.test", "A", use_edns=0, options=[option]).to_wire()


@pytest.mark.parametrize(
    ("given", "subnet"),
    [
        ((1, 24, 0, b"\xcb\0\x71"), "203.0.113.0/24"),
        ((1, 32, 0, b"\xcb\0\x71\x09"), "203.0.113.0/24"),
        ((1, 20, 0, b"\xcb\0\x70"), "203.0.112.0/20"),
        ((2, 56, 0, b"\x20\x01\x0d\xb8\0\0\xff"), "2001:db8::/48"),
        ((1, 0, 0, b""), None),
        ((9, 8, 0, b"x"), None),
    ],
)
def test_a_client_subnet_is_read_as_far_as_it_counts(given: tuple[int, int, int, bytes], subnet: str | None) -> None:
    assert parsed(with_subnet(*given)).subnet == subnet


@pytest.mark.parametrize(
    "given",
    [
        (1, 24, 24, b"\xcb\0\x71"),
        (1, 24, 0, b"\xcb\0"),
        (1, 24, 0, b"\xcb\0\x71\0"),
        (1, 20, 0, b"\xcb\0\x71"),
        (1, 33, 0, b"\xcb\0\x71\0\0"),
        (2, 129, 0, bytes(17)),
    ],
    ids=["scope in a question", "too short", "too long", "bits beyond the prefix", "prefix beyond v4", "beyond v6"],
)
def test_a_malformed_client_subnet_is_a_format_error(given: tuple[int, int, int, bytes]) -> None:
    bad = parse_query(with_subnet(*given))
    assert isinstance(bad, Bad) and bad.rcode == 1


@pytest.mark.parametrize(
    ("given", "located", "scope"),
    [
        ((1, 24, 0, b"\xcb\0\x71"), True, 24),
        ((1, 32, 0, b"\xcb\0\x71\x09"), True, 24),
        ((2, 56, 0, b"\x20\x01\x0d\xb8\0\0\xff"), True, 48),
        ((1, 24, 0, b"\xcb\0\x71"), False, 0),
        ((1, 0, 0, b""), True, 0),
    ],
)
def test_the_scope_says_for_whom_the_answer_is(given: tuple[int, int, int, bytes], located: bool, scope: int) -> None:
    query = parsed(with_subnet(*given))
    reply = Answer(0, answer=(RRset(query.name, 1, 60, (b"\x0a\0\0\1",)),), located=located)
    message = dns.message.from_wire(build_response(query, reply, recursive=False, limit=512))
    (option,) = message.options
    assert isinstance(option, dns.edns.ECSOption)
    assert (option.family, option.srclen, option.scopelen) == (given[0], given[1], scope)
    assert option.addrdata == given[3]


@given(st.binary(max_size=40), st.integers(0, 65535))
def test_no_option_raises_and_what_is_answered_is_a_message(body: bytes, code: int) -> None:
    option = dns.edns.GenericOption(code, body)
    query = parse_query(dns.message.make_query("a.test", "A", use_edns=0, options=[option]).to_wire())
    assert query is not None
    if isinstance(query, Bad):
        reply = build_bad(query)
    else:
        reply = build_response(query, Answer(NOERROR, located=True), recursive=False, limit=512)
    assert dns.message.from_wire(reply).id == int.from_bytes(reply[:2], "big")


@given(st.binary(max_size=24))
def test_no_client_subnet_raises(body: bytes) -> None:
    option = dns.edns.GenericOption(8, body)
    query = parse_query(dns.message.make_query("a.test", "A", use_edns=0, options=[option]).to_wire())
    assert isinstance(query, Bad) or query is not None


@given(st.integers(1, 400), st.integers(0, 4096), st.booleans())
def test_an_answer_never_outgrows_what_the_question_allows(count: int, size: int, edns: bool) -> None:
    """Nothing to amplify with: whatever does not fit is left out whole, and the reply is then hardly larger than the
    question."""
    made = dns.message.make_query("www.example.com", "A", use_edns=0 if edns else -1, payload=size if edns else None)
    packet = made.to_wire()
    query = parsed(packet)
    rdatas = tuple(bytes((10, 0, each >> 8, each & 255)) for each in range(count))
    reply = Answer(NOERROR, answer=(RRset(query.name, A, 60, rdatas),))
    wire = build_response(query, reply, recursive=False, limit=query.udp_size)
    assert len(wire) <= (max(512, min(size, 4096)) if edns else 512)
    if dns.message.from_wire(wire).flags & dns.flags.TC:
        assert len(wire) <= len(packet) + 11
