"""What ACME's operations share: lookups, tokens, tags and pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from kunren.control.store import Resource, Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.pagination import InvalidToken, page
from kunren.core.tags import tags_from_wire
from kunren.services.acm.acme.model import AcmeEndpoint
from kunren.services.acm.errors import (
    AcmeResourceNotFound,
    ConflictException,
    ServiceQuotaExceededException,
    ValidationException,
)

R = TypeVar("R", bound=Resource)
PAGE_ITEMS = 100
TAGS_MAX = 50


class _Tokened(Protocol):
    @property
    def idempotency_token(self) -> str: ...


T = TypeVar("T", bound=_Tokened)


class AcmeBase:
    """Each part of the API inherits it."""

    _store: Store
    _clock: Clock
    _entropy: Entropy

    def _resource(self, reader: Snapshot | Tx, ctx: RequestContext, kind: type[R], arn: str) -> R:
        """Raises ResourceNotFoundException."""
        found = reader.get(kind, ctx.account, ctx.region, arn)
        if found is None:
            raise AcmeResourceNotFound(arn, ctx.account)
        return found

    def _endpoint(self, reader: Snapshot | Tx, ctx: RequestContext, arn: str) -> AcmeEndpoint:
        return self._resource(reader, ctx, AcmeEndpoint, arn)


def replayed(rows: Iterable[T], token: str | None, same: Callable[[T], bool]) -> T | None:
    """What an earlier call with this token made. Raises ConflictException where it asked for something else."""
    for each in rows:
        if token and each.idempotency_token == token:
            if same(each):
                return each
            raise ConflictException("The idempotency token was used for a request with other parameters.")
    return None


def acme_tags(before: Mapping[str, str], added: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """The tags after adding. Raises ValidationException and ServiceQuotaExceededException."""
    new = tags_from_wire(added)
    for key in new:
        if key.lower().startswith("aws:"):
            raise ValidationException(f'Invalid Tag Key: "{key}". AWS internal tags cannot be changed with this API')
    tags = {**before, **new}
    if len(tags) > TAGS_MAX:
        raise ServiceQuotaExceededException(f"A resource can have at most {TAGS_MAX} tags.")
    return tags


def page_of(rows: Sequence[R], params: Mapping[str, Any]) -> tuple[list[R], str | None]:
    """One page by id and the token of the next. Raises ValidationException."""
    ordered = sorted(rows, key=lambda row: row.id)
    try:
        return page(ordered, params.get("NextToken"), params.get("MaxResults") or PAGE_ITEMS, lambda row: row.id)
    except InvalidToken:
        raise ValidationException("The value passed to NextToken is invalid.") from None
