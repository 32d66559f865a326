"""Spot Fleet requests: fleets by another name, kept by the same controller."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.ec2 import errors, ids, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id, token_of
from kunren.services.ec2.fleets import checks, configs, controller, records, spot_requests, wire
from kunren.services.ec2.fleets.api import history
from kunren.services.ec2.fleets.model import SpotFleet

_SPOT_FLEET = ids.SPOT_FLEET
CANCELLED_MAX = 100


class SpotFleetsApi(Ec2Base):
    @operation
    def request_spot_fleet(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """RequestSpotFleet. Raises InvalidSpotFleetRequestConfig and what the launch would."""
        given = params["SpotFleetRequestConfig"]
        asked, request = spot_requests.completed(given)
        tags = tagging.at_creation(given, "spot-fleet-request")
        with self.store.write() as tx:
            if (made := self.replay(tx, ctx, given, SpotFleet)) is not None:
                return {"SpotFleetRequestId": made}
            fleet = SpotFleet(
                account=ctx.account, region=ctx.region, id=f"sfr-{self.entropy.uuid()}", request=request, asked=asked,
                created_at=self.clock.now(), tags=tags, **token_of(given),
            )  # fmt: skip
            configs.candidates(tx, ctx, fleet)
            records.note(tx, self.entropy, fleet, records.FLEET, "submitted", fleet.created_at)
            tx.put(fleet)
            store.remember_token(tx, fleet)
        return {"SpotFleetRequestId": fleet.id}

    @operation
    def describe_spot_fleet_requests(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        held = chosen(snapshot, ctx, _SPOT_FLEET, params, "SpotFleetRequestIds", {})
        page, token = paged(held, params, resource_id, least=1)
        return {"SpotFleetRequestConfigs": [spot_requests.to_wire(snapshot, each) for each in page], "NextToken": token}

    @operation
    def describe_spot_fleet_instances(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        fleet = self.get(snapshot, ctx, _SPOT_FLEET, params["SpotFleetRequestId"])
        members = sorted(fleet.members.values(), key=lambda each: each.id)
        page, token = paged(members, params, lambda each: each.id, least=1)
        shown = [wire.active_instance(snapshot, fleet, each) for each in page]
        return {"SpotFleetRequestId": fleet.id, "ActiveInstances": shown, "NextToken": token}

    @operation
    def describe_spot_fleet_request_history(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        fleet = self.get(snapshot, ctx, _SPOT_FLEET, params["SpotFleetRequestId"])
        since = checks.seconds(params["StartTime"])
        page, token = paged(history(snapshot, fleet, since, params.get("EventType")), params, resource_id, least=1)
        return {
            "SpotFleetRequestId": fleet.id,
            "HistoryRecords": [records.shown(each, True) for each in page],
            "LastEvaluatedTime": None if token else self.clock.now(),
            "NextToken": token,
            "StartTime": since,
        }

    @operation
    def modify_spot_fleet_request(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """ModifySpotFleetRequest, of a request of type maintain."""
        with self.store.write() as tx:
            fleet = self.get(tx, ctx, _SPOT_FLEET, params["SpotFleetRequestId"])
            checks.modifiable(fleet)
            asked, request = spot_requests.modified(fleet, params)
            changed = replace(fleet, asked=asked, request=request)
            controller.modify(tx, self.entropy, ctx, changed, self.clock.now())
        return {"Return": True}

    @operation
    def cancel_spot_fleet_requests(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        well: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        terminates, wanted = bool(params["TerminateInstances"]), dict.fromkeys(params["SpotFleetRequestIds"])
        if len(wanted) > CANCELLED_MAX:
            raise errors.InvalidParameterValue(f"At most {CANCELLED_MAX} requests can be cancelled at once")
        with self.store.write() as tx:
            for id in wanted:
                fleet = tx.get(SpotFleet, ctx.account, ctx.region, id)
                refused = spot_requests.uncancellable(fleet, id, terminates)
                if fleet is None or refused is not None:
                    failed.append({"SpotFleetRequestId": id, "Error": refused})
                    continue
                changed = controller.deleted(tx, self.entropy, fleet, self.clock.now(), terminates=terminates)
                tx.put(changed)
                well.append(
                    {
                        "SpotFleetRequestId": id,
                        "PreviousSpotFleetRequestState": records.word(fleet.state, True),
                        "CurrentSpotFleetRequestState": records.word(changed.state, True),
                    }
                )
        return {"SuccessfulFleetRequests": well, "UnsuccessfulFleetRequests": failed}
