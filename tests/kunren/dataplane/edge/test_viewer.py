"""What is decided by the viewer's request alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.edge.cache import Cache, Kept
from kunren.dataplane.edge.message import Answer, Request, Viewer, Whereabouts, first
from kunren.dataplane.edge.site import Behaviour, CacheRules, CorsRules, HeaderRule, ResponseHeaders, Selection, Site
from kunren.dataplane.edge.viewer import behaviour_of, matches, not_modified, ranged, refused, with_policy

RULES = CacheRules(0, 86400, 31536000)
READ = frozenset({"GET", "HEAD"})


def behaviour(pattern="*", protocol="allow-all"):
    return Behaviour(pattern, "o", protocol, READ, READ, RULES)


def request(*headers, method="GET", secure=False, country="JP"):
    viewer = Viewer("198.18.65.10", 1, "tokyo", Whereabouts(country), secure)
    return Request(method, "/a", "b=1", [("Host", "x.test"), *headers], viewer, "id")


def site(*behaviours, geo=Selection("all")):
    return Site("s", "1", "d.cloudfront.net", (), behaviours, {}, geo_allows=geo)


def test_the_first_pattern_that_matches_decides_and_case_counts():
    several = site(behaviour("images/*.jpg"), behaviour("/images/*"), behaviour("/a?.html"), behaviour())
    chosen = [
        behaviour_of(several, uri).pattern
        for uri in ("/images/a/b.jpg", "/images/x", "/ab.html", "/Images/x", "/a.html")
    ]
    assert chosen == ["images/*.jpg", "/images/*", "/a?.html", "*", "*"]


def test_insecure_requests_are_sent_on_or_refused():
    sent_on = refused(site(), behaviour(protocol="redirect-to-https"), request())
    assert sent_on is not None
    assert (sent_on.status, first(sent_on.headers, "location"), sent_on.outcome) == (
        301,
        "https://x.test/a?b=1",
        "Redirect",
    )
    changing = Behaviour("*", "o", "redirect-to-https", READ | {"POST"}, READ, RULES)
    sent_on = refused(site(), changing, request(method="POST"))
    assert sent_on is not None
    assert sent_on.status == 307
    kept_out = refused(site(), behaviour(protocol="https-only"), request())
    assert kept_out is not None
    assert kept_out.status == 403
    assert refused(site(), behaviour(protocol="https-only"), request(secure=True)) is None


def test_methods_countries_and_bodies_that_are_not_allowed_get_403():
    assert refused(site(), behaviour(), request(method="POST")).status == 403
    assert refused(site(geo=Selection("allExcept", frozenset({"JP"}))), behaviour(), request()).status == 403
    assert refused(site(geo=Selection("whitelist", frozenset({"JP"}))), behaviour(), request()) is None
    assert refused(site(), behaviour(), request(("Content-Length", "3"))).status == 403
    assert refused(site(), behaviour(), request(("X", "x" * 21000))).status == 494


def test_conditions_are_answered_from_the_cache():
    kept = Kept("/a", 200, [("ETag", '"1"'), ("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")], b"", 0, 1)
    assert not_modified(request(("If-None-Match", 'W/"1", "2"')), kept)
    assert not not_modified(request(("If-None-Match", '"2"')), kept)
    assert not_modified(request(("If-Modified-Since", "Wed, 21 Oct 2015 07:28:00 GMT")), kept)
    assert not not_modified(request(("If-Modified-Since", "Wed, 21 Oct 2015 07:27:59 GMT")), kept)


def test_ranges_are_cut_out_of_what_is_kept():
    body = b"0123456789"

    def cut(text):
        status, headers, part = ranged(request(("Range", text)), 200, [("Content-Length", "10")], body)
        return status, part, first(headers, "content-range")

    assert cut("bytes=2-4") == (206, b"234", "bytes 2-4/10")
    assert cut("bytes=8-") == (206, b"89", "bytes 8-9/10")
    assert cut("bytes=-3") == (206, b"789", "bytes 7-9/10")
    assert cut("bytes=5-99") == (206, b"56789", "bytes 5-9/10")
    assert cut("bytes=10-") == (416, b"", "bytes */10")
    assert cut("bytes=1-2,4-5") == (200, body, None)
    assert cut("lines=1-2") == (200, body, None)


@given(st.integers(0, 30), st.integers(0, 30), st.binary(max_size=20))
def test_a_range_is_the_slice_that_it_names(start, end, body):
    status, headers, part = ranged(request(("Range", f"bytes={start}-{end}")), 200, [], body)
    if start < len(body) and start <= end:
        assert (status, part) == (206, body[start : end + 1])
        assert first(headers, "content-length") == str(len(part))
    else:
        assert status == 416


def test_a_response_headers_policy_sets_keeps_and_removes():
    cors = CorsRules(("https://*.example.com",), ("*",), ("GET",), ("X-A",), credentials=True)
    policy = ResponseHeaders(
        (HeaderRule("X-Frame-Options", "DENY", False), HeaderRule("Server", "mine", True)),
        frozenset({"x-powered-by"}),
        cors,
    )
    answer = Answer(200, [("X-Frame-Options", "SAMEORIGIN"), ("Server", "o"), ("X-Powered-By", "php")], b"")
    with_policy(answer, policy, request(("Origin", "https://www.example.com")))
    assert first(answer.headers, "x-frame-options") == "SAMEORIGIN"
    assert first(answer.headers, "server") == "mine"
    assert first(answer.headers, "x-powered-by") is None
    assert first(answer.headers, "access-control-allow-origin") == "https://www.example.com"
    assert first(answer.headers, "access-control-expose-headers") == "X-A"
    stranger = Answer(200, [], b"")
    with_policy(stranger, policy, request(("Origin", "https://evil.test")))
    assert first(stranger.headers, "access-control-allow-origin") is None


def test_invalidation_paths_end_with_a_star_or_name_one_object():
    assert matches("/*", "/a/b?c=1")
    assert matches("/a*", "/ab")
    assert matches("/a", "/a")
    assert not matches("/a", "/a?b=1")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3000)), max_size=40))
def test_a_cache_never_holds_more_than_its_bound_and_counts_right(kept):
    cache = Cache(bytes_max=8000)
    for name, size in kept:
        cache.keep((str(name),), Kept("/", 200, [], bytes(size), 0, 1))
        assert cache.bytes <= 8000
    assert cache.bytes == sum(found.size for name in range(6) if (found := cache.find((str(name),))) is not None)


def test_a_get_with_a_body_of_unsaid_length_is_refused_since_the_cache_would_keep_its_answer():
    asked = request()
    asked.body = b"poison"
    refusal = refused(site(), behaviour(), asked)
    assert refusal is not None
    assert refusal.status == 403
