"""Target groups."""

from __future__ import annotations

from typing import Any

import pytest


def in_use(elb: Any, group: dict[str, Any]) -> str:
    """A listener on :80 that forwards to the group; its ARN."""
    actions = [{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}]
    return elb.listener(elb.balancer(), DefaultActions=actions)["ListenerArn"]


def test_a_new_group_has_awss_defaults(elb: Any) -> None:
    made = elb.group("my-targets", TargetType=None)
    assert made == {
        "TargetGroupArn": made["TargetGroupArn"],
        "TargetGroupName": "my-targets",
        "Protocol": "HTTP",
        "Port": 8080,
        "VpcId": elb.vpc.id,
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPort": "traffic-port",
        "HealthCheckEnabled": True,
        "HealthCheckIntervalSeconds": 30,
        "HealthCheckTimeoutSeconds": 5,
        "HealthyThresholdCount": 5,
        "UnhealthyThresholdCount": 2,
        "HealthCheckPath": "/",
        "Matcher": {"HttpCode": "200"},
        "LoadBalancerArns": [],
        "TargetType": "instance",
        "ProtocolVersion": "HTTP1",
        "IpAddressType": "ipv4",
    }
    assert elb.call("DescribeTargetGroups", Names=["my-targets"])["TargetGroups"] == [made]


def test_a_lambda_group_has_its_own_defaults(elb: Any) -> None:
    made = elb.call("CreateTargetGroup", Name="my-lambda-target", TargetType="lambda")["TargetGroups"][0]
    assert made == {  # the example of `aws elbv2 create-target-group`
        "TargetGroupArn": made["TargetGroupArn"],
        "TargetGroupName": "my-lambda-target",
        "HealthCheckEnabled": False,
        "HealthCheckIntervalSeconds": 35,
        "HealthCheckTimeoutSeconds": 30,
        "HealthyThresholdCount": 5,
        "UnhealthyThresholdCount": 2,
        "HealthCheckPath": "/",
        "Matcher": {"HttpCode": "200"},
        "LoadBalancerArns": [],
        "TargetType": "lambda",
        "IpAddressType": "ipv4",
    }


def test_a_grpc_group_is_checked_by_grpc_codes(elb: Any) -> None:
    made = elb.group(ProtocolVersion="GRPC")
    assert (made["HealthCheckPath"], made["Matcher"]) == ("/AWS.ALB/healthcheck", {"GrpcCode": "12"})


def test_creating_again(elb: Any) -> None:
    assert elb.group("app") == elb.group("app")
    asked = {"Name": "app", "Protocol": "HTTP", "VpcId": elb.vpc.id, "TargetType": "ip", "Port": 81}
    assert elb.refused("CreateTargetGroup", **asked) == (
        "DuplicateTargetGroupName",
        "A target group with the same name 'app' exists, but with different settings",
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"Name": "a" * 33}, f"Target group name '{'a' * 33}' cannot be longer than '32' characters"),
        (
            {"Name": "a_b"},
            "Target group name 'a_b' can only contain characters that are alphanumeric characters or hyphens(-)",
        ),
        ({"Name": "-a"}, "Target group name '-a' cannot begin or end with '-'"),
        ({"Protocol": None}, "A protocol must be specified"),
        ({"Port": None}, "A port must be specified"),
        ({"VpcId": None}, "A VPC ID must be specified"),
        ({"VpcId": "vpc-0"}, "The VPC ID 'vpc-0' is not found"),
        ({"HealthCheckTimeoutSeconds": 30}, "Health check timeout '30' must be smaller than the interval '30'"),
        ({"HealthCheckProtocol": "TCP"}, "Health check protocol 'TCP' must be one of 'HTTP, HTTPS'"),
        (
            {"Matcher": {"HttpCode": "200-599"}},
            "Health check matcher HTTP code '200-599' must be within '200-499' inclusive",
        ),
        ({"HealthCheckPath": "health"}, "Health check path 'health' must begin with a '/' character"),
        ({"HealthCheckEnabled": False}, "Health checks cannot be disabled for target groups with target type 'ip'"),
        (
            {"TargetType": "lambda"},
            "Protocol cannot be specified for target groups with target type 'lambda'",
        ),
    ],
)
def test_what_a_group_must_and_must_not_name(elb: Any, change: dict[str, Any], text: str) -> None:
    asked = {"Name": "app", "Protocol": "HTTP", "Port": 80, "VpcId": elb.vpc.id, "TargetType": "ip", **change}
    assert elb.refused("CreateTargetGroup", **asked) == ("ValidationError", text)


@pytest.mark.parametrize("change", [{"Protocol": "GENEVE"}, {"TargetControlPort": 1}])
def test_what_is_not_built_is_named_in_a_501(elb: Any, change: dict[str, str]) -> None:
    asked = {"Name": "app", "Protocol": "HTTP", "Port": 80, "VpcId": elb.vpc.id, **change}
    code, text = elb.refused("CreateTargetGroup", **asked)
    assert (code, next(iter(change)) in text) == ("NotImplemented", True)


def test_health_checks_are_modified_in_parts(elb: Any) -> None:
    arn = elb.group()["TargetGroupArn"]
    changed = elb.call("ModifyTargetGroup", TargetGroupArn=arn, HealthCheckPath="/up", Matcher={"HttpCode": "200,204"})
    shown = changed["TargetGroups"][0]
    assert (shown["HealthCheckPath"], shown["Matcher"], shown["HealthCheckIntervalSeconds"]) == (
        "/up",
        {"HttpCode": "200,204"},
        30,
    )
    assert elb.refused("ModifyTargetGroup", TargetGroupArn=arn, HealthCheckIntervalSeconds=5)[1] == (
        "Health check timeout '5' must be smaller than the interval '5'"
    )


def test_a_group_in_use_is_not_deleted(elb: Any) -> None:
    group = elb.group()
    arn, listener = group["TargetGroupArn"], in_use(elb, group)
    assert elb.refused("DeleteTargetGroup", TargetGroupArn=arn) == (
        "ResourceInUse",
        f"Target group '{arn}' is currently in use by a listener or a rule",
    )
    balancer = elb.call("DescribeLoadBalancers")["LoadBalancers"][0]["LoadBalancerArn"]
    shown = elb.call("DescribeTargetGroups", LoadBalancerArn=balancer)["TargetGroups"]
    assert [each["LoadBalancerArns"] for each in shown] == [[balancer]]
    elb.call("DeleteListener", ListenerArn=listener)
    assert elb.call("DescribeTargetGroups", LoadBalancerArn=balancer)["TargetGroups"] == []
    for _ in range(2):
        assert elb.call("DeleteTargetGroup", TargetGroupArn=arn) == {}
    assert elb.refused("DescribeTargetGroups", TargetGroupArns=[arn]) == (
        "TargetGroupNotFound",
        "One or more target groups not found",
    )


def test_attributes_have_awss_defaults(elb: Any) -> None:
    arn = elb.group()["TargetGroupArn"]
    found = elb.call("DescribeTargetGroupAttributes", TargetGroupArn=arn)["Attributes"]
    assert {each["Key"]: each["Value"] for each in found} == {
        "deregistration_delay.timeout_seconds": "300",
        "load_balancing.algorithm.anomaly_mitigation": "off",
        "load_balancing.algorithm.type": "round_robin",
        "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
        "slow_start.duration_seconds": "0",
        "stickiness.app_cookie.cookie_name": "",
        "stickiness.app_cookie.duration_seconds": "86400",
        "stickiness.enabled": "false",
        "stickiness.lb_cookie.duration_seconds": "86400",
        "stickiness.type": "lb_cookie",
        "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
        "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
    }
    function = elb.call("CreateTargetGroup", Name="fn", TargetType="lambda")["TargetGroups"][0]["TargetGroupArn"]
    assert elb.call("DescribeTargetGroupAttributes", TargetGroupArn=function)["Attributes"] == [
        {"Key": "lambda.multi_value_headers.enabled", "Value": "false"}
    ]
    delay = [{"Key": "deregistration_delay.timeout_seconds", "Value": "1"}]
    assert elb.refused("ModifyTargetGroupAttributes", TargetGroupArn=function, Attributes=delay) == (
        "InvalidConfigurationRequest",
        "A target group with target type 'lambda' does not support the attribute deregistration_delay.timeout_seconds",
    )


def test_groups_of_http2_have_attributes_of_their_own(elb: Any) -> None:
    inspection, forwarding = (
        "waf.http2.traffic_inspection_behavior",
        "routing.http2.rst_stream_error_forwarding.enabled",
    )

    def shown(version: str) -> dict[str, str]:
        arn = elb.group(version.lower(), ProtocolVersion=version)["TargetGroupArn"]
        found = elb.call("DescribeTargetGroupAttributes", TargetGroupArn=arn)["Attributes"]
        return {each["Key"]: each["Value"] for each in found if "http2" in each["Key"]}

    assert shown("HTTP2") == {inspection: "inspect_immediately", forwarding: "false"}
    assert shown("GRPC") == {forwarding: "false"}
    assert shown("HTTP1") == {}
    groups = {
        each["TargetGroupName"]: each["TargetGroupArn"] for each in elb.call("DescribeTargetGroups")["TargetGroups"]
    }

    def modified(name: str, key: str, value: str) -> dict[str, Any]:
        return {"TargetGroupArn": groups[name], "Attributes": [{"Key": key, "Value": value}]}

    elb.call("ModifyTargetGroupAttributes", **modified("http2", inspection, "inspect_after_sufficient_data"))
    elb.call("ModifyTargetGroupAttributes", **modified("grpc", forwarding, "false"))
    for wrong, code in (
        (modified("grpc", inspection, "inspect_immediately"), "InvalidConfigurationRequest"),
        (modified("http1", forwarding, "false"), "InvalidConfigurationRequest"),
        (modified("http2", inspection, "never"), "ValidationError"),
        (modified("http2", forwarding, "true"), "NotImplemented"),
    ):
        assert elb.refused("ModifyTargetGroupAttributes", **wrong)[0] == code


@pytest.mark.parametrize(
    ("wanted", "code", "text"),
    [
        (
            {"deregistration_delay.timeout_seconds": "3601"},
            "ValidationError",
            "'deregistration_delay.timeout_seconds' value '3601' must be between '0-3600' inclusive",
        ),
        ({"no.such.key": "1"}, "ValidationError", "Target group attribute key 'no.such.key' is not recognized"),
        (
            {"stickiness.type": "cookie"},
            "ValidationError",
            "'Stickiness type' must be one of [app_cookie, lb_cookie, source_ip]",
        ),
        (
            {"stickiness.type": "source_ip"},
            "InvalidConfigurationRequest",
            "Stickiness type 'source_ip' is not supported for target groups with the HTTP protocol",
        ),
        (
            {"stickiness.type": "app_cookie", "stickiness.enabled": "true"},
            "InvalidConfigurationRequest",
            "You must set an application cookie name to enable stickiness of type 'app_cookie'",
        ),
        (
            {"stickiness.app_cookie.cookie_name": "AWSALBX"},
            "InvalidConfigurationRequest",
            "cannot begin with 'AWSALB'",
        ),
        (
            {"slow_start.duration_seconds": "30", "load_balancing.algorithm.type": "least_outstanding_requests"},
            "InvalidConfigurationRequest",
            "You cannot enable slow start mode",
        ),
        ({"slow_start.duration_seconds": "29"}, "ValidationError", "must be between '30-900' inclusive"),
        (
            {"proxy_protocol_v2.enabled": "true"},
            "InvalidConfigurationRequest",
            "is not supported on target groups with target type 'ip'",
        ),
        (
            {"load_balancing.algorithm.anomaly_mitigation": "on"},
            "InvalidConfigurationRequest",
            "You cannot enable anomaly mitigation on target groups with the load balancing algorithm 'round_robin'",
        ),
        (
            {
                "target_group_health.dns_failover.minimum_healthy_targets.count": "2",
                "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "3",
            },
            "InvalidConfigurationRequest",
            "must be greater than or equal to",
        ),
    ],
)
def test_attributes_that_aws_refuses(elb: Any, wanted: dict[str, str], code: str, text: str) -> None:
    arn = elb.group()["TargetGroupArn"]
    given = [{"Key": key, "Value": value} for key, value in wanted.items()]
    refused = elb.refused("ModifyTargetGroupAttributes", TargetGroupArn=arn, Attributes=given)
    assert refused[0] == code
    assert text in refused[1]


def test_cross_zone_stays_on_while_a_target_is_in_all_zones(elb: Any) -> None:
    arn = elb.group()["TargetGroupArn"]
    elb.call("RegisterTargets", TargetGroupArn=arn, Targets=[{"Id": "10.1.2.3", "AvailabilityZone": "all"}])
    off = [{"Key": "load_balancing.cross_zone.enabled", "Value": "false"}]
    code, _ = elb.refused("ModifyTargetGroupAttributes", TargetGroupArn=arn, Attributes=off)
    assert code == "InvalidConfigurationRequest"
