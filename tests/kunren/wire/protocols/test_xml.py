"""XML in and out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.errors import WireError
from kunren.wire.protocols.xml import escape, parse_xml


def test_prefixes_are_dropped_and_text_is_kept() -> None:
    root = parse_xml(b'<a:R xmlns:a="u"><a:B x:c="1"> t &amp; <![CDATA[<]]></a:B><C/></a:R>')
    assert root.name == "R"
    assert [(each.name, each.text, each.attributes) for each in root.children] == [
        ("B", " t & <", {"c": "1"}),
        ("C", "", {}),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a>",
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<a/><b/>",
        b"<a>" * 129 + b"</a>" * 129,
    ],
)
def test_broken_deep_or_declaring_documents_are_refused(body: bytes) -> None:
    with pytest.raises(WireError) as caught:
        parse_xml(body)
    assert caught.value.code == "MalformedXML"


@given(st.text())
def test_escaped_text_always_parses(text: str) -> None:
    parsed = parse_xml(f"<a>{escape(text)}</a>".encode())
    assert len(parsed.text) == len(text)


def test_only_what_must_be_is_escaped() -> None:
    assert escape("a'b") == "a'b"
    assert escape('<&">') == "&lt;&amp;&quot;&gt;"
    assert escape("\x00\r") == "\ufffd&#13;"
