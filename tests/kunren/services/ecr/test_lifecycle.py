"""Lifecycle policies, by the examples of "Lifecycle policy evaluation rules" and "Examples of lifecycle policies"."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.errors import NotImplementedByKunren
from kunren.services.ecr.errors import InvalidParameterException
from kunren.services.ecr.lifecycle import DAY_S, due, excluded, parse
from kunren.services.ecr.model import Image

NOW = 100 * DAY_S


def image(
    name: str, tags: tuple[str, ...] = (), days: float = 0, manifests: tuple[str, ...] = (), pulled=None
) -> Image:
    return Image(
        account="1", region="r", id=f"x@{name}", repository="x", digest=name, manifest="", media_type="", image_tags=tags,
        pushed_at=NOW - days * DAY_S, manifests=manifests, pulled_at=None if pulled is None else NOW - pulled * DAY_S,
    )  # fmt: skip


def rule(priority: int, status: str, kind: str, number: int, **more) -> dict:
    unit = {} if kind == "imageCountMoreThan" else {"countUnit": "days"}
    selection = {"tagStatus": status, "countType": kind, "countNumber": number, **unit, **more}
    return {"rulePriority": priority, "selection": selection, "action": {"type": "expire"}}


def expired(images, *rules) -> list[tuple[str, int]]:
    found = due(parse(json.dumps({"rules": rules})), images, NOW)
    return [(each.image.digest, each.priority) for each in found]


ABC = [
    image("A", ("beta-1", "prod-1"), 10),
    image("B", ("beta-2", "prod-2"), 9),
    image("C", ("beta-3",), 8),
]


def test_what_a_rule_identifies_no_rule_behind_it_expires():
    prod = rule(1, "tagged", "imageCountMoreThan", 1, tagPrefixList=["prod"])
    beta = rule(2, "tagged", "imageCountMoreThan", 1, tagPrefixList=["beta"])
    assert expired(ABC, prod, beta) == [("A", 1)]
    prod, beta = {**prod, "rulePriority": 2}, {**beta, "rulePriority": 1}
    assert expired(ABC, prod, beta) == [("A", 1), ("B", 1)]


def test_all_images_but_the_youngest_one():
    images = [image("A", ("a",), 10), image("B", (), 9), image("C", ("c",), 8), image("D", (), 7)]
    keep_one = rule(2, "any", "imageCountMoreThan", 1)
    assert expired(images, keep_one) == [("A", 2), ("B", 2), ("C", 2)]
    untagged = rule(1, "untagged", "sinceImagePushed", 8)
    assert expired(images, untagged, keep_one) == [("A", 2), ("B", 1), ("C", 2)]


def test_all_prefixes_and_all_patterns_of_a_rule_must_be_there():
    images = [image("A", ("alpha-1", "beta-1"), 12), image("B", ("alpha-2",), 11), image("C", ("prod-web-1",), 10)]
    both = rule(1, "tagged", "sinceImagePushed", 5, tagPrefixList=["alpha", "beta"])
    assert expired(images, both) == [("A", 1)]
    pattern = rule(1, "tagged", "sinceImagePushed", 5, tagPatternList=["*-web-*"])
    assert expired(images, pattern) == [("C", 1)]


def test_images_that_an_index_lists_stay_and_pulls_count():
    images = [
        image("child", (), 30),
        image("index", ("v1",), 1, ("child",)),
        image("x", (), 30),
        image("y", (), 30, (), 2),
    ]
    assert expired(images, rule(1, "untagged", "sinceImagePulled", 14)) == [("x", 1)]


@given(st.lists(st.tuples(st.sampled_from([(), ("a1",), ("a2",), ("b",), ("a3", "b2")]), st.integers(0, 40)), max_size=12),
       st.integers(1, 5), st.integers(1, 5))  # fmt: skip
def test_by_count_the_youngest_stay_and_each_image_goes_by_one_rule(told, few, some):
    images = [image(f"{place:02}", tags, days) for place, (tags, days) in enumerate(told)]
    rules = (
        rule(1, "tagged", "imageCountMoreThan", few, tagPrefixList=["a"]),
        rule(9, "any", "imageCountMoreThan", some),
    )
    found = expired(images, *rules)
    assert len({digest for digest, _ in found}) == len(found)
    by_first = [digest for digest, priority in found if priority == 1]
    tagged = [each for each in images if any(tag.startswith("a") for tag in each.image_tags)]
    assert len(by_first) == max(0, len(tagged) - few)
    gone = {digest for digest, _ in found}
    left = [each.pushed_at for each in tagged if each.digest not in gone]
    assert all(each.pushed_at <= min(left, default=NOW) for each in tagged if each.digest in by_first)


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ([], "no rules"),
        ([rule(1, "any", "imageCountMoreThan", 0)], "countNumber"),
        ([rule(1, "tagged", "imageCountMoreThan", 1)], "tagPrefixList"),
        ([rule(1, "any", "imageCountMoreThan", 1, countUnit="days")], "countUnit"),
        ([rule(1, "any", "imageCountMoreThan", 1), rule(2, "untagged", "imageCountMoreThan", 1)], "evaluated last"),
        ([rule(1, "untagged", "imageCountMoreThan", 1)] * 2, "Duplicate rulePriority"),
        ([{**rule(1, "any", "imageCountMoreThan", 1), "action": {"type": "keep"}}], "expire"),
        (["x"], "Lifecycle policy validation failure"),
    ],
)
def test_wrong_policies_are_refused(rules, why):
    with pytest.raises(InvalidParameterException, match=why):
        parse(json.dumps({"rules": rules}))


def test_archiving_is_refused_by_name():
    archiving = {**rule(1, "any", "sinceImagePulled", 9), "action": {"type": "transition"}}
    with pytest.raises(NotImplementedByKunren, match="transition"):
        parse(json.dumps({"rules": [archiving]}))


def test_exclusion_filters_are_wildcards():
    assert excluded("dev-1", ["latest", "dev-*"]) and excluded("latest", ["latest"])
    assert not excluded("adev-1", ["dev-*"]) and not excluded("latest2", ["latest"]) and not excluded("a", [])


@given(st.text("ab", max_size=12), st.text("ab*", max_size=8))
def test_a_pattern_fits_as_a_regular_expression_would(tag, pattern):
    assert excluded(tag, [pattern]) == bool(re.fullmatch(pattern.replace("*", ".*"), tag))


def test_patterns_have_four_wildcards_and_none_takes_long():
    assert parse(json.dumps({"rules": [rule(1, "tagged", "imageCountMoreThan", 1, tagPatternList=["*test*1*2*3"])]}))
    with pytest.raises(InvalidParameterException, match="wildcards"):
        expired([], rule(1, "tagged", "imageCountMoreThan", 1, tagPatternList=["test*1*2*3*4*5*6"]))
    assert not excluded("a" * 300, ["*a" * 30 + "*b"])
