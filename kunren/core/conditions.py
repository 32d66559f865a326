"""Conditions of policies: whether what they ask for holds, with the values of condition keys that are known. Pure.

IAM user guide, "IAM JSON policy elements: Condition operators", "Multivalued context keys", "IAM policy elements:
Variables and tags". Keys that nobody here can fill have no value: positive operators then do not hold, negative ones
and those with IfExists do.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

Known = Mapping[str, str | Sequence[str]]
"""The values of condition keys by lower-case name; several for keys that may have several."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_SPECIAL = {"*": "*", "?": "?", "$": "$"}


def hold(conditions: Mapping[str, Mapping[str, Any]], known: Known, *, variables: bool = True) -> bool:
    """Whether all conditions of a statement hold. `variables` is False in documents of before 2012-10-17."""
    return all(
        _holds(operator, known.get(name.lower()), many(wanted), known if variables else None)
        for operator, names in conditions.items()
        for name, wanted in names.items()
    )


def is_operator(text: str) -> bool:
    """Whether IAM knows that operator, with its prefix and suffix."""
    prefix, colon, rest = text.partition(":")
    if colon and prefix not in ("ForAllValues", "ForAnyValue"):
        return False
    operator = rest if colon else text
    if operator == "Null":
        return not colon
    return _positive(operator.removesuffix("IfExists"))[0] in _COMPARE


def are_well_formed(conditions: Any) -> bool:
    """Whether a statement's conditions are operators with condition keys with texts, numbers or truth values."""
    return isinstance(conditions, dict) and all(
        is_operator(operator)
        and isinstance(names, dict)
        and all(isinstance(each, str | int | float) for value in names.values() for each in many(value))
        for operator, names in conditions.items()
    )


def many(value: Any) -> list[Any]:
    """What may be written alone or as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def like(pattern: str, text: str, known: Known | None = None) -> bool:
    """Whether the text fits a pattern of `*` and `?`, and of variables where `known` has their values."""
    if known is not None and "${" in pattern:
        made = _with_variables(pattern, known, ".")
        return made is not None and re.fullmatch(made, text, re.DOTALL) is not None
    return _compiled(pattern).fullmatch(text) is not None


def arn_like(pattern: str, arn: str, known: Known | None = None) -> bool:
    """Whether an ARN fits a pattern, each of the six parts for itself; parts that a pattern leaves out may be any."""
    if not pattern.startswith("arn:") or arn.count(":") < 5:
        return like(pattern, arn, known)
    if known is not None and "${" in pattern:
        pieces = [_with_variables(each, known, "[^:]") for each in _arn_parts(pattern)[:5]]
        last = _with_variables(_arn_parts(pattern)[5], known, ".")
        if last is None or None in pieces:
            return False
        return re.fullmatch(":".join([*(each or "" for each in pieces), last]), arn, re.DOTALL) is not None
    return _compiled_arn(pattern).fullmatch(arn) is not None


def substituted(text: str, known: Known | None) -> str | None:
    """A text with its variables' values; None where one has none."""
    if known is None or "${" not in text:
        return text
    values = [_value(each, known) for each in _VARIABLE.findall(text)]
    if any(each is None for each in values):
        return None
    left = iter(values)
    return _VARIABLE.sub(lambda _: str(next(left)), text)


def variables_in(text: str) -> list[str]:
    """The condition keys of the variables in a text, in lower case."""
    return [each.partition(",")[0].strip().lower() for each in _VARIABLE.findall(text) if each not in _SPECIAL]


def _value(variable: str, known: Known) -> str | None:
    """The value of `key` or `key, 'default'`; several values are none."""
    if variable in _SPECIAL:
        return _SPECIAL[variable]
    name, comma, default = variable.partition(",")
    found = known.get(name.strip().lower())
    if isinstance(found, str):
        return found
    return default.strip().strip("'") if comma and found is None else None


def _with_variables(pattern: str, known: Known, mark: str) -> str | None:
    """The pattern as a regular expression in which variables' values are literal."""
    tokens: list[str | None] = []
    position = 0
    for found in _VARIABLE.finditer(pattern):
        value = _value(found[1], known)
        if value is None:
            return None
        tokens += [*_tokens(pattern[position : found.start()], mark), re.escape(value)]
        position = found.end()
    return _joined([*tokens, *_tokens(pattern[position:], mark)], mark)


def _expression(pattern: str, mark: str) -> str:
    return _joined(_tokens(pattern, mark), mark)


def _tokens(pattern: str, mark: str) -> list[str | None]:
    """What each character stands for: None is a `*`, and `mark` what any single character is."""
    return [None if each == "*" else mark if each == "?" else re.escape(each) for each in pattern]


def _joined(tokens: list[str | None], mark: str) -> str:
    """Each text between two `*` is taken where it first comes, and never looked for again behind that (`(?>...)`): no
    pattern takes longer than its length times the text's."""
    texts = [""]
    for each in tokens:
        if each is None:
            texts.append("")
        else:
            texts[-1] += each
    first, *others = texts
    if not others:
        return first
    return "".join([first, *(f"(?>{mark}*?{each})" for each in others[:-1] if each), f"{mark}*{others[-1]}"])


@lru_cache(maxsize=8192)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(_expression(pattern, "."), re.DOTALL)


@lru_cache(maxsize=8192)
def _compiled_arn(pattern: str) -> re.Pattern[str]:
    *parts, last = _arn_parts(pattern)
    return re.compile(":".join([*(_expression(each, "[^:]") for each in parts), _expression(last, ".")]), re.DOTALL)


def _arn_parts(pattern: str) -> list[str]:
    """The six parts of an ARN's pattern; a colon within `${...}` is none between parts."""
    parts: list[str] = []
    depth, current = 0, ""
    for each in pattern:
        if each == ":" and not depth and len(parts) < 5:
            parts.append(current)
            current = ""
            continue
        depth += (each == "{") - (each == "}" and depth > 0)
        current += each
    return [*parts, current, *["*"] * (5 - len(parts))]


def _holds(operator: str, have: str | Sequence[str] | None, wanted: list[Any], known: Known | None) -> bool:
    prefix, _, bare = operator.rpartition(":")
    if bare == "Null":
        return any(_text(each) == str(have is None).lower() for each in wanted)
    base = bare.removesuffix("IfExists")
    positive, negative = _positive(base)
    compare = _COMPARE.get(positive, _never)
    values = () if have is None else (have,) if isinstance(have, str) else tuple(have)
    if not values:
        return prefix == "ForAllValues" or base != bare or (negative and prefix != "ForAnyValue")
    fits = [any(compare(_text(each), value, known) for each in wanted) != negative for value in values]
    if prefix == "ForAllValues" or (negative and not prefix):
        return all(fits)
    return any(fits)


def _positive(operator: str) -> tuple[str, bool]:
    """The operator without its negation, and whether it had one."""
    if operator == "NotIpAddress":
        return "IpAddress", True
    return operator.replace("Not", "", 1), "Not" in operator


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _equals(wanted: str, have: str, known: Known | None) -> bool:
    return substituted(wanted, known) == have


def _equals_in_any_case(wanted: str, have: str, known: Known | None) -> bool:
    made = substituted(wanted, known)
    return made is not None and made.lower() == have.lower()


def _like(wanted: str, have: str, known: Known | None) -> bool:
    return like(wanted, have, known)


def _arn_like(wanted: str, have: str, known: Known | None) -> bool:
    return arn_like(wanted, have, known)


def _in_network(wanted: str, have: str, known: Known | None) -> bool:
    return _is_in(have, wanted)


@lru_cache(maxsize=8192)
def _is_in(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _never(wanted: str, have: str, known: Known | None) -> bool:
    return False


def _compared(read: Callable[[str], float], fits: Callable[[float, float], bool]) -> Callable[..., bool]:
    def compare(wanted: str, have: str, known: Known | None) -> bool:
        try:
            return fits(read(have), read(substituted(wanted, known) or ""))
        except ValueError:
            return False

    return compare


def moment(text: str) -> float:
    """A date of a condition, in seconds since 1970: ISO 8601, or those seconds. Raises ValueError."""
    try:
        return float(text)
    except ValueError:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


_COMPARE: dict[str, Callable[[str, str, Known | None], bool]] = {
    "StringEquals": _equals,
    "StringEqualsIgnoreCase": _equals_in_any_case,
    "StringLike": _like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": _equals_in_any_case,
    "BinaryEquals": _equals,
    "IpAddress": _in_network,
}
for _kind, _read in (("Numeric", float), ("Date", moment)):
    _COMPARE[f"{_kind}Equals"] = _compared(_read, lambda have, wanted: have == wanted)
    _COMPARE[f"{_kind}LessThan"] = _compared(_read, lambda have, wanted: have < wanted)
    _COMPARE[f"{_kind}LessThanEquals"] = _compared(_read, lambda have, wanted: have <= wanted)
    _COMPARE[f"{_kind}GreaterThan"] = _compared(_read, lambda have, wanted: have > wanted)
    _COMPARE[f"{_kind}GreaterThanEquals"] = _compared(_read, lambda have, wanted: have >= wanted)
