"""The operations of fleets. Those who use none need nothing of them: what answers is made at the first call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kunren.core.context import RequestContext
from kunren.services.ec2.api.base import Params


class FleetOperations:
    fleets: Callable[[], Any]

    async def create_fleet(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        answer: dict[str, Any] = await self.fleets().create_fleet(ctx, params)
        return answer

    def describe_fleets(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._answered("describe_fleets", ctx, params)

    def describe_fleet_instances(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._answered("describe_fleet_instances", ctx, params)

    def describe_fleet_history(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._answered("describe_fleet_history", ctx, params)

    def modify_fleet(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._answered("modify_fleet", ctx, params)

    def delete_fleets(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._answered("delete_fleets", ctx, params)

    def request_spot_fleet(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._answered("request_spot_fleet", ctx, params)

    def describe_spot_fleet_requests(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._answered("describe_spot_fleet_requests", ctx, params)

    def describe_spot_fleet_instances(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._answered("describe_spot_fleet_instances", ctx, params)

    def describe_spot_fleet_request_history(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._answered("describe_spot_fleet_request_history", ctx, params)

    def modify_spot_fleet_request(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._answered("modify_spot_fleet_request", ctx, params)

    def cancel_spot_fleet_requests(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._answered("cancel_spot_fleet_requests", ctx, params)

    def _answered(self, operation: str, ctx: RequestContext, params: Params) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self.fleets(), operation)(ctx, params)
        return answer
