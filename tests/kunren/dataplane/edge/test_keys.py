"""Cache keys and what origins are sent, as the Developer Guide's tables have it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.edge.keys import (
    accepted_encoding,
    cache_key,
    origin_headers,
    selected_cookies,
    selected_query,
)
from kunren.dataplane.edge.message import Request, Viewer, Whereabouts, first
from kunren.dataplane.edge.site import Behaviour, CacheRules, Origin, Parameters, Selection

VIEWER = Viewer("198.18.65.10", 4711, "tokyo", Whereabouts("JP"), secure=True)
ORIGIN = Origin("o", "origin.test", "", (("X-Secret", "s"),), "http-only", 80, 443, 10, 3, 30, 5)


def behaviour(key=Parameters(), forward=None, encodings=()):
    rules = CacheRules(0, 86400, 31536000, key, encodings)
    return Behaviour("*", "o", "allow-all", frozenset({"GET", "HEAD"}), frozenset({"GET", "HEAD"}), rules, forward)


def request(*headers, method="GET", uri="/a", query=""):
    return Request(method, uri, query, [("Host", "viewer.test"), *headers], VIEWER, "id")


def test_a_key_holds_path_and_what_the_policy_names_and_nothing_else():
    plain = behaviour()
    assert cache_key("s", plain, request()) == cache_key("s", plain, request(("User-Agent", "x"), query="a=1"))
    assert cache_key("s", plain, request()) == cache_key("s", plain, request(method="HEAD"))
    assert cache_key("s", plain, request()) != cache_key("s", plain, request(uri="/A"))
    by_query = behaviour(Parameters(query=Selection("whitelist", frozenset({"a"}))))
    assert cache_key("s", by_query, request(query="a=1&b=2")) == cache_key("s", by_query, request(query="b=3&a=1"))
    assert cache_key("s", by_query, request(query="a=1")) != cache_key("s", by_query, request(query="a=2"))
    by_header = behaviour(Parameters(headers=Selection("whitelist", frozenset({"accept-language"}))))
    assert cache_key("s", by_header, request(("Accept-Language", "de"))) != cache_key("s", by_header, request())


def test_query_strings_and_cookies_keep_their_order_and_their_bytes():
    assert selected_query("b=2&a=%20&c", Selection("all")) == "b=2&a=%20&c"
    assert selected_query("b=2&a=1&b=3", Selection("allExcept", frozenset({"a"}))) == "b=2&b=3"
    assert selected_query("a=1", Selection(), Selection("whitelist", frozenset({"a"}))) == "a=1"
    headers = [("Cookie", "one=1; two=2"), ("cookie", "three=3")]
    assert selected_cookies(headers, Selection("whitelist", frozenset({"two", "three"}))) == "two=2; three=3"
    assert selected_cookies(headers, Selection()) == ""


def test_accept_encoding_is_what_policy_and_viewer_have_in_common():
    assert accepted_encoding("gzip, deflate, br", ("br", "gzip")) == "br,gzip"
    assert accepted_encoding("gzip;q=1.0, br;q=0", ("br", "gzip")) == "gzip"
    assert accepted_encoding("*", ("gzip",)) == "gzip"
    assert accepted_encoding(None, ("gzip",)) == ""
    assert accepted_encoding("identity", ("gzip",)) == ""


def test_the_origin_is_sent_its_own_name_and_none_of_the_viewers_headers_that_no_policy_takes():
    sent = origin_headers(behaviour(), ORIGIN, request(("Cookie", "a=1"), ("X-Own", "1"), ("Accept", "*/*")), "1.1 x")
    assert first(sent, "host") == "origin.test"
    assert first(sent, "user-agent") == "Amazon CloudFront"
    assert first(sent, "x-forwarded-for") == "198.18.65.10"
    assert first(sent, "x-secret") == "s"
    assert first(sent, "via") == "1.1 x"
    assert not {name.lower() for name, _ in sent} & {"cookie", "x-own", "accept", "accept-encoding"}


def test_all_viewer_sends_everything_but_what_belongs_to_the_connection():
    every = Parameters(Selection("all"), Selection("all"), Selection("all"))
    given_headers = (("Cookie", "a=1"), ("X-Own", "1"), ("User-Agent", "curl"), ("Connection", "close"))
    sent = origin_headers(behaviour(forward=every), ORIGIN, request(*given_headers), "1.1 x")
    assert first(sent, "host") == "viewer.test"
    assert (first(sent, "cookie"), first(sent, "x-own"), first(sent, "user-agent")) == ("a=1", "1", "curl")
    assert first(sent, "connection") is None
    spoofed = origin_headers(
        behaviour(forward=every), ORIGIN, request(("X-Secret", "mine"), ("X-Forwarded-For", "1.2.3.4")), "1.1 x"
    )
    assert [value for name, value in spoofed if name.lower() == "x-secret"] == ["s"]
    assert first(spoofed, "x-forwarded-for") == "1.2.3.4, 198.18.65.10"


@given(st.text("abc=&;, "), st.text("abc=&"))
def test_no_cookie_or_query_breaks_the_key(cookies, query):
    by_all = behaviour(Parameters(cookies=Selection("all"), query=Selection("all")))
    asked = request(("Cookie", cookies), query=query)
    assert cache_key("s", by_all, asked) == cache_key("s", by_all, replace(asked, headers=list(asked.headers)))
