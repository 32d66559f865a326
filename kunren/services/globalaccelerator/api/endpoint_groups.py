"""Endpoint groups: a listener's endpoints in one region."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.globalaccelerator import endpoints, views
from kunren.services.globalaccelerator.api.base import Base, Reader, one_page, same_request
from kunren.services.globalaccelerator.errors import (
    EndpointGroupAlreadyExistsException,
    InvalidArgumentException,
    LimitExceededException,
)
from kunren.services.globalaccelerator.model import Endpoint, EndpointGroup, HealthCheck, Listener, PortOverride

ENDPOINTS_MAX = 10  # Quotas for AWS Global Accelerator, per endpoint group
PORT_OVERRIDES_MAX = 10
INTERVALS = (10, 30)


class EndpointGroups(Base):
    def create_endpoint_group(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            listener = self._listener(tx, ctx, params["ListenerArn"])
            region, token = params["EndpointGroupRegion"], params["IdempotencyToken"]
            if self._spec.region(region) is None:
                raise InvalidArgumentException(f"{region} is not a valid region.")
            existing = [each for each in tx.list(EndpointGroup, ctx.account, "") if each.listener_arn == listener.id]
            known = same_request(existing, token, lambda each: each.group_region == region)
            if known is not None:
                return self._group_shown(tx, known)
            if any(each.group_region == region for each in existing):
                raise EndpointGroupAlreadyExistsException(region)
            made = EndpointGroup(
                account=ctx.account,
                region="",
                id=f"{listener.id}/endpoint-group/{self._entropy.hex(12)}",
                listener_arn=listener.id,
                accelerator_arn=listener.accelerator_arn,
                group_region=region,
                endpoints=self._endpoints(
                    tx, ctx.account, listener.accelerator_arn, region, params.get("EndpointConfigurations")
                ),
                idempotency_token=token,
            )
            made = msgspec.structs.replace(made, **_settings(made, listener, params))
            tx.put(made)
            self._touch(tx, ctx.account, listener.accelerator_arn)
            return self._group_shown(tx, made)

    def describe_endpoint_group(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        return self._group_shown(snapshot, self._group(snapshot, ctx, params["EndpointGroupArn"]))

    def list_endpoint_groups(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._snapshot(ctx)
        arn = self._listener(snapshot, ctx, params["ListenerArn"]).id
        every = [each for each in snapshot.list(EndpointGroup, ctx.account, "") if each.listener_arn == arn]
        found, token = one_page(every, params)
        return {
            "EndpointGroups": [self._group_shown(snapshot, each)["EndpointGroup"] for each in found],
            "NextToken": token,
        }

    def update_endpoint_group(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            before = self._group(tx, ctx, params["EndpointGroupArn"])
            listener = self._listener(tx, ctx, before.listener_arn)
            changed = _settings(before, listener, params)
            given = params.get("EndpointConfigurations")
            if given is not None:
                changed["endpoints"] = self._endpoints(
                    tx, ctx.account, before.accelerator_arn, before.group_region, given
                )
            return self._put(tx, msgspec.structs.replace(before, **changed))

    def delete_endpoint_group(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._group(tx, ctx, params["EndpointGroupArn"])
            tx.delete(found)
            self._touch(tx, ctx.account, found.accelerator_arn)

    def add_endpoints(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            before = self._group(tx, ctx, params["EndpointGroupArn"])
            added = self._endpoints(
                tx, ctx.account, before.accelerator_arn, before.group_region, params["EndpointConfigurations"]
            )
            kept = {each.id: each for each in before.endpoints}
            after = (*{**kept, **{each.id: each for each in added}}.values(),)
            _check_count(after)
            shown = self._put(tx, msgspec.structs.replace(before, endpoints=after))["EndpointGroup"]
        ids = {each.id for each in added}
        return {
            "EndpointDescriptions": [each for each in shown["EndpointDescriptions"] if each["EndpointId"] in ids],
            "EndpointGroupArn": before.id,
        }

    def remove_endpoints(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            before = self._group(tx, ctx, params["EndpointGroupArn"])
            gone = {each["EndpointId"] for each in params["EndpointIdentifiers"]}
            if missing := sorted(gone - {each.id for each in before.endpoints}):
                raise InvalidArgumentException(f"{missing[0]} is not an endpoint of the endpoint group.")
            kept = tuple(each for each in before.endpoints if each.id not in gone)
            self._put(tx, msgspec.structs.replace(before, endpoints=kept))

    def _endpoints(
        self, tx: Tx, account: str, arn: str, region: str, given: list[dict[str, Any]] | None
    ) -> tuple[Endpoint, ...]:
        found = tuple(endpoints.checked(tx, account, arn, region, each) for each in given or ())
        if len({each.id for each in found}) < len(found):
            raise InvalidArgumentException("An endpoint is in the list more than once.")
        _check_count(found)
        return found

    def _put(self, tx: Tx, group: EndpointGroup) -> dict[str, Any]:
        tx.put(group)
        self._touch(tx, group.account, group.accelerator_arn)
        return self._group_shown(tx, group)

    def _group_shown(self, reader: Reader, group: EndpointGroup) -> dict[str, Any]:
        listener = reader.get(Listener, group.account, "", group.listener_arn)
        assert listener is not None
        states = endpoints.states(self._store.snapshot(), group)
        return {"EndpointGroup": views.endpoint_group(group, listener.port_ranges[0].first, states)}


def _check_count(found: tuple[Endpoint, ...]) -> None:
    if len(found) > ENDPOINTS_MAX:
        raise LimitExceededException(f"An endpoint group can have at most {ENDPOINTS_MAX} endpoints.")


def _settings(before: EndpointGroup, listener: Listener, params: dict[str, Any]) -> dict[str, Any]:
    """The dial, health check and port overrides that a call asks for; what it leaves out stays."""
    check = before.health_check
    protocol = params.get("HealthCheckProtocol") or check.protocol
    interval = params.get("HealthCheckIntervalSeconds") or check.interval_s
    if interval not in INTERVALS:
        raise InvalidArgumentException("HealthCheckIntervalSeconds must be 10 or 30.")
    changed: dict[str, Any] = {
        "health_check": HealthCheck(
            protocol=protocol,
            port=params.get("HealthCheckPort") or check.port,
            path=params.get("HealthCheckPath") or check.path,
            interval_s=interval,
            threshold=params.get("ThresholdCount") or check.threshold,
        )
    }
    if params.get("TrafficDialPercentage") is not None:
        changed["traffic_dial"] = float(params["TrafficDialPercentage"])
    if params.get("PortOverrides") is not None:
        changed["port_overrides"] = _overrides(listener, params["PortOverrides"])
    return changed


def _overrides(listener: Listener, given: list[dict[str, Any]]) -> tuple[PortOverride, ...]:
    if len(given) > PORT_OVERRIDES_MAX:
        raise LimitExceededException(f"An endpoint group can have at most {PORT_OVERRIDES_MAX} port overrides.")
    found = tuple(
        PortOverride(listener_port=each["ListenerPort"], endpoint_port=each["EndpointPort"]) for each in given
    )
    for each in found:
        if not any(one.first <= each.listener_port <= one.last for one in listener.port_ranges):
            raise InvalidArgumentException(f"Port override {each.listener_port} is not a port of the listener.")
    if len({each.listener_port for each in found}) < len(found):
        raise InvalidArgumentException("A listener port can be overridden only once.")
    return found
