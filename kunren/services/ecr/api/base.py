"""What all of ECR's handlers have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.pagination import InvalidToken, page
from kunren.services.ecr.errors import InvalidParameterException
from kunren.services.ecr.model import Repository
from kunren.services.ecr.pushing import Place, View, repository_at
from kunren.services.ecr.tokens import Holder, issue
from kunren.services.ecr.uploads import LayerUploads

T = TypeVar("T")


class Base:
    """`changed` is called when a policy is new or images are gone: there may be something to clean up."""

    service: ClassVar[str] = "ecr"

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, uploads: LayerUploads) -> None:
        self._store, self._clock, self._entropy = store, clock, entropy
        self._uploads = uploads
        self.changed: Callable[[], None] = lambda: None
        self.secret: Callable[[], str] = lambda: ""
        """What tokens are sealed with."""

    def _token(self, ctx: RequestContext, life_s: float, layer: str = "") -> str:
        """A password of the registry for who asks, or what lets him have one layer alone."""
        holder = Holder(ctx.account, ctx.access_key, self._clock.now() + life_s, layer=layer)
        if ctx.caller is not None and ctx.caller.names:
            holder = holder._replace(role=ctx.caller.names[0], session=ctx.caller.arn.rpartition("/")[2])
        return issue(self.secret(), holder)

    @staticmethod
    def _place(ctx: RequestContext, params: Mapping[str, Any]) -> Place:
        return Place(params.get("registryId") or ctx.account, ctx.region, params["repositoryName"])

    def _repository(self, view: View, ctx: RequestContext, params: Mapping[str, Any]) -> Repository:
        """Raises RepositoryNotFoundException."""
        return repository_at(view, self._place(ctx, params))


def named(repository: Repository) -> dict[str, Any]:
    """The members that answers about a repository begin with."""
    return {"registryId": repository.account, "repositoryName": repository.id}


def paged(
    items: Sequence[T], params: Mapping[str, Any], key: Callable[[T], str], most: int = 1000, usual: int = 100
) -> tuple[list[T], dict[str, str]]:
    """One page, and the member nextToken where there are more. Raises InvalidParameterException."""
    try:
        part, token = page(items, params.get("nextToken"), min(params.get("maxResults") or usual, most), key)
    except InvalidToken:
        raise InvalidParameterException(
            "Invalid parameter at 'nextToken' failed to satisfy constraint: 'Invalid token'"
        ) from None
    return part, ({"nextToken": token} if token else {})


def checked_policy(text: str, of: str, *also: str) -> str:
    """The text of a policy of a repository or a registry, whose statements have these members too. Raises
    InvalidParameterException."""
    try:
        statements = json.loads(text)["Statement"]
        statements = [statements] if isinstance(statements, dict) else statements
        sound = bool(statements) and all(
            each["Effect"] in ("Allow", "Deny") and {"Principal", "NotPrincipal"} & each.keys()
            and {"Action", "NotAction"} & each.keys() and each.keys() >= set(also)
            for each in statements
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        sound = False
    if not sound:
        raise InvalidParameterException(
            f"Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid {of} policy provided'"
        )
    return text
