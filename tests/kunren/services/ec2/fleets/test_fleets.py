"""EC2 Fleets: what they launch, keep, replace and end."""

import pytest

from kunren.services.ec2.fleets import capacity
from kunren.services.ec2.fleets.model import Member
from kunren.services.ec2.instances.model import Instance

from .conftest import IMAGE

ZONES = ("us-east-1a", "us-east-1b")


def test_an_instant_fleet_launches_within_the_call(ec2, fleets):
    tags = [
        {"ResourceType": "fleet", "Tags": [{"Key": "Team", "Value": "a"}]},
        {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]},
    ]
    made = fleets.create(
        {"InstanceType": fleets.large, "WeightedCapacity": 4, "AvailabilityZone": ZONES[0]},
        {"InstanceType": fleets.small, "WeightedCapacity": 1, "AvailabilityZone": ZONES[0], "Priority": 1},
        total=6, Type="instant", OnDemandOptions={"AllocationStrategy": "prioritized"}, TagSpecifications=tags,
    )  # fmt: skip
    assert made["Errors"] == []
    assert [(each["InstanceType"], len(each["InstanceIds"])) for each in made["Instances"]] == [(fleets.small, 6)]
    shown = fleets.fleet(made["FleetId"])
    assert (shown["FleetState"], shown["FulfilledCapacity"], shown["Type"]) == ("active", 6.0, "instant")
    assert shown["Tags"] == [{"Key": "Team", "Value": "a"}]
    instance = ec2.describe_instances(InstanceIds=made["Instances"][0]["InstanceIds"][:1])["Reservations"][0]
    assert {each["Key"]: each["Value"] for each in instance["Instances"][0]["Tags"]} == {
        "Name": "web", "aws:ec2:fleet-id": made["FleetId"], "aws:ec2launchtemplate:version": "1",
        "aws:ec2launchtemplate:id": fleets.template["LaunchTemplateId"],
    }  # fmt: skip
    assert ec2.describe_fleets()["Fleets"] == []
    assert fleets.told() == []
    assert ec2.refused("describe_fleet_instances", FleetId=made["FleetId"])[0] == "InvalidParameterValue"


def test_weights_and_prices_per_unit_choose(fleets):
    made = fleets.create(
        {"InstanceType": fleets.large, "WeightedCapacity": 20, "AvailabilityZone": ZONES[0]},
        {"InstanceType": fleets.small, "WeightedCapacity": 1, "AvailabilityZone": ZONES[0]},
        total=25, Type="instant",
    )  # fmt: skip
    assert [(each["InstanceType"], len(each["InstanceIds"])) for each in made["Instances"]] == [(fleets.large, 2)]


def test_what_an_instant_fleet_does_not_get_it_says(ec2, fleets):
    fleets.market(ZONES[0], fleets.small, capacity=1)
    fleets.market(ZONES[0], fleets.large, price=0.9)
    made = fleets.create(
        {"AvailabilityZone": ZONES[0]}, {"AvailabilityZone": ZONES[0], "InstanceType": fleets.large}, total=3, spot=3,
        Type="instant",
    )  # fmt: skip
    assert [len(each["InstanceIds"]) for each in made["Instances"]] == [1]
    assert [each["ErrorCode"] for each in made["Errors"]] == ["UnfulfillableCapacity", "SpotMaxPriceTooLow"]
    least = {"MinTargetCapacity": 2, "SingleAvailabilityZone": True}
    made = fleets.create({"AvailabilityZone": ZONES[0]}, total=3, spot=3, Type="instant", SpotOptions=least)
    assert made["Instances"] == []


def test_a_launch_that_is_refused_leaves_its_pool_out(ec2, fleets):
    subnet = ec2.subnet(ec2.vpc(), "10.0.0.0/28")
    with_group = ec2.group(ec2.default_vpc()["VpcId"])
    data = {"SecurityGroupIds": [with_group], "InstanceType": fleets.small}
    ec2.create_launch_template_version(
        LaunchTemplateId=fleets.template["LaunchTemplateId"], SourceVersion="1", LaunchTemplateData=data
    )
    made = fleets.create({"SubnetId": subnet}, {"AvailabilityZone": ZONES[1]}, total=2, Type="instant")
    assert {each["AvailabilityZone"] for each in made["Instances"]} == {ZONES[1]}
    made = fleets.create({"SubnetId": subnet}, total=2, Type="instant")
    assert made["Instances"] == []
    assert len(made["Errors"]) == 1
    assert ec2.describe_instances(Filters=[{"Name": "subnet-id", "Values": [subnet]}])["Reservations"] == []


def test_of_a_pool_that_refuses_so_many_as_many_come_as_there_can_be(ec2, fleets):
    """A spread placement group has seven instances in a zone."""
    ec2.create_placement_group(GroupName="apart", Strategy="spread")
    apart = {"Placement": {"GroupName": "apart"}}
    overrides = [{**apart, "AvailabilityZone": ZONES[0]}, {**apart, "AvailabilityZone": ZONES[1]}]
    made = fleets.create(*overrides, total=10, Type="instant")
    assert made["Errors"] == []
    assert [len(each["InstanceIds"]) for each in made["Instances"]] == [5, 5]
    made = fleets.create(*overrides, total=10, Type="instant")
    assert [len(each["InstanceIds"]) for each in made["Instances"]] == [2, 2]
    assert len(made["Errors"]) == 2
    least = {"MinTargetCapacity": 5, "SingleAvailabilityZone": True}
    assert fleets.create(*overrides, total=9, Type="instant", OnDemandOptions=least)["Instances"] == []


def test_a_fleet_is_submitted_then_active_and_replaces_who_goes(ec2, fleets):
    id = fleets.create(total=2)["FleetId"]
    shown = fleets.fleet(id)
    assert (shown["FleetState"], shown["ActivityStatus"]) == ("submitted", "pending_fulfillment")
    fleets.settle()
    before, shown = fleets.members(id), fleets.fleet(id)
    assert (shown["FleetState"], shown["ActivityStatus"], len(before)) == ("active", "fulfilled", 2)
    gone = min(before)
    ec2.terminate_instances(InstanceIds=[gone])
    fleets.settle()
    assert len(fleets.members(id)) == 2
    assert gone not in fleets.members(id)
    assert fleets.history(id) == ["submitted", "active", "launched", "launched", "terminated", "launched"]


def test_one_of_type_request_replaces_nobody(ec2, fleets):
    id = fleets.create(total=1, spot=1, Type="request")["FleetId"]
    fleets.settle()
    ec2.terminate_instances(InstanceIds=list(fleets.members(id)))
    fleets.settle()
    assert fleets.members(id) == set()
    assert fleets.told()[:5] == [
        ("fleet", "submitted"), ("fleet", "active"), ("request", "submitted"), ("request", "active"),
        ("instance", "launched"),
    ]  # fmt: skip
    assert ec2.refused("modify_fleet", FleetId=id, TargetCapacitySpecification={"TotalTargetCapacity": 3})[0] == (
        "FleetNotInModifiableState"
    )


def test_a_change_of_the_target_launches_and_ends(ec2, fleets):
    id = fleets.create(
        {"AvailabilityZone": ZONES[0]}, {"AvailabilityZone": ZONES[1]}, total=4, spot=4,
        SpotOptions={"AllocationStrategy": "diversified"},
    )["FleetId"]  # fmt: skip
    fleets.settle()

    def zones():
        shown = ec2.describe_instances(InstanceIds=list(fleets.members(id)))["Reservations"]
        return sorted(each["Instances"][0]["Placement"]["AvailabilityZone"] for each in shown)

    assert len(fleets.members(id)) == 4
    ec2.modify_fleet(FleetId=id, TargetCapacitySpecification={"TotalTargetCapacity": 2})
    assert fleets.fleet(id)["FleetState"] == "modifying"
    fleets.settle()
    assert len(fleets.members(id)) == 2
    assert fleets.fleet(id)["FleetState"] == "active"
    assert fleets.history(id)[-4:-2] == ["modify_in_progress", "modify_succeeded"]
    policy = {"ExcessCapacityTerminationPolicy": "no-termination"}
    ec2.modify_fleet(FleetId=id, TargetCapacitySpecification={"TotalTargetCapacity": 0}, **policy)
    fleets.settle()
    assert len(fleets.members(id)) == 2


def test_a_new_total_leaves_the_other_part_as_it_was(ec2, fleets):
    """Terraform's provider changes the total alone."""
    made = fleets.create({"AvailabilityZone": ZONES[0]}, total=3, TargetCapacitySpecification={
        "TotalTargetCapacity": 3, "OnDemandTargetCapacity": 2, "DefaultTargetCapacityType": "spot"
    })["FleetId"]  # fmt: skip
    fleets.settle()
    before = fleets.members(made)
    for total, on_demand, spot in ((5, 2, 3), (1, 1, 0)):
        ec2.modify_fleet(FleetId=made, TargetCapacitySpecification={"TotalTargetCapacity": total})
        fleets.settle()
        shown = fleets.fleet(made)["TargetCapacitySpecification"]
        assert (shown["OnDemandTargetCapacity"], shown["SpotTargetCapacity"]) == (on_demand, spot)
        assert len(fleets.members(made)) == total
    assert fleets.members(made) <= before


def test_terraform_says_lowest_price_as_it_is_shown_and_zeroes_for_what_is_not_asked(fleets):
    none = {"MinTargetCapacity": 0, "SingleAvailabilityZone": False, "SingleInstanceType": False}
    rebalance = {"CapacityRebalance": {"ReplacementStrategy": "launch", "TerminationDelay": 0}}
    made = fleets.create(
        {"AvailabilityZone": ZONES[0]}, total=0, OnDemandOptions={"AllocationStrategy": "lowestPrice", **none},
        SpotOptions={"AllocationStrategy": "lowestPrice", "MaintenanceStrategies": rebalance, **none},
    )["FleetId"]  # fmt: skip
    shown = fleets.fleet(made)
    assert shown["OnDemandOptions"]["AllocationStrategy"] == "lowestPrice"
    assert (shown["SpotOptions"]["AllocationStrategy"], shown["SpotOptions"]["InstancePoolsToUseCount"]) == (
        "lowestPrice", 1,
    )  # fmt: skip
    made = fleets.create(total=0, SpotOptions={"AllocationStrategy": "capacityOptimized"})["FleetId"]
    assert fleets.fleet(made)["SpotOptions"]["AllocationStrategy"] == "capacity-optimized"


def test_an_interrupted_member_is_replaced_where_there_is_room(ec2, fleets):
    id = fleets.create({"InstanceType": fleets.small, "AvailabilityZone": ZONES[0]},
                       {"InstanceType": fleets.small, "AvailabilityZone": ZONES[1]},
                       total=1, spot=1)["FleetId"]  # fmt: skip
    fleets.settle()
    before = fleets.members(id)
    [instance] = ec2.store.snapshot().every(Instance)
    fleets.market(instance.availability_zone, fleets.small, capacity=0)
    fleets.change(instance.id, wanted="terminated")
    fleets.settle()
    assert len(fleets.members(id)) == 1
    assert fleets.members(id) != before
    [now] = [each for each in ec2.store.snapshot().every(Instance) if each.wanted == "running"]
    assert now.availability_zone != instance.availability_zone


def test_without_room_it_says_so_once_and_waits(ec2, fleets):
    fleets.market(ZONES[0], fleets.small, capacity=0)
    id = fleets.create({"AvailabilityZone": ZONES[0]}, total=1, spot=1)["FleetId"]
    fleets.settle()
    fleets.settle()
    assert fleets.fleet(id)["ActivityStatus"] == "error"
    assert fleets.history(id) == ["submitted", "active", "spotFleetRequestConfigurationInvalid"]
    fleets.market(ZONES[0], fleets.small, capacity=-1)
    fleets.settle()
    assert fleets.fleet(id)["ActivityStatus"] == "fulfilled"


def test_a_deleted_fleet_keeps_or_ends_its_instances(ec2, fleets):
    kept, ended = (fleets.create(total=1)["FleetId"] for _ in range(2))
    instant = fleets.create(total=1, Type="instant")["FleetId"]
    fleets.settle()
    asked = {"TerminateInstances": False, "FleetIds": [kept, instant, "fleet-1", "f-1"]}
    answer = ec2.delete_fleets(**asked)
    assert answer["SuccessfulFleetDeletions"] == [
        {"FleetId": kept, "PreviousFleetState": "active", "CurrentFleetState": "deleted_running"}
    ]
    codes = [each["Error"]["Code"] for each in answer["UnsuccessfulFleetDeletions"]]
    assert codes == ["unexpectedError", "fleetIdDoesNotExist", "fleetIdMalformed"]
    ec2.delete_fleets(FleetIds=[ended, instant], TerminateInstances=True)
    assert fleets.fleet(ended)["FleetState"] == "deleted_terminating"
    fleets.settle()
    assert (fleets.fleet(ended)["FleetState"], fleets.fleet(instant)["FleetState"]) == ("deleted", "deleted")
    assert (fleets.fleet(kept)["FleetState"], len(fleets.members(kept))) == ("deleted_running", 1)
    assert [each.wanted for each in ec2.store.snapshot().every(Instance)].count("running") == 1


def test_times_begin_and_end_it(ec2, fleets):
    now = ec2.clock.now()
    times = {"ValidFrom": now + 60, "ValidUntil": now + 120}
    id = fleets.create(total=1, TerminateInstancesWithExpiration=True, **times)["FleetId"]
    fleets.settle()
    assert fleets.members(id) == set()
    ec2.clock.advance(61)
    fleets.settle()
    assert len(fleets.members(id)) == 1
    ec2.clock.advance(60)
    fleets.settle()
    assert fleets.fleet(id)["FleetState"] == "deleted"
    assert fleets.history(id)[-3:] == ["expired", "terminated", "deleted"]


@pytest.mark.parametrize(
    ("given", "code", "text"),
    [
        ({"total": -1}, "InvalidParameterValue", "TotalTargetCapacity"),
        ({"total": 0, "Type": "instant"}, "InvalidParameterValue", "TotalTargetCapacity"),
        ({"total": 10_001}, "InvalidParameterValue", "10000"),
        ({"total": 1, "spot": 2}, "InvalidParameterValue", "may not exceed"),
        ({"SpotOptions": {"MinTargetCapacity": 1}}, "InvalidFleetConfig", "instant"),
        ({"SpotOptions": {"MaxTotalPrice": "free"}}, "InvalidParameterValue", "free"),
        ({"SpotOptions": {"MaxTotalPrice": "nan"}}, "InvalidParameterValue", "nan"),
        ({"SpotOptions": {"InstancePoolsToUseCount": 2, "AllocationStrategy": "diversified"}}, "InvalidFleetConfig",
         "lowest-price"),
        ({"SpotOptions": {"InstanceInterruptionBehavior": "hibernate"}, "Type": "request"}, "InvalidFleetConfig",
         "hibernate"),
        ({"SpotOptions": {"InstanceInterruptionBehavior": "stop"}, "Type": "request"}, "InvalidFleetConfig", "stop"),
        ({"SpotOptions": {"MaintenanceStrategies": {"CapacityRebalance": {
            "ReplacementStrategy": "launch-before-terminate", "TerminationDelay": 60}}}}, "InvalidFleetConfig", "120"),
        ({"TagSpecifications": [{"ResourceType": "instance", "Tags": []}]}, "InvalidParameterValue", "'instance'"),
        ({"ValidFrom": 20.0, "ValidUntil": 10.0}, "InvalidParameterValue", "ValidUntil"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(ec2, fleets, given, code, text):
    found = ec2.refused("create_fleet", **fleets.asked(**given))
    assert found[0] == code
    assert text in found[1]


def test_a_template_is_named_with_its_version(ec2, fleets):
    config = {"LaunchTemplateSpecification": {"LaunchTemplateName": "web"}}
    missing = ("MissingParameter", "The request must contain the parameter LaunchTemplateSpecification.Version")
    assert ec2.refused("create_fleet", **{**fleets.asked(), "LaunchTemplateConfigs": [config]}) == missing
    asked = {"IamFleetRole": "arn:aws:iam::1:role/f", "TargetCapacity": 1, "LaunchTemplateConfigs": [config]}
    assert ec2.refused("request_spot_fleet", SpotFleetRequestConfig=asked) == missing


@pytest.mark.parametrize("weight", [0, -1.0, float("inf"), float("nan")])
def test_a_weight_is_a_number_above_zero(ec2, fleets, weight):
    asked = fleets.asked({"AvailabilityZone": ZONES[0], "WeightedCapacity": weight})
    assert ec2.refused("create_fleet", **asked) == (
        "InvalidParameterValue", "WeightedCapacity must be greater than 0",
    )  # fmt: skip


def test_pools_that_are_twice_there_and_types_that_are_not_are_refused(ec2, fleets):
    twice = fleets.asked({"AvailabilityZone": ZONES[0]}, {"AvailabilityZone": ZONES[0]})
    assert ec2.refused("create_fleet", **twice) == (
        "InvalidFleetConfig", "The fleet configuration contains duplicate instance pools.",
    )  # fmt: skip
    assert ec2.refused("create_fleet", **fleets.asked({"InstanceType": "t9.big"}))[0] == "InvalidParameterValue"
    assert ec2.refused("create_fleet", **fleets.asked(), DryRun=True)[0] == "DryRunOperation"
    assert ec2.refused("describe_fleets", FleetIds=["fleet-1"])[0] == "InvalidFleetId.NotFound"


def test_a_subnet_is_in_the_zone_that_is_named_with_it(ec2, fleets):
    there, other = (each["SubnetId"] for each in ec2.default_subnets()[:2])
    asked = fleets.asked({"AvailabilityZone": ZONES[0], "SubnetId": f"{there}, {other}"})
    assert ec2.refused("create_fleet", **asked) == (
        "InvalidFleetConfig",
        f"The specified Subnet: {other} cannot be used with the specified Availability Zone: us-east-1a.",
    )
    fleets.create({"AvailabilityZone": f"{ZONES[1]},{ZONES[0]}", "SubnetId": f"{there},{other}"})


def test_a_client_token_makes_one_fleet(ec2, fleets):
    made = [fleets.create(total=1, Type="instant", ClientToken="t") for _ in range(2)]
    assert made[0] == made[1]
    assert ec2.refused("create_fleet", **fleets.asked(total=2, Type="instant", ClientToken="t"))[0] == (
        "IdempotentParameterMismatch"
    )


def member(id, units=1.0, cost=1.0, zone="a", at=0.0):
    return Member(
        id=id, instance_type="t", zone=zone, subnet="s", units=units, cost=cost, spot=True, launched_at=at
    )  # fmt: skip


def test_the_strategy_says_who_is_too_much():
    held = [member("1", cost=3), member("2", cost=1), member("3", zone="b"), member("4", zone="b", at=9)]
    assert [each.id for each in capacity.surplus(held, 2)] == ["1", "4"]
    assert [each.id for each in capacity.surplus(held, 2, "diversified")] == ["1", "4"]
    more = [*held, member("5", zone="b"), member("6", zone="b")]
    assert [each.id for each in capacity.surplus(more, 4, "diversified")] == ["4", "6"]
    room = {"a": 0.0, "b": 9.0}
    found = capacity.surplus(held, 2, "capacity-optimized", lambda each: room[each.zone])
    assert [each.id for each in found] == ["1", "2"]
    assert capacity.surplus([member("1", units=4)], 2) == []


NEEDS = {"VCpuCount": {"Min": 2, "Max": 4}, "MemoryMiB": {"Min": 4096, "Max": 8192}}


def test_types_are_chosen_by_attributes(ec2, fleets):
    made = fleets.create({"InstanceRequirements": NEEDS, "AvailabilityZone": ZONES[0]}, total=2, spot=2, Type="instant")
    cheapest = "c6g.large" if fleets.small.startswith("t4g") else "c6a.large"
    assert [(each["InstanceType"], len(each["InstanceIds"])) for each in made["Instances"]] == [(cheapest, 2)]
    capacity = {"TotalTargetCapacity": 9, "DefaultTargetCapacityType": "on-demand", "TargetCapacityUnitType": "vcpu"}
    asked = fleets.asked({"InstanceRequirements": NEEDS, "AvailabilityZone": ZONES[0]}, Type="instant")
    made = ec2.create_fleet(**{**asked, "TargetCapacitySpecification": capacity})
    assert fleets.fleet(made["FleetId"])["FulfilledCapacity"] >= 9
    data = {"InstanceRequirements": NEEDS, "ImageId": IMAGE}
    named = ec2.create_launch_template(LaunchTemplateName="by-needs", LaunchTemplateData=data)["LaunchTemplate"]
    fleets.template = {"LaunchTemplateId": named["LaunchTemplateId"], "Version": "$Default"}
    made = fleets.create({"AvailabilityZone": ZONES[0]}, total=1, Type="instant")
    assert [each["InstanceType"] for each in made["Instances"]] == [cheapest]


def test_overrides_reach_the_instances_and_are_shown(ec2, fleets):
    ec2.create_key_pair(KeyName="own")
    ec2.create_placement_group(GroupName="apart", Strategy="spread")
    root = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20}}
    override = {
        "AvailabilityZone": ZONES[1], "KeyName": "own", "Placement": {"GroupName": "apart"},
        "BlockDeviceMappings": [root], "MetadataOptions": {"HttpTokens": "required"}, "InstanceType": fleets.small,
    }  # fmt: skip
    made = fleets.create(override, total=1, Type="instant")
    assert made["Errors"] == []
    [shown] = fleets.fleet(made["FleetId"])["LaunchTemplateConfigs"][0]["Overrides"]
    assert shown == {
        "AvailabilityZone": ZONES[1], "Placement": {"GroupName": "apart"}, "BlockDeviceMappings": [root],
        "InstanceType": fleets.small,
    }  # fmt: skip
    [instance] = ec2.describe_instances()["Reservations"][0]["Instances"]
    assert (instance["KeyName"], instance["Placement"]["GroupName"]) == ("own", "apart")
    assert (instance["MetadataOptions"]["HttpTokens"], instance["Placement"]["AvailabilityZone"]) == (
        "required", ZONES[1],
    )  # fmt: skip
    assert ec2.describe_volumes()["Volumes"][0]["Size"] == 20


def test_attributes_are_checked(ec2, fleets):
    needs = {"InstanceRequirements": NEEDS, "AvailabilityZone": ZONES[0]}
    assert ec2.refused("create_fleet", **fleets.asked(needs, needs)) == (
        "InvalidParameterValue",
        "Two or more of your InstanceRequirements structures include overlapping values. Ensure that there is no "
        "overlap, and try again.",
    )
    assert ec2.refused("create_fleet", **fleets.asked(*[needs] * 5)) == (
        "InvalidParameterValue", "Your request contains more than the maximum allowed number of InstanceRequirements (4)",
    )  # fmt: skip
    none = {"InstanceRequirements": {**NEEDS, "BareMetal": "required"}}
    assert ec2.refused("create_fleet", **fleets.asked(none))[0] == "InvalidParameterValue"
    both = {**needs, "InstanceType": fleets.small}
    assert ec2.refused("create_fleet", **fleets.asked(both))[0] == "InvalidParameterCombination"
    capacity = {"TotalTargetCapacity": 1, "TargetCapacityUnitType": "vcpu"}
    asked = {**fleets.asked(), "TargetCapacitySpecification": capacity}
    assert ec2.refused("create_fleet", **asked)[0] == "InvalidParameterValue"
