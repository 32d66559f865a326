from __future__ import annotations

import re
from typing import Any

import pytest

from kunren.services.route53.errors import InvalidInput
from kunren.services.route53.health_check_rules import created, updated
from kunren.services.route53.model import AlarmIdentifier, HealthCheckConfig

HTTP = {"Type": "HTTP", "IPAddress": "198.19.0.16"}
ALARM = {"Type": "CLOUDWATCH_METRIC", "AlarmIdentifier": {"Region": "us-east-1", "Name": "a"}}
CALCULATED = {"Type": "CALCULATED", "ChildHealthChecks": ["b", "a", "b"], "HealthThreshold": 1}


def test_what_is_not_given_has_aws_defaults() -> None:
    assert created(HTTP) == HealthCheckConfig(
        type="HTTP", ip_address="198.19.0.16", port=80, request_interval_s=30, failure_threshold=3,
        measure_latency=False, enable_sni=False,
    )  # fmt: skip
    secure = created({"Type": "HTTPS", "FullyQualifiedDomainName": "a.test"})
    assert (secure.port, secure.enable_sni) == (443, True)
    assert created({**secure_given(), "EnableSNI": False}).enable_sni is False
    assert created(ALARM) == HealthCheckConfig(
        type="CLOUDWATCH_METRIC", alarm=AlarmIdentifier(region="us-east-1", name="a"),
        insufficient_data_status="LastKnownStatus",
    )  # fmt: skip
    assert created(CALCULATED) == HealthCheckConfig(type="CALCULATED", children=("b", "a"), health_threshold=1)


def secure_given() -> dict[str, Any]:
    return {"Type": "HTTPS", "FullyQualifiedDomainName": "a.test"}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({**HTTP, **{k: ALARM[k] for k in ("AlarmIdentifier",)}},
         "Invalid parameter : Basic health checks must not have an metric region specified."),
        ({"Type": "TCP", "IPAddress": "198.19.0.16", "FullyQualifiedDomainName": "a.test", "Port": 80},
         "TCP health checks that have IP address must not have a fully qualified domain name specified."),
        ({"Type": "CALCULATED", "ChildHealthChecks": ["a"]},
         "Invalid parameter : Calculated health checks must have a health threshold specified."),
        ({"Type": "HTTP"}, "must have either an IP address or a fully qualified domain name"),
        ({**HTTP, "Type": "HTTP_STR_MATCH"}, "must have a search string"),
        ({**HTTP, "SearchString": "x"}, "must not have a search string"),
        ({"Type": "TCP", "IPAddress": "198.19.0.16"}, "TCP health checks must have a port"),
        ({"Type": "TCP", "IPAddress": "198.19.0.16", "Port": 1, "ResourcePath": "/"}, "must not have a resource path"),
        ({**HTTP, "RequestInterval": 20}, "Request interval must be 10 or 30"),
        ({**HTTP, "IPAddress": "10.0.0.1"}, "10.0.0.1 is forbidden"),
        ({**HTTP, "IPAddress": "127.0.0.1"}, "127.0.0.1 is forbidden"),
        ({**HTTP, "IPAddress": "169.254.169.254"}, "is forbidden"),
        ({**HTTP, "IPAddress": "100.64.0.1"}, "is forbidden"),
        ({**HTTP, "IPAddress": "224.0.0.1"}, "is forbidden"),
        ({**HTTP, "IPAddress": "fe80::1"}, "is forbidden"),
        ({**HTTP, "FullyQualifiedDomainName": "a..test"}, "domain name is invalid"),
        ({**HTTP, "FullyQualifiedDomainName": "a b"}, "domain name"),
        ({**HTTP, "ResourcePath": "/a\r\nX: y"}, "Resource path"),
        ({**HTTP, "HealthThreshold": 1}, "Basic health checks must not have a health threshold"),
        ({**CALCULATED, "Port": 80}, "Calculated health checks must not have a port"),
        ({**CALCULATED, "Regions": ["us-east-1", "us-west-1", "eu-west-1"]}, "must not have regions"),
        ({**CALCULATED, "ChildHealthChecks": [str(each) for each in range(256)]}, "more than 255"),
        ({"Type": "CLOUDWATCH_METRIC"}, "must have an alarm identifier"),
        ({**ALARM, "IPAddress": "198.19.0.16"}, "CloudWatch metric health checks must not have an IP address"),
    ],
)  # fmt: skip
def test_bad_configurations_are_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(text)):
        created(given)


def test_public_addresses_of_this_world_and_of_others_may_be_checked() -> None:
    for address in ("198.18.64.10", "198.19.255.254", "203.0.114.9", "2600:9000::1"):
        assert created({**HTTP, "IPAddress": address}).ip_address == address


def test_a_switch_is_all_that_a_recovery_control_check_has() -> None:
    assert created({"Type": "RECOVERY_CONTROL", "RoutingControlArn": "arn:x"}).routing_control == "arn:x"
    for given in ({}, {"RoutingControlArn": "arn:x", "Port": 80}):
        with pytest.raises(InvalidInput):
            created({"Type": "RECOVERY_CONTROL", **given})
    assert created({**HTTP, "EndpointType": "PUBLIC"}) == created(HTTP)


def test_an_update_changes_what_it_names_and_resets_what_it_says() -> None:
    before = created({**HTTP, "ResourcePath": "/x", "Regions": ["us-east-1", "us-west-1", "eu-west-1"]})
    after = updated(before, {"IPAddress": "198.19.0.17", "FailureThreshold": 1, "Inverted": True})
    assert (after.ip_address, after.failure_threshold, after.inverted) == ("198.19.0.17", 1, True)
    assert (after.resource_path, after.port) == ("/x", 80)
    reset = updated(after, {"ResetElements": ["Regions", "ResourcePath"], "Inverted": False})
    assert (reset.regions, reset.resource_path, reset.inverted) == ((), None, False)
    assert updated(created(CALCULATED), {"HealthThreshold": 0}).health_threshold == 0


@pytest.mark.parametrize(
    ("before", "given", "text"),
    [
        (secure_given(), {"IPAddress": "198.19.0.16"}, "An IP address can't be added"),
        (secure_given(), {"ResetElements": ["FullyQualifiedDomainName"]}, "must have either an IP address"),
        (HTTP, {"ResourcePath": "/x", "ResetElements": ["ResourcePath"]}, "both specified and reset"),
        (HTTP, {"HealthCheckSourceId": "x"}, "can't be added to a public"),
        (HTTP, {"ChildHealthChecks": ["a"]}, "must not have child health checks"),
        (CALCULATED, {"SearchString": "x"}, "must not have a search string"),
    ],
)
def test_an_update_can_not_make_another_kind_of_it(before: dict[str, Any], given: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(text)):
        updated(created(before), given)
