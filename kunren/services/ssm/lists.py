"""What the lists of sessions and commands have in common. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from kunren.core import pagination
from kunren.services.ssm import errors

T = TypeVar("T")
KEPT_S = 30 * 86_400.0
"""How long a session is shown once it has ended ("View session history"), and a command once it was sent ("Run Command
... command history ... 30 days")."""


def page(
    rows: Sequence[T], params: Mapping[str, Any], key: Callable[[T], str], usual: int = 50
) -> tuple[list[T], str | None]:
    """One page of rows that are sorted by `key`, and the next one's token. Raises InvalidNextToken."""
    try:
        return pagination.page(rows, params.get("NextToken"), params.get("MaxResults") or usual, key)
    except pagination.InvalidToken as error:
        raise errors.InvalidNextToken() from error


def youngest_first(at: float, id: str) -> str:
    """Sorts what began then so."""
    return f"{1e12 - at:020.3f}|{id}"


def invoked(key: str, value: str) -> Callable[[float], bool] | None:
    """Whether a time passes the filter InvokedAfter or InvokedBefore; None for other filters. Raises
    InvalidFilterKey."""
    if key not in ("InvokedAfter", "InvokedBefore"):
        return None
    try:
        limit = datetime.fromisoformat(value).timestamp()
    except ValueError as error:
        raise errors.InvalidFilterKey(f"{value} is no time.") from error
    return lambda at: at >= limit if key == "InvokedAfter" else at < limit
