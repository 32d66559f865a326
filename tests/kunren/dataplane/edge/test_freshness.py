"""For how long answers are kept: the table of "Manage how long content stays in the cache"."""

from __future__ import annotations

import pytest

from kunren.dataplane.edge.freshness import ttl
from kunren.dataplane.edge.site import CacheRules

DEFAULT = CacheRules(0, 86400, 31536000)
AT_LEAST = CacheRules(60, 86400, 31536000)
DATES = [("Date", "Wed, 21 Oct 2015 07:28:00 GMT"), ("Expires", "Wed, 21 Oct 2015 07:29:40 GMT")]


@pytest.mark.parametrize(
    ("status", "headers", "rules", "expected"),
    [
        (200, [], DEFAULT, 86400),
        (200, [], AT_LEAST, 86400),
        (200, [], CacheRules(0, 0, 0), 0),
        (200, [("Cache-Control", "max-age=30")], DEFAULT, 30),
        (200, [("Cache-Control", "max-age=30")], AT_LEAST, 60),
        (200, [("Cache-Control", "public, max-age=30, s-maxage=90")], DEFAULT, 90),
        (200, [("Cache-Control", "max-age=99999999999")], DEFAULT, 31536000),
        (200, DATES, DEFAULT, 100),
        (200, [("Expires", "0")], DEFAULT, 0),
        (200, [("Cache-Control", "no-store")], DEFAULT, 0),
        (200, [("Cache-Control", "private, max-age=30")], DEFAULT, 0),
        (200, [("Cache-Control", "no-cache")], AT_LEAST, 60),
        (404, [], DEFAULT, 10),
        (503, [("Cache-Control", "max-age=30")], DEFAULT, 30),
        (404, [("Cache-Control", "max-age=3")], DEFAULT, 10),
        (403, [], DEFAULT, 0),
        (403, [("Cache-Control", "max-age=30")], DEFAULT, 30),
        (307, [], DEFAULT, 0),
        (307, [("Cache-Control", "max-age=30")], DEFAULT, 30),
        (301, [], DEFAULT, 86400),
        (206, [], DEFAULT, 0),
    ],
)
def test_ttl(status, headers, rules, expected):
    assert ttl(status, headers, rules) == expected


def test_a_custom_error_response_says_how_long_an_error_is_kept():
    assert ttl(404, [], DEFAULT, error_ttl=300) == 300
    assert ttl(404, [], DEFAULT, error_ttl=0) == 0
