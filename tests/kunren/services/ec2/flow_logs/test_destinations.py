"""Keys of files in S3, as "Flow log files" has them."""

import pytest

from kunren.services.ec2.flow_logs.destinations import object_key
from kunren.services.ec2.model import FlowLog

AT = 1529511600.0  # 2018-06-20 16:20 UTC


def log(**more):
    return FlowLog(
        account="123456789012", region="us-east-1", id="fl-1234abcd", resource_id="vpc-1", vpc_id="vpc-1",
        traffic_type="ALL", interval_s=60, format="", created_at=0, destination_type="s3",
        destination="arn:aws:s3:::bucket/", **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("more", "folder"),
    [
        ({}, "123456789012/vpcflowlogs/us-east-1/2018/06/20"),
        ({"hour_partitions": True}, "123456789012/vpcflowlogs/us-east-1/2018/06/20/16"),
        (
            {"hour_partitions": True, "hive_partitions": True},
            "aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2018/month=06/day=20/hour=16",
        ),
    ],
)
def test_folders_are_those_of_the_partitions(more, folder):
    file = "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz"
    assert object_key(log(**more), AT, "fe123456") == f"AWSLogs/{folder}/{file}"
