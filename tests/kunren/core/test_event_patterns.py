"""Event patterns: "Comparison operators" in the user guide."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.event_patterns import InvalidPattern, matches, parse

EVENT = {
    "source": "aws.ec2", "resources": ["a", "b"],
    "detail": {"state": "running", "n": 5, "flag": True, "ip": "10.0.0.7", "none": None, "deep": {"x": "Y"},
               "path": "dir/file.png"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ({"source": ["aws.ec2", "aws.s3"]}, True),
        ({"source": ["aws.s3"]}, False),
        ({"resources": ["b"]}, True),
        ({"detail": {"state": [{"prefix": "run"}]}}, True),
        ({"detail": {"state": [{"suffix": "ped"}]}}, False),
        ({"detail": {"state": [{"prefix": {"equals-ignore-case": "RUN"}}]}}, True),
        ({"detail": {"state": [{"anything-but": "stopped"}]}}, True),
        ({"detail": {"state": [{"anything-but": ["running", "x"]}]}}, False),
        ({"detail": {"state": [{"anything-but": {"prefix": "run"}}]}}, False),
        ({"detail": {"state": [{"anything-but": {"wildcard": "st*"}}]}}, True),
        ({"detail": {"state": [{"equals-ignore-case": "RUNNING"}]}}, True),
        ({"detail": {"path": [{"wildcard": "dir/*.png"}]}}, True),
        ({"detail": {"path": [{"wildcard": "*.gif"}]}}, False),
        ({"detail": {"n": [{"numeric": [">", 0, "<=", 5]}]}}, True),
        ({"detail": {"n": [{"numeric": [">", 5]}]}}, False),
        ({"detail": {"ip": [{"cidr": "10.0.0.0/24"}]}}, True),
        ({"detail": {"flag": [True]}}, True),
        ({"detail": {"flag": [1]}}, False),
        ({"detail": {"none": [None]}}, True),
        ({"detail": {"gone": [{"exists": False}]}}, True),
        ({"detail": {"state": [{"exists": False}]}}, False),
        ({"nothing": {"gone": [{"exists": False}]}}, True),
        ({"detail": {"deep": {"x": ["Y"]}}}, True),
        ({"detail": {"$or": [{"n": [1]}, {"state": ["running"]}]}}, True),
        ({"detail": {"$or": [{"n": [1]}, {"state": ["x"]}]}}, False),
    ],
)
def test_a_pattern(pattern, wanted):
    assert matches(parse(json.dumps(pattern)), EVENT) is wanted


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"a": "b"}', '{"a": []}', '{"a": [{"like": "b"}]}', '{"a": [{"numeric": ["~", 1]}]}',
             '{"a": [{"exists": "yes"}]}', '{"a": [["b"]]}', '{"a": [{"cidr": "10.0.0.0"}]}']
)  # fmt: skip
def test_what_is_no_pattern_is_refused(text):
    with pytest.raises(InvalidPattern):
        parse(text)


@given(st.text("ab*", max_size=12).filter(lambda each: "**" not in each), st.text("ab", max_size=12))
def test_wildcards_are_those_of_regular_expressions(pattern, value):
    import re

    expected = re.fullmatch(pattern.replace("*", ".*"), value) is not None
    assert matches({"a": [{"wildcard": pattern}]}, {"a": value}) is expected


def test_an_event_may_be_nested_deeply():
    nested = []
    for _ in range(5000):
        nested = [nested]
    assert not matches(parse('{"a": {"b": ["x"]}, "c": ["x"]}'), {"a": nested, "c": nested})
    assert matches(parse('{"a": {"b": ["x"]}}'), {"a": [[{"b": "y"}], [[{"b": "x"}]]]})
