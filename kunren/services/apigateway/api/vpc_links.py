"""VPC links; their status is what is in the kernel."""

from __future__ import annotations

from typing import Any

from kunren.control.store import Snapshot
from kunren.core.arn import parse_arn
from kunren.core.context import RequestContext
from kunren.services.apigateway import tables
from kunren.services.apigateway.api.base import Base, given, id_of, paged
from kunren.services.apigateway.errors import BadRequestException
from kunren.services.apigateway.model import PathResource, VpcLink
from kunren.services.apigateway.patching import patched
from kunren.services.apigateway.vpc_links import balancer_of, status_of


class VpcLinkOperations(Base):
    def create_vpc_link(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        targets = params["targetArns"]
        arn = parse_arn(targets[0]) if len(targets) == 1 else None
        if arn is None or arn.service != "elasticloadbalancing" or "/net/" not in targets[0]:
            raise BadRequestException("A VPC link needs the ARN of exactly one Network Load Balancer")
        shape = {
            "id": self._id(), **given(params, "name", "description", "targetArns"), "tags": params.get("tags") or {}
        }  # fmt: skip
        with self._store.write() as tx:
            link = VpcLink(account=ctx.account, region=ctx.region, id=shape["id"], shape=shape)
            if balancer_of(tx, link) is None:
                raise BadRequestException(f"The Network Load Balancer {targets[0]} does not exist")
            tx.put(link)
        return _shape(self._store.snapshot(), link)

    def get_vpc_link(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        return _shape(snapshot, self._find(snapshot, VpcLink, ctx, params["vpcLinkId"]))

    def get_vpc_links(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        rows = snapshot.list(VpcLink, ctx.account, ctx.region)
        return paged(rows, params, lambda row: _shape(snapshot, row), id_of)

    def update_vpc_link(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            row = self._find(tx, VpcLink, ctx, params["vpcLinkId"])
            row = self._put(tx, row, patched(row.shape, params.get("patchOperations"), tables.VPC_LINK))
        return _shape(self._store.snapshot(), row)

    def delete_vpc_link(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            row = self._find(tx, VpcLink, ctx, params["vpcLinkId"])
            for resource in tx.list(PathResource, ctx.account, ctx.region):
                for method in resource.methods.values():
                    if method.get("methodIntegration", {}).get("connectionId") == row.id:
                        raise BadRequestException(
                            f"Cannot delete vpc link. Vpc link '{row.id}', is referenced in "
                            f"[{method['httpMethod']}:{resource.name}:{resource.id.partition('/')[0]}]"
                        )
            tx.delete(row)


def _shape(view: Snapshot, row: VpcLink) -> dict[str, Any]:
    status, message = status_of(view, row)
    return {**row.shape, "status": status, "statusMessage": message}
