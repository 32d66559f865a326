"""IPAM pools of load balancers. There is no IP address manager in this world, so there is no pool to take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.core.context import RequestContext
from kunren.services.elbv2 import errors
from kunren.services.elbv2.api.base import Api, Params, Result, find_balancer


class IpPoolsApi(Api):
    def modify_ip_pools(self, ctx: RequestContext, params: Params) -> Result:
        """ModifyIpPools: taking a load balancer's pool away leaves it with Amazon's addresses."""
        found = find_balancer(self._store.snapshot(), ctx, params["LoadBalancerArn"])
        pools, removed = params.get("IpamPools"), params.get("RemoveIpamPools")
        if not pools and not removed:
            raise errors.validation_error("You must specify either 'IpamPools' or 'RemoveIpamPools'")
        if pools and removed:
            raise errors.validation_error("You cannot specify both 'IpamPools' and 'RemoveIpamPools'")
        check_pools(pools, found.type, found.scheme)
        if found.type != "application":
            raise _unsupported(found.type)
        return {"IpamPools": {}}


def check_pools(pools: Mapping[str, Any] | None, kind: str, scheme: str) -> None:
    """Refuse the pools that a load balancer would take its addresses from. Raises InvalidConfigurationRequest,
    ValidationError."""
    pool = (pools or {}).get("Ipv4IpamPoolId")
    if pool is None:
        return
    if kind != "application":
        raise _unsupported(kind)
    if scheme != "internet-facing":
        raise errors.InvalidConfigurationRequest("IPAM pools are only supported for internet-facing load balancers")
    raise errors.validation_error(f"The IPAM pool ID '{pool}' is not found")


def _unsupported(kind: str) -> errors.InvalidConfigurationRequest:
    return errors.InvalidConfigurationRequest(f"IPAM pools are not supported for load balancers with type '{kind}'")
