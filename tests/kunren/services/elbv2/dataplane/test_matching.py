"""Conditions as matchers: literal forms, and the sharing of rules among virtual hosts against a plain reading of ALB."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from kunren.services.elbv2.dataplane.matching import (
    ANY,
    ONE,
    Conditions,
    conditions,
    glob_matches,
    matches,
    parse,
    string_match,
    virtual_hosts,
)


def test_patterns_are_taken_apart():
    assert parse("/a*b?") == ("/a", ANY, "b", ONE)
    assert parse("**") == (ANY,)
    assert parse(r"a\*b\?") == ("a*b?",)
    assert parse("") == ("",)


def test_the_cheapest_matcher_is_taken():
    assert string_match("a.b", ignore_case=True) == {"exact": "a.b", "ignore_case": True}
    assert string_match("a*", ignore_case=False) == {"prefix": "a"}
    assert string_match("*a", ignore_case=False) == {"suffix": "a"}
    assert string_match("*a*", ignore_case=True) == {"contains": "a", "ignore_case": True}
    assert string_match("*", ignore_case=True) == {"safe_regex": {"regex": ".*"}}
    assert string_match("a*b.c?", ignore_case=True) == {"safe_regex": {"regex": r"(?i)a.*b\.c."}}


def test_path_patterns_become_exact_prefix_or_one_regex():
    config = {"Values": ["/exact", "/img/*", "*", "/a?c", "*.png"]}
    made = conditions([{"Field": "path-pattern", "PathPatternConfig": config}])
    assert made.paths == (
        {"path": "/exact"},
        {"prefix": "/img/"},
        {"prefix": "/"},
        {"safe_regex": {"regex": r"(?:/a.c|.*\.png)"}},
    )


def test_all_conditions_of_a_rule_are_in_every_match():
    made = conditions(
        [
            {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/a", "/b*"]}},
            {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Y", "Values": ["v"]}},
            {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET", "HEAD"]}},
            {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8", "2001:db8::/32"]}},
        ]
    )
    headers = [
        {"name": "X-Y", "string_match": {"exact": "v", "ignore_case": True}},
        {"name": ":method", "string_match": {"safe_regex": {"regex": "(?:GET|HEAD)"}}},
    ]
    ranges = [
        {"address_prefix": "10.0.0.0", "prefix_len": 8},
        {"address_prefix": "2001:db8::", "prefix_len": 32},
    ]
    source = [{"key": "kunren.client", "address_match": {"ranges": ranges}}]
    assert matches(made) == [
        {"path": "/a", "headers": headers, "filter_state": source},
        {"prefix": "/b", "headers": headers, "filter_state": source},
    ]


def test_query_strings_are_matched_as_sent_in_any_place():
    config = {"Values": [{"Key": "version", "Value": "v1"}, {"Value": "*ex?mple*"}, {"Key": "flag", "Value": "*"}]}
    (match,) = matches(conditions([{"Field": "query-string", "QueryStringConfig": config}]))
    regex = re.compile(match["headers"][0]["string_match"]["safe_regex"]["regex"])
    yes = ["/?version=v1", "/a?x=y&VERSION=V1&z", "/?q=some-example-here", "/?flag", "/?flag=", "/?a&flag=1"]
    no = ["/", "/?version=v12", "/?myversion=v1", "/version=v1", "/?q=exmple", "/?flags=1", "/?x=version=v1"]
    assert [each for each in yes if not regex.fullmatch(each)] == []
    assert [each for each in no if regex.fullmatch(each)] == []


def test_hosts_that_are_named_get_virtual_hosts_and_equal_ones_share():
    rules = [
        Conditions(hosts=("*.example.com",)),
        Conditions(hosts=("a.test", "B.test")),
        Conditions(),
        Conditions(hosts=("www.example.com",)),
        Conditions(),
    ]
    made = virtual_hosts(*rules)
    assert [(each.domains, [index for index, _ in each.rules]) for each in made] == [
        (("a.test", "b.test"), [1]),
        (("www.example.com",), [0]),
        (("*",), [0, 2, 4]),
    ]
    assert all(matcher is None for each in made[:2] for _, matcher in each.rules)
    authority = made[2].rules[0][1]
    assert authority == {
        "name": ":authority",
        "string_match": {"safe_regex": {"regex": r"(?i).*\.example\.com(?::\d+)?"}},
    }


def test_many_hosts_stay_apart_until_the_routes_would_be_too_many():
    named = [Conditions(hosts=(f"h{n}.test",)) for n in range(100)]
    made = virtual_hosts(*named, Conditions())
    assert len(made) == 101
    assert [index for index, _ in made[0].rules] == [0]
    partial = [Conditions(paths=({"prefix": "/a"},))] * 50
    named = [Conditions(({"prefix": "/h"},), hosts=each.hosts) for each in named]
    made = virtual_hosts(*named, Conditions())
    assert [index for index, _ in made[0].rules] == [0, 100]
    (only,) = virtual_hosts(*named, *partial)
    assert only.domains == ("*",)
    assert only.rules[0][1]["string_match"]["safe_regex"]["regex"] == r"(?i)h0\.test(?::\d+)?"


def test_regular_expressions_of_hosts_allow_for_a_port():
    (only,) = virtual_hosts(Conditions(hosts=(), host_regexes=(r"^api\.[a-z]+\.test$",)))
    regex = only.rules[0][1]["string_match"]["safe_regex"]["regex"]
    assert re.fullmatch(regex, "api.eu.test:8080") and re.fullmatch(regex, "API.eu.test")
    assert not re.fullmatch(regex, "api.eu.test.evil")


hosts = st.text(alphabet="ab.", min_size=1, max_size=6)
patterns = st.text(alphabet="ab.*?", min_size=1, max_size=6)


@given(st.lists(st.one_of(st.none(), st.lists(patterns, min_size=1, max_size=3)), max_size=8), hosts)
def test_the_first_rule_that_applies_is_the_same_as_by_a_plain_reading(rules, host):
    """For any host: the rules tried in its virtual host find the rule that ALB's plain order finds."""
    given_rules = [Conditions(hosts=None if each is None else tuple(each)) for each in rules] + [Conditions()]
    plain = next(
        index
        for index, each in enumerate(given_rules)
        if each.hosts is None or any(glob_matches(one, host, ignore_case=True) for one in each.hosts)
    )
    made = virtual_hosts(*given_rules)
    chosen = next((each for each in made if host.lower() in each.domains), made[-1])

    def holds(matcher):
        return matcher is None or re.fullmatch(matcher["string_match"]["safe_regex"]["regex"], host)

    assert next(index for index, matcher in chosen.rules if holds(matcher)) == plain


@given(st.text(alphabet="aB*?.", max_size=8), st.text(alphabet="abAB.", max_size=8))
def test_string_matchers_say_what_the_pattern_says(pattern, text):
    made = string_match(pattern, ignore_case=True)
    low = text.lower()
    says = {
        "exact": lambda value: low == value.lower(),
        "prefix": lambda value: low.startswith(value.lower()),
        "suffix": lambda value: low.endswith(value.lower()),
        "contains": lambda value: value.lower() in low,
        "safe_regex": lambda value: re.fullmatch(value["regex"], text) is not None,
    }
    kind = next(key for key in made if key != "ignore_case")
    assert bool(says[kind](made[kind])) == glob_matches(pattern, text, ignore_case=True)
