"""The models' patterns, which are Java's regular expressions, as Python matchers.

A pattern that Python cannot read (a negated property, an intersection) gives no matcher, and is then not checked.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable

_JAVA_CLASSES = {
    r"\p{L}": "a-zA-ZÀ-ÖØ-öø-˿Ͱ-ͽͿ-῿⁰-ⁿℂ-ↈ⺀-\ud7ff豈-\ufdff\ufe70-\uffdc",
    r"\p{Z}": "  \u1680\u2000-\u200a\u2028\u2029 \u3000",
    r"\p{N}": "0-9²³¹¼-¾٠-٩۰-۹०-९０-９",
    r"\p{S}": "$+<=>^`|~¢-©¬®-±´¸×÷₠-⃀℀-⅏←-⏿─-⟿",
    r"\p{P}": "!-#%-*,-/:;?@\\[-\\]_{}¡§«¶·»¿‐-‧‰-⁞、-〃",
    r"\p{M}": "\u0300-\u036f\u0483-\u0489\u0591-\u05bd",
    r"\p{C}": "\x00-\x1f\x7f-\x9f",
    r"\p{Alnum}": "a-zA-Z0-9",
    r"\p{Alpha}": "a-zA-Z",
    r"\p{Digit}": "0-9",
    r"\p{Lower}": "a-z",
    r"\p{Upper}": "A-Z",
    r"\p{Punct}": "!-/:-@\\[-`{-~",
    r"\p{Space}": r"\s",
    r"\p{ASCII}": "\x00-\x7f",
    r"\p{Graph}": "!-~",
    r"\p{Print}": " -~",
    r"\p{Blank}": " \t",
    r"\p{Cntrl}": "\x00-\x1f\x7f",
    r"\p{XDigit}": "0-9a-fA-F",
    r"\p{IsAlphabetic}": "a-zA-ZÀ-ÖØ-öø-˿Ͱ-῿⺀-\ud7ff",
    r"\p{IsDigit}": "0-9",
}
_PROPERTY = re.compile(r"\\p\{\^?(?:Is)?(\w+)\}|\\p([A-Z])")
_SINGLE_ATOM = re.compile(r"\\[A-Za-z]|\[[^\]]*\]|\.")


def compile_pattern(pattern: str) -> Callable[[str], object] | None:
    """A matcher for a model's pattern, or None where Python cannot read it.

    Models come from two schools: Java's, where the whole text must match, and Smithy's, where a pattern without
    anchors need match a part only. Anchors are obeyed; without any the whole must match, except for a single character
    class (`\\S`: there is something), which can only be meant the second way.
    """
    translated = _translate(pattern)
    if translated is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled = re.compile(translated, re.ASCII if _ascii_only(pattern) else 0)
    except (re.error, OverflowError, RecursionError):
        return None
    if pattern.startswith("^") or pattern.endswith("$") or _SINGLE_ATOM.fullmatch(pattern):
        return compiled.search
    return compiled.fullmatch


def _ascii_only(pattern: str) -> bool:
    return "\\p" not in pattern


def _translate(pattern: str) -> str | None:
    """Java's classes in Python's words; None where one is unknown, negated, or an intersection."""
    if "&&" in pattern or "\\P{" in pattern or "[[" in pattern.replace("\\[", ""):
        return None
    pattern = pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
    out: list[str] = []
    position = depth = 0
    while position < len(pattern):
        char = pattern[position]
        if char == "\\" and position + 1 < len(pattern):
            match = _PROPERTY.match(pattern, position)
            if match is None:
                two = pattern[position : position + 2]
                out.append({"\\z": "\\Z", "\\Z": "\\Z", "\\h": "\\s"}.get(two, two))
                position += 2
                continue
            named = _JAVA_CLASSES.get(match.group()) or _JAVA_CLASSES.get(rf"\p{{{match.group(1) or match.group(2)}}}")
            named = named or _JAVA_CLASSES.get(rf"\p{{{(match.group(1) or ' ')[0]}}}" if match.group(1) in _TWO else "")
            if named is None:
                return None
            out.append(named if depth else f"[{named}]")
            position = match.end()
            continue
        if char == "[":
            depth += 1
        elif char == "]" and depth:
            depth -= 1
        out.append(char)
        position += 1
    text = "".join(out)
    return text[:-1] + r"\Z" if text.endswith("$") and not text.endswith("\\$") else text


_TWO = frozenset(re.findall("..", "LuLlLtLmLoNdNlNoZsPdPsPePiPfPcPoSmScSkSoMnMcMe"))
