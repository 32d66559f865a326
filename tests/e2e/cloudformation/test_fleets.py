"""AWS::EC2::EC2Fleet and AWS::EC2::SpotFleet in a stack: instances that run, another target, all of it gone."""

from __future__ import annotations

import platform

SMALL = "t4g.nano" if platform.machine() == "aarch64" else "t3a.nano"
TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "spotfleet.amazonaws.com"},
                        "Action": "sts:AssumeRole"}]}  # fmt: skip


def test_fleets_are_made_changed_and_ended(stacks):
    ec2 = stacks.client("ec2")
    [image] = ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["kunren-*"]}])["Images"]
    data = {"ImageId": image["ImageId"], "InstanceType": SMALL}
    config = {
        "LaunchTemplateSpecification": {
            "LaunchTemplateId": {"Ref": "Template"}, "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
        },
    }  # fmt: skip

    def template(target):
        capacity = {"TotalTargetCapacity": target, "DefaultTargetCapacityType": "spot"}
        spots = {
            "IamFleetRole": {"Fn::GetAtt": ["Role", "Arn"]}, "TargetCapacity": target, "LaunchTemplateConfigs": [config],
            "ExcessCapacityTerminationPolicy": "Default", "AllocationStrategy": "priceCapacityOptimized",
        }  # fmt: skip
        return {
            "Resources": {
                "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
                "Template": {"Type": "AWS::EC2::LaunchTemplate", "Properties": {"LaunchTemplateData": data}},
                "Fleet": {
                    "Type": "AWS::EC2::EC2Fleet",
                    "Properties": {"LaunchTemplateConfigs": [config], "TargetCapacitySpecification": capacity},
                },
                "Spots": {
                    "Type": "AWS::EC2::SpotFleet",
                    "Properties": {
                        "SpotFleetRequestConfigData": spots, "Tags": [{"Key": "Team", "Value": "a"}],
                    },
                },
            }
        }  # fmt: skip

    stack = stacks.create("fleets", template(1))
    ids = stacks.physical("fleets")
    fleet = lambda: ec2.describe_fleets(FleetIds=[ids["Fleet"]])["Fleets"][0]  # noqa: E731
    requests = lambda: ec2.describe_spot_fleet_requests(SpotFleetRequestIds=[ids["Spots"]])  # noqa: E731
    assert (fleet()["FleetState"], fleet()["FulfilledCapacity"]) == ("active", 1.0)
    [shown] = requests()["SpotFleetRequestConfigs"]
    assert (shown["SpotFleetRequestState"], shown["ActivityStatus"]) == ("active", "fulfilled")
    assert {"Key": "Team", "Value": "a"} in shown["Tags"]
    stacks.update("fleets", template(0))
    assert stacks.physical("fleets") == ids
    assert fleet()["TargetCapacitySpecification"]["TotalTargetCapacity"] == 0
    assert requests()["SpotFleetRequestConfigs"][0]["SpotFleetRequestConfig"]["TargetCapacity"] == 0
    stacks.delete(stack["StackId"])
    assert fleet()["FleetState"] == "deleted"
    assert requests()["SpotFleetRequestConfigs"][0]["SpotFleetRequestState"] == "cancelled"
    running = {"Name": "instance-state-name", "Values": ["pending", "running"]}
    assert ec2.describe_instances(Filters=[running])["Reservations"] == []
