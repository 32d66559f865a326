"""Tags of APIs, stages, VPC links and custom domain names."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.services.apigatewayv2 import checks
from kunren.services.apigatewayv2.api.base import ApiBase
from kunren.services.apigatewayv2.domains.model import DomainName
from kunren.services.apigatewayv2.errors import BadRequestException, NotFoundException
from kunren.services.apigatewayv2.model import Api, Stage, VpcLink

Tagged = Api | Stage | VpcLink | DomainName


class TagOperations(ApiBase):
    def tag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = _tagged(tx, ctx, params["ResourceArn"])
            tags = {**found.tags, **(params.get("Tags") or {})}
            checks.check_tags(tags)
            tx.put(msgspec.structs.replace(found, tags=tags))

    def untag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = _tagged(tx, ctx, params["ResourceArn"])
            tags = {key: value for key, value in found.tags.items() if key not in params["TagKeys"]}
            tx.put(msgspec.structs.replace(found, tags=tags))

    def get_tags(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"Tags": _tagged(self._store.snapshot(), ctx, params["ResourceArn"]).tags}


def _tagged(view: Snapshot | Tx, ctx: RequestContext, arn: str) -> Tagged:
    """Raises BadRequestException, NotFoundException."""
    head = f"arn:aws:apigateway:{ctx.region}::/"
    arn = unquote(arn)
    if not arn.startswith(head):
        raise BadRequestException("Invalid resource ARN")
    kinds: dict[str, type[Tagged]] = {"apis": Api, "vpclinks": VpcLink, "domainnames": DomainName}
    what, _, name = arn.removeprefix(head).partition("/")
    found: Tagged | None = None
    if what == "apis" and "/stages/" in name:
        found = view.get(Stage, ctx.account, ctx.region, name.replace("/stages/", "/"))
    elif what in kinds:
        found = view.get(kinds[what], ctx.account, ctx.region, name)
    if found is None:
        raise NotFoundException("Invalid resource identifier specified")
    return found
