"""Redirects: which are native, and what the others render."""

from __future__ import annotations

import pytest

from kunren.services.elbv2.dataplane.redirects import redirect

DEFAULTS = {
    "Protocol": "#{protocol}", "Host": "#{host}", "Port": "#{port}", "Path": "/#{path}", "Query": "#{query}",
    "StatusCode": "HTTP_301",
}  # fmt: skip
PERMANENT = {"scheme_redirect": "https", "port_redirect": 443, "response_code": "MOVED_PERMANENTLY"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, PERMANENT),
        ({"StatusCode": "HTTP_302"}, {**PERMANENT, "response_code": "FOUND"}),
        ({"Host": "example.com"}, {**PERMANENT, "host_redirect": "example.com"}),
        ({"Query": ""}, {**PERMANENT, "strip_query": True}),
        ({"Path": "/new"}, {**PERMANENT, "path_redirect": "/new"}),
        ({"Path": "/new", "Query": ""}, {**PERMANENT, "path_redirect": "/new", "strip_query": True}),
        ({"Path": "/new", "Query": "a=b"}, {**PERMANENT, "path_redirect": "/new?a=b"}),
        ({"Path": "/p/#{port}"}, {**PERMANENT, "path_redirect": "/p/443"}),
        (
            {"Path": "/old/#{path}"},
            {**PERMANENT, "regex_rewrite": {"pattern": {"regex": "^/(.*)$"}, "substitution": "/old/\\1"}},
        ),
    ],
)
def test_what_envoy_can_say_itself_is_native(given, expected):
    assert redirect({**DEFAULTS, **given}, protocol="HTTPS", port=443) == {"redirect": expected}


@pytest.mark.parametrize(
    "given", [{"Host": "www.#{host}"}, {"Query": "a=b&#{query}"}, {"Path": "/#{host}/#{path}"}, {"Query": "p=#{path}"}]
)
def test_what_mixes_the_request_s_own_parts_is_a_template(given):
    made = redirect({**DEFAULTS, **given}, protocol="HTTP", port=80)
    assert made["direct_response"]["status"] == 301
    location = made["response_headers_to_add"][0]["header"]
    assert location["key"] == "location" and location["value"].startswith("http://")


def test_per_cent_signs_are_literal_in_templates():
    made = redirect({**DEFAULTS, "Query": "a=%20&#{query}"}, protocol="HTTP", port=80)
    assert made["response_headers_to_add"][0]["header"]["value"].endswith("?a=%%20&%CEL(request.query)%")
