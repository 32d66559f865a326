"""What the operations of events share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from kunren.control.store import Snapshot, Store, Tx
from kunren.core import event_patterns as patterns
from kunren.core.arn import parse_arn
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.pagination import InvalidToken, page
from kunren.services.events.errors import (
    InvalidEventPatternException,
    ResourceNotFoundException,
    ValidationException,
)
from kunren.services.events.model import DEFAULT, Bus

T = TypeVar("T")
Params = dict[str, Any]
Result = dict[str, Any]
View = Snapshot | Tx
PAGE = 100


class Operations:
    _store: Store
    _clock: Clock
    _entropy: Entropy

    def _bus(self, view: View, ctx: RequestContext, told: str | None) -> Bus:
        """The bus of a name or ARN; the default one is always there. Raises ResourceNotFoundException."""
        name = bus_name(told)
        found = view.get(Bus, ctx.account, ctx.region, name)
        if found is None and name == DEFAULT:
            return Bus(account=ctx.account, region=ctx.region, id=DEFAULT, created_at=0.0, modified_at=0.0)
        if found is None:
            raise ResourceNotFoundException(f"Event bus {name} does not exist.")
        return found


def bus_name(told: str | None) -> str:
    if not told:
        return DEFAULT
    arn = parse_arn(told)
    return arn.resource.removeprefix("event-bus/") if arn is not None else told


def paged(items: Sequence[T], params: Mapping[str, Any], key: Callable[[T], str]) -> tuple[list[T], str | None]:
    """Raises ValidationException."""
    try:
        return page(items, params.get("NextToken"), params.get("Limit") or PAGE, key)
    except InvalidToken:
        raise ValidationException("The provided NextToken is not valid.") from None


def check_pattern(text: str) -> None:
    """Raises InvalidEventPatternException."""
    try:
        patterns.parse(text)
    except patterns.InvalidPattern as error:
        raise InvalidEventPatternException(f"Event pattern is not valid. Reason: {error}") from None


def moment(at: float | None) -> datetime | None:
    return datetime.fromtimestamp(at, UTC) if at is not None else None


def seconds(at: Any) -> float:
    return at.timestamp() if isinstance(at, datetime) else float(at)


def present(**members: Any) -> dict[str, Any]:
    """The members that are there."""
    return {name: value for name, value in members.items() if value is not None}
