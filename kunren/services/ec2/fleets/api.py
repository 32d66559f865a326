"""EC2 Fleets. What a fleet does after the call is `fleets.controller`'s; an instant one launches within the call."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.services.ec2 import errors, filters, ids, store
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id, token_of
from kunren.services.ec2.fleets import checks, configs, controller, launching, records, wire
from kunren.services.ec2.fleets.model import Fleet, FleetRecord, Member
from kunren.services.ec2.store import Reader
from kunren.world.spec import WorldSpec

_FLEET = ids.FLEET
_CHANGED = ("ExcessCapacityTerminationPolicy", "LaunchTemplateConfigs", "Context")
_FILTERS: dict[str, filters.Getter[Fleet]] = {
    "excess-capacity-termination-policy": lambda each: each.request["ExcessCapacityTerminationPolicy"],
    "fleet-state": lambda each: each.state,
    "replace-unhealthy-instances": lambda each: bool(each.request["ReplaceUnhealthyInstances"]),
    "type": lambda each: each.type,
}


class FleetsApi(Ec2Base):
    def __init__(self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec, ec2: Any) -> None:
        """`ec2` has EC2's operations."""
        super().__init__(store, clock, entropy, spec)
        self._ec2 = ec2

    async def create_fleet(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """CreateFleet. Raises InvalidFleetConfig, InvalidParameterValue and what the templates' launch would."""
        self.ensure_region(ctx)
        request = checks.completed(params)
        tags, request["LaunchTags"] = checks.tags(params, request["Type"])
        with self.store.write() as tx:
            if (made := self.replay(tx, ctx, params, Fleet)) is not None:
                return wire.created(self.get(tx, ctx, _FLEET, made))
            fleet = Fleet(
                account=ctx.account, region=ctx.region, id=f"fleet-{self.entropy.uuid()}", request=request,
                created_at=self.clock.now(), tags=tags, **token_of(params),
            )  # fmt: skip
            found = configs.candidates(tx, ctx, fleet)
            if params.get("DryRun"):
                raise errors.DryRunOperation()
            if fleet.type != "instant":
                records.note(tx, self.entropy, fleet, records.FLEET, "submitted", fleet.created_at)
                tx.put(fleet)
                store.remember_token(tx, fleet)
                return {"FleetId": fleet.id}
        offers = await launching.offers(self._ec2, self.store.snapshot(), ctx, found)
        with self.store.write() as tx:
            if (made := self.replay(tx, ctx, params, Fleet)) is not None:
                return wire.created(self.get(tx, ctx, _FLEET, made))
            into = launching.Launching(tx, self._ec2, self.entropy, ctx, fleet, self.clock.now())
            refused = into.fill(offers, configs.target(request["TargetCapacitySpecification"]))
            fleet = replace(into.fleet, state="active", errors=tuple(map(wire.error, refused)))
            tx.put(fleet)
            store.remember_token(tx, fleet)
        return wire.created(fleet)

    @operation
    def describe_fleets(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """DescribeFleets; an instant fleet is shown where it is named."""
        snapshot = self.store.snapshot()
        table: dict[str, filters.Getter[Fleet]] = {
            **_FILTERS, "activity-status": lambda each: wire.activity(snapshot, each),
        }  # fmt: skip
        held = chosen(snapshot, ctx, _FLEET, params, "FleetIds", table)
        if not params.get("FleetIds"):
            held = [each for each in held if each.type != "instant"]
        page, token = paged(held, params, resource_id, "FleetIds", least=1)
        return {"Fleets": [wire.to_wire(snapshot, each) for each in page], "NextToken": token}

    @operation
    def describe_fleet_instances(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        fleet = self._lasting(snapshot, ctx, params["FleetId"])
        table: dict[str, filters.Getter[Member]] = {"instance-type": lambda each: each.instance_type}
        held = filters.select(list(fleet.members.values()), params.get("Filters"), table)
        page, token = paged(sorted(held, key=lambda each: each.id), params, lambda each: each.id, least=1)
        shown = [wire.active_instance(snapshot, fleet, each) for each in page]
        return {"FleetId": fleet.id, "ActiveInstances": shown, "NextToken": token}

    @operation
    def describe_fleet_history(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        fleet = self._lasting(snapshot, ctx, params["FleetId"])
        since = checks.seconds(params["StartTime"])
        page, token = paged(history(snapshot, fleet, since, params.get("EventType")), params, resource_id, least=1)
        return {
            "FleetId": fleet.id,
            "HistoryRecords": [records.shown(each, False) for each in page],
            "LastEvaluatedTime": page[-1].at if token else self.clock.now(),
            "NextToken": token,
            "StartTime": since,
        }

    @operation
    def modify_fleet(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """ModifyFleet, of a fleet of type maintain."""
        with self.store.write() as tx:
            fleet = self.get(tx, ctx, _FLEET, params["FleetId"])
            checks.modifiable(fleet)
            changes = {name: params[name] for name in _CHANGED if params.get(name)}
            if capacity := params.get("TargetCapacitySpecification"):
                before = fleet.request["TargetCapacitySpecification"]
                changes["TargetCapacitySpecification"] = configs.retargeted(before, capacity)
            changed = replace(fleet, request=checks.completed({**fleet.request, **changes}))
            controller.modify(tx, self.entropy, ctx, changed, self.clock.now())
        return {"Return": True}

    @operation
    def delete_fleets(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        well: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        terminates, wanted = bool(params["TerminateInstances"]), dict.fromkeys(params["FleetIds"])
        with self.store.write() as tx:
            found = {id: tx.get(Fleet, ctx.account, ctx.region, id) for id in wanted}
            checks.deletable([each for each in found.values() if each is not None])
            for id, fleet in found.items():
                refused = checks.undeletable(fleet, id, terminates)
                if fleet is None or refused is not None:
                    failed.append({"FleetId": id, "Error": refused})
                    continue
                changed = controller.deleted(tx, self.entropy, fleet, self.clock.now(), terminates=terminates)
                tx.put(changed)
                states = {"PreviousFleetState": fleet.state, "CurrentFleetState": changed.state}
                well.append({"FleetId": id, **states})
        return {"SuccessfulFleetDeletions": well, "UnsuccessfulFleetDeletions": failed}

    def _lasting(self, reader: Reader, ctx: RequestContext, id: str) -> Fleet:
        fleet = self.get(reader, ctx, _FLEET, id)
        if fleet.type == "instant":
            raise errors.InvalidParameterValue(f"Fleet {id} is of type instant, which this operation does not support")
        return fleet


def history(reader: Reader, fleet: Fleet, since: float, type: str | None) -> list[FleetRecord]:
    """What happened to a fleet from then on, of the type that its API names."""
    found = []
    for each in reader.list(FleetRecord, fleet.account, fleet.region):
        of_type = records.history_type(each, fleet.is_spot_fleet)
        if each.fleet_id == fleet.id and each.at >= since and of_type is not None and type in (None, of_type):
            found.append(each)
    return found
