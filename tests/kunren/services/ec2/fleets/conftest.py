"""Fleets as desired state: the world that would boot their instances is left out."""

import asyncio

import pytest
from msgspec.structs import replace

from kunren.core.calling import nobody_answers
from kunren.services.ec2.fleets.model import Fleet, FleetRecord, SpotFleet
from kunren.services.ec2.fleets.service import FleetService
from kunren.services.ec2.instances import images, spot
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.instances.types import MACHINE

IMAGE = images.built_in("us-east-1").id
SMALL, LARGE = ("t3.micro", "t3.large") if MACHINE == "x86_64" else ("t4g.micro", "t4g.large")


class Fleets:
    """EC2's operations, and the controller of fleets, run by hand."""

    def __init__(self, ec2):
        self.ec2 = ec2
        self.service = FleetService(ec2.store, ec2.clock, ec2.api.entropy, ec2.api.spec, nobody_answers, ec2.api)
        self.service.controller.heard = lambda: False
        ec2.api.fleets = lambda: self.service.api
        data = {"ImageId": IMAGE, "InstanceType": SMALL}
        made = ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)
        self.template = {"LaunchTemplateId": made["LaunchTemplate"]["LaunchTemplateId"], "Version": "$Latest"}
        self.small, self.large = SMALL, LARGE

    def asked(self, *overrides, total=2, spot=None, **given):
        """CreateFleet's parameters."""
        capacity = {"TotalTargetCapacity": total, "DefaultTargetCapacityType": "on-demand" if spot is None else "spot"}
        if spot is not None:
            capacity["SpotTargetCapacity"] = spot
        config = {"LaunchTemplateSpecification": self.template, "Overrides": list(overrides)}
        return {"LaunchTemplateConfigs": [config], "TargetCapacitySpecification": capacity, **given}

    def create(self, *overrides, **given):
        return self.ec2.create_fleet(**self.asked(*overrides, **given))

    def settle(self):
        """Let the controller look until nothing changes."""
        before = -1
        while before != (before := self.ec2.store.generation):
            self.ec2.clock.advance(0.001)
            for each in [*self.ec2.store.snapshot().every(Fleet), *self.ec2.store.snapshot().every(SpotFleet)]:
                asyncio.run(self.service.controller.reconcile(f"{each.account}|{each.region}|{each.id}"))

    def fleet(self, id):
        return self.ec2.describe_fleets(FleetIds=[id])["Fleets"][0]

    def members(self, id):
        return {each["InstanceId"] for each in self.ec2.describe_fleet_instances(FleetId=id)["ActiveInstances"]}

    def types(self, id):
        shown = self.ec2.describe_fleet_instances(FleetId=id)["ActiveInstances"]
        return sorted(each["InstanceType"] for each in shown)

    def history(self, id):
        shown = self.ec2.describe_fleet_history(FleetId=id, StartTime=0)["HistoryRecords"]
        return [each["EventInformation"]["EventSubType"] for each in shown]

    def told(self):
        """(event, sub-type) of all that EventBridge is told."""
        held = self.ec2.store.snapshot().list(FleetRecord, self.ec2.account, self.ec2.region)
        return [(each.event, each.sub_type) for each in held]

    def market(self, zone, type, price=None, capacity=None):
        with self.ec2.store.write() as tx:
            found = spot.market(tx, self.ec2.region, zone, type)
            tx.put(spot.moved(found, self.ec2.clock.now(), price, capacity))

    def change(self, instance, **members):
        with self.ec2.store.write() as tx:
            tx.put(replace(tx.get(Instance, self.ec2.account, self.ec2.region, instance), **members))


@pytest.fixture
def fleets(ec2):
    return Fleets(ec2)
