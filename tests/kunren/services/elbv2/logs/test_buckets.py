"""Keys of log files, and bucket policies that let them be written or don't."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kunren.services.elbv2.logs.buckets import lets_in, object_key
from kunren.services.elbv2.model import LoadBalancer

ARN = "arn:aws:elasticloadbalancing:us-east-2:123456789012:loadbalancer/app/my-loadbalancer/1234567890abcdef"
BALANCER = LoadBalancer(
    account="123456789012", region="us-east-2", id=ARN, name="my-loadbalancer", type="application",
    scheme="internet-facing", ip_address_type="ipv4", vpc_id="vpc-1", dns_name="", canonical_hosted_zone_id="",
    created_time=0.0, zones=(),
)  # fmt: skip
KEY = "logging-prefix/AWSLogs/123456789012/ELBAccessLogTestFile"


def policy(**changes):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::amzn-s3-demo/logging-prefix/AWSLogs/123456789012/*",
    }
    return {key: value for key, value in {**statement, **changes}.items() if value is not None}


def allowed(*statements):
    return lets_in(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}), BALANCER, "amzn-s3-demo", KEY)


def test_keys_are_laid_out_as_in_the_guide():
    # the guide's example: s3://amzn-s3-demo-logging-bucket/logging-prefix/AWSLogs/123456789012/…
    end = datetime(2022, 2, 15, 23, 40, tzinfo=UTC).timestamp()
    assert object_key(BALANCER, "access", "logging-prefix", "172.160.001.192", end, "20sg8hgm") == (
        "logging-prefix/AWSLogs/123456789012/elasticloadbalancing/us-east-2/2022/02/15/123456789012"
        "_elasticloadbalancing_us-east-2_app.my-loadbalancer.1234567890abcdef_20220215T2340Z_172.160.001.192"
        "_20sg8hgm.log.gz"
    )
    assert object_key(BALANCER, "connection", "", "172.160.001.192", end, "20sg8hgm").startswith(
        "AWSLogs/123456789012/elasticloadbalancing/us-east-2/2022/02/15/conn_log.123456789012_elasticloadbalancing_"
    )


def test_health_check_logs_have_their_own_names():
    # the guide's example
    end = datetime(2022, 2, 15, 23, 40, tzinfo=UTC).timestamp()
    assert object_key(BALANCER, "health_check", "logging-prefix", "172.160.001.192", end, "20sg8hgm").endswith(
        "/health_check_log_123456789012_elasticloadbalancing_us-east-2_app.my-loadbalancer.1234567890abcdef"
        "_20220215T2340Z_172.160.001.192_20sg8hgm.log.gz"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"Principal": {"AWS": "arn:aws:iam::033677994240:root"}},  # Elastic Load Balancing in us-east-2
        {"Principal": {"AWS": ["arn:aws:iam::1:root", "033677994240"]}},
        {"Action": ["s3:GetObject", "s3:Put*"], "Principal": "*"},
        {"Resource": ["arn:aws:s3:::other/*", "arn:aws:s3:::amzn-s3-demo/*"]},
        {"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:elasticloadbalancing:us-east-2:123456789012:*"}}},
        {"Condition": {"StringEquals": {"aws:SourceAccount": ["123456789012"]}}},
    ],
)
def test_policies_of_the_guide_let_logs_in(changes):
    assert allowed(policy(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"Principal": {"AWS": "arn:aws:iam::127311923021:root"}},  # of another region
        {"Principal": {"Service": "s3.amazonaws.com"}},
        {"Principal": None},
        {"Action": "s3:GetObject"},
        {"Resource": "arn:aws:s3:::amzn-s3-demo/AWSLogs/123456789012/*"},
        {"Resource": "arn:aws:s3:::amzn-s3-demo"},
        {"Condition": {"StringEquals": {"aws:SourceAccount": "210987654321"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {"Effect": "Deny"},
    ],
)
def test_other_policies_do_not(changes):
    assert not allowed(policy(**changes))


def test_a_denial_wins():
    assert not allowed(policy(), policy(Effect="Deny", Principal="*"))


@settings(max_examples=50)
@given(st.one_of(st.text(), st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(json.dumps)))
def test_what_is_no_policy_lets_nobody_in(text):
    assert lets_in(text, BALANCER, "amzn-s3-demo", KEY) is False
