"""What the operations of all groups use: looking up by id, paging, and rows of an API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from kunren.control.store import Snapshot, Store, Tx
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.pagination import InvalidToken, page
from kunren.services.apigateway.errors import BadRequestException, NotFoundException
from kunren.services.apigateway.model import (
    ApiKey,
    Authorizer,
    Deployment,
    DocumentationPart,
    DocumentationVersion,
    Model,
    RequestValidator,
    RestApi,
    Row,
    Stage,
    UsagePlan,
    VpcLink,
)

R = TypeVar("R", bound=Row)
T = TypeVar("T")
LIMIT_DEFAULT = 25
LIMIT_MAX = 500
_MISSING: dict[type[Row], str] = {
    Model: "Invalid model name specified: {name}",
    RequestValidator: "Invalid Request Validator identifier specified",
    Authorizer: "Invalid Authorizer identifier specified",
    DocumentationPart: "Invalid Documentation part identifier specified",
    DocumentationVersion: "Invalid Documentation version identifier specified",
    Deployment: "Invalid Deployment identifier specified",
    Stage: "Invalid stage identifier specified",
    UsagePlan: "Invalid Usage Plan ID specified",
    ApiKey: "Invalid API Key identifier specified",
    VpcLink: "Invalid Vpc Link identifier specified",
}


class Base:
    """Parts that every group of operations has."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._call = call

    def _now(self) -> float:
        return float(int(self._clock.now()))

    def _rest_api(self, view: Snapshot | Tx, ctx: RequestContext, params: Mapping[str, Any]) -> RestApi:
        found = view.get(RestApi, ctx.account, ctx.region, params["restApiId"])
        if found is None:
            raise NotFoundException(f"Invalid API identifier specified {ctx.account}:{params['restApiId']}")
        return found

    def _find(self, view: Snapshot | Tx, kind: type[R], ctx: RequestContext, id: str) -> R:
        found = view.get(kind, ctx.account, ctx.region, id)
        if found is None:
            raise NotFoundException(_MISSING[kind].format(name=id.partition("/")[2] or id))
        return found

    def _part(self, view: Snapshot | Tx, kind: type[R], ctx: RequestContext, params: Mapping[str, Any], name: str) -> R:
        """A row of the API that the parameters name, by its own id."""
        api = self._rest_api(view, ctx, params)
        return self._find(view, kind, ctx, f"{api.id}/{name}")

    def _parts(self, view: Snapshot | Tx, kind: type[R], api: RestApi) -> list[R]:
        prefix = api.id + "/"
        return [each for each in view.list(kind, api.account, api.region) if each.id.startswith(prefix)]

    def _put(self, tx: Tx, row: R, shape: Mapping[str, Any]) -> R:
        changed = msgspec.structs.replace(row, shape=dict(shape))
        tx.put(changed)
        return changed

    def _id(self, count: int = 6) -> str:
        return self._entropy.lower(count)


def given(params: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those of the parameters that are there."""
    return {name: params[name] for name in names if params.get(name) is not None}


def paged(
    items: Sequence[T], params: Mapping[str, Any], shape: Callable[[T], Any], key: Callable[[T], str]
) -> dict[str, Any]:
    """One page, as all lists of API Gateway are. Raises BadRequestException."""
    limit = params.get("limit") or LIMIT_DEFAULT
    if not 1 <= limit <= LIMIT_MAX:
        raise BadRequestException(f"Invalid limit specified: {limit}. Must be between 1 and {LIMIT_MAX}")
    try:
        chosen, position = page(sorted(items, key=key), params.get("position"), limit, key)
    except InvalidToken:
        raise BadRequestException("Invalid position parameter specified") from None
    found: dict[str, Any] = {"items": [shape(each) for each in chosen]}
    if position is not None:
        found["position"] = position
    return found


def shapes(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [each.shape for each in rows]


def shape_of(row: Row) -> dict[str, Any]:
    return row.shape


def id_of(row: Any) -> str:
    found: str = row.id
    return found
