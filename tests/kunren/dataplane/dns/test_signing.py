"""Signed answers, as packets, judged by dnspython's validator with the zone's own keys as trust anchor."""

from __future__ import annotations

import random
from typing import Any

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.DNSKEY
import dns.rdtypes.ANY.RRSIG
import dns.rrset
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.entropy import Entropy
from kunren.dataplane.dns import names, signing
from kunren.dataplane.dns.answer import Answer, answer
from kunren.dataplane.dns.message import build_response, parse_query
from kunren.dataplane.dns.policies import Client
from kunren.dataplane.dns.zones import (
    CNAME,
    DNSKEY,
    DS,
    MX,
    NS,
    NSEC,
    RRSIG,
    SOA,
    SRV,
    TXT,
    A,
    Records,
    RRset,
    Zone,
    Zones,
)
from kunren.services.route53 import rdata

NOW = 1_750_000_000.0
ADDRESS = b"\x0a\0\0\1"
n = names.to_wire


def key() -> tuple[ec.EllipticCurvePrivateKey, str]:
    made = ec.generate_private_key(ec.SECP256R1())
    return made, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def signed_zone(nodes: dict[str, dict[int, Any]] | None = None) -> Zone:
    """example.com with a zone-signing key, and the DNSKEY records signed by a key-signing key."""
    (zsk, pem), (ksk, _) = key(), key()
    apex = n("example.com")
    keys = RRset(
        apex, DNSKEY, 3600,
        tuple(signing.dnskey(flags, signing.public_point(each)) for flags, each in ((256, zsk), (257, ksk))),
    )  # fmt: skip
    head = signing.rrsig_head(keys, apex, signing.key_tag(keys.rdatas[1]), int(NOW) - 3600, int(NOW) + 86400)
    signature = head + signing.raw_signature(ksk.sign(signing.to_sign(head, keys), ec.ECDSA(SHA256())))
    soa = n("ns-1.AWSdns.com") + n("h.amazon.com") + b"".join(x.to_bytes(4) for x in (1, 7200, 900, 1209600, 86400))
    own = {
        NS: Records(172800, (b"\x02NS" + apex, n("ns2.example.com"))),
        SOA: Records(900, (soa,)),
        DNSKEY: Records(3600, keys.rdatas),
    }
    given = {n(name): node for name, node in (nodes or {}).items()}
    signer = signing.ZoneSigner(apex, pem, (signature,))
    return Zone.build("Z", apex, {**given, apex: {**own, **given.get(apex, {})}}, signing=signer)


ZONE = signed_zone({
    "www.example.com": {A: Records(60, (ADDRESS, b"\x0a\0\0\2"))},
    "to.example.com": {CNAME: Records(60, (n("www.example.com"),))},
    "nowhere.example.com": {CNAME: Records(60, (n("gone.example.com"),))},
    "out.example.com": {CNAME: Records(60, (n("example.net"),))},
    "mail.example.com": {MX: Records(60, (b"\0\x0a" + b"\x04Mail" + n("example.com"),))},
    "_sip._tcp.example.com": {SRV: Records(60, (bytes(6) + b"\x04SipX" + n("example.com"),))},
    "a.b.example.com": {TXT: Records(60, (b"\x03ABC",))},
    "*.wild.example.com": {A: Records(60, (ADDRESS,))},
    "safe.example.com": {NS: Records(60, (n("ns.example.net"),)), DS: Records(60, (b"\0\x01\x0d\x02" + bytes(32),))},
    "open.example.com": {NS: Records(60, (n("ns.open.example.com"),))},
    "ns.open.example.com": {A: Records(60, (ADDRESS,))},
})  # fmt: skip


def ask(name: str, rtype: str, *, do: bool = True, zone: Zone = ZONE, size: int = 4096, now: float = NOW) -> Any:
    query = dns.message.make_query(name, rtype, want_dnssec=do, payload=size)
    parsed: Any = parse_query(query.to_wire())
    reply = answer(Zones(), zone, parsed.name, parsed.rtype, Client(), Entropy(1))
    if do:
        reply = signing.signed(zone, parsed.rtype, parsed.name, reply, now)
    return dns.message.from_wire(build_response(parsed, reply, recursive=False, limit=size))


def validate(reply: dns.message.Message, zone: Zone = ZONE, now: float = NOW) -> dict[tuple[str, str], dns.rrset.RRset]:
    """All sets of the answer that are signed, by name and type, each proven by the zone's DNSKEY records."""
    records = [dns.rdata.from_wire("IN", "DNSKEY", x, 0, len(x)) for x in zone.nodes[zone.name][DNSKEY].rdatas]
    apex = dns.name.from_text("example.com")
    keys = {apex: dns.rrset.from_rdata_list(apex, 3600, records)}
    proven = {}
    for section in (reply.answer, reply.authority):
        for each in section:
            if each.rdtype == dns.rdatatype.RRSIG:
                (covered,) = [x for x in section if x.name == each.name and x.rdtype == each.covers]
                dns.dnssec.validate(covered, each, keys, now=now)
                proven[each.name.to_text().lower(), dns.rdatatype.to_text(each.covers)] = covered
    return proven


def denial(reply: dns.message.Message, name: str) -> set[str]:
    """The types that the proven NSEC record says the name has."""
    record = validate(reply)[name, "NSEC"][0]
    assert record.next == dns.name.from_text("\\000." + name)
    return set(record.to_text().split()[1:])


@pytest.mark.parametrize(
    ("name", "rtype", "proven"),
    [
        ("www.example.com.", "A", {("www.example.com.", "A"), ("example.com.", "NS")}),
        ("WWW.Example.com.", "A", {("www.example.com.", "A"), ("example.com.", "NS")}),
        ("to.example.com.", "A", {("to.example.com.", "CNAME"), ("www.example.com.", "A"), ("example.com.", "NS")}),
        ("out.example.com.", "A", {("out.example.com.", "CNAME")}),
        ("mail.example.com.", "MX", {("mail.example.com.", "MX"), ("example.com.", "NS")}),
        ("_sip._tcp.example.com.", "SRV", {("_sip._tcp.example.com.", "SRV"), ("example.com.", "NS")}),
        ("a.b.example.com.", "TXT", {("a.b.example.com.", "TXT"), ("example.com.", "NS")}),
        ("any.wild.example.com.", "A", {("any.wild.example.com.", "A"), ("example.com.", "NS")}),
        ("*.wild.example.com.", "A", {("*.wild.example.com.", "A"), ("example.com.", "NS")}),
        ("example.com.", "NS", {("example.com.", "NS")}),
        ("example.com.", "SOA", {("example.com.", "SOA"), ("example.com.", "NS")}),
        ("example.com.", "DNSKEY", {("example.com.", "DNSKEY"), ("example.com.", "NS")}),
        ("safe.example.com.", "DS", {("safe.example.com.", "DS"), ("example.com.", "NS")}),
        ("x.safe.example.com.", "A", {("safe.example.com.", "DS")}),
        ("x.open.example.com.", "A", {("open.example.com.", "NSEC")}),
        ("gone.example.com.", "A", {("gone.example.com.", "NSEC"), ("example.com.", "SOA")}),
        ("nowhere.example.com.", "A",
         {("nowhere.example.com.", "CNAME"), ("gone.example.com.", "NSEC"), ("example.com.", "SOA")}),
        ("www.example.com.", "NSEC", {("www.example.com.", "NSEC")}),
    ],
)  # fmt: skip
def test_what_is_told_is_signed_by_the_zones_own_key(name: str, rtype: str, proven: set[tuple[str, str]]) -> None:
    assert set(validate(ask(name, rtype))) == proven


def test_a_name_that_does_not_exist_is_denied_as_one_that_has_nothing() -> None:
    reply = ask("gone.example.com.", "A")
    assert reply.rcode() == dns.rcode.NOERROR and not reply.answer
    assert denial(reply, "gone.example.com.") == {"RRSIG", "NSEC"}
    assert denial(ask("b.example.com.", "A"), "b.example.com.") == {"RRSIG", "NSEC"}
    assert ask("gone.example.com.", "A", do=False).rcode() == dns.rcode.NXDOMAIN


def test_a_type_that_a_name_has_not_is_denied_beside_those_it_has() -> None:
    assert denial(ask("www.example.com.", "TXT"), "www.example.com.") == {"A", "RRSIG", "NSEC"}
    assert denial(ask("any.wild.example.com.", "TXT"), "any.wild.example.com.") == {"A", "RRSIG", "NSEC"}
    apex = {"NS", "SOA", "DNSKEY", "RRSIG", "NSEC"}
    assert denial(ask("example.com.", "A"), "example.com.") == apex
    assert denial(ask("example.com.", "CAA"), "example.com.") == apex
    assert denial(ask("open.example.com.", "DS"), "open.example.com.") == {"NS", "RRSIG", "NSEC"}
    for name in ("x.open.example.com.", "open.example.com."):
        assert denial(ask(name, "A"), "open.example.com.") == {"NS", "RRSIG", "NSEC"}


def test_who_does_not_want_dnssec_gets_none_of_it() -> None:
    for name, rtype in (("www.example.com.", "A"), ("gone.example.com.", "A"), ("x.safe.example.com.", "A")):
        reply = ask(name, rtype, do=False)
        kinds = {each.rdtype for section in (reply.answer, reply.authority) for each in section}
        assert not kinds & {RRSIG, NSEC, DS, DNSKEY}


def test_a_zone_that_is_not_signed_answers_as_before() -> None:
    bare = Zone.build("Z", n("example.com"), dict(ZONE.nodes))
    reply = ask("gone.example.com.", "A", zone=bare)
    assert reply.rcode() == dns.rcode.NXDOMAIN and reply.flags & dns.flags.AA
    assert {each.rdtype for each in reply.authority} == {SOA}


def test_a_set_goes_with_its_signature_or_not_at_all() -> None:
    full = len(ask("www.example.com.", "A").to_wire())
    for size in range(512, full + 1):
        reply = ask("www.example.com.", "A", size=size)
        assert not reply.flags & dns.flags.TC
        assert len(validate(reply)) == len([each for each in reply.answer + reply.authority if each.rdtype != RRSIG])
    many = signed_zone({"www.example.com": {A: Records(60, tuple(bytes((10, 0, 0, i)) for i in range(26)))}})
    reply = ask("www.example.com.", "A", zone=many, size=512)
    assert reply.flags & dns.flags.TC and not reply.answer


def test_signatures_are_made_once_a_day_and_hold_for_the_longest_ttl() -> None:
    def signature(now: float) -> bytes:
        reply = signing.signed(ZONE, A, n("mail.example.com"), Answer(0, answer=(mail,)), now)
        return reply.answer[0].signatures[0]

    mail = RRset(n("mail.example.com"), A, 604_800, (ADDRESS,))
    day = NOW // 86_400 * 86_400
    first = signature(day)
    assert signature(day + 86_399) == first != signature(day + 86_400)
    assert signing.day_ends(day) == signing.day_ends(day + 86_399) == day + 86_400
    record = dns.rdata.from_wire("IN", "RRSIG", first, 0, len(first))
    assert isinstance(record, dns.rdtypes.ANY.RRSIG.RRSIG)
    assert record.inception <= day - 3600 and record.expiration >= day + 86_400 + 604_800
    assert (record.original_ttl, record.labels, record.algorithm) == (604_800, 3, 13)


def test_key_tags_and_digests_are_as_dnspython_has_them() -> None:
    for _ in range(20):
        data = signing.dnskey(257, random.randbytes(64))
        made: Any = dns.rdata.from_wire("IN", "DNSKEY", data, 0, len(data))
        ds = dns.dnssec.make_ds(dns.name.from_text("Example.com"), made, "SHA256")
        assert (ds.key_tag, ds.digest) == (signing.key_tag(data), signing.ds_digest(n("example.com"), data))


@pytest.mark.parametrize(
    ("rtype", "value"),
    [
        ("MX", "10 Mail.EXAMPLE.com"),
        ("SRV", "1 2 80 Srv.Example.com"),
        ("NAPTR", '100 10 "U" "SIP+D2U" "!^.*$!SIP:Info@Example.com!" Next.Example.COM.'),
        ("TXT", '"Some Text"'),
        ("CNAME", "WWW.Example.com"),
    ],
)
def test_data_is_signed_in_the_form_that_dnspython_signs_it_in(rtype: str, value: str) -> None:
    wire = rdata.to_wire(rtype, value)
    other = dns.rdata.from_text("IN", rtype, value, origin=dns.name.root)
    as_given = other.to_wire(origin=dns.name.root)
    for each in (wire, as_given):
        assert signing.canonical(rdata.type_number(rtype), each) == other.to_digestable(dns.name.root)


LABELS = st.lists(st.binary(min_size=1, max_size=63), min_size=1, max_size=5)


@given(LABELS)
def test_nothing_comes_between_a_name_and_its_successor(labels: list[bytes]) -> None:
    wire = b"".join(bytes((len(each),)) + each.lower() for each in labels) + b"\0"
    if len(wire) > 255 or wire[wire[0]] == 0xFF:
        return
    one, two = (dns.name.from_wire(each, 0)[0] for each in (wire, signing.successor(wire)))
    assert one < two
    if len(wire) <= 253:
        assert two.parent() == one and two.labels[0] == b"\0"


@given(st.sets(st.integers(1, 65535), max_size=20))
def test_type_bitmaps_are_as_dnspython_reads_them(types: set[int]) -> None:
    data = n("x.example.com") + signing.type_bitmap(types)
    read: Any = dns.rdata.from_wire("IN", "NSEC", data, 0, len(data))
    found = {
        (window << 8) + (index << 3) + bit
        for window, bits in read.windows
        for index, byte in enumerate(bits)
        for bit in range(8)
        if byte & 0x80 >> bit
    }
    assert found == types
