"""Placement groups: who is together, who is apart, and who finds no room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.ec2.instances import images
from kunren.services.ec2.instances.model import Instance, InstanceRun, PlacementGroup
from kunren.services.ec2.instances.placement import partitions
from kunren.services.ec2.instances.types import MACHINE

IMAGE = images.built_in("us-east-1").id
BURSTABLE, TYPE = ("t3.micro", "m5.large") if MACHINE == "x86_64" else ("t4g.micro", "m6g.large")


def asked(ec2, group, count=1, least=None, zone="us-east-1a", type=TYPE, **placement):
    return {
        "ImageId": IMAGE, "InstanceType": type, "MinCount": least or count, "MaxCount": count,
        "Placement": {"GroupName": group, "AvailabilityZone": zone, **placement},
    }  # fmt: skip


def launch(ec2, *args, **given):
    return ec2.run_instances(**asked(ec2, *args, **given))["Instances"]


def test_a_spread_group_has_seven_running_instances_in_a_zone(ec2):
    made = ec2.create_placement_group(GroupName="apart", Strategy="spread")["PlacementGroup"]
    assert made["GroupArn"] == "arn:aws:ec2:us-east-1:123456789012:placement-group/apart"
    assert (made["State"], made["SpreadLevel"]) == ("available", "rack")
    assert len(launch(ec2, "apart", 10, 1)) == 7
    assert ec2.refused("run_instances", **asked(ec2, "apart"))[0] == "InsufficientInstanceCapacity"
    (other,) = launch(ec2, "apart", zone="us-east-1b")
    assert (other["Placement"]["GroupName"], other["Placement"]["GroupId"]) == ("apart", made["GroupId"])
    assert ec2.refused("delete_placement_group", GroupName="apart") == (
        "InvalidPlacementGroup.InUse", "The placement group 'apart' is in use and may not be deleted.",
    )  # fmt: skip


def test_a_cluster_is_in_one_zone_and_burstable_types_are_not_in_it(ec2):
    ec2.create_placement_group(GroupName="near", Strategy="cluster")
    launch(ec2, "near")
    assert ec2.refused("run_instances", **asked(ec2, "near", zone="us-east-1b"))[0] == "InvalidParameterCombination"
    assert ec2.refused("run_instances", **asked(ec2, "near", type=BURSTABLE)) == (
        "InvalidParameterCombination", f"Placement groups may not be used with instances of type '{BURSTABLE}'.",
    )  # fmt: skip


def test_partitions_are_filled_evenly_or_as_asked(ec2):
    ec2.create_placement_group(GroupName="parts", Strategy="partition", PartitionCount=3)
    made = launch(ec2, "parts", 4)
    assert [each["Placement"]["PartitionNumber"] for each in made] == [1, 2, 3, 1]
    (third,) = launch(ec2, "parts", PartitionNumber=3)
    assert third["Placement"]["PartitionNumber"] == 3
    assert ec2.refused("run_instances", **asked(ec2, "parts", PartitionNumber=4))[0] == "InvalidParameterValue"


def test_a_stopped_instance_is_placed_elsewhere(ec2):
    ec2.create_placement_group(GroupName="parts", Strategy="partition", PartitionCount=2)
    id = ec2.run_instances(ImageId=IMAGE, InstanceType=TYPE, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    with ec2.store.write() as tx:
        run = InstanceRun(account=ec2.account, region=ec2.region, id=id, boots=1, pid=7)
        tx.put(run)
    assert ec2.refused("modify_instance_placement", InstanceId=id, GroupName="parts")[0] == "IncorrectInstanceState"
    ec2.stop_instances(InstanceIds=[id])
    with ec2.store.write() as tx:
        tx.delete(run)
    ec2.modify_instance_placement(InstanceId=id, GroupName="parts", PartitionNumber=2)
    placed = ec2.describe_instances()["Reservations"][0]["Instances"][0]["Placement"]
    assert (placed["GroupName"], placed["PartitionNumber"]) == ("parts", 2)
    ec2.create_placement_group(GroupName="apart", Strategy="spread")
    ec2.modify_instance_placement(InstanceId=id, GroupName="apart")
    launch(ec2, "apart", 7, zone=placed["AvailabilityZone"])
    assert ec2.refused("start_instances", InstanceIds=[id])[0] == "InsufficientInstanceCapacity"
    ec2.modify_instance_placement(InstanceId=id, GroupName="")
    ec2.delete_placement_group(GroupName="parts")
    others = [each["InstanceId"] for one in ec2.describe_instances()["Reservations"] for each in one["Instances"]]
    ec2.terminate_instances(InstanceIds=others)
    ec2.delete_placement_group(GroupName="apart")
    assert ec2.describe_placement_groups()["PlacementGroups"] == []


@pytest.mark.parametrize(
    ("operation", "params", "refusal"),
    [
        ("create_placement_group", {"GroupName": "one", "Strategy": "spread"},
         ("InvalidPlacementGroup.Duplicate", "The Placement Group 'one' already exists.")),
        ("delete_placement_group", {"GroupName": "two"},
         ("InvalidPlacementGroup.Unknown", "The Placement Group 'two' is unknown.")),
        ("describe_placement_groups", {"GroupNames": ["two"]},
         ("InvalidPlacementGroup.Unknown", "The Placement Group 'two' is unknown.")),
    ],
)  # fmt: skip
def test_names_are_unique_and_known(ec2, operation, params, refusal):
    ec2.create_placement_group(GroupName="one", Strategy="cluster")
    assert ec2.refused(operation, **params) == refusal


@given(st.integers(1, 7), st.lists(st.integers(1, 7), max_size=20), st.integers(1, 30))
def test_new_instances_leave_the_partitions_no_less_even(number, there, count):
    base = {"account": "1", "region": "r", "reservation_id": "", "launch_index": 0, "image_id": "", "instance_type": "", "architecture": "",
                "vpc_id": "", "subnet_id": "", "availability_zone": "", "interface_id": "", "volume_id": "", "root_device": "",
                "launched_at": 0.0}  # fmt: skip
    held = [Instance(id=str(n), partition=each, **base) for n, each in enumerate(there) if each <= number]
    group = PlacementGroup(account="1", region="r", id="pg-1", name="g", strategy="partition", partitions=number)
    before = [sum(each.partition == part for each in held) for part in range(1, number + 1)]
    chosen = partitions(group, held, None, count)
    after = [old + chosen.count(part) for part, old in enumerate(before, 1)]
    assert len(chosen) == count
    assert max(after) - min(after) <= max(1, max(before) - min(before))
