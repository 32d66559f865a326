"""What all handlers share: the store, looking things up, pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from kunren.control.store import Resource, Snapshot, Store, Tx
from kunren.core.arn import build_arn
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.pagination import InvalidToken, page
from kunren.services.resiliencehub.discovery import Discovery
from kunren.services.resiliencehub.errors import ValidationException, missing
from kunren.services.resiliencehub.model import App, AppVersion, Assessment, Policy

Params = Mapping[str, Any]
View = Snapshot | Tx
T = TypeVar("T")
R = TypeVar("R", bound=Resource)


class Base:
    """See the module."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, discovery: Discovery) -> None:
        self.store, self.clock, self.entropy, self.discovery = store, clock, entropy, discovery

    def arn(self, ctx: RequestContext, kind: str) -> str:
        return build_arn("resiliencehub", ctx.region, ctx.account, f"{kind}/{self.entropy.uuid()}")

    def app(self, view: View, ctx: RequestContext, arn: str) -> App:
        """Raises ResourceNotFoundException, as the next two."""
        found = view.get(App, ctx.account, ctx.region, arn)
        if found is None:
            raise missing("App", arn)
        return found

    def policy(self, view: View, ctx: RequestContext, arn: str) -> Policy:
        found = view.get(Policy, ctx.account, ctx.region, arn)
        if found is None:
            raise missing("ResiliencyPolicy", arn)
        return found

    def assessment(self, view: View, ctx: RequestContext, arn: str) -> Assessment:
        found = view.get(Assessment, ctx.account, ctx.region, arn)
        if found is None:
            raise missing("AppAssessment", arn)
        return found

    def version(self, app: App, wanted: str) -> AppVersion:
        """`release` is the last that was published. Raises ResourceNotFoundException."""
        if wanted == "release":
            published = [each for each in app.versions if each.version != "draft"]
            if published:
                return published[-1]
        found = next((each for each in app.versions if each.version == wanted), None)
        if found is None:
            raise missing("AppVersion", wanted)
        return found

    def made_with(self, view: View, ctx: RequestContext, kind: type[R], token: str | None) -> R | None:
        """What was made before with the same client token."""
        if not token:
            return None
        held = view.list(kind, ctx.account, ctx.region)
        return next((each for each in held if getattr(each, "client_token", "") == token), None)


def paged(items: Sequence[T], params: Params, key: Callable[[T], str]) -> tuple[list[T], dict[str, str]]:
    """Raises ValidationException."""
    try:
        found, token = page(sorted(items, key=key), params.get("nextToken"), params.get("maxResults") or 100, key)
    except InvalidToken as error:
        raise ValidationException("The token is not valid.") from error
    return found, {"nextToken": token} if token is not None else {}
