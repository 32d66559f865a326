"""Tags of APIs, stages, keys, plans, VPC links and domain names, by their ARNs."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.services.apigateway.api.base import Base
from kunren.services.apigateway.errors import BadRequestException, NotFoundException
from kunren.services.apigateway.model import ApiKey, RestApi, Row, Stage, UsagePlan, VpcLink
from kunren.services.apigatewayv2.domains.model import DomainName
from kunren.services.apigatewayv2.domains.state import DomainState

TAGS_MAX = 50
_ARN = re.compile(r"arn:aws:apigateway:([a-z0-9-]+)::/([a-z]+)/([^/]+)(?:/stages/([^/]+))?")
_KINDS: dict[str, type[Row] | type[DomainName]] = {
    "restapis": RestApi, "apikeys": ApiKey, "usageplans": UsagePlan, "vpclinks": VpcLink, "domainnames": DomainName,
}  # fmt: skip


class TagOperations(Base):
    """`domains` is set before anything is asked."""

    domains: DomainState

    def get_tags(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"tags": _tags_of(self._tagged(self._store.snapshot(), ctx, params["resourceArn"]))}

    def tag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            row = self._tagged(tx, ctx, params["resourceArn"])
            tags = {**_tags_of(row), **params["tags"]}
            if len(tags) > TAGS_MAX:
                raise BadRequestException(f"The number of tags exceeds the limit of {TAGS_MAX}")
            self._put_tags(tx, row, tags)

    def untag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            row = self._tagged(tx, ctx, params["resourceArn"])
            kept = {name: value for name, value in _tags_of(row).items() if name not in params["tagKeys"]}
            self._put_tags(tx, row, kept)

    def _put_tags(self, tx: Tx, row: Row | DomainName, tags: dict[str, str]) -> None:
        if isinstance(row, DomainName):
            self.domains.update(row, tags=tags)
        else:
            self._put(tx, row, {**row.shape, "tags": tags})

    def _tagged(self, view: Snapshot | Tx, ctx: RequestContext, told: str) -> Row | DomainName:
        arn = _ARN.fullmatch(unquote(told))
        if arn is None or arn[2] not in _KINDS:
            raise BadRequestException(f"Invalid resource identifier specified: {told}")
        kind, id = (Stage, f"{arn[3]}/{arn[4]}") if arn[4] else (_KINDS[arn[2]], arn[3])
        row = view.get(kind, ctx.account, arn[1], id)
        if row is None:
            raise NotFoundException(f"Invalid resource identifier specified: {told}")
        return row


def _tags_of(row: Row | DomainName) -> dict[str, str]:
    return row.tags if isinstance(row, DomainName) else row.shape.get("tags") or {}
