"""Listeners: the ports of an accelerator."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.core.context import RequestContext
from kunren.services.globalaccelerator import views
from kunren.services.globalaccelerator.api.base import Base, one_page, port_ranges, same_request
from kunren.services.globalaccelerator.errors import (
    AssociatedEndpointGroupFoundException,
    LimitExceededException,
)
from kunren.services.globalaccelerator.model import EndpointGroup, Listener

LISTENERS_MAX = 10  # Quotas for AWS Global Accelerator, per accelerator


class Listeners(Base):
    def create_listener(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            accelerator = self._accelerator(tx, ctx, params["AcceleratorArn"])
            existing = [each for each in tx.list(Listener, ctx.account, "") if each.accelerator_arn == accelerator.id]
            protocol, token = params["Protocol"], params["IdempotencyToken"]
            known = same_request(existing, token, lambda each: each.protocol == protocol)
            if known is not None:
                return {"Listener": views.listener(known)}
            ranges = port_ranges(params["PortRanges"], existing, protocol)
            if len(existing) >= LISTENERS_MAX:
                raise LimitExceededException(f"The accelerator has reached its quota of {LISTENERS_MAX} listeners.")
            made = Listener(
                account=ctx.account,
                region="",
                id=f"{accelerator.id}/listener/{self._entropy.hex(8)}",
                accelerator_arn=accelerator.id,
                port_ranges=ranges,
                protocol=protocol,
                client_affinity=params.get("ClientAffinity") or "NONE",
                idempotency_token=token,
            )
            tx.put(made)
            self._touch(tx, ctx.account, accelerator.id)
        return {"Listener": views.listener(made)}

    def describe_listener(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"Listener": views.listener(self._listener(self._store.snapshot(), ctx, params["ListenerArn"]))}

    def list_listeners(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._snapshot(ctx)
        arn = self._accelerator(snapshot, ctx, params["AcceleratorArn"]).id
        every = [each for each in snapshot.list(Listener, ctx.account, "") if each.accelerator_arn == arn]
        found, token = one_page(every, params)
        return {"Listeners": [views.listener(each) for each in found], "NextToken": token}

    def update_listener(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            before = self._listener(tx, ctx, params["ListenerArn"])
            protocol = params.get("Protocol") or before.protocol
            others = [
                each
                for each in tx.list(Listener, ctx.account, "")
                if each.accelerator_arn == before.accelerator_arn and each.id != before.id
            ]
            given = params.get("PortRanges") or views.listener(before)["PortRanges"]
            after = msgspec.structs.replace(
                before,
                protocol=protocol,
                port_ranges=port_ranges(given, others, protocol),
                client_affinity=params.get("ClientAffinity") or before.client_affinity,
            )
            tx.put(after)
            self._touch(tx, ctx.account, before.accelerator_arn)
        return {"Listener": views.listener(after)}

    def delete_listener(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._listener(tx, ctx, params["ListenerArn"])
            if any(each.listener_arn == found.id for each in tx.list(EndpointGroup, ctx.account, "")):
                raise AssociatedEndpointGroupFoundException
            tx.delete(found)
            self._touch(tx, ctx.account, found.accelerator_arn)
