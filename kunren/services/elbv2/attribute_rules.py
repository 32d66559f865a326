"""What every table of attributes is made of: a default and a check per key, reading, merging and listing.

Checks raise ValidationError. Sources: the attributes of each kind in the API reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from kunren.core.errors import NotImplementedByKunren
from kunren.services.elbv2.errors import InvalidConfigurationRequest, validation_error

Check: TypeAlias = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Rule:
    default: str
    check: Check


Table: TypeAlias = Mapping[str, Rule]


def one_of(*options: str) -> Check:
    def check(key: str, value: str) -> None:
        if value not in options:
            raise validation_error(f"'{key}' value '{value}' must be one of [{', '.join(options)}]")

    return check


def between(low: int, high: int, *words: str) -> Check:
    def check(key: str, value: str) -> None:
        if value in words:
            return
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            raise validation_error(f"'{key}' value '{value}' must be between '{low}-{high}' inclusive")

    return check


def unchanged(default: str, check: Check) -> Check:
    """An attribute of which only the default is carried out."""

    def checked(key: str, value: str) -> None:
        check(key, value)
        if value != default:
            raise NotImplementedByKunren("elbv2", f"attribute {key}={value}")

    return checked


def text(_: str, value: str) -> None:
    del value


BOOLEAN = one_of("true", "false")


def value(table: Table, stored: Mapping[str, str], key: str) -> str:
    """One attribute as it is in force."""
    return stored.get(key, table[key].default)


def described(table: Table, stored: Mapping[str, str]) -> list[dict[str, str]]:
    """All attributes, sorted by key, as the wire has them."""
    return [{"Key": key, "Value": value(table, stored, key)} for key in sorted(table)]


def requested(attributes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The attributes of a Modify…Attributes call. Raises ValidationError."""
    wanted: dict[str, str] = {}
    for attribute in attributes:
        key = attribute.get("Key")
        if not key:
            raise validation_error("An attribute key must be specified")
        if key in wanted:
            raise validation_error(f"Attribute key '{key}' cannot be specified more than once")
        given = attribute.get("Value")
        if given is None:
            raise validation_error(f"A value must be specified for attribute key '{key}'")
        wanted[key] = given
    return wanted


def merged(
    table: Table, stored: Mapping[str, str], wanted: Mapping[str, str], what: str, others: Iterable[str], on: str
) -> dict[str, str]:
    """What is stored with what is wanted, each value checked. `others` are keys that AWS has, but not `on` this kind.
    Raises ValidationError, InvalidConfigurationRequest."""
    for key, given in wanted.items():
        rule = table.get(key)
        if rule is None:
            if key in others:
                raise InvalidConfigurationRequest(f"{what} attribute key '{key}' is not supported on {on}")
            raise validation_error(f"{what} attribute key '{key}' is not recognized")
        rule.check(key, given)
    return {**stored, **wanted}
