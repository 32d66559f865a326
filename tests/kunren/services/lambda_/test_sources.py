"""Filter patterns and batch failures of event source mappings."""

import pytest

from kunren.services.lambda_.invoker import InvokeResult
from kunren.services.lambda_.sources.patterns import InvalidPattern, matches, parse_pattern
from kunren.services.lambda_.sources.poller import failures


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ('{"body": {"a": [1]}}', {"body": {"a": 1}}, True),
        ('{"body": {"a": [1]}}', {"body": "text"}, False),
        ('{"body": {"a": [true]}}', {"body": {"a": 1}}, False),
        ('{"a": [{"numeric": [">", 1, "<=", 3]}]}', {"a": 3}, True),
        ('{"a": [{"numeric": [">", 1, "<=", 3]}]}', {"a": 1}, False),
        ('{"a": [{"anything-but": ["x"]}]}', {"a": "y"}, True),
        ('{"a": [{"anything-but": ["x"]}]}', {}, False),
        ('{"a": [{"exists": false}]}', {}, True),
        ('{"a": {"b": [{"exists": false}]}}', {}, True),
        ('{"a": [{"suffix": "z"}]}', {"a": ["x", "yz"]}, True),
        ('{"$or": [{"a": [1]}, {"b": [2]}]}', {"b": 2}, True),
        ('{"$or": [{"a": [1]}, {"b": [2]}]}', {"b": 1}, False),
    ],
)
def test_patterns_let_through_what_they_name(pattern, value, expected):
    assert matches(parse_pattern(pattern), value) is expected


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a": 1}', '{"a": []}', '{"a": [{"numeric": ["~", 1]}]}', '{"a": [{"x": 1}]}']
)
def test_what_is_no_pattern_is_refused(text):
    with pytest.raises(InvalidPattern):
        parse_pattern(text)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"null", set()),
        (b"{}", set()),
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}]}', {"a"}),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', {"a", "b"}),
        (b'{"batchItemFailures": [{"other": "a"}]}', {"a", "b"}),
        (b'"text"', {"a", "b"}),
    ],
)
def test_a_function_says_which_items_failed(payload, expected):
    assert failures(InvokeResult(200, payload, None, "1", None), ["a", "b"], partial=True) == expected
    assert failures(InvokeResult(200, payload, None, "1", None), ["a", "b"], partial=False) == set()
    assert failures(InvokeResult(200, payload, "Unhandled", "1", None), ["a", "b"], partial=True) == {"a", "b"}
