"""VPC links: desired here, made by `vpc_links.VpcLinkController` beside this package."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
from kunren.services.apigatewayv2 import checks, views
from kunren.services.apigatewayv2.api.base import ApiBase
from kunren.services.apigatewayv2.errors import BadRequestException, NotFoundException, TooManyRequestsException
from kunren.services.apigatewayv2.model import Integration, VpcLink
from kunren.services.apigatewayv2.vpc_links import status_of
from kunren.services.ec2 import store as ec2
from kunren.services.ec2.model import SecurityGroup

LINKS_MAX, SUBNETS_MAX, GROUPS_MAX = 10, 10, 10
"""Quotas: VPC links of an account and region, and subnets and security groups of one."""


class VpcLinkOperations(ApiBase):
    def create_vpc_link(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        checks.check_tags(params.get("Tags"))
        subnets = tuple(dict.fromkeys(params["SubnetIds"]))
        groups = tuple(dict.fromkeys(params.get("SecurityGroupIds") or ()))
        with self._store.write() as tx:
            if len(tx.list(VpcLink, ctx.account, ctx.region)) >= LINKS_MAX:
                raise TooManyRequestsException("Maximum number of VPC links has been reached.")
            made = VpcLink(
                account=ctx.account,
                region=ctx.region,
                id=self._entropy.lower(6),
                name=params["Name"],
                vpc_id=(vpc_id := _vpc(tx, ctx, subnets, groups)),
                subnets=subnets,
                groups=groups or (_default_group(tx, ctx, vpc_id),),
                created=self._clock.now(),
                tags=params.get("Tags") or {},
            )
            tx.put(made)
        return views.vpc_link(made, "PENDING", "")

    def update_vpc_link(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            found = _link(tx, ctx, params)
            if params.get("Name"):
                found = msgspec.structs.replace(found, name=params["Name"])
                tx.put(found)
        return self._link_shown(self._store.snapshot(), found)

    def get_vpc_link(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        return self._link_shown(snapshot, _link(snapshot, ctx, params))

    def get_vpc_links(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found = self._page(snapshot.list(VpcLink, ctx.account, ctx.region), params, lambda each: each.id)
        return {**found, "Items": [self._link_shown(snapshot, each) for each in found["Items"]]}

    def delete_vpc_link(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = _link(tx, ctx, params)
            if any(each.config.get("ConnectionId") == found.id for each in tx.list(Integration, *found.key[1:3])):
                raise BadRequestException(f"VpcLink {found.id} is used by an integration and can not be deleted.")
            tx.delete(found)

    def _link_shown(self, snapshot: Snapshot, link: VpcLink) -> dict[str, Any]:
        return views.vpc_link(link, *status_of(snapshot, link))


def _link(view: Snapshot | Tx, ctx: RequestContext, params: dict[str, Any]) -> VpcLink:
    """Raises NotFoundException."""
    found = view.get(VpcLink, ctx.account, ctx.region, params["VpcLinkId"])
    if found is None:
        raise NotFoundException(f"Invalid VpcLink identifier specified {params['VpcLinkId']}")
    return found


def _vpc(tx: Tx, ctx: RequestContext, subnets: tuple[str, ...], groups: tuple[str, ...]) -> str:
    """The one VPC of all of them. Raises BadRequestException."""
    if not subnets or len(subnets) > SUBNETS_MAX or len(groups) > GROUPS_MAX:
        raise BadRequestException(f"A VPC link has 1 to {SUBNETS_MAX} subnets and {GROUPS_MAX} security groups at most")
    try:
        found = [ec2.find_subnet(tx, ctx.account, ctx.region, each) for each in subnets]
        homes = {each.vpc_id for each in found}
        homes |= {ec2.find_group(tx, ctx.account, ctx.region, each).vpc_id for each in groups}
    except AwsError as error:
        raise BadRequestException(error.message) from None
    if len(homes) > 1:
        raise BadRequestException("All subnets and security groups must be in the same VPC")
    return homes.pop()


def _default_group(tx: Tx, ctx: RequestContext, vpc_id: str) -> str:
    for each in tx.list(SecurityGroup, ctx.account, ctx.region):
        if each.vpc_id == vpc_id and each.name == "default":
            return each.id
    raise BadRequestException(f"The VPC {vpc_id} has no default security group")
