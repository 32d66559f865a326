"""Regular expressions that users wrote, given an end: backtracking may take longer than the sun has left.

The library is imported with the first of them: few Kunrens meet one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

WITHIN_S = 0.25
"""Real seconds for one use of an expression."""


class BadPattern(ValueError):
    """It is no regular expression, or it takes too long with this text."""


def matches(pattern: str, text: str, *, dot_all: bool = False) -> bool:
    """Whether the whole text fits. Raises BadPattern."""
    import regex

    try:
        return regex.fullmatch(pattern, text, regex.DOTALL if dot_all else 0, timeout=WITHIN_S) is not None
    except (regex.error, TimeoutError, RecursionError) as error:
        raise _bad(pattern, error) from None


def occurs(pattern: str, text: str) -> bool:
    """Whether a part of the text fits. Raises BadPattern."""
    import regex

    try:
        return regex.search(pattern, text, timeout=WITHIN_S) is not None
    except (regex.error, TimeoutError, RecursionError) as error:
        raise _bad(pattern, error) from None


def found(pattern: str, text: str) -> Iterator[Any]:
    """The matches in a text, in order. Raises BadPattern."""
    import regex

    try:
        yield from regex.finditer(pattern, text, timeout=WITHIN_S)
    except (regex.error, TimeoutError, RecursionError) as error:
        raise _bad(pattern, error) from None


def _bad(pattern: str, error: Exception) -> BadPattern:
    what = "takes too long" if isinstance(error, TimeoutError) else f"is no regular expression: {error}"
    return BadPattern(f"'{pattern[:100]}' {what}")
