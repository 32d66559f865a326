"""Capacity reservations: modify, describe."""

from __future__ import annotations

from kunren.core.context import RequestContext
from kunren.services.ec2.model import InterfaceStatus
from kunren.services.elbv2 import capacity, errors
from kunren.services.elbv2.api.base import Api, Params, Result, View, find_balancer
from kunren.services.elbv2.associations import listeners_of
from kunren.services.elbv2.model import CapacityReservation, LoadBalancer


class CapacityApi(Api):
    def modify_capacity_reservation(self, ctx: RequestContext, params: Params) -> Result:
        """ModifyCapacityReservation: the answer shows the request, which is pending in every zone."""
        given = (params.get("MinimumLoadBalancerCapacity") or {}).get("CapacityUnits")
        reset = bool(params.get("ResetCapacityReservation"))
        if given is None and not reset:
            raise errors.validation_error(
                "You must specify either 'MinimumLoadBalancerCapacity' or 'ResetCapacityReservation'"
            )
        if given is not None and reset:
            raise errors.validation_error(
                "You cannot specify both 'MinimumLoadBalancerCapacity' and 'ResetCapacityReservation'"
            )
        now = self._parts.clock.now()
        with self._store.write() as tx:
            found = find_balancer(tx, ctx, params["LoadBalancerArn"])
            if any(each.protocol == "TLS" for each in listeners_of(tx, found)):
                raise errors.InvalidConfigurationRequest(
                    "Capacity reservations are not supported for load balancers with TLS listeners"
                )
            before = tx.get(CapacityReservation, ctx.account, ctx.region, found.id)
            if given is not None:
                capacity.check_units(found, given, _reserved_for_others(tx, found), self._limits)
            after = capacity.changed(found, before, given or 0, _standing(tx, found), now)
            tx.put(after)
        return capacity.requested(found, after, now)

    def describe_capacity_reservation(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        found = find_balancer(snapshot, ctx, params["LoadBalancerArn"])
        reservation = snapshot.get(CapacityReservation, ctx.account, ctx.region, found.id)
        return capacity.described(found, reservation, _standing(snapshot, found), self._parts.clock.now())


def _standing(view: View, balancer: LoadBalancer) -> frozenset[str]:
    """The zones whose nodes have their addresses."""
    return frozenset(
        node.zone_name
        for node in balancer.zones
        if view.get(InterfaceStatus, balancer.account, balancer.region, node.interface_id) is not None
    )


def _reserved_for_others(view: View, balancer: LoadBalancer) -> int:
    """Units reserved for the region's other load balancers of the same kind."""
    kinds = {each.id: each.type for each in view.list(LoadBalancer, balancer.account, balancer.region)}
    rows = view.list(CapacityReservation, balancer.account, balancer.region)
    return sum(each.units for each in rows if each.id != balancer.id and kinds.get(each.id) == balancer.type)
