"""Regions, Availability Zones and what an account has: from the world's description."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.services.ec2 import default_vpc, errors, filters
from kunren.services.ec2.api.base import Ec2Base, Params, operation
from kunren.services.ec2.zones import Zone, zones_of
from kunren.world.spec import Region

_REGION_FILTERS: dict[str, filters.Getter[Region]] = {
    "endpoint": lambda region: _endpoint(region),
    "opt-in-status": lambda region: "opt-in-not-required",
    "region-name": lambda region: region.name,
}
_ZONE_FILTERS: dict[str, filters.Getter[Zone]] = {
    "group-name": lambda zone: _group(zone),
    "message": lambda zone: None,
    "opt-in-status": lambda zone: "opt-in-not-required",
    "parent-zone-id": lambda zone: None,
    "parent-zone-name": lambda zone: None,
    "region-name": lambda zone: zone.region,
    "state": lambda zone: "available",
    "zone-id": lambda zone: zone.id,
    "zone-name": lambda zone: zone.name,
    "zone-type": lambda zone: "availability-zone",
}
# the quotas that the API still reports; those of EC2-Classic mean nothing any more
_ACCOUNT_ATTRIBUTES = ("supported-platforms", "vpc-max-security-groups-per-interface", "default-vpc")


def _endpoint(region: Region) -> str:
    return f"ec2.{region.name}.amazonaws.com"


def _group(zone: Zone) -> str:
    return f"{zone.region}-zg-1"


def zone_to_wire(zone: Zone) -> dict[str, Any]:
    return {
        "ZoneName": zone.name,
        "ZoneId": zone.id,
        "RegionName": zone.region,
        "GroupName": _group(zone),
        "NetworkBorderGroup": zone.region,
        "ZoneType": "availability-zone",
        "OptInStatus": "opt-in-not-required",
        "State": "available",
        "Messages": [],
    }


class PlaceOperations(Ec2Base):
    @operation
    def describe_availability_zones(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        zones = list(zones_of(self.ensure_region(ctx)))
        for member, names in (
            ("ZoneNames", {each.name: each for each in zones}),
            ("ZoneIds", {each.id: each for each in zones}),
        ):
            wanted = params.get(member) or ()
            if missing := [each for each in wanted if each not in names]:
                raise errors.InvalidParameterValue(f"Invalid availability zone: [{', '.join(missing)}]")
            if wanted:
                zones = [each for each in zones if {each.name, each.id} & set(wanted)]
        found = filters.select(zones, params.get("Filters"), _ZONE_FILTERS)
        return {"AvailabilityZones": [zone_to_wire(each) for each in found]}

    @operation
    def describe_regions(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        regions = list(self.spec.regions)
        wanted = params.get("RegionNames") or ()
        if missing := [each for each in wanted if self.spec.region(each) is None]:
            raise errors.InvalidParameterValue(f"Invalid region(s) provided: {', '.join(missing)}")
        if wanted:
            regions = [each for each in regions if each.name in wanted]
        found = filters.select(regions, params.get("Filters"), _REGION_FILTERS)
        return {
            "Regions": [
                {"RegionName": each.name, "Endpoint": _endpoint(each), "OptInStatus": "opt-in-not-required"}
                for each in found
            ]
        }

    @operation
    def describe_account_attributes(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        vpc = default_vpc.default_vpc(self.store.snapshot(), ctx.account, ctx.region)
        values = {
            "supported-platforms": "VPC",
            "vpc-max-security-groups-per-interface": "5",
            "default-vpc": vpc.id if vpc else "none",
        }
        wanted = params.get("AttributeNames") or _ACCOUNT_ATTRIBUTES
        if missing := [each for each in wanted if each not in values]:
            raise errors.InvalidParameterValue(
                f"Value ({missing[0]}) for parameter attributeName is invalid. Unknown attribute."
            )
        return {
            "AccountAttributes": [
                {"AttributeName": each, "AttributeValues": [{"AttributeValue": values[each]}]} for each in wanted
            ]
        }
