"""Launch templates, their versions, and launches by them."""

import pytest

from kunren.services.ec2.instances import images
from kunren.services.ec2.instances.types import MACHINE

IMAGE = images.built_in("us-east-1").id
SMALL, LARGE = ("t3.micro", "t3.large") if MACHINE == "x86_64" else ("t4g.micro", "t4g.large")


@pytest.fixture
def template(ec2):
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}, {"Key": "Team", "Value": "a"}]}]
    data = {"ImageId": IMAGE, "InstanceType": SMALL, "TagSpecifications": tags}
    return ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)["LaunchTemplate"]


def test_a_launch_takes_from_its_template_what_it_does_not_say(ec2, template):
    named = {"LaunchTemplateName": "web"}
    own = [{"ResourceType": "instance", "Tags": [{"Key": "Team", "Value": "b"}]}]
    made = ec2.run_instances(LaunchTemplate=named, MinCount=1, MaxCount=1, InstanceType=LARGE, TagSpecifications=own)
    instance = made["Instances"][0]
    assert (instance["InstanceType"], instance["ImageId"]) == (LARGE, IMAGE)
    assert {each["Key"]: each["Value"] for each in instance["Tags"]} == {
        "Name": "web", "Team": "b", "aws:ec2launchtemplate:id": template["LaunchTemplateId"],
        "aws:ec2launchtemplate:version": "1",
    }  # fmt: skip


def test_versions_are_made_chosen_and_deleted(ec2, template):
    id = template["LaunchTemplateId"]
    made = ec2.create_launch_template_version(
        LaunchTemplateId=id, SourceVersion="1", LaunchTemplateData={"InstanceType": LARGE}
    )["LaunchTemplateVersion"]
    assert (made["VersionNumber"], made["DefaultVersion"]) == (2, False)
    assert made["LaunchTemplateData"]["ImageId"] == IMAGE

    def launched(**version):
        named = {"LaunchTemplateId": id, **version}
        return ec2.run_instances(LaunchTemplate=named, MinCount=1, MaxCount=1)["Instances"][0]["InstanceType"]

    assert (launched(), launched(Version="$Latest"), launched(Version="2")) == (SMALL, LARGE, LARGE)
    ec2.modify_launch_template(LaunchTemplateId=id, DefaultVersion="2")
    assert launched() == LARGE
    done = ec2.delete_launch_template_versions(LaunchTemplateId=id, Versions=["1", "2", "7"])
    assert [each["VersionNumber"] for each in done["SuccessfullyDeletedLaunchTemplateVersions"]] == [1]
    assert len(done["UnsuccessfullyDeletedLaunchTemplateVersions"]) == 2
    shown = ec2.describe_launch_template_versions(LaunchTemplateId=id)["LaunchTemplateVersions"]
    assert [each["VersionNumber"] for each in shown] == [2]
    asked = {"LaunchTemplate": {"LaunchTemplateId": id, "Version": "9"}, "MinCount": 1, "MaxCount": 1}
    assert ec2.refused("run_instances", **asked)[0] == "InvalidLaunchTemplateId.VersionNotFound"
    ec2.delete_launch_template(LaunchTemplateId=id)
    assert ec2.refused("describe_launch_templates", LaunchTemplateIds=[id])[0] == "InvalidLaunchTemplateId.NotFound"


def test_the_latest_version_is_one_that_there_is(ec2, template):
    id = template["LaunchTemplateId"]

    def made():
        data = {"InstanceType": LARGE, "ImageId": IMAGE}
        answer = ec2.create_launch_template_version(LaunchTemplateId=id, LaunchTemplateData=data)
        return answer["LaunchTemplateVersion"]["VersionNumber"]

    assert made() == 2
    ec2.delete_launch_template_versions(LaunchTemplateId=id, Versions=["2"])
    launch = {"LaunchTemplate": {"LaunchTemplateId": id, "Version": "$Latest"}, "MinCount": 1, "MaxCount": 1}
    assert ec2.run_instances(**launch)["Instances"][0]["InstanceType"] == SMALL
    assert ec2.describe_launch_templates()["LaunchTemplates"][0]["LatestVersionNumber"] == 1
    assert made() == 3  # a number is never given twice


@pytest.mark.parametrize("text", ["one", "²", "9" * 5000])
def test_a_version_that_is_no_number_is_refused(ec2, template, text):
    named = {"LaunchTemplateId": template["LaunchTemplateId"]}
    assert ec2.refused("describe_launch_template_versions", **named, MinVersion=text)[0] == "InvalidParameterValue"
    assert ec2.refused("describe_launch_template_versions", **named, Versions=[text])[0] == (
        "InvalidLaunchTemplateId.VersionNotFound"
    )
    done = ec2.delete_launch_template_versions(**named, Versions=[text])
    assert done["SuccessfullyDeletedLaunchTemplateVersions"] == []


def test_names_are_the_accounts_own_and_unique(ec2, template):
    data = {"InstanceType": SMALL}
    assert ec2.refused("create_launch_template", LaunchTemplateName="web", LaunchTemplateData=data) == (
        "InvalidLaunchTemplateName.AlreadyExistsException",
        "Launch template name already in use.",
    )
    assert ec2.refused("create_launch_template", LaunchTemplateName="a b c", LaunchTemplateData=data)[0] == (
        "InvalidParameterValue"
    )
    asked = {"LaunchTemplate": {"LaunchTemplateName": "none"}, "MinCount": 1, "MaxCount": 1}
    assert ec2.refused("run_instances", **asked)[0] == "InvalidLaunchTemplateName.NotFoundException"
