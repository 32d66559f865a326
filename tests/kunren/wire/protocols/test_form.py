"""Form parameters of the query and ec2 protocols."""

from typing import Any

import pytest

from kunren.core.errors import WireError
from kunren.gateway.http import HttpRequest
from kunren.wire.catalog import Catalog
from kunren.wire.protocols import ec2, query

CATALOG = Catalog()


def parse(service: str, operation: str, body: str) -> Any:
    model = CATALOG.service(service)
    module = ec2 if service == "ec2" else query
    return module.compile_parser(model, model.operations[operation])(
        HttpRequest("POST", "/", "", {}, body.encode()), {}
    )


def test_the_example_of_run_instances_is_read() -> None:
    body = (
        "Action=RunInstances&ImageId=ami-1&MaxCount=3&MinCount=1&BlockDeviceMapping.1.DeviceName=%2Fdev%2Fsdh"
        "&BlockDeviceMapping.1.Ebs.VolumeSize=100&SecurityGroupId.2=sg-2&SecurityGroupId.1=sg-1&SecurityGroupId.10=sg-10"
    )
    assert parse("ec2", "RunInstances", body) == {
        "ImageId": "ami-1", "MaxCount": 3, "MinCount": 1, "SecurityGroupIds": ["sg-1", "sg-2", "sg-10"],
        "BlockDeviceMappings": [{"DeviceName": "/dev/sdh", "Ebs": {"VolumeSize": 100}}],
    }  # fmt: skip


def test_the_example_of_create_listener_is_read() -> None:
    body = (
        "Action=CreateListener&Protocol=HTTP&Port=80&DefaultActions.member.1.Type=forward"
        "&DefaultActions.member.1.TargetGroupArn=arn%3Aaws&Version=2015-12-01"
    )
    assert parse("elbv2", "CreateListener", body) == {
        "Protocol": "HTTP", "Port": 80, "DefaultActions": [{"Type": "forward", "TargetGroupArn": "arn:aws"}],
    }  # fmt: skip


def test_an_empty_list_is_sent_as_an_empty_value() -> None:
    assert parse("elbv2", "SetSecurityGroups", "LoadBalancerArn=a&SecurityGroups=") == {
        "LoadBalancerArn": "a",
        "SecurityGroups": [],
    }


def test_maps_and_plus_signs_are_read() -> None:
    body = "QueueName=a+b&Attribute.1.Name=DelaySeconds&Attribute.1.Value=5&tag.1.Key=k&tag.1.Value=v%2B"
    read = parse("sns", "CreateTopic", "Name=a+b&Attributes.entry.1.key=k&Attributes.entry.1.value=v%2B")
    assert read == {"Name": "a b", "Attributes": {"k": "v+"}}
    assert parse("sns", "CreateTopic", body.replace("QueueName", "Name"))["Name"] == "a b"


@pytest.mark.parametrize(
    "body",
    [
        "SecurityGroups.member.x=1&LoadBalancerArn=a",
        "SecurityGroups.member=1",
        "LoadBalancerArn.a=1",
        "SecurityGroups.member.1.2=3",
    ],
)
def test_a_structure_in_the_wrong_place_is_malformed(body: str) -> None:
    with pytest.raises(WireError) as caught:
        parse("elbv2", "SetSecurityGroups", body)
    assert caught.value.code == "MalformedInput"
