"""Listeners and endpoint groups of custom routing accelerators."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.core.context import RequestContext
from kunren.services.globalaccelerator import views
from kunren.services.globalaccelerator.api.base import one_page, port_ranges, same_request
from kunren.services.globalaccelerator.api.endpoint_groups import EndpointGroups
from kunren.services.globalaccelerator.api.listeners import LISTENERS_MAX
from kunren.services.globalaccelerator.errors import (
    AssociatedEndpointGroupFoundException,
    EndpointGroupAlreadyExistsException,
    InvalidArgumentException,
    InvalidPortRangeException,
    LimitExceededException,
)
from kunren.services.globalaccelerator.model import CustomGroup, Destination, Listener, PortRange

PORTS_MIN = 16  # "Add a listener for a custom routing accelerator"


class CustomRouting(EndpointGroups):
    def create_custom_routing_listener(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            accelerator = self._accelerator(tx, ctx, params["AcceleratorArn"], custom=True)
            existing = [each for each in tx.list(Listener, ctx.account, "") if each.accelerator_arn == accelerator.id]
            token = params["IdempotencyToken"]
            known = same_request(existing, token, lambda each: not each.protocol)
            if known is not None:
                return {"Listener": views.custom_listener(known)}
            ranges = _long(port_ranges(params["PortRanges"], existing, ""))
            if len(existing) >= LISTENERS_MAX:
                raise LimitExceededException(f"The accelerator has reached its quota of {LISTENERS_MAX} listeners.")
            made = Listener(
                account=ctx.account,
                region="",
                id=f"{accelerator.id}/listener/{self._entropy.hex(8)}",
                accelerator_arn=accelerator.id,
                port_ranges=ranges,
                idempotency_token=token,
            )
            tx.put(made)
            self._touch(tx, ctx.account, accelerator.id)
        return {"Listener": views.custom_listener(made)}

    def describe_custom_routing_listener(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._listener(self._store.snapshot(), ctx, params["ListenerArn"], custom=True)
        return {"Listener": views.custom_listener(found)}

    def list_custom_routing_listeners(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._snapshot(ctx)
        arn = self._accelerator(snapshot, ctx, params["AcceleratorArn"], custom=True).id
        every = [each for each in snapshot.list(Listener, ctx.account, "") if each.accelerator_arn == arn]
        found, token = one_page(every, params)
        return {"Listeners": [views.custom_listener(each) for each in found], "NextToken": token}

    def update_custom_routing_listener(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            before = self._listener(tx, ctx, params["ListenerArn"], custom=True)
            others = [
                each
                for each in tx.list(Listener, ctx.account, "")
                if each.accelerator_arn == before.accelerator_arn and each.id != before.id
            ]
            ranges = _long(port_ranges(params["PortRanges"], others, ""))
            for kept in before.port_ranges:
                if not any(each.first <= kept.first and kept.last <= each.last for each in ranges):
                    raise InvalidPortRangeException(
                        f"Port range {kept.first}-{kept.last} of the listener can't be made smaller."
                    )
            after = msgspec.structs.replace(before, port_ranges=ranges)
            tx.put(after)
            self._touch(tx, ctx.account, before.accelerator_arn)
        return {"Listener": views.custom_listener(after)}

    def delete_custom_routing_listener(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._listener(tx, ctx, params["ListenerArn"], custom=True)
            if any(each.listener_arn == found.id for each in tx.list(CustomGroup, ctx.account, "")):
                raise AssociatedEndpointGroupFoundException
            tx.delete(found)
            self._touch(tx, ctx.account, found.accelerator_arn)

    def create_custom_routing_endpoint_group(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            listener = self._listener(tx, ctx, params["ListenerArn"], custom=True)
            region, token = params["EndpointGroupRegion"], params["IdempotencyToken"]
            if self._spec.region(region) is None:
                raise InvalidArgumentException(f"{region} is not a valid region.")
            existing = [each for each in tx.list(CustomGroup, ctx.account, "") if each.listener_arn == listener.id]
            known = same_request(existing, token, lambda each: each.group_region == region)
            if known is not None:
                return {"EndpointGroup": views.custom_group(known)}
            if any(each.group_region == region for each in existing):
                raise EndpointGroupAlreadyExistsException(region)
            made = CustomGroup(
                account=ctx.account,
                region="",
                id=f"{listener.id}/endpoint-group/{self._entropy.hex(12)}",
                listener_arn=listener.id,
                accelerator_arn=listener.accelerator_arn,
                group_region=region,
                destinations=_destinations(params["DestinationConfigurations"]),
                idempotency_token=token,
            )
            tx.put(made)
            self._touch(tx, ctx.account, listener.accelerator_arn)
        return {"EndpointGroup": views.custom_group(made)}

    def describe_custom_routing_endpoint_group(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._custom_group(self._store.snapshot(), ctx, params["EndpointGroupArn"])
        return {"EndpointGroup": views.custom_group(found)}

    def list_custom_routing_endpoint_groups(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._snapshot(ctx)
        arn = self._listener(snapshot, ctx, params["ListenerArn"], custom=True).id
        every = [each for each in snapshot.list(CustomGroup, ctx.account, "") if each.listener_arn == arn]
        found, token = one_page(every, params)
        return {"EndpointGroups": [views.custom_group(each) for each in found], "NextToken": token}

    def delete_custom_routing_endpoint_group(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._custom_group(tx, ctx, params["EndpointGroupArn"])
            tx.delete(found)
            self._touch(tx, ctx.account, found.accelerator_arn)


def _long(ranges: tuple[PortRange, ...]) -> tuple[PortRange, ...]:
    for each in ranges:
        if each.last - each.first + 1 < PORTS_MIN:
            raise InvalidPortRangeException(
                f"Port range {each.first}-{each.last} must have at least {PORTS_MIN} ports."
            )
    return ranges


def _destinations(given: list[dict[str, Any]]) -> tuple[Destination, ...]:
    """Checked destination configurations: no port twice for one protocol."""
    found: list[Destination] = []
    for each in given:
        made = Destination(first=each["FromPort"], last=each["ToPort"], protocols=tuple(each["Protocols"]))
        if made.last < made.first:
            raise InvalidPortRangeException(f"Port range {made.first}-{made.last} is not valid.")
        for other in found:
            if made.first <= other.last and other.first <= made.last and set(made.protocols) & set(other.protocols):
                raise InvalidPortRangeException(
                    f"Port range {made.first}-{made.last} overlaps with port range {other.first}-{other.last}."
                )
        found.append(made)
    return tuple(found)
