"""What the operations of cloudwatch share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.pagination import InvalidToken, page
from kunren.services.cloudwatch.errors import InvalidNextToken
from kunren.services.cloudwatch.metrics.storage import Storage

T = TypeVar("T")
Params = dict[str, Any]
Result = dict[str, Any]


class Operations:
    """`collected` returns when the metrics of Kunren's own services are there."""

    _store: Store
    _clock: Clock
    _entropy: Entropy
    _storage: Callable[[], Storage]
    _collected: Callable[[], Awaitable[None]]


def seconds(at: Any) -> float:
    """A timestamp of a request, as seconds since 1970."""
    return at.timestamp() if isinstance(at, datetime) else float(at)


def paged(items: Sequence[T], token: str | None, limit: int, key: Callable[[T], str]) -> tuple[list[T], str | None]:
    """Raises InvalidNextToken."""
    try:
        return page(items, token, limit, key)
    except InvalidToken:
        raise InvalidNextToken("The next token is invalid.") from None


def from_inside(ctx: RequestContext) -> bool:
    """Whether a service of Kunren's own calls."""
    return not ctx.host and ctx.caller is None


def present(**members: Any) -> dict[str, Any]:
    """The members that are there."""
    return {name: value for name, value in members.items() if value is not None}
