from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.ec2 import filters
from kunren.services.ec2.errors import FilterLimitExceeded, InvalidParameterValue


@dataclass(frozen=True)
class Thing:
    name: str
    default: bool = False
    size: int = 0
    parts: tuple[str, ...] = ()
    nothing: None = None
    tags: dict[str, str] = field(default_factory=dict)


TABLE = {
    "name": lambda each: each.name,
    "default": lambda each: each.default,
    "size": lambda each: each.size,
    "part": lambda each: each.parts,
    "nothing": lambda each: each.nothing,
}
WEB = Thing("web", True, 3, ("a", "b"), tags={"Name": "front*", "team": "x"})
DB = Thing("db", False, 30, (), tags={"Name": "back"})


def names(*wanted: tuple[str, list[str]]) -> list[str]:
    asked = [{"Name": name, "Values": values} for name, values in wanted]
    return [each.name for each in filters.select([WEB, DB], asked, TABLE, lambda each: each.tags)]


def test_values_are_joined_by_or_and_filters_by_and():
    assert names(("name", ["web", "db"])) == ["web", "db"]
    assert names(("name", ["web", "db"]), ("default", ["false"])) == ["db"]
    assert names(("name", ["web"]), ("default", ["false"])) == []


def test_numbers_booleans_and_lists_are_compared_as_text():
    assert names(("size", ["3"])) == ["web"]
    assert names(("default", ["true"])) == ["web"]
    assert names(("part", ["b"])) == ["web"]
    assert names(("nothing", ["*"])) == []


def test_wildcards_and_their_escape():
    assert names(("name", ["w?b"])) == ["web"]
    assert names(("name", ["*b"])) == ["web", "db"]
    assert names(("tag:Name", ["front\\*"])) == ["web"]
    assert names(("tag:Name", ["fron\\*"])) == []
    assert names(("name", ["W*"])) == []


def test_tags_by_key_value_and_pair():
    assert names(("tag:team", ["x"])) == ["web"]
    assert names(("tag-key", ["team"])) == ["web"]
    assert names(("tag-value", ["back"])) == ["db"]
    assert names(("tag:none", ["*"])) == []


def test_a_filter_without_values_matches_nothing():
    assert filters.select([WEB], [{"Name": "name"}], TABLE) == []


def test_an_unknown_filter_is_refused_by_name():
    with pytest.raises(InvalidParameterValue, match="The filter 'colour' is invalid"):
        names(("colour", ["red"]))
    with pytest.raises(InvalidParameterValue, match="The filter 'tag:x' is invalid"):
        filters.select([WEB], [{"Name": "tag:x", "Values": ["1"]}], TABLE)


def test_an_unknown_filter_is_refused_even_when_there_is_nothing_to_filter():
    with pytest.raises(InvalidParameterValue):
        filters.select([], [{"Name": "colour", "Values": ["red"]}], TABLE)


def test_more_than_two_hundred_values_are_refused():
    with pytest.raises(FilterLimitExceeded):
        names(("name", [str(each) for each in range(201)]))


@given(st.text())
def test_a_value_with_everything_escaped_matches_only_itself(text):
    escaped = "".join("\\" + each for each in text)
    assert filters.pattern(escaped).fullmatch(text)
    assert not filters.pattern(escaped).fullmatch(text + "x")


@given(st.text(), st.text())
def test_a_star_is_any_text(before, after):
    assert filters.pattern("*").fullmatch(before)
    literal = "".join("\\" + each for each in before)
    assert filters.pattern(literal + "*").fullmatch(before + after)
