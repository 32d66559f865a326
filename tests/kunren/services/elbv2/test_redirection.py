"""Where redirects lead: the examples of AWS's guide, and what Envoy is told to say."""

import pytest

from kunren.services.elbv2.matcher import Asked
from kunren.services.elbv2.redirection import location

DEFAULTS = {
    "Protocol": "#{protocol}", "Host": "#{host}", "Port": "#{port}", "Path": "/#{path}", "Query": "#{query}",
    "StatusCode": "HTTP_301",
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "http://shop.test:80/a/b?x=1"),
        ({"Protocol": "HTTPS", "Port": "443"}, "https://shop.test:443/a/b?x=1"),
        ({"Path": "/new/#{path}"}, "http://shop.test:80/new/a/b?x=1"),
        ({"Host": "www.#{host}", "Query": ""}, "http://www.shop.test:80/a/b"),
        ({"Query": "from=#{host}&#{query}"}, "http://shop.test:80/a/b?from=shop.test&x=1"),
        ({"Path": "/#{port}/#{host}"}, "http://shop.test:80/80/shop.test?x=1"),
    ],
)
def test_placeholders_take_over_parts_of_the_request(given, expected):
    asked = Asked("GET", "Shop.test:8080", "/a/b", "x=1")
    assert location({**DEFAULTS, **given}, protocol="HTTP", port=80, asked=asked) == expected


def test_a_request_without_a_query_leaves_no_question_mark():
    asked = Asked("GET", "shop.test", "/", None)
    assert location(DEFAULTS, protocol="HTTPS", port=443, asked=asked) == "https://shop.test:443/"
