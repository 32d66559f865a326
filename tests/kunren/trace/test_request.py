"""From what the user typed to a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.trace.request import BadRequest, parsed
from kunren.world.interface import UnknownPlace
from kunren.world.spec import Place, WorldSpec

SPEC = WorldSpec(places=(Place("virginia", 0, 0, "US", "NA"), Place("tokyo", 0, 0, "JP", "AS")), regions=())


def test_a_url_is_taken_apart_as_a_client_does():
    made = parsed({"url": "https://Shop.test/a%20b?x=1#part"}, SPEC)
    assert (made.scheme, made.host, made.port, made.path, made.query) == ("https", "shop.test", 443, "/a%20b", "x=1")
    assert (made.target, made.host_header, made.method) == ("/a%20b?x=1", "shop.test", "GET")
    assert (made.place, made.source) == ("virginia", "198.18.64.10")


def test_the_port_is_in_the_host_header_where_it_is_not_the_schemes_own():
    assert parsed({"url": "http://shop.test:8080"}, SPEC).host_header == "shop.test:8080"
    assert parsed({"url": "http://shop.test"}, SPEC).path == "/"
    named = parsed({"url": "http://198.19.0.1/", "headers": ["Host: other.test"]}, SPEC)
    assert named.host_header == "other.test"


def test_an_empty_query_is_a_query():
    assert parsed({"url": "http://a.test/?"}, SPEC).target == "/?"
    assert parsed({"url": "http://a.test/"}, SPEC).query is None


def test_places_have_addresses_of_their_own_and_a_source_overrules():
    assert parsed({"url": "http://a.test/", "place": "tokyo"}, SPEC).source == "198.18.65.10"
    assert parsed({"url": "http://a.test/", "source": "10.1.2.3"}, SPEC).source == "10.1.2.3"
    with pytest.raises(UnknownPlace, match="virginia, tokyo"):
        parsed({"url": "http://a.test/", "place": "atlantis"}, SPEC)


@given(st.text(max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_a_request_or_is_refused_in_words(url, header, method):
    for text in (url, f"http://{url}", f"https://a.test/{url}"):
        try:
            made = parsed({"url": text, "headers": [header] if header else [], "method": method}, SPEC)
        except BadRequest as error:
            assert str(error)
        else:
            line = f"{made.method} {made.target} HTTP/1.1"
            assert line.isascii() and len(line.split(" ")) == 3 and "\r" not in line and "\n" not in line
