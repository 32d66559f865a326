"""What rows of resource types are made of: changes, tags, and names of members."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kunren.services.cloudformation.api import drift
from kunren.services.cloudformation.resources import TYPES, fleets
from kunren.services.cloudformation.resources.ec2_parts import called
from kunren.services.cloudformation.resources.kind import Declared, change, small, tagging
from kunren.services.cloudformation.work import Work


def _work(**given: Any) -> Work:
    properties = given.pop("properties", {})
    found = SimpleNamespace(physical="id-1", region="eu-west-1", account="111122223333", properties=properties, **given)
    found.pick = lambda *names: {name: properties[name] for name in names if name in properties}
    return cast(Work, found)


def test_a_change_names_the_resource_and_all_that_is_stated_of_what_it_changes() -> None:
    work = _work(properties={"Size": 2, "Iops": 3000, "Encrypted": True})
    found = change("ModifyVolume", "VolumeId", "Size Iops Throughput")
    assert found.params(work) == {"VolumeId": "id-1", "Size": 2, "Iops": 3000}
    assert not found.on_create
    own = change("PutHook", "Name", "Size", lambda work: {"Name": "another", "Group": "g"})
    assert own.params(work) == {"Name": "id-1", "Group": "g"}


@pytest.mark.parametrize(
    ("by", "id"), [("", "id-1"), ("Arn", "arn:1"), (lambda work: f"arn:of:{work.physical}", "arn:of:id-1")]
)
def test_tags_are_changed_by_id_by_an_attribute_or_by_what_a_function_gives(by: Any, id: str) -> None:
    found = tagging("ResourceArn", by=by, tags="tags", keys="tagKeys", as_map=True)
    assert found.change(_work(attributes={"Arn": "arn:1"}), {"a": "1"}, ["b"]) == [
        ("UntagResource", {"ResourceArn": id, "tagKeys": ["b"]}),
        ("TagResource", {"ResourceArn": id, "tags": {"a": "1"}}),
    ]


@pytest.mark.parametrize(
    ("type", "arn"),
    [
        ("AWS::FIS::ExperimentTemplate", "arn:aws:fis:eu-west-1:111122223333:experiment-template/id-1"),
        ("AWS::CodeDeploy::Application", "arn:aws:codedeploy:eu-west-1:111122223333:application:id-1"),
    ],
)
def test_tags_of_what_has_no_attribute_with_its_arn_can_change(type: str, arn: str) -> None:
    kind = cast(Declared, TYPES[type])
    assert kind.tags is not None
    ((_, params),) = kind.tags.change(_work(attributes={}), {"a": "1"}, [])
    assert arn in params.values()


def test_what_the_usual_names_of_ec2_say() -> None:
    row = called("NatGateway")
    assert (row["create"], row["made"], row["by"]) == ("CreateNatGateway", "NatGateway.NatGatewayId", "NatGatewayIds[]")
    assert [small(name) for name in ("Name", "", "ECS")] == ["name", "", "eCS"]


def test_rules_of_a_security_group_are_changed_in_place() -> None:
    of = lambda port: {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIp": "192.0.2.0/24"}  # noqa: E731
    before, after = ({"SecurityGroupIngress": [of(80), of(port)], "GroupDescription": "web"} for port in (443, 8443))
    calls = []

    async def write(service: str, operation: str, params: dict[str, Any], **_: Any) -> None:
        calls.append((operation, [each["FromPort"] for each in params["IpPermissions"]]))

    async def until(_: Any) -> dict[str, Any]:
        return {}

    work = cast(Any, _work(properties=after, before=before, tags={}, old_tags={}, write=write, until=until))
    work.get, work.changed = after.get, lambda *names: any(after.get(each) != before.get(each) for each in names)
    asyncio.run(TYPES["AWS::EC2::SecurityGroup"].update(work))
    assert calls == [("RevokeSecurityGroupIngress", [443]), ("AuthorizeSecurityGroupIngress", [8443])]


def test_a_fleet_is_as_it_is_stated_whatever_names_the_api_shows() -> None:
    shown = {"AllocationStrategy": "lowestPrice", "MaxTotalPrice": "1"}
    assert fleets.as_stated(shown, {"AllocationStrategy": "lowest-price"})["AllocationStrategy"] == "lowest-price"
    assert fleets.as_stated(shown, {"AllocationStrategy": "prioritized"}) == shown
    assert fleets.as_stated(1893456000.0, "2030-01-01T01:00:00+01:00") == "2030-01-01T01:00:00+01:00"
    assert fleets.as_stated(1893456000.0, "2030-01-01T01:00:00Z").startswith("2030-01-01T00:00:00")
    assert not list(drift.differences({"Overrides": [{"Priority": 2}]}, {"Overrides": [{"Priority": 2.0}]}))
    assert list(drift.differences({"Overrides": [{"Priority": 2}]}, {"Overrides": [{"Priority": 3.0}]}))


def test_a_change_of_a_spot_fleet_asks_for_what_may_change_and_leaves_out_no_context() -> None:
    config = {"TargetCapacity": 2, "Context": "arn:of:a-context", "IamFleetRole": "arn:of:a-role"}
    work = cast(Any, _work(properties={"SpotFleetRequestConfigData": config}))
    work.get = work.properties.get
    [setting] = cast(Declared, TYPES["AWS::EC2::SpotFleet"]).settings
    assert setting.params(work) == {"SpotFleetRequestId": "id-1", "TargetCapacity": 2, "Context": "arn:of:a-context"}
