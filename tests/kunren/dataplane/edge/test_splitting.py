"""Requests between a distribution and its staging distribution."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.edge.message import Request, Viewer, Whereabouts
from kunren.dataplane.edge.site import Split
from kunren.dataplane.edge.splitting import COOKIE, Choice, choose, without_session

NOW = 1_000_000.0
STICKY = Split("d2.cloudfront.net", weight=0.1, idle_s=300, maximum_s=600, since=NOW - 5000)


def request(*headers):
    viewer = Viewer("198.18.65.10", 1, "tokyo", Whereabouts(), secure=False)
    return Request("GET", "/", "", [("Host", "x.test"), *headers], viewer, "id")


def chosen(split, *headers, now=NOW, draw=0.5):
    return choose(split, request(*headers), now, lambda: draw)


def session(side, began, seen):
    return ("Cookie", f"a=1; {COOKIE}={side}.{int(NOW) - began}000.{int(NOW) - seen}000; b=2")


def test_a_header_with_the_value_goes_to_staging():
    split = Split("d2.cloudfront.net", header=("aws-cf-cd-try", "yes"))
    assert chosen(split, ("AWS-CF-CD-Try", "yes")) == Choice(True)
    assert chosen(split, ("aws-cf-cd-try", "Yes")) == Choice(False)
    assert chosen(split) == Choice(False)


def test_a_weight_is_a_share_of_the_requests():
    split = Split("d2.cloudfront.net", weight=0.1)
    assert [chosen(split, draw=draw).staging for draw in (0.0, 0.0999, 0.1, 0.9)] == [True, True, False, False]
    assert chosen(split).cookie == ""


def test_a_session_stays_until_it_is_idle_or_old_or_reset():
    begun = chosen(STICKY, draw=0.05)
    assert begun == Choice(True, f"{COOKIE}=staging.1000000000.1000000000; Path=/; Max-Age=300")
    assert chosen(STICKY, session("staging", 500, 299)).staging is True
    assert chosen(STICKY, session("primary", 500, 299), draw=0.0).staging is False
    assert chosen(STICKY, session("staging", 500, 299)).cookie.startswith(f"{COOKIE}=staging.999500000.1000000000;")
    for over in (session("staging", 500, 300), session("staging", 600, 10), session("staging", 10, 20)):
        assert chosen(STICKY, over).staging is False
    reset = Split("d2.cloudfront.net", weight=0.1, idle_s=300, maximum_s=600, since=NOW - 100)
    assert chosen(reset, session("staging", 101, 5)).staging is False
    assert chosen(reset, session("staging", 100, 5)).staging is True


def test_nobody_behind_the_edge_sees_the_session():
    headers = request(session("staging", 5, 5)).headers
    assert without_session(headers) == [("Host", "x.test"), ("Cookie", "a=1; b=2")]
    alone = [("Host", "x.test"), ("cookie", f"{COOKIE}=primary.1.2")]
    assert without_session(alone) == [("Host", "x.test")]
    untouched = [("Cookie", "a=1;  b=2")]
    assert without_session(untouched) is untouched


@given(st.text(max_size=40), st.floats(0, 1))
def test_any_cookie_is_understood_or_ignored(value, draw):
    made = chosen(STICKY, ("Cookie", f"{COOKIE}={value}"), draw=draw)
    assert made.cookie.startswith(COOKIE)
