"""What the operations of apigatewayv2 share."""

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
from kunren.services.apigatewayv2.deploying import deploy_automatically
from kunren.services.apigatewayv2.domains.state import DomainState
from kunren.services.apigatewayv2.errors import BadRequestException, NotFoundException
from kunren.services.apigatewayv2.model import Api, Authorizer, Deployment, Integration, Part, Route, Stage

T = TypeVar("T")
P = TypeVar("P", bound=Part)
View = Snapshot | Tx
PAGE_ITEMS = 100
_WORDS: dict[type[Part], str] = {
    Route: "Route",
    Integration: "Integration",
    Authorizer: "Authorizer",
    Deployment: "Deployment",
    Stage: "Stage",
}


class ApiBase:
    """Lookups, pages, and deploying what changed; each of the API's parts inherits it."""

    _store: Store
    _clock: Clock
    _entropy: Entropy
    _call: CallService
    _domains: DomainState

    def _api(self, view: View, ctx: RequestContext, api_id: str) -> Api:
        """Raises NotFoundException."""
        found = view.get(Api, ctx.account, ctx.region, api_id)
        if found is None:
            raise NotFoundException(f"Invalid API identifier specified {ctx.account}:{api_id}")
        return found

    def _part(self, view: View, kind: type[P], api: Api, own_id: str) -> P:
        """Raises NotFoundException."""
        found = view.get(kind, api.account, api.region, f"{api.id}/{own_id}")
        if found is None:
            raise NotFoundException(f"Invalid {_WORDS[kind]} identifier specified {own_id}")
        return found

    def _page(self, items: Sequence[T], params: Mapping[str, Any], key: Callable[[T], str]) -> dict[str, Any]:
        """Raises BadRequestException for a MaxResults or NextToken that is none."""
        told = params.get("MaxResults")
        if told is not None and not (told.isdigit() and int(told) > 0):
            raise BadRequestException("Invalid value for MaxResults")
        try:
            shown, token = page(items, params.get("NextToken"), int(told) if told else PAGE_ITEMS, key)
        except InvalidToken:
            raise BadRequestException("Invalid value for NextToken") from None
        return {"Items": shown, "NextToken": token}

    def _new_id(self) -> str:
        return self._entropy.lower(7)

    def _changed(self, tx: Tx, api: Api) -> None:
        """Something of the API changed: stages with automatic deployment get it."""
        deploy_automatically(tx, api, self._new_id(), self._clock.now())


def parts_of(view: View, kind: type[P], api: Api) -> list[P]:
    """All of one kind that an API has, by id."""
    prefix = f"{api.id}/"
    return [each for each in view.list(kind, api.account, api.region) if each.id.startswith(prefix)]


def config_of(params: Mapping[str, Any], members: Iterable[str]) -> dict[str, Any]:
    """The members of a request that are part of a configuration, where they are there."""
    return {name: params[name] for name in members if params.get(name) is not None}


def changed_config(before: Mapping[str, Any], params: Mapping[str, Any], members: Iterable[str]) -> dict[str, Any]:
    """A configuration after an update: what is not told stays."""
    return {**before, **config_of(params, members)}


def replaced(part: P, **changes: Any) -> P:
    return msgspec.structs.replace(part, **changes)
