"""Spot Fleet requests: what is their own, and what Spot adds to fleets."""

import pytest
from msgspec.structs import replace

from kunren.core.calling import nobody_answers
from kunren.core.errors import AwsError
from kunren.services.ec2.fleets.model import FleetRecord
from kunren.services.ec2.fleets.records import entry
from kunren.services.ec2.fleets.service import FleetService
from kunren.services.ec2.instances import spot
from kunren.services.ec2.instances.model import Instance, InstanceRun

from .conftest import IMAGE, LARGE, SMALL

ROLE = "arn:aws:iam::123456789012:role/aws-ec2-spot-fleet-tagging-role"
ZONES = ("us-east-1a", "us-east-1b")


def specification(type=SMALL, zone=ZONES[0], **given):
    return {"ImageId": IMAGE, "InstanceType": type, "Placement": {"AvailabilityZone": zone}, **given}


def asked(*specifications, total=1, **given):
    config = {"IamFleetRole": ROLE, "TargetCapacity": total, **given}
    if specifications:
        config["LaunchSpecifications"] = list(specifications)
    return {"SpotFleetRequestConfig": config}


def request(ec2, *specifications, **given):
    return ec2.request_spot_fleet(**asked(*specifications, **given))["SpotFleetRequestId"]


def shown(ec2, id):
    return ec2.describe_spot_fleet_requests(SpotFleetRequestIds=[id])["SpotFleetRequestConfigs"][0]


def members(ec2, id):
    found = ec2.describe_spot_fleet_instances(SpotFleetRequestId=id)["ActiveInstances"]
    held = {each.id: each for each in ec2.store.snapshot().every(Instance)}
    return [held[each["InstanceId"]] for each in found]


def test_launch_specifications_are_launched_by_weight_and_shown_as_asked(ec2, fleets):
    group = ec2.group(ec2.default_vpc()["VpcId"])
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]}]
    own = {"SecurityGroups": [{"GroupId": group}], "WeightedCapacity": 2.0, "TagSpecifications": tags}
    fleet_tags = [{"ResourceType": "spot-fleet-request", "Tags": [{"Key": "Team", "Value": "a"}]}]
    id = request(
        ec2, specification(UserData="ZWNobw==", **own), specification(LARGE, f"{ZONES[0]}, {ZONES[1]}"), total=3,
        TagSpecifications=fleet_tags,
    )  # fmt: skip
    assert id.startswith("sfr-")
    assert shown(ec2, id)["SpotFleetRequestState"] == "submitted"
    fleets.settle()
    found = shown(ec2, id)
    assert (found["SpotFleetRequestState"], found["ActivityStatus"]) == ("active", "fulfilled")
    config = found["SpotFleetRequestConfig"]
    assert (config["FulfilledCapacity"], config["AllocationStrategy"], config["TargetCapacity"]) == (
        4.0, "lowestPrice", 3,
    )  # fmt: skip
    assert config["LaunchSpecifications"][0]["UserData"] == "ZWNobw=="
    assert found["Tags"] == [{"Key": "Team", "Value": "a"}]
    made = members(ec2, id)
    assert [(each.instance_type, each.lifecycle, each.user_data) for each in made] == [(SMALL, "spot", "ZWNobw==")] * 2
    assert made[0].tags == {"Name": "web", "aws:ec2spot:fleet-request-id": id}


def test_templates_give_on_demand_and_spot_capacity(ec2, fleets):
    config = {"LaunchTemplateSpecification": fleets.template, "Overrides": [
        {"AvailabilityZone": ZONES[0], "Priority": 2.0}, {"InstanceType": LARGE, "Priority": 1.0},
    ]}  # fmt: skip
    id = request(
        ec2, total=3, OnDemandTargetCapacity=1, LaunchTemplateConfigs=[config], OnDemandAllocationStrategy="prioritized",
        AllocationStrategy="priceCapacityOptimized",
    )  # fmt: skip
    fleets.settle()
    found = sorted((each.instance_type, each.lifecycle) for each in members(ec2, id))
    assert found == sorted([(LARGE, ""), (SMALL, "spot"), (SMALL, "spot")])
    assert shown(ec2, id)["SpotFleetRequestConfig"]["OnDemandFulfilledCapacity"] == 1.0


def test_a_request_is_modified_and_cancelled(ec2, fleets):
    id = request(ec2, specification(), total=1)
    fleets.settle()
    ec2.modify_spot_fleet_request(SpotFleetRequestId=id, TargetCapacity=3)
    assert shown(ec2, id)["SpotFleetRequestState"] == "modifying"
    fleets.settle()
    assert len(members(ec2, id)) == 3
    ec2.modify_spot_fleet_request(SpotFleetRequestId=id, TargetCapacity=1)
    fleets.settle()
    assert len(members(ec2, id)) == 1
    answer = ec2.cancel_spot_fleet_requests(SpotFleetRequestIds=[id, "sfr-1", "x"], TerminateInstances=False)
    assert answer["SuccessfulFleetRequests"] == [
        {"SpotFleetRequestId": id, "PreviousSpotFleetRequestState": "active",
         "CurrentSpotFleetRequestState": "cancelled_running"}
    ]  # fmt: skip
    codes = [each["Error"]["Code"] for each in answer["UnsuccessfulFleetRequests"]]
    assert codes == ["fleetRequestIdDoesNotExist", "fleetRequestIdMalformed"]
    fleets.settle()
    assert shown(ec2, id)["SpotFleetRequestState"] == "cancelled_running"
    ec2.cancel_spot_fleet_requests(SpotFleetRequestIds=[id], TerminateInstances=True)
    fleets.settle()
    assert shown(ec2, id)["SpotFleetRequestState"] == "cancelled"
    history = ec2.describe_spot_fleet_request_history(
        SpotFleetRequestId=id, StartTime=0, EventType="fleetRequestChange"
    )
    assert [each["EventInformation"]["EventSubType"] for each in history["HistoryRecords"]] == [
        "submitted", "active", "modify_in_progress", "modify_succeeded", "modify_in_progress", "modify_succeeded",
        "cancelled_running", "cancelled_terminating", "cancelled",
    ]  # fmt: skip


def test_its_events_are_those_of_spot_fleets(ec2, fleets):
    id = request(ec2, specification())
    fleets.settle()
    held = ec2.store.snapshot().list(FleetRecord, ec2.account, ec2.region)
    told = [entry(each, True) for each in held]
    assert [each["DetailType"] for each in told] == [
        "EC2 Spot Fleet State Change", "EC2 Spot Fleet State Change", "EC2 Spot Fleet Spot Instance Request Change",
        "EC2 Spot Fleet Spot Instance Request Change", "EC2 Spot Fleet Instance Change",
    ]  # fmt: skip
    assert {each["Source"] for each in told} == {"aws.ec2spotfleet"}
    assert told[0]["Resources"] == [f"arn:aws:ec2:us-east-1:123456789012:spot-fleet-request/{id}"]
    assert told[0]["Detail"] == '{"sub-type": "submitted"}'


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"IamFleetRole": "fleet"}, "InvalidSpotFleetRequestConfig"),
        ({"Type": "instant"}, "InvalidSpotFleetRequestConfig"),
        ({"OnDemandTargetCapacity": 1}, "InvalidSpotFleetRequestConfig"),
        ({"LaunchTemplateConfigs": [{"LaunchTemplateSpecification": {"LaunchTemplateName": "web"}}]},
         "InvalidSpotFleetRequestConfig"),
        ({"LoadBalancersConfig": {"ClassicLoadBalancersConfig": {"ClassicLoadBalancers": [{"Name": "a"}]}}},
         "NotImplemented"),
        ({"SpotPrice": "free"}, "InvalidParameterValue"),
        ({"total": 0, "Type": "request"}, "InvalidSpotFleetRequestConfig"),
        ({"TagSpecifications": [{"ResourceType": "instance", "Tags": []}]}, "InvalidParameterValue"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(ec2, fleets, given, code):
    assert ec2.refused("request_spot_fleet", **asked(specification(), **given))[0] == code


def test_who_is_recommended_to_be_replaced_goes_after_the_delay(ec2, fleets):
    rebalance = {"ReplacementStrategy": "launch-before-terminate", "TerminationDelay": 120}
    id = request(ec2, specification(), SpotMaintenanceStrategies={"CapacityRebalance": rebalance})
    fleets.settle()
    [first] = members(ec2, id)
    with ec2.store.write() as tx:
        tx.put(replace(spot.request_of(tx, first), rebalance_at=ec2.clock.now()))
    fleets.settle()
    both = members(ec2, id)
    assert len(both) == 2
    assert first in both
    ec2.clock.advance(121)
    fleets.settle()
    [second] = members(ec2, id)
    assert second.id != first.id


def test_who_is_stopped_by_an_interruption_is_replaced_and_one_goes_when_it_is_back(ec2, fleets):
    id = request(ec2, specification(), specification(zone=ZONES[1]), InstanceInterruptionBehavior="stop")
    fleets.settle()
    [first] = members(ec2, id)
    assert spot.request_of(ec2.store.snapshot(), first).behavior == "stop"
    fleets.change(first.id, wanted="stopped")
    fleets.market(first.availability_zone, SMALL, capacity=0)
    fleets.settle()
    assert sorted(each.wanted for each in members(ec2, id)) == ["running", "stopped"]
    fleets.market(first.availability_zone, SMALL, capacity=-1)
    fleets.change(first.id, wanted="running")
    fleets.settle()
    assert [each.wanted for each in members(ec2, id)] == ["running"]


def test_those_that_are_to_hibernate_are_launched_for_it(ec2, fleets):
    root = {"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "VolumeSize": 20}}

    async def call(account, region, service, operation, params):
        return {"KeyMetadata": {"Arn": f"arn:aws:kms:us-east-1:{account}:key/1"}}

    ec2.api.launcher._call = call
    own = {"InstanceInterruptionBehavior": "hibernate"}
    plain = request(ec2, specification("m5.large" if SMALL == "t3.micro" else "m6g.large"), **own)
    fleets.settle()
    assert members(ec2, plain) == []  # its root volume is not encrypted
    id = request(
        ec2, specification("m5.large" if SMALL == "t3.micro" else "m6g.large", BlockDeviceMappings=[root]), **own
    )
    fleets.settle()
    [member] = members(ec2, id)
    assert member.hibernation
    assert spot.request_of(ec2.store.snapshot(), member).behavior == "hibernate"


def test_prices_bound_what_is_launched(ec2, fleets):
    fleets.market(ZONES[0], SMALL, price=0.004)
    id = request(ec2, specification(SpotPrice="0.003"), total=2)
    fleets.settle()
    assert members(ec2, id) == []
    assert shown(ec2, id)["ActivityStatus"] == "error"
    history = ec2.describe_spot_fleet_request_history(SpotFleetRequestId=id, StartTime=0)["HistoryRecords"]
    assert ("information", "launchSpecUnusable") in [
        (each["EventType"], each["EventInformation"]["EventSubType"]) for each in history
    ]
    most = request(ec2, specification(), total=5, SpotMaxTotalPrice="0.01")
    fleets.settle()
    assert len(members(ec2, most)) == 2


def test_a_token_and_the_fleet_outlive_a_restart(ec2, fleets):
    id = request(ec2, specification(), ClientToken="once")
    fleets.service = FleetService(ec2.store, ec2.clock, ec2.api.entropy, ec2.api.spec, nobody_answers, ec2.api)
    assert request(ec2, specification(), ClientToken="once") == id
    assert ec2.refused("describe_spot_fleet_requests", SpotFleetRequestIds=["sfr-1"])[0] == (
        "InvalidSpotFleetRequestId.NotFound"
    )


def test_members_are_targets_while_they_serve(ec2, fleets):
    asked_of_elb = []

    async def call(account, region, service, operation, params):
        asked_of_elb.append((operation, params["TargetGroupArn"], {each["Id"] for each in params["Targets"]}))
        if params["TargetGroupArn"] == "gone":
            raise AwsError("One or more target groups not found")
        return {}

    fleets.service = FleetService(ec2.store, ec2.clock, ec2.api.entropy, ec2.api.spec, call, ec2.api)
    fleets.service.controller.heard = lambda: False
    groups = {"TargetGroupsConfig": {"TargetGroups": [{"Arn": "web"}, {"Arn": "gone"}]}}
    id = request(ec2, specification(), LoadBalancersConfig=groups)
    fleets.settle()
    [member] = members(ec2, id)
    assert asked_of_elb == []  # it does not run yet
    with ec2.store.write() as tx:
        tx.put(InstanceRun(account=ec2.account, region=ec2.region, id=member.id, boots=1, pid=7))
    fleets.settle()
    assert asked_of_elb == [("RegisterTargets", each, {member.id}) for each in ("web", "gone")]
    history = ec2.describe_spot_fleet_request_history(SpotFleetRequestId=id, StartTime=0)["HistoryRecords"]
    assert "registerWithLoadBalancersFailed" in [each["EventInformation"]["EventSubType"] for each in history]
    with ec2.store.write() as tx:
        tx.put(replace(spot.request_of(tx, member), noticed=True))
    fleets.settle()
    assert asked_of_elb[2:] == [("DeregisterTargets", each, {member.id}) for each in ("web", "gone")]
