"""Checks that the model can state, made once for every service: required, enum, length, range and pattern.

How it works. `compile_validator` makes one check per shape that has a constraint, or contains one; a shape without any
costs nothing. A check returns None where all is well, else the violations with the path below it; a parent puts its own
name in front. `refusal.py` turns violations into the error that the service's family sends. Which kinds of check a
service does not make is data in `model_patches.json` (`unchecked`).

What it refuses to know: types (the protocols check them while parsing) and rules that no model states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kunren.wire.catalog import Member, Operation, Service, Shape
from kunren.wire.patterns import compile_pattern

Path = tuple[str, ...]
PATTERN_TEXT_MAX = 65_536
"""Longer texts are not matched against patterns: a regular expression may take quadratic time."""


class Violation(NamedTuple):
    """`path` holds member names, list positions (from 1) with "member", and map keys; `kind` is which check failed."""

    path: Path
    kind: str
    constraint: str
    value: Any
    sensitive: bool = False


Check = Callable[[Any], list[Violation] | None]


def compile_validator(service: Service, operation: Operation) -> Check:
    """The check of an operation's parameters."""
    shape = service.input_shape(operation)
    if shape is None:
        return _nothing
    skipped = frozenset(service.patches.get("unchecked", ()))
    return _Compiler(service, skipped).shape(shape) or _nothing


def _nothing(value: Any) -> list[Violation] | None:
    return None


class _Compiler:
    def __init__(self, service: Service, skipped: frozenset[str]) -> None:
        self._service = service
        self._skipped = skipped
        self._made: dict[str, Check | None] = {}
        self._constrained: dict[str, bool] = {}

    def shape(self, shape: Shape) -> Check | None:
        if not self._has_constraint(shape, frozenset()):
            return None
        if shape.name in self._made:
            return self._made[shape.name]
        if shape.type == "structure":
            return self._structure(shape)
        if shape.type == "list":
            return self._list(shape)
        if shape.type == "map":
            return self._map(shape)
        check = self._made[shape.name] = self._scalar(shape)
        return check

    def _member(self, member: Member) -> Check | None:
        if member.jsonvalue:
            return None
        if member.enum:
            return self._enum(member.enum)
        return self.shape(self._service.target(member))

    def _has_constraint(self, shape: Shape, seen: frozenset[str]) -> bool:
        known = self._constrained.get(shape.name)
        if known is not None:
            return known
        if shape.name in seen or shape.eventstream or shape.document:
            return False
        own = shape.min is not None or shape.max is not None or bool(shape.pattern or shape.enum or shape.required)
        below = [*shape.members.values(), *(each for each in (shape.member, shape.key, shape.value) if each)]
        seen = seen | {shape.name}
        found = own or any(self._has_constraint(self._service.target(each), seen) for each in below)
        if found or len(seen) == 1:
            self._constrained[shape.name] = found
        return found

    def _structure(self, shape: Shape) -> Check:
        required = tuple(shape.required) if "required" not in self._skipped else ()
        checks: list[tuple[str, Check]] = []

        def check(value: Any) -> list[Violation] | None:
            found: list[Violation] | None = None
            for name in required:
                if value.get(name) is None:
                    found = found or []
                    found.append(Violation((name,), "required", "Member must not be null", None))
            for name, inner in checks:
                item = value.get(name)
                if item is not None:
                    below = inner(item)
                    if below:
                        found = (found or []) + _prefixed((name,), below)
            return found

        self._made[shape.name] = check
        for name, member in shape.members.items():
            inner = self._member(member)
            if inner is not None:
                checks.append((name, inner))
        return check

    def _list(self, shape: Shape) -> Check:
        assert shape.member is not None
        length = self._length(shape)
        inner: Check | None = None
        target = self._service.target(shape.member)
        compound = target.type in ("structure", "list", "map")

        def check(value: Any) -> list[Violation] | None:
            found = length(value) if length is not None else None
            if inner is None:
                return found
            for position, item in enumerate(value, 1):
                below = inner(item) if item is not None else None
                if below and not compound:
                    text = f"Member must satisfy constraint: [{', '.join(_all_constraints(target))}]"
                    return [*(found or []), Violation((), below[0].kind, text, value)]
                if below:
                    found = (found or []) + _prefixed((str(position), "member"), below)
            return found

        self._made[shape.name] = check
        inner = self._member(shape.member)
        return check

    def _map(self, shape: Shape) -> Check:
        assert shape.key is not None and shape.value is not None
        length = self._length(shape)
        key_shape, value_shape = self._service.target(shape.key), self._service.target(shape.value)
        compound = value_shape.type in ("structure", "list", "map")
        check_key: Check | None = None
        check_value: Check | None = None

        def check(value: Any) -> list[Violation] | None:
            found = length(value) if length is not None else None
            for key, item in value.items():
                wrong = check_key(key) if check_key is not None else None
                if wrong:
                    text = f"Map keys must satisfy constraint: [{', '.join(_all_constraints(key_shape))}]"
                    return [*(found or []), Violation((), wrong[0].kind, text, value)]
                below = check_value(item) if check_value is not None and item is not None else None
                if below and not compound:
                    text = f"Map value must satisfy constraint: [{', '.join(_all_constraints(value_shape))}]"
                    return [*(found or []), Violation((), below[0].kind, text, value)]
                if below:
                    found = (found or []) + _prefixed((str(key), "member"), below)
            return found

        self._made[shape.name] = check
        check_key = self._member(shape.key)
        check_value = self._member(shape.value)
        return check

    def _scalar(self, shape: Shape) -> Check | None:
        checks: list[Check] = []
        if shape.type in ("string", "blob"):
            length = self._length(shape)
            if length is not None:
                checks.append(length)
            if shape.pattern and "pattern" not in self._skipped:
                matcher = compile_pattern(shape.pattern)
                if matcher is not None:
                    checks.append(_pattern_check(shape.pattern, matcher, shape.sensitive))
            if shape.enum and "enum" not in self._skipped:
                checks.append(self._enum(shape.enum))
        elif shape.type in ("integer", "long", "float", "double", "short", "byte"):
            bounds = self._range(shape)
            if bounds is not None:
                checks.append(bounds)
        if not checks:
            return None
        return checks[0] if len(checks) == 1 else _all_of(checks)

    def _enum(self, values: Sequence[str]) -> Check:
        allowed = frozenset(values)
        text = _enum_text(values)

        def check(value: Any) -> list[Violation] | None:
            return None if value in allowed else [Violation((), "enum", text, value)]

        return check

    def _length(self, shape: Shape) -> Check | None:
        if (shape.min is None and shape.max is None) or "length" in self._skipped:
            return None
        low = int(shape.min) if shape.min is not None else 0
        high = int(shape.max) if shape.max is not None else None
        sensitive = shape.sensitive

        def check(value: Any) -> list[Violation] | None:
            size = len(value)
            if size < low:
                return [Violation((), "length", _at_least_long(low), value, sensitive)]
            if high is not None and size > high:
                return [Violation((), "length", _at_most_long(high), value, sensitive)]
            return None

        return check

    def _range(self, shape: Shape) -> Check | None:
        low, high = shape.min, shape.max
        if (low is None and high is None) or "range" in self._skipped:
            return None
        sensitive = shape.sensitive

        def check(value: Any) -> list[Violation] | None:
            if low is not None and value < low:
                return [Violation((), "range", _at_least(low), value, sensitive)]
            if high is not None and value > high:
                return [Violation((), "range", _at_most(high), value, sensitive)]
            return None

        return check


def _prefixed(path: Path, below: list[Violation]) -> list[Violation]:
    return [each._replace(path=path + each.path) for each in below]


def _all_of(checks: Sequence[Check]) -> Check:
    def check(value: Any) -> list[Violation] | None:
        found: list[Violation] | None = None
        for each in checks:
            wrong = each(value)
            if wrong:
                found = (found or []) + wrong
        return found

    return check


def _pattern_check(pattern: str, matcher: Callable[[str], object], sensitive: bool) -> Check:
    text = f"Member must satisfy regular expression pattern: {pattern}"

    def check(value: Any) -> list[Violation] | None:
        if len(value) > PATTERN_TEXT_MAX or matcher(value):
            return None
        return [Violation((), "pattern", text, value, sensitive)]

    return check


def _at_least_long(low: int) -> str:
    return f"Member must have length greater than or equal to {low}"


def _at_most_long(high: int) -> str:
    return f"Member must have length less than or equal to {high}"


def _at_least(low: float) -> str:
    return f"Member must have value greater than or equal to {_number(low)}"


def _at_most(high: float) -> str:
    return f"Member must have value less than or equal to {_number(high)}"


def _enum_text(values: Sequence[str]) -> str:
    return f"Member must satisfy enum value set: [{', '.join(values)}]"


def _all_constraints(shape: Shape) -> list[str]:
    """Everything a scalar must satisfy, as AWS lists it for a list's members and a map's keys."""
    out = []
    if shape.max is not None:
        out.append(_at_most_long(int(shape.max)) if shape.type == "string" else _at_most(shape.max))
    if shape.min is not None:
        out.append(_at_least_long(int(shape.min)) if shape.type == "string" else _at_least(shape.min))
    if shape.pattern:
        out.append(f"Member must satisfy regular expression pattern: {shape.pattern}")
    if shape.enum:
        out.append(_enum_text(shape.enum))
    return out


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
