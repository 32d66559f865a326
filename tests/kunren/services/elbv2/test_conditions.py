"""Rule conditions: what is refused, with AWS's words, and that echoing is stable."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.errors import AwsError
from kunren.services.elbv2.conditions import normalise
from kunren.services.elbv2.limits import Limits


def refused(*conditions: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(AwsError) as caught:
        normalise(conditions, Limits())
    return caught.value.code, caught.value.message


def test_host_and_path_have_both_forms() -> None:
    host = {"Field": "host-header", "Values": ["*.example.com"]}
    path = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/a", "/b/*"]}}
    assert normalise([host, path], Limits()) == (
        {"Field": "host-header", "Values": ["*.example.com"], "HostHeaderConfig": {"Values": ["*.example.com"]}},
        {"Field": "path-pattern", "Values": ["/a", "/b/*"], "PathPatternConfig": {"Values": ["/a", "/b/*"]}},
    )


def test_the_others_have_their_config_only() -> None:
    sent = (
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "User-Agent", "Values": ["*Chrome*"]}},
        {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["M-SEARCH"]}},
        {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "version", "Value": "v1"}]}},
        {"Field": "source-ip", "SourceIpConfig": {"Values": ["192.0.2.0/24"]}},
    )
    assert normalise(sent, Limits()) == sent


def test_a_query_value_may_stand_without_key() -> None:
    sent = {"Field": "query-string", "QueryStringConfig": {"Values": [{"Value": "*error*"}]}}
    assert normalise([sent], Limits()) == (sent,)


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ({}, "A condition field must be specified"),
        (
            {"Field": "cookie"},
            "Condition field 'cookie' must be one of"
            " '[path-pattern,host-header,http-header,http-request-method,query-string,source-ip]'",
        ),
        ({"Field": "host-header"}, "A condition value must be specified"),
        ({"Field": "path-pattern", "Values": [""]}, "A condition value must be specified"),
        (
            {"Field": "host-header", "Values": ["a" * 125 + ".com"]},
            "The 'host-header' value is too long; the limit is '128'",
        ),
        (
            {"Field": "host-header", "Values": ["a.com", "b.com"]},
            "The 'host-header' field contains too many values; the limit is '1'",
        ),
        (
            {"Field": "path-pattern", "Values": ["/a b"]},
            "Condition value '/a b' contains a character that is not valid",
        ),
        (
            {"Field": "host-header", "Values": ["example.com:8443"]},
            "Condition value 'example.com:8443' contains a character that is not valid",
        ),
        (
            {"Field": "source-ip", "Values": ["10.0.0.0/8"]},
            "The 'Values' field is not compatible with 'source-ip'",
        ),
        ({"Field": "http-header"}, "A 'HttpHeaderConfig' must be specified with 'http-header'"),
        (
            {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "a" * 41, "Values": ["x"]}},
            "The 'HttpHeaderName' value is too long; the limit is '40'",
        ),
        (
            {"Field": "http-request-method"},
            "A 'HttpRequestMethodConfig' must be specified with 'http-request-method'",
        ),
        (
            {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["get"]}},
            "The 'http-request-method' value is invalid; the allowed characters are A-Z, hyphen and underscore",
        ),
        ({"Field": "query-string"}, "A 'QueryStringConfig' must be specified with 'query-string'"),
        (
            {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "a"}]}},
            "A 'Value' must be specified in 'QueryStringKeyValuePair'",
        ),
        ({"Field": "source-ip"}, "A 'SourceIpConfig' must be specified with 'source-ip'"),
        (
            {"Field": "source-ip", "SourceIpConfig": {"Values": []}},
            "A 'source-ip' value must be specified",
        ),
        (
            {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.1"]}},
            "The 'source-ip' value '10.0.0.1' must be in CIDR format",
        ),
        (
            {"Field": "path-pattern", "Values": ["/a"], "PathPatternConfig": {"Values": ["/b"]}},
            "You cannot provide both Values and 'PathPatternConfig' for a condition of type 'path-pattern'",
        ),
        (
            {"Field": "path-pattern", "Values": ["/a"], "HostHeaderConfig": {"Values": ["a.b"]}},
            "The 'HostHeaderConfig' field is not compatible with 'path-pattern'",
        ),
        (
            {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["("]}},
            "The regular expression '(' is not valid",
        ),
        (
            {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/(?!admin)"]}},
            "The regular expression '^/(?!admin)' is not valid",
        ),
    ],
)
def test_conditions_that_aws_refuses(condition: dict[str, Any], text: str) -> None:
    assert refused(condition) == ("ValidationError", text)


@pytest.mark.parametrize("host", ["localhost", "example.com.", "example.c0m"])
def test_a_host_has_a_dot_and_only_letters_after_the_last(host: str) -> None:
    assert refused({"Field": "host-header", "Values": [host]})[0] == "ValidationError"


def test_one_condition_of_a_kind_but_several_of_headers_and_queries() -> None:
    path = {"Field": "path-pattern", "Values": ["/a"]}
    assert refused(path, path) == ("InvalidConfigurationRequest", "A rule can only have one 'path-pattern' condition")
    header = {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "A", "Values": ["x"]}}
    assert len(normalise([header, header], Limits())) == 2


def test_five_values_and_six_wildcards_in_a_rule() -> None:
    six = [f"/{number}" for number in range(6)]
    assert refused({"Field": "path-pattern", "PathPatternConfig": {"Values": six}}) == (
        "ValidationError",
        "A rule can only have '5' condition values",
    )
    assert refused({"Field": "path-pattern", "Values": ["/*******"]}) == (
        "ValidationError",
        "A rule can only have '6' condition wildcards",
    )
    escaped = {"Field": "query-string", "QueryStringConfig": {"Values": [{"Value": "\\*" * 7}]}}
    assert normalise([escaped], Limits()) == (escaped,)
    patterns = {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/a*b*c*d*e*f*g*$"]}}
    assert normalise([patterns], Limits())[0]["PathPatternConfig"] == patterns["PathPatternConfig"]


def test_regular_expressions_are_echoed_in_both_forms() -> None:
    sent = {"Field": "host-header", "RegexValues": ["^(www|api)\\.example\\.com$"]}
    once = normalise([sent], Limits())
    assert once[0]["HostHeaderConfig"] == {"RegexValues": sent["RegexValues"]}
    assert normalise(once, Limits()) == once


_word = st.text(string.ascii_letters + string.digits, min_size=1, max_size=12)
_conditions = st.one_of(
    st.builds(lambda a, b: {"Field": "host-header", "Values": [f"{a}.{b}.com"]}, _word, _word),
    st.builds(
        lambda names: {"Field": "host-header", "HostHeaderConfig": {"Values": [f"{name}.org" for name in names]}},
        st.lists(_word, min_size=1, max_size=5),
    ),
    st.builds(lambda a: {"Field": "path-pattern", "Values": [f"/{a}/*"]}, _word),
    st.builds(
        lambda a, b: {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": f"X-{a}", "Values": [b]}},
        _word,
        _word,
    ),
    st.builds(
        lambda a, b: {
            "Field": "query-string",
            "QueryStringConfig": {"Values": [{"Key": a, "Value": b} if a else {"Value": b}]},
        },
        st.none() | _word,
        _word,
    ),
    st.builds(lambda n: {"Field": "source-ip", "SourceIpConfig": {"Values": [f"10.{n}.0.0/16"]}}, st.integers(0, 255)),
)


@given(_conditions)
def test_what_was_echoed_can_be_sent_again_and_is_echoed_the_same(condition: dict[str, Any]) -> None:
    once = normalise([condition], Limits())
    assert normalise(once, Limits()) == once
