"""The models' patterns as Python matchers."""

import pytest

from kunren.wire.catalog import Catalog
from kunren.wire.patterns import compile_pattern


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("[a-z]+", "abc", "abc1"),
        ("^[a-z]+$", "abc", "abc\n"),
        ("^abc", "abcdef", "xabc"),
        (r"\S", "a b", "  "),
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "Größe 1_.:/=+-@", "a|b"),
        (r"^\p{L}+$", "été", "a1"),
        (r"arn:aws(-[\w]+)*:lambda:.*", "arn:aws-cn:lambda:x", "arn:awsx:lambda:x"),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "ok \U0001f600", "bad\x01"),
    ],
)
def test_a_pattern_matches_as_java_would(pattern: str, good: str, bad: str) -> None:
    matcher = compile_pattern(pattern)
    assert matcher is not None
    assert matcher(good)
    assert not matcher(bad)


def test_what_python_cannot_read_is_not_checked() -> None:
    assert compile_pattern("[a-z&&[^aeiou]]") is None
    assert compile_pattern(r"\P{C}+") is None
    assert compile_pattern("(") is None


def test_nearly_every_pattern_of_our_services_can_be_read() -> None:
    catalog = Catalog()
    for name in ("ec2", "route53", "acm", "elbv2", "lambda", "sqs", "ecs", "fis"):
        for shape in catalog.service(name).shapes.values():
            if shape.pattern:
                assert compile_pattern(shape.pattern) is not None, (name, shape.name, shape.pattern)
