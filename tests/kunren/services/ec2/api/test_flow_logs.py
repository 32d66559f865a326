"""CreateFlowLogs, DeleteFlowLogs and DescribeFlowLogs, as "Publish flow logs" and the API reference have them."""

import pytest

ROLE = "arn:aws:iam::123456789012:role/flow-logs"
DEFAULT_FORMAT = (
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} "
    "${bytes} ${start} ${end} ${action} ${log-status}"
)


@pytest.fixture
def vpc(ec2):
    return ec2.vpc()


def to_logs(vpc, **more):
    return {
        "ResourceType": "VPC", "ResourceIds": [vpc], "TrafficType": "ALL", "LogGroupName": "flows",
        "DeliverLogsPermissionArn": ROLE, **more,
    }  # fmt: skip


def to_s3(vpc, place="arn:aws:s3:::flows/net", **more):
    return {
        "ResourceType": "VPC", "ResourceIds": [vpc], "TrafficType": "ALL", "LogDestinationType": "s3",
        "LogDestination": place, **more,
    }  # fmt: skip


def test_a_flow_log_is_described_as_it_was_made(ec2, vpc):
    tags = [{"ResourceType": "vpc-flow-log", "Tags": [{"Key": "Name", "Value": "all"}]}]
    (id,) = ec2.create_flow_logs(**to_logs(vpc, TagSpecifications=tags))["FlowLogIds"]
    (shown,) = ec2.describe_flow_logs(Filter=[{"Name": "resource-id", "Values": [vpc]}])["FlowLogs"]
    assert shown == {
        "FlowLogId": id, "FlowLogStatus": "ACTIVE", "CreationTime": ec2.clock.now(), "ResourceId": vpc,
        "TrafficType": "ALL", "LogDestinationType": "cloud-watch-logs", "LogDestination": None,
        "LogGroupName": "flows", "LogFormat": DEFAULT_FORMAT, "MaxAggregationInterval": 600,
        "DeliverLogsPermissionArn": ROLE, "DeliverLogsStatus": None, "DeliverLogsErrorMessage": None,
        "DestinationOptions": None, "Tags": [{"Key": "Name", "Value": "all"}],
    }  # fmt: skip
    assert ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [id]}])["Tags"][0]["ResourceType"] == (
        "vpc-flow-log"
    )
    assert ec2.delete_flow_logs(FlowLogIds=[id]) == {"Unsuccessful": []}
    assert ec2.describe_flow_logs()["FlowLogs"] == []
    assert ec2.refused("delete_flow_logs", FlowLogIds=[id]) == (
        "InvalidFlowLogId.NotFound", f"These flow log ids in the input list are not found: [TotalCount: 1] {id}",
    )  # fmt: skip


def test_one_request_makes_one_for_each_resource_and_the_same_token_no_more(ec2, vpc):
    subnets = [ec2.subnet(vpc, f"10.0.{each}.0/24") for each in (1, 2)]
    asked = to_logs("", ResourceType="Subnet", ResourceIds=subnets, ClientToken="once")
    made = ec2.create_flow_logs(**asked)
    assert len(made["FlowLogIds"]) == 2
    assert ec2.create_flow_logs(**asked)["FlowLogIds"] == made["FlowLogIds"]
    changed = {**asked, "TrafficType": "REJECT"}
    assert ec2.refused("create_flow_logs", **changed)[0] == "IdempotentParameterMismatch"
    assert {each["ResourceId"] for each in ec2.describe_flow_logs()["FlowLogs"]} == set(subnets)


def test_a_second_to_the_same_place_is_unsuccessful_and_a_third_anywhere_too_many(ec2, vpc):
    ec2.create_flow_logs(**to_logs(vpc))
    again = ec2.create_flow_logs(**to_logs(vpc))
    assert again["FlowLogIds"] == []
    assert again["Unsuccessful"] == [{
        "ResourceId": vpc,
        "Error": {
            "Code": "FlowLogAlreadyExists",
            "Message": "Error. There is an existing Flow Log with the same configuration and log destination.",
        },
    }]  # fmt: skip
    ec2.create_flow_logs(**to_s3(vpc))
    assert ec2.refused("create_flow_logs", **to_s3(vpc, "arn:aws:s3:::other"))[0] == "FlowLogLimitExceeded"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"MaxAggregationInterval": 61}, "InvalidParameter"),
        ({"DeliverLogsPermissionArn": ""}, "InvalidParameter"),
        ({"LogGroupName": ""}, "InvalidParameter"),
        ({"LogDestination": "arn:aws:logs:us-east-1:123456789012:log-group:flows"}, "InvalidParameter"),
        ({"LogFormat": "${version} ${colour}"}, "InvalidParameter"),
        ({"LogFormat": "version"}, "InvalidParameter"),
        ({"LogFormat": "${version} ${tcp-flags}"}, "NotImplemented"),
        ({"ResourceType": "TransitGateway"}, "NotImplemented"),
        ({"LogDestinationType": "kinesis-data-firehose"}, "NotImplemented"),
        ({"ResourceIds": ["vpc-0123456789abcdef0"]}, "InvalidVpcID.NotFound"),
        ({"ResourceIds": ["subnet-0123456789abcdef0"]}, "InvalidVpcID.Malformed"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(ec2, vpc, more, code):
    assert ec2.refused("create_flow_logs", **to_logs(vpc, **more))[0] == code


def test_a_bucket_is_named_by_its_arn_and_may_have_options(ec2, vpc):
    for place in ("flows", "arn:aws:s3:::flows/AWSLogs/"):
        assert ec2.refused("create_flow_logs", **to_s3(vpc, place))[0] == "InvalidParameter"
    parquet = to_s3(vpc, DestinationOptions={"FileFormat": "parquet"})
    assert ec2.refused("create_flow_logs", **parquet)[0] == "NotImplemented"
    ec2.create_flow_logs(**to_s3(vpc, DestinationOptions={"PerHourPartition": True}))
    assert ec2.describe_flow_logs()["FlowLogs"][0]["DestinationOptions"] == {
        "FileFormat": "plain-text", "HiveCompatiblePartitions": False, "PerHourPartition": True,
    }  # fmt: skip


def test_a_log_goes_with_what_it_watches(ec2, vpc):
    subnet = ec2.subnet(vpc)
    ec2.create_flow_logs(**to_logs("", ResourceType="Subnet", ResourceIds=[subnet]))
    ec2.delete_subnet(SubnetId=subnet)
    assert ec2.describe_flow_logs()["FlowLogs"] == []
