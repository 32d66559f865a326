"""What ListResources finds in the answers of services, and which requests are no longer kept."""

from __future__ import annotations

import asyncio
from typing import Any

import jmespath
import pytest

from kunren.core.errors import AwsError
from kunren.services.cloudformation.control.errors import InvalidRequestException, UnsupportedActionException
from kunren.services.cloudformation.control.lists import LISTINGS, continued, identifiers, listed, listing, primary
from kunren.services.cloudformation.control.resources import expired, known
from kunren.services.cloudformation.model import Request, StackResource
from kunren.services.cloudformation.resources import TYPES


def test_each_row_is_of_a_type_that_there_is_and_has_a_path() -> None:
    for type, row in LISTINGS.items():
        assert type in TYPES
        jmespath.compile(row.path)
        assert {name for name, _ in row.told} <= set(known(type).properties)


@pytest.mark.parametrize(
    ("type", "model", "answer", "found"),
    [
        ("AWS::EC2::VPC", {}, {"Vpcs": [{"VpcId": "vpc-1"}, {"VpcId": "vpc-2"}]}, ["vpc-1", "vpc-2"]),
        (
            "AWS::EC2::NatGateway",
            {},
            {"NatGateways": [{"NatGatewayId": "a", "State": "deleted"}, {"NatGatewayId": "b", "State": "available"}]},
            ["b"],
        ),
        ("AWS::EC2::EIP", {}, {"Addresses": [{"PublicIp": "1.2.3.4", "AllocationId": "e-1"}]}, ["1.2.3.4|e-1"]),
        ("AWS::ApiGatewayV2::Route", {"ApiId": "api"}, {"Items": [{"RouteId": "r"}]}, ["api|r"]),
        (
            "AWS::EC2::EC2Fleet",
            {},
            {"Fleets": [{"FleetId": "a", "FleetState": "deleted_running"}, {"FleetId": "b", "FleetState": "active"}]},
            ["b"],
        ),
        ("AWS::ECS::Cluster", {}, {"clusterArns": ["arn:aws:ecs:r:1:cluster/one"]}, ["one"]),
        ("AWS::Lambda::Version", {"FunctionName": "f"}, {"Versions": [
            {"Version": "$LATEST", "FunctionArn": "f:$LATEST"}, {"Version": "1", "FunctionArn": "f:1"}]}, ["f:1"]),
        ("AWS::SQS::Queue", {}, {}, []),
    ],
)  # fmt: skip
def test_identifiers_of_an_answer(type: str, model: Any, answer: Any, found: list[str]) -> None:
    of = known(type)
    assert identifiers(of, listing(of), model, answer) == found


def test_an_identifier_is_told_by_its_parts() -> None:
    assert primary(known("AWS::EC2::EIP"), "1.2.3.4|e-1") == {"PublicIp": "1.2.3.4", "AllocationId": "e-1"}
    assert primary(known("AWS::SQS::Queue"), "https://q|x") == {"QueueUrl": "https://q|x"}


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        ({"NextToken": "t"}, {"NextToken": "t"}),
        ({"HostedZones": [], "NextMarker": "n", "Marker": "m", "IsTruncated": True}, {"Marker": "n"}),
        ({"HostedZones": [], "Marker": "m", "IsTruncated": False}, {}),
        ({"Roles": [], "Marker": "m", "IsTruncated": True}, {"Marker": "m"}),
        ({"DistributionList": {"Items": [], "NextMarker": "n"}}, {"Marker": "n"}),
        ({"TableNames": [], "LastEvaluatedTableName": "a"}, {"ExclusiveStartTableName": "a"}),
        ({}, {}),
    ],
)
def test_how_the_next_page_is_asked_for(answer: Any, again: Any) -> None:
    assert continued(answer) == again


def test_all_pages_are_asked_for_and_what_is_missing_is_named() -> None:
    asked: list[Any] = []

    async def call(account: str, region: str, service: str, operation: str, params: Any) -> Any:
        asked.append((region, service, operation, dict(params)))
        page = int(params.get("NextToken", 0))
        return {"Items": [{"RouteId": f"r{page}"}], **({"NextToken": str(page + 1)} if page < 2 else {})}

    of = known("AWS::ApiGatewayV2::Route")
    assert asyncio.run(listed(call, "1", "eu-west-1", of, {"ApiId": "a"})) == ["a|r0", "a|r1", "a|r2"]
    assert asked[-1] == ("eu-west-1", "apigatewayv2", "GetRoutes", {"ApiId": "a", "NextToken": "2"})
    with pytest.raises(InvalidRequestException, match=r"Required property: \[ApiId\]"):
        asyncio.run(listed(call, "1", "eu-west-1", of, {}))
    with pytest.raises(UnsupportedActionException, match="does not support LIST action"):
        listing(known("AWS::SQS::QueuePolicy"))
    with pytest.raises(AwsError, match="AWS::S3::BucketPolicy"):
        listing(known("AWS::S3::BucketPolicy"))


def test_there_are_as_many_pages_as_there_are_but_no_page_twice() -> None:
    asked, last = 0, 1500

    async def call(account: str, region: str, service: str, operation: str, params: Any) -> Any:
        nonlocal asked
        asked += 1
        return {"QueueUrls": [f"q{asked}"], **({"NextToken": str(asked)} if asked < last else {})}

    async def standing_still(account: str, region: str, service: str, operation: str, params: Any) -> Any:
        return {"QueueUrls": ["q"], "NextToken": "same"}

    assert len(asyncio.run(listed(call, "1", "eu-west-1", known("AWS::SQS::Queue"), {}))) == last
    with pytest.raises(AwsError, match="ListQueues gives the same page"):
        asyncio.run(listed(standing_still, "1", "eu-west-1", known("AWS::SQS::Queue"), {}))


def test_requests_go_but_the_one_that_remembers_a_standing_resource() -> None:
    def request(id: str, operation: str, status: str, at: float, identifier: str) -> Request:
        row = StackResource(account="1", region="r", id="", stack="", logical="Resource", type="T")
        return Request(
            account="1", region="r", id=id, type="T", operation=operation, status=status, row=row, at=at,
            identifier=identifier,
        )  # fmt: skip

    held = [
        request("a", "CREATE", "SUCCESS", 1, "x"), request("b", "UPDATE", "SUCCESS", 2, "x"),
        request("c", "CREATE", "SUCCESS", 3, "y"), request("d", "DELETE", "SUCCESS", 4, "y"),
        request("e", "CREATE", "FAILED", 5, ""), request("f", "UPDATE", "IN_PROGRESS", 6, "x"),
        request("g", "UPDATE", "FAILED", 100, "x"),
    ]  # fmt: skip
    assert [each.id for each in expired(held, 50)] == ["a", "c", "d", "e"]
    assert expired(held, 0) == []
