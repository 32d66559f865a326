"""From text to a template: a parser by recursive descent."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from kunren.core.velocity import syntax

_DEPTH_MAX = 60
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_REFERENCE = re.compile(r"\$!?\{?(?=[A-Za-z_])")
_DIRECTIVE = re.compile(
    r"#(?:\{(set|if|elseif|else|end|foreach|break|stop|return|macro)\}"
    r"|(set|if|elseif|else|end|foreach|break|stop|return|macro)(?![A-Za-z0-9_-]))"
)
_ELSE = re.compile(r"#else")  # `#elsewhere` is `#else` with a text behind it
_MACRO_CALL = re.compile(r"#(?:\{([A-Za-z_][A-Za-z0-9_-]*)\}|([A-Za-z_][A-Za-z0-9_-]*))\(")
_REST_OF_LINE = re.compile(r"[ \t]*\r?\n")
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"-?\d+(?:\.\d+(?:[eE][-+]?\d+)?)?")
_OPERATORS = (
    {"||": "or", "or": "or"},
    {"&&": "and", "and": "and"},
    {"==": "==", "eq": "==", "!=": "!=", "ne": "!="},
    {"<=": "<=", "le": "<=", ">=": ">=", "ge": ">=", "<": "<", "lt": "<", ">": ">", "gt": ">"},
    {"+": "+", "-": "-"},
    {"*": "*", "/": "/", "%": "%"},
)
_WORDS = {"true": True, "false": False, "null": None}


class BadTemplate(ValueError):
    """The text is no template; the message says what is wrong and on which line."""


@lru_cache(maxsize=512)
def template(text: str) -> syntax.Block:
    """The template that a text is. Raises BadTemplate."""
    parser = _Parser(text)
    try:
        block, ended_by = parser.block(frozenset())
    except RecursionError:
        raise parser.wrong("nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits
        raise error if isinstance(error, BadTemplate) else parser.wrong(str(error)) from None
    if ended_by:
        raise parser.wrong(f"#{ended_by} without its beginning")
    return block


class _Parser:
    def __init__(self, text: str, depth: int = 0) -> None:
        self.text = text
        self.at = 0
        self.depth = depth

    def wrong(self, what: str) -> BadTemplate:
        return BadTemplate(f"{what} on line {self.text.count(chr(10), 0, self.at) + 1}")

    # --- templates ------------------------------------------------------------------------------------------------

    def block(self, ends: frozenset[str]) -> tuple[syntax.Block, str]:
        """What comes up to one of the directives `ends`, and which one it was ("" at the end of the text)."""
        self.depth += 1
        if self.depth > _DEPTH_MAX:
            raise self.wrong("nested too deeply")
        found: list[Any] = []
        plain: list[str] = []
        ended_by = ""
        while self.at < len(self.text):
            node = self._piece()
            if isinstance(node, str):
                plain.append(node)
                continue
            if plain:
                found.append(syntax.Text("".join(plain)))
                plain = []
            if isinstance(node, _End):
                if node.name not in ends:
                    raise self.wrong(f"#{node.name} without its beginning")
                ended_by = node.name
                break
            found.append(node)
        else:
            if ends:
                raise self.wrong("#end is missing")
        if plain:
            found.append(syntax.Text("".join(plain)))
        self.depth -= 1
        return tuple(found), ended_by

    def _piece(self) -> Any:
        text, at = self.text, self.at
        char = text[at]
        if char == "\\" and at + 1 < len(text) and text[at + 1] in "$#":
            self.at += 2
            return text[at + 1]
        if char == "$" and _REFERENCE.match(text, at):
            return self.reference()
        if char == "#":
            return self._hash()
        following = re.compile(r"[\\$#]").search(text, at + 1)
        self.at = following.start() if following else len(text)
        return text[at : self.at]

    def _hash(self) -> Any:
        text, at = self.text, self.at
        if text.startswith("##", at):
            end = text.find("\n", at)
            self.at = len(text) if end < 0 else end + 1
            return ""
        for opening, closing, kept in (("#*", "*#", False), ("#[[", "]]#", True)):
            if text.startswith(opening, at):
                end = text.find(closing, at + len(opening))
                if end < 0:
                    raise self.wrong(f"{opening} without {closing}")
                self.at = end + len(closing)
                return text[at + len(opening) : end] if kept else ""
        found = _DIRECTIVE.match(text, at)
        if found is not None:
            self.at = found.end()
            return self._directive(found[1] or found[2])
        if _ELSE.match(text, at):
            self.at += 5
            return _End("else")
        call = _MACRO_CALL.match(text, at)
        if call is not None:
            self.at = call.end()
            arguments: list[Any] = []
            self._space()
            while not self._eat(")"):
                arguments.append(self.expression())
                self._eat(",")
                self._space()
            return syntax.Use(text[at : self.at], call[1] or call[2], tuple(arguments))
        self.at += 1
        return "#"

    def _directive(self, name: str) -> Any:
        if name in ("else", "end"):
            self._rest_of_line()
            return _End(name)
        if name == "elseif":
            return _End(name)
        if name in ("break", "stop", "return"):
            self._rest_of_line()
            return syntax.Break() if name == "break" else syntax.Stop()
        self._space()
        self._expect("(")
        if name == "set":
            return self._set()
        if name == "if":
            return self._if()
        return self._foreach() if name == "foreach" else self._macro()

    def _set(self) -> syntax.Set:
        self._space()
        if not _REFERENCE.match(self.text, self.at):
            raise self.wrong("#set needs a reference")
        target = self.reference()
        self._space()
        self._expect("=")
        value = self.expression()
        self._expect(")")
        self._rest_of_line()
        return syntax.Set(target, value)

    def _if(self) -> syntax.If:
        branches = []
        condition = self._condition()
        while True:
            block, ended_by = self.block(frozenset({"elseif", "else", "end"}))
            branches.append((condition, block))
            if ended_by == "end":
                return syntax.If(tuple(branches))
            if ended_by == "else":
                block, _ = self.block(frozenset({"end"}))
                return syntax.If((*branches, (syntax.Literal(True), block)))
            self._space()
            self._expect("(")
            condition = self._condition()

    def _condition(self) -> Any:
        condition = self.expression()
        self._expect(")")
        self._rest_of_line()
        return condition

    def _foreach(self) -> syntax.Foreach:
        self._space()
        name = self.reference().name if _REFERENCE.match(self.text, self.at) else ""
        self._space()
        if not name or not self.text.startswith("in", self.at):
            raise self.wrong("#foreach needs ($item in $items)")
        self.at += 2
        items = self._condition()
        block, _ = self.block(frozenset({"end"}))
        return syntax.Foreach(name, items, block)

    def _macro(self) -> syntax.Macro:
        names = []
        self._space()
        while not self._eat(")"):
            found = re.compile(r"\$?!?\{?([A-Za-z_][A-Za-z0-9_-]*)\}?,?\s*").match(self.text, self.at)
            if found is None:
                raise self.wrong("#macro needs a name and references")
            names.append(found[1])
            self.at = found.end()
        if not names:
            raise self.wrong("#macro needs a name")
        self._rest_of_line()
        block, _ = self.block(frozenset({"end"}))
        return syntax.Macro(names[0], tuple(names[1:]), block)

    # --- references -----------------------------------------------------------------------------------------------

    def reference(self) -> syntax.Reference:
        """The reference that begins here."""
        start = self.at
        opening = _REFERENCE.match(self.text, start)
        assert opening is not None
        formal = opening[0].endswith("{")
        self.at = opening.end()
        name = self._name()
        steps: list[syntax.Property | syntax.Call | syntax.Index] = []
        while self.at < len(self.text):
            if self.text[self.at] == "." and _NAME.match(self.text, self.at + 1):
                self.at += 1
                step = self._name()
                steps.append(syntax.Call(step, self._arguments()) if self._next_is("(") else syntax.Property(step))
            elif self.text[self.at] == "[":
                before, depth = self.at, self.depth
                try:
                    self.at += 1
                    at = self.expression()
                    self._expect("]")
                except BadTemplate:  # `$x[` may be text
                    self.at, self.depth = before, depth
                    break
                steps.append(syntax.Index(at))
            else:
                break
        if formal:
            self._expect("}")
        return syntax.Reference(self.text[start : self.at], "!" in opening[0], name, tuple(steps))

    def _name(self) -> str:
        found = _NAME.match(self.text, self.at)
        assert found is not None
        self.at = found.end()
        return found[0]

    def _arguments(self) -> tuple[Any, ...]:
        self._expect("(")
        found: list[Any] = []
        self._space()
        while not self._eat(")"):
            found.append(self.expression())
            self._space()
            if not self._eat(",") and not self._next_is(")"):
                raise self.wrong("a call without its )")
        return tuple(found)

    # --- expressions ----------------------------------------------------------------------------------------------

    def expression(self, level: int = 0) -> Any:
        """An expression, from operators that bind weakest to those that bind strongest."""
        if level == len(_OPERATORS):
            return self._unary()
        if level == 0:
            self.depth += 1
            if self.depth > _DEPTH_MAX:
                raise self.wrong("nested too deeply")
        left = self.expression(level + 1)
        while (operator := self._operator(_OPERATORS[level])) is not None:
            left = syntax.Binary(operator, left, self.expression(level + 1))
        if level == 0:
            self.depth -= 1
        return left

    def _operator(self, known: dict[str, str]) -> str | None:
        self._space()
        for written, operator in known.items():
            if self.text.startswith(written, self.at):
                behind = self.at + len(written)
                if written.isalpha() and behind < len(self.text) and (self.text[behind].isalnum()):
                    continue
                self.at = behind
                return operator
        return None

    def _unary(self) -> Any:
        self._space()
        if self._eat("!"):
            return syntax.Not(self._unary())
        if self.text.startswith("not", self.at) and not self.text[self.at + 3 : self.at + 4].isalnum():
            self.at += 3
            return syntax.Not(self._unary())
        return self._primary()

    def _primary(self) -> Any:
        text, at = self.text, self.at
        char = text[at : at + 1]
        if char == "(":
            self.at += 1
            inner = self.expression()
            self._expect(")")
            return inner
        if char == "$" and _REFERENCE.match(text, at):
            return self.reference()
        if char in ("'", '"'):
            return self._string(char)
        if char == "[":
            return self._list()
        if char == "{":
            return self._map()
        if (number := _NUMBER.match(text, at)) is not None:
            self.at = number.end()
            return syntax.Literal(float(number[0]) if "." in number[0] else int(number[0]))
        word = _NAME.match(text, at)
        if word is not None and word[0] in _WORDS:
            self.at = word.end()
            return syntax.Literal(_WORDS[word[0]])
        raise self.wrong("an expression is missing or not understood")

    def _string(self, quote: str) -> Any:
        self.at += 1
        parts: list[str] = []
        while True:
            end = self.text.find(quote, self.at)
            if end < 0:
                raise self.wrong("a string does not end")
            parts.append(self.text[self.at : end])
            self.at = end + 1
            if not self.text.startswith(quote, self.at):
                break
            parts.append(quote)  # two quotes are one
            self.at += 1
        written = "".join(parts)
        if quote == "'" or ("$" not in written and "#" not in written):
            return syntax.Literal(written)
        inner = _Parser(written, self.depth)
        return syntax.Interpolated(inner.block(frozenset())[0])

    def _list(self) -> Any:
        self.at += 1
        items: list[Any] = []
        self._space()
        while not self._eat("]"):
            items.append(self.expression())
            self._space()
            if self._eat(".."):
                last = self.expression()
                self._expect("]")
                return syntax.Range(items[0], last)
            if not self._eat(",") and not self._next_is("]"):
                raise self.wrong("a list without its ]")
            self._space()
        return syntax.ListOf(tuple(items))

    def _map(self) -> Any:
        self.at += 1
        items: list[tuple[Any, Any]] = []
        self._space()
        while not self._eat("}"):
            name = self.expression()
            self._expect(":")
            items.append((name, self.expression()))
            self._space()
            if not self._eat(",") and not self._next_is("}"):
                raise self.wrong("a map without its }")
            self._space()
        return syntax.MapOf(tuple(items))

    # --- characters -----------------------------------------------------------------------------------------------

    def _space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def _rest_of_line(self) -> None:
        found = _REST_OF_LINE.match(self.text, self.at)
        if found is not None:
            self.at = found.end()

    def _next_is(self, char: str) -> bool:
        return self.text.startswith(char, self.at)

    def _eat(self, char: str) -> bool:
        if self._next_is(char):
            self.at += len(char)
            return True
        return False

    def _expect(self, char: str) -> None:
        self._space()
        if not self._eat(char):
            raise self.wrong(f"{char} is missing")


class _End:
    """A directive that ends a block."""

    def __init__(self, name: str) -> None:
        self.name = name
