"""The cluster query language: which container instances a memberOf constraint means. Pure.

"Create expressions to define container instances for Amazon ECS tasks".
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping

from kunren.core.patterns import BadPattern, occurs

Attributes = Mapping[str, str | None]


class BadExpression(Exception):
    """An expression that the cluster query language does not have."""


_TOKEN = re.compile(r"\s*(?:(\(|\)|\[|\]|,)|(==|!=|=~|!~|>=|<=|>|<|&&|\|\||!)|([A-Za-z0-9_.:*?^$+\-/\\]+)|'([^']*)')")
_WORDS = {
    "equals": "==", "not_equals": "!=", "matches": "=~", "not_matches": "!~", "greater_than": ">",
    "greater_than_equal": ">=", "less_than": "<", "less_than_equal": "<=", "and": "&&", "or": "||", "not": "!",
}  # fmt: skip


def matches(id: str, attributes: Mapping[str, str | None], expression: str) -> bool:
    """Whether the container instance on that EC2 instance, with those attributes, is a member. Raises BadExpression."""
    value, rest = _either({**attributes, "ec2InstanceId": id}, _tokens(expression))
    if rest:
        raise BadExpression(f"{expression!r} goes on with {rest[0]!r}")
    return value


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    at = 0
    while text[at:].strip():
        token = _TOKEN.match(text, at)
        if token is None:
            raise BadExpression(f"{text!r} can't be read from {text[at:]!r} on")
        word = token[3]
        told = token[1] or token[2] or (_WORDS.get(word.lower(), word) if word is not None else "'" + (token[4] or ""))
        found.append(told)
        at = token.end()
    return found


def _either(attributes: Attributes, tokens: list[str]) -> tuple[bool, list[str]]:
    value, rest = _both(attributes, tokens)
    while rest and rest[0] == "||":
        other, rest = _both(attributes, rest[1:])
        value = value or other
    return value, rest


def _both(attributes: Attributes, tokens: list[str]) -> tuple[bool, list[str]]:
    value, rest = _one(attributes, tokens)
    while rest and rest[0] == "&&":
        other, rest = _one(attributes, rest[1:])
        value = value and other
    return value, rest


def _one(attributes: Attributes, tokens: list[str]) -> tuple[bool, list[str]]:
    if not tokens:
        raise BadExpression("the expression ends where a condition is due")
    if tokens[0] == "!":
        value, rest = _one(attributes, tokens[1:])
        return not value, rest
    if tokens[0] == "(":
        value, rest = _either(attributes, tokens[1:])
        if rest[:1] != [")"]:
            raise BadExpression("a parenthesis is not closed")
        return value, rest[1:]
    return _condition(attributes, tokens)


def _condition(attributes: Attributes, tokens: list[str]) -> tuple[bool, list[str]]:
    subject, rest = tokens[0], tokens[1:]
    name = subject.removeprefix("attribute:")
    present = attributes.get(name)
    if rest[:1] == ["exists"]:
        return name in attributes, rest[1:]
    if rest[:1] == ["!exists"] or rest[:2] == ["!", "exists"]:
        return name not in attributes, rest[2 if rest[0] == "!" else 1 :]
    if rest[:1] in (["in"], ["not_in"]) or rest[:2] == ["!", "in"]:
        negated = rest[0] != "in"
        rest = rest[2 if rest[0] == "!" else 1 :]
        closing = "]" if rest[:1] == ["["] else ")" if rest[:1] == ["("] else None
        if closing is None or closing not in rest:
            raise BadExpression("a list of values is due behind in")
        end = rest.index(closing)
        listed = [each.removeprefix("'") for each in rest[1:end] if each != ","]
        return (present in listed) is not negated, rest[end + 1 :]
    if len(rest) < 2:
        raise BadExpression(f"an operator and a value are due behind {subject!r}")
    operator, value = rest[0], rest[1].removeprefix("'")
    return _compared(present, operator, value), rest[2:]


def _compared(present: str | None, operator: str, value: str) -> bool:
    if operator == "==":
        return present == value
    if operator == "!=":
        return present != value
    if operator in ("=~", "!~"):
        glob = fnmatch.fnmatchcase(present or "", value) if "*" in value and ".*" not in value else None
        found = glob if glob is not None else _searched(value, present or "")
        return (present is not None and found) is (operator == "=~")
    if operator in (">", ">=", "<", "<="):
        try:
            left, right = float(present or "nan"), float(value)
        except ValueError:
            return False
        return {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[operator]
    raise BadExpression(f"there is no operator {operator!r}")


def _searched(pattern: str, text: str) -> bool:
    try:
        return occurs(pattern, text)
    except BadPattern as error:
        raise BadExpression(str(error)) from error
