"""From a template and values to text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.core.velocity.syntax import (
    Binary,
    Block,
    Break,
    Call,
    Foreach,
    If,
    Index,
    Interpolated,
    ListOf,
    Literal,
    Macro,
    MapOf,
    Not,
    Property,
    Range,
    Reference,
    Set,
    Stop,
    Text,
    Use,
)
from kunren.core.velocity.values import (
    SIZE_MAX,
    BadEvaluation,
    Methods,
    as_name,
    call,
    item_of,
    property_of,
    text_of,
    truth,
)

LOOPS_MAX = 1000
"""Iterations of one #foreach (API Gateway's quota)."""
_STEPS_MAX = 500_000
_WORK_MAX = 8 * SIZE_MAX
_MACROS_MAX = 20

__all__ = ["BadEvaluation", "render"]


def render(block: Block, names: Mapping[str, Any], quiet: frozenset[str] = frozenset()) -> str:
    """The text that a template makes with these values. What is not there in one of the `quiet` names prints nothing
    instead of its source. Raises BadEvaluation."""
    run = _Run(dict(names), quiet)
    try:
        run.block(block)
    except _Stopped:
        pass
    except RecursionError:
        raise BadEvaluation("nested too deeply") from None
    except (OverflowError, ValueError) as error:  # of numbers that are too large to count with or to print
        raise error if isinstance(error, BadEvaluation) else BadEvaluation(str(error)) from None
    return "".join(run.out)


class _Stopped(Exception):
    pass


class _Broken(Exception):
    pass


class _Run:
    def __init__(self, names: dict[str, Any], quiet: frozenset[str]) -> None:
        self.names = names
        self._quiet = quiet
        self.out: list[str] = []
        self._size = 0
        self._steps = 0
        self._work = 0
        self._macros: dict[str, Macro] = {}
        self._inside = 0

    def block(self, block: Block) -> None:
        for node in block:
            self._steps += 1
            if self._steps > _STEPS_MAX:
                raise BadEvaluation("the template takes too many steps")
            self._node(node)

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > SIZE_MAX:
            raise BadEvaluation("the text is too long")
        self.out.append(text)

    def _node(self, node: Any) -> None:
        match node:
            case Text(text):
                self._write(text)
            case Reference():
                value = self._reference(node)
                if value is None:
                    self._write("" if node.quiet or self._is_set(node) else node.source)
                else:
                    self._write(text_of(value))
            case Set():
                self._set(node)
            case If(branches):
                for condition, inner in branches:
                    if truth(self.value(condition)):
                        self.block(inner)
                        break
            case Foreach():
                self._foreach(node)
            case Macro():
                self._macros[node.name] = node
            case Use():
                self._use(node)
            case Break():
                raise _Broken
            case Stop():
                raise _Stopped

    def _is_set(self, node: Reference) -> bool:
        """Whether the reference prints nothing where it leads to nothing, as what a method returns may be null."""
        return bool(node.steps) and (
            node.name in self._quiet or (isinstance(node.steps[-1], Call) and self.names.get(node.name) is not None)
        )

    def _foreach(self, node: Foreach) -> None:
        items = self.value(node.items)
        if isinstance(items, Mapping):
            items = list(items.values())
        if not isinstance(items, list):
            return
        if len(items) > LOOPS_MAX:
            raise BadEvaluation(f"#foreach goes over more than {LOOPS_MAX} items")
        kept = {name: self.names.get(name) for name in (node.name, "foreach", "velocityCount")}
        for index, item in enumerate(list(items)):
            self.names[node.name] = item
            self.names["velocityCount"] = index + 1
            self.names["foreach"] = {
                "index": index, "count": index + 1, "hasNext": index + 1 < len(items), "first": index == 0,
                "last": index + 1 == len(items), "parent": kept["foreach"],
            }  # fmt: skip
            try:
                self.block(node.block)
            except _Broken:
                break
        self.names.update(kept)

    def _use(self, node: Use) -> None:
        macro = self._macros.get(node.name)
        if macro is None:
            self._write(node.source)
            return
        self._inside += 1
        if self._inside > _MACROS_MAX:
            raise BadEvaluation("macros call each other too deeply")
        values = [self.value(each) for each in node.arguments]
        kept = {name: self.names.get(name) for name in macro.parameters}
        self.names.update(dict.fromkeys(macro.parameters))
        self.names.update(zip(macro.parameters, values, strict=False))
        self.block(macro.block)
        self.names.update(kept)
        self._inside -= 1

    def _set(self, node: Set) -> None:
        value = self.value(node.value)
        target = node.target
        if not target.steps:
            self.names[target.name] = value
            return
        owner = self._reference(target._replace(steps=target.steps[:-1]))
        last = target.steps[-1]
        at = self.value(last.at) if isinstance(last, Index) else last.name
        place = isinstance(owner, list) and isinstance(at, int) and 0 <= at < len(owner)
        if place or (isinstance(owner, dict) and not isinstance(last, Call)):
            owner[at if place else as_name(at)] = value

    # --- values ---------------------------------------------------------------------------------------------------

    def _reference(self, node: Reference) -> Any:
        value = self.names.get(node.name)
        for step in node.steps:
            if value is None:
                return None
            match step:
                case Property(name):
                    value = property_of(value, name)
                case Index(at):
                    value = item_of(value, self.value(at))
                case Call(name, arguments):
                    owner = value
                    value = call(owner, name, [self.value(each) for each in arguments])
                    self._worked(len(value) if isinstance(value, str) else 0)
                    self._worked(len(owner) // 16 if isinstance(owner, str) else 0)
        return value

    def _worked(self, characters: int) -> None:
        """Texts that were made or looked through, so that a template's time and memory have an end."""
        self._work += characters
        if self._work > _WORK_MAX:
            raise BadEvaluation("the template makes too much text")

    def value(self, node: Any) -> Any:
        """The value of an expression."""
        match node:
            case Literal(value):
                return value
            case Reference():
                return self._reference(node)
            case Interpolated(block):
                return self._interpolated(block)
            case Not(operand):
                return not truth(self.value(operand))
            case Binary("and", left, right):
                return truth(self.value(left)) and truth(self.value(right))
            case Binary("or", left, right):
                return truth(self.value(left)) or truth(self.value(right))
            case Binary(operator, left, right):
                found = _calculated(operator, self.value(left), self.value(right))
                self._worked(len(found) if isinstance(found, str) else 0)
                return found
            case ListOf(items):
                return [self.value(each) for each in items]
            case MapOf(items):
                return {as_name(self.value(name)): self.value(each) for name, each in items}
            case Range(first, last):
                return _range(self.value(first), self.value(last))
        raise AssertionError(node)

    def _interpolated(self, block: Block) -> str:
        kept, self.out = self.out, []
        try:
            self.block(block)
            made = "".join(self.out)
            self._worked(len(made))
            return made
        finally:
            self.out = kept


def _range(first: Any, last: Any) -> list[int]:
    if not _is_number(first) or not _is_number(last):
        return []
    first, last = int(first), int(last)
    if abs(last - first) > 10 * LOOPS_MAX:
        raise BadEvaluation("a range is too long")
    return list(range(first, last + 1)) if first <= last else list(range(first, last - 1, -1))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _calculated(operator: str, left: Any, right: Any) -> Any:
    if operator in ("==", "!="):
        return _same(left, right) == (operator == "==")
    if operator == "+" and (isinstance(left, str) or isinstance(right, str)):
        made = text_of(left) + text_of(right)
        if len(made) > SIZE_MAX:
            raise BadEvaluation("a string is too long")
        return made
    if not _is_number(left) or not _is_number(right):
        return None
    if operator in ("<", ">", "<=", ">="):
        return {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[operator]
    if operator in ("/", "%") and right == 0:
        return None
    whole = isinstance(left, int) and isinstance(right, int)
    match operator:
        case "+":
            found: Any = left + right
        case "-":
            found = left - right
        case "*":
            found = left * right
        case "/":
            found = (abs(left) // abs(right)) * (1 if (left < 0) == (right < 0) else -1) if whole else left / right
        case _:
            found = (abs(left) % abs(right)) * (-1 if left < 0 else 1)
    if whole and abs(found) > 1 << 127:
        raise BadEvaluation("a number is too large")
    return found


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if _is_number(left) and _is_number(right):
        return bool(left == right)
    if left is None or right is None:
        return left is right
    if isinstance(left, Methods) or isinstance(right, Methods):
        return left is right
    return text_of(left) == text_of(right)
