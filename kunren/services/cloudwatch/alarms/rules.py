"""The rule of a composite alarm: ALARM(name), OK(...), INSUFFICIENT_DATA(...), TRUE, FALSE, NOT, AND, OR. Pure.

API reference, PutCompositeAlarm, AlarmRule.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

ALARMS_MAX = 100
ELEMENTS_MAX = 500
_DEPTH_MAX = 100
_TOKEN = re.compile(r'\s*(?:(?P<word>[^\s()"]+)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<bracket>[()]))')
_STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")


class BadRule(ValueError):
    """It is none; the text says why."""


class Is(NamedTuple):
    state: str
    alarm: str
    """As the rule names it: a name or an ARN."""


class Constant(NamedTuple):
    value: bool


class Not(NamedTuple):
    rule: Rule


class Joined(NamedTuple):
    every: bool
    rules: tuple[Rule, ...]


Rule: TypeAlias = Is | Constant | Not | Joined


def parse(text: str) -> Rule:
    """Raises BadRule."""
    reading = _Reading(text)
    rule = reading.any_of(0)
    if reading.at < len(reading.tokens):
        raise BadRule(f"unexpected {reading.tokens[reading.at]!r}")
    return rule


def alarms(rule: Rule) -> set[str]:
    """The alarms that a rule names."""
    if isinstance(rule, Is):
        return {rule.alarm}
    if isinstance(rule, Not):
        return alarms(rule.rule)
    if isinstance(rule, Joined):
        return set().union(*map(alarms, rule.rules))
    return set()


def name_of(told: str) -> str:
    """The name of the alarm that a rule names by its name or its ARN."""
    return told.rpartition(":alarm:")[2] if told.startswith("arn:") else told


def in_cycle(name: str, rule_of: Callable[[str], Rule | None]) -> bool:
    """Whether an alarm follows itself through others' rules; `rule_of` is None for what is no composite alarm."""
    seen: set[str] = set()
    ahead = [name]
    while ahead:
        rule = rule_of(ahead.pop())
        for each in map(name_of, alarms(rule) if rule is not None else ()):
            if each == name:
                return True
            if each not in seen:
                seen.add(each)
                ahead.append(each)
    return False


def holds(rule: Rule, state_of: Callable[[str], str | None]) -> bool:
    """Whether a rule is true; an alarm that is not there (None) is in no state."""
    if isinstance(rule, Is):
        return state_of(rule.alarm) == rule.state
    if isinstance(rule, Constant):
        return rule.value
    if isinstance(rule, Not):
        return not holds(rule.rule, state_of)
    found = (holds(each, state_of) for each in rule.rules)
    return all(found) if rule.every else any(found)


class _Reading:
    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        self.at = 0
        position, text = 0, text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise BadRule(f"unexpected {text[position:].strip()[:1]!r}")
            self.tokens.append(match[0].strip())
            position = match.end()
        if len(self.tokens) > 4 * ELEMENTS_MAX:
            raise BadRule(f"it has more than {ELEMENTS_MAX} elements")

    def _next(self) -> str:
        if self.at == len(self.tokens):
            raise BadRule("it ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def _is(self, word: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at].upper() == word:
            self.at += 1
            return True
        return False

    def any_of(self, depth: int) -> Rule:
        found = [self.all_of(depth)]
        while self._is("OR"):
            found.append(self.all_of(depth))
        return found[0] if len(found) == 1 else Joined(False, tuple(found))

    def all_of(self, depth: int) -> Rule:
        found = [self.one(depth)]
        while self._is("AND"):
            found.append(self.one(depth))
        return found[0] if len(found) == 1 else Joined(True, tuple(found))

    def one(self, depth: int) -> Rule:
        if depth > _DEPTH_MAX:
            raise BadRule("it is nested too deeply")
        if self._is("NOT"):
            return Not(self.one(depth + 1))
        if self._is("("):
            inner = self.any_of(depth + 1)
            self._close()
            return inner
        word = self._next().upper()
        if word in ("TRUE", "FALSE"):
            return Constant(word == "TRUE")
        if word not in _STATES:
            raise BadRule(f"unexpected {word!r}")
        if not self._is("("):
            raise BadRule(f"'(' is expected behind {word}")
        name = self._next()
        if name in ("(", ")"):
            raise BadRule(f"an alarm is expected, not {name!r}")
        self._close()
        return Is(word, re.sub(r"\\(.)", r"\1", name[1:-1]) if name[0] == '"' else name)

    def _close(self) -> None:
        if (token := self._next()) != ")":
            raise BadRule(f"')' is expected, not {token!r}")
