"""Conditions of policies, each operator with what IAM's user guide says of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.conditions import arn_like, hold, is_operator, like, substituted

KNOWN = {
    "aws:username": "kim", "aws:sourceip": "10.1.2.3", "aws:securetransport": "true",
    "aws:currenttime": "2026-06-01T12:00:00Z", "aws:epochtime": "1780315200", "s3:max-keys": "100",
    "aws:sourcearn": "arn:aws:s3:us-east-1:111122223333:bucket/a:b", "aws:tagkeys": ("team", "cost"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "holds"),
    [
        ("StringEquals", "aws:username", ["pat", "kim"], True),
        ("StringEquals", "AWS:UserName", "Kim", False),
        ("StringEqualsIgnoreCase", "aws:username", "KIM", True),
        ("StringNotEquals", "aws:username", ["pat", "kim"], False),
        ("StringLike", "aws:username", "k?*", True),
        ("StringNotLike", "aws:username", "k*", False),
        ("StringEquals", "aws:username", "k*", False),
        ("StringEquals", "aws:username", "${aws:username}", True),
        ("StringLike", "aws:sourcearn", "*:bucket/${aws:username}", False),
        ("StringEquals", "s3:prefix", "a", False),
        ("StringEqualsIfExists", "s3:prefix", "a", True),
        ("StringNotEquals", "s3:prefix", "a", True),
        ("Null", "s3:prefix", "true", True),
        ("Null", "aws:username", True, False),
        ("Null", "aws:username", "false", True),
        ("IpAddress", "aws:sourceip", ["192.0.2.0/24", "10.1.0.0/16"], True),
        ("NotIpAddress", "aws:sourceip", "10.0.0.0/8", False),
        ("Bool", "aws:securetransport", True, True),
        ("Bool", "aws:securetransport", "false", False),
        ("BoolIfExists", "aws:multifactorauthpresent", "true", True),
        ("NumericLessThanEquals", "s3:max-keys", 100, True),
        ("NumericLessThan", "s3:max-keys", "100", False),
        ("NumericGreaterThan", "s3:max-keys", "many", False),
        ("NumericNotEquals", "s3:max-keys", "10", True),
        ("DateLessThan", "aws:currenttime", "2026-06-01T12:00:01Z", True),
        ("DateGreaterThanEquals", "aws:currenttime", "1780315200", True),
        ("DateGreaterThan", "aws:epochtime", "2026-06-01T13:00:00+01:00", False),
        ("ArnLike", "aws:sourcearn", "arn:aws:s3:*:111122223333:bucket/*", True),
        ("ArnLike", "aws:sourcearn", "arn:aws:s3:*:bucket/*", False),
        ("ArnEquals", "aws:sourcearn", "arn:aws:s3:us-east-?:*:*", True),
        ("ArnNotLike", "aws:sourcearn", "arn:aws:sns:*:*:*", True),
        ("ForAllValues:StringEquals", "aws:tagkeys", ["team", "cost", "name"], True),
        ("ForAllValues:StringEquals", "aws:tagkeys", ["team"], False),
        ("ForAllValues:StringEquals", "aws:none", ["team"], True),
        ("ForAnyValue:StringEquals", "aws:tagkeys", ["team"], True),
        ("ForAnyValue:StringEquals", "aws:none", ["team"], False),
        ("ForAnyValue:StringNotEquals", "aws:none", ["team"], False),
        ("ForAnyValue:StringNotEquals", "aws:tagkeys", ["team"], True),
        ("ForAllValues:StringNotLike", "aws:tagkeys", ["x*"], True),
        ("StringSounds", "aws:username", "kim", False),
    ],
)
def test_an_operator_holds_as_aws_says(operator, key, wanted, holds):
    assert hold({operator: {key: wanted}}, KNOWN) is holds


def test_all_conditions_must_hold_and_any_of_the_values():
    both = {
        "StringEquals": {"aws:username": "kim", "s3:max-keys": ["1", "100"]},
        "Bool": {"aws:securetransport": "true"},
    }
    assert hold(both, KNOWN)
    assert not hold({**both, "Bool": {"aws:securetransport": "false"}}, KNOWN)


def test_variables_have_defaults_and_special_characters_and_are_literal_where_documents_are_old():
    assert substituted("home/${aws:username}/${*}${?}${$}", KNOWN) == "home/kim/*?$"
    assert substituted("${aws:PrincipalTag/team, 'nobody'}", KNOWN) == "nobody"
    assert substituted("${aws:none}", KNOWN) is None
    assert substituted("${aws:tagkeys}", KNOWN) is None  # several values are none
    assert not hold({"StringEquals": {"aws:username": "${aws:username}"}}, KNOWN, variables=False)


def test_a_variables_value_is_no_pattern():
    known = {"aws:username": "*"}
    assert like("${aws:username}/a", "*/a", known)
    assert not like("${aws:username}/a", "x/a", known)
    assert not arn_like("arn:aws:s3:::b/${aws:username}", "arn:aws:s3:::b/x", known)
    assert arn_like("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/*/x", known)


@pytest.mark.parametrize(
    ("pattern", "arn", "fits"),
    [
        ("*", "*", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/a/b:c", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b", False),
        ("arn:aws:sqs", "arn:aws:sqs:us-east-1:111122223333:q", True),
        ("arn:aws:sqs:*:*", "arn:aws:sqs:us-east-1:111122223333:q", True),
        ("arn:aws:iam::*:role/x", "arn:aws:iam::111122223333:role/x", True),
        ("arn:aws:iam::*role/x", "arn:aws:iam::111122223333:role/x", False),
        ("arn:aws:lambda:*:*:function:a?", "arn:aws:lambda:us-east-1:111122223333:function:ab", True),
    ],
)
def test_the_parts_of_an_arn_are_compared_each_for_itself(pattern, arn, fits):
    assert arn_like(pattern, arn) is fits


@given(st.text(alphabet="ab*?:/.${}", max_size=8), st.text(alphabet="ab:/.*?", max_size=8))
def test_wildcards_are_those_of_a_slow_and_plain_matcher(pattern, text):
    def plain(p, t):
        if not p:
            return not t
        if p[0] == "*":
            return plain(p[1:], t) or (bool(t) and plain(p, t[1:]))
        return bool(t) and (p[0] in ("?", t[0])) and plain(p[1:], t[1:])

    assert like(pattern, text) == plain(pattern, text)


@pytest.mark.parametrize("fits", [arn_like, like])
def test_no_pattern_takes_for_ever(fits):
    assert not fits(f"arn:aws:s3:::b/{'*a' * 40}*b", f"arn:aws:s3:::b/{'a' * 1024}")
    assert not fits(f"arn:aws:s3:::${{aws:username}}{'*a' * 40}*b", f"arn:aws:s3:::kim{'a' * 1024}", KNOWN)
    assert fits(f"arn:aws:s3:::b/{'*a' * 40}*b", f"arn:aws:s3:::b/{'a' * 1024}b")
    assert not fits(f"arn:aws:{'*a' * 40}*b:::x", f"arn:aws:{'a' * 1024}:::x")


@given(st.text(max_size=12))
def test_any_value_of_a_variable_fits_itself_alone(value):
    known = {"aws:username": value}
    assert like("${aws:username}", value, known)
    assert not like("${aws:username}", value + "x", known)
    assert hold({"StringEquals": {"aws:username": "${aws:UserName}"}}, known)


def test_iams_operators_are_known_and_others_not():
    for each in ("StringEquals", "ForAllValues:StringNotLikeIfExists", "Null", "NotIpAddress", "DateLessThanEquals"):
        assert is_operator(each), each
    for each in ("StringIs", "ForSome:StringEquals", "ForAllValues:Null", "", "Numeric"):
        assert not is_operator(each), each
