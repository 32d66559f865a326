"""Fleets of instances: AWS::EC2::EC2Fleet, AWS::EC2::SpotFleet. Their instances go with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.core.clock import iso_utc
from kunren.services.cloudformation.resources.ec2_parts import tags
from kunren.services.cloudformation.resources.kind import Declared, Kind, Setting, Tagging, change
from kunren.services.cloudformation.work import Work
from kunren.services.ec2.fleets.checks import seconds

_FLEET = (
    "LaunchTemplateConfigs OnDemandOptions ReplaceUnhealthyInstances ReservedCapacityOptions SpotOptions "
    "TagSpecifications TerminateInstancesWithExpiration Type ValidFrom ValidUntil"
)
_CHANGED = "Context ExcessCapacityTerminationPolicy TargetCapacitySpecification"
_CHANGED_OF_SPOT_FLEETS = (
    "Context", "ExcessCapacityTerminationPolicy", "LaunchTemplateConfigs", "OnDemandTargetCapacity", "TargetCapacity",
)  # fmt: skip


def _spot_fleet(work: Work) -> Mapping[str, Any]:
    return {"SpotFleetRequestConfig": {**work.get("SpotFleetRequestConfigData"), "ClientToken": work.token}}


def _changed(work: Work) -> Mapping[str, Any]:
    config = work.get("SpotFleetRequestConfigData")
    return {
        "SpotFleetRequestId": work.physical,
        **{name: config[name] for name in _CHANGED_OF_SPOT_FLEETS if name in config},
    }


class _Fleet(Declared):
    async def read(self, work: Work) -> Mapping[str, Any] | None:
        found = await super().read(work)
        return None if found is None else {name: as_stated(value, work.get(name)) for name, value in found.items()}


def as_stated(found: Any, stated: Any) -> Any:
    """What the API shows otherwise than a template states it: times, and strategies, which have two names each."""
    if isinstance(found, float) and isinstance(stated, str):
        return stated if seconds(stated) == found else iso_utc(found)
    if isinstance(found, dict) and isinstance(stated, dict):
        name = str(stated.get("AllocationStrategy", ""))
        if name.replace("-", "").lower() == str(found.get("AllocationStrategy", "")).replace("-", "").lower():
            return {**found, "AllocationStrategy": name}
    return found


KINDS: tuple[Kind, ...] = (
    _Fleet(
        "AWS::EC2::EC2Fleet",
        "ec2",
        create="CreateFleet",
        takes=f"{_FLEET} {_CHANGED}",
        extra=lambda work: {"ClientToken": work.token},
        made="FleetId",
        key="FleetId",
        describe="DescribeFleets",
        by="FleetIds[]",
        item="Fleets[0]",
        ready="FleetState == 'active' || ValidFrom",
        settings=[change("ModifyFleet", "FleetId", _CHANGED)],
        gives={"FleetId": "FleetId"},
        delete="DeleteFleets",
        delete_by="FleetIds[]",
        delete_extra=lambda work: {"TerminateInstances": True},
        await_end=True,
        ended="FleetState == 'deleted'",
    ),
    Declared(
        "AWS::EC2::SpotFleet",
        "ec2",
        create="RequestSpotFleet",
        extra=_spot_fleet,
        also="SpotFleetRequestConfigData",
        made="SpotFleetRequestId",
        key="SpotFleetRequestId",
        describe="DescribeSpotFleetRequests",
        by="SpotFleetRequestIds[]",
        item="SpotFleetRequestConfigs[0]",
        ready="SpotFleetRequestState == 'active' || SpotFleetRequestConfig.ValidFrom",
        settings=[Setting("ModifySpotFleetRequest", "SpotFleetRequestConfigData", _changed, on_create=False)],
        gives={"Id": "SpotFleetRequestId"},
        tags=Tagging(None, tags("spot-fleet-request").change),
        delete="CancelSpotFleetRequests",
        delete_by="SpotFleetRequestIds[]",
        delete_extra=lambda work: {"TerminateInstances": True},
        await_end=True,
        ended="SpotFleetRequestState == 'cancelled'",
    ),
)
