from __future__ import annotations

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.route53 import rdata

# the developer guide's own examples ("Supported DNS record types")
EXAMPLES = [
    ("A", "192.0.2.1", "192.0.2.1"),
    ("AAAA", "2001:0db8:85a3:0:0:8a2e:0370:7334", "2001:db8:85a3::8a2e:370:7334"),
    ("CAA", '0 issue "ca.example.net; account=123456"', '0 issue "ca.example.net; account=123456"'),
    ("CNAME", "hostname.example.com", "hostname.example.com."),
    (
        "DS",
        "123 4 5 1234567890abcdef1234567890abcdef12345678",
        "123 4 5 1234567890abcdef1234567890abcdef12345678",
    ),
    ("HTTPS", '1 . alpn="h2"', '1 . alpn="h2"'),
    ("MX", "10 mail.example.com", "10 mail.example.com."),
    ("NAPTR", '100 50 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .', None),
    ("NS", "ns-1.example.com", "ns-1.example.com."),
    ("PTR", "hostname.example.com", "hostname.example.com."),
    ("SPF", '"v=spf1 ip4:192.168.0.1/16 -all"', '"v=spf1 ip4:192.168.0.1/16 -all"'),
    ("SRV", "10 5 80 hostname.example.com", "10 5 80 hostname.example.com."),
    ("SSHFP", "1 1 1234567890abcdef1234567890abcdef12345678", "1 1 1234567890abcdef1234567890abcdef12345678"),
    ("SVCB", "1 foo.example.com port=8443", '1 foo.example.com. port="8443"'),
    ("TLSA", "3 0 1 " + "ab" * 32, "3 0 1 " + "ab" * 32),
    ("TXT", '"This string" "and \\"this\\" one"', '"This string" "and \\"this\\" one"'),
    ("SOA", "ns-1.awsdns-00.com. a.b. 1 7200 900 1209600 86400", "ns-1.awsdns-00.com. a.b. 1 7200 900 1209600 86400"),
]


@pytest.mark.parametrize(("rtype", "value", "shown"), EXAMPLES)
def test_the_guides_examples_become_what_dnspython_reads(rtype: str, value: str, shown: str | None) -> None:
    wire = rdata.to_wire(rtype, value)
    kind = dns.rdatatype.from_text(rtype)
    parsed = dns.rdata.from_wire(dns.rdataclass.IN, kind, wire, 0, len(wire))
    if shown is not None:
        assert parsed.to_text() == shown


@pytest.mark.parametrize(
    ("rtype", "value"),
    [
        ("A", "2001:db8::1"), ("A", "192.0.2.01"), ("A", ""), ("A", "192.0.2.1 "), ("AAAA", "fe80::1%eth0"),
        ("AAAA", "192.0.2.1"), ("MX", "mail.example.com"), ("MX", "70000 mail"), ("MX", "-1 mail"), ("SRV", "1 2 x"),
        ("SRV", "1 2 99999 h"), ("TXT", ""), ("TXT", '"a'), ("TXT", '"a"b'), ("TXT", '"' + "x" * 256 + '"'),
        ("TXT", '"caf\u00e9"'), ("CAA", "0 issue ca.example.net"), ("CAA", '300 issue "x"'), ("DS", "1 2 3 zz"),
        ("NAPTR", "1 2"), ("TLSA", "3 0"), ("SVCB", "1"), ("SOA", "a b 1 2 3 4"), ("HTTPS", "x ."), ("SSHFP", "1 1 g"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_form_is_refused(rtype: str, value: str) -> None:
    with pytest.raises(rdata.BadValue):
        rdata.to_wire(rtype, value)


def test_text_takes_octal_escapes_and_counts_bytes_by_string() -> None:
    assert rdata.to_wire("TXT", '"\\351\\040x"') == b"\x03\xe9 x"
    assert len(rdata.to_wire("TXT", '"' + "a" * 255 + '" "' + "b" * 255 + '"')) == 512


@given(st.sampled_from([each[0] for each in EXAMPLES]), st.text(max_size=40))
def test_no_value_does_worse_than_being_refused(rtype: str, value: str) -> None:
    try:
        rdata.to_wire(rtype, value)
    except rdata.BadValue as error:
        assert "FATAL problem" in str(error)
