"""The operations on health checks, without checkers."""

from __future__ import annotations

from typing import Any

import pytest

from kunren.services.route53 import errors
from kunren.services.route53.model import CheckerView

HTTP = {"Type": "HTTP", "IPAddress": "198.19.0.16"}


def make(service: Any, reference: str = "1", account: str = "000000000000", **settings: Any) -> dict[str, Any]:
    config = {**HTTP, **settings} if "Type" not in settings else settings
    made: dict[str, Any] = service.call(
        "create_health_check", account, CallerReference=reference, HealthCheckConfig=config
    )
    return made


def test_a_health_check_is_shown_as_it_was_made_with_aws_defaults(service: Any) -> None:
    made = make(service)
    check = made["HealthCheck"]
    assert made["Location"] == f"https://route53.amazonaws.com/2013-04-01/healthcheck/{check['Id']}"
    shown = {key: value for key, value in check["HealthCheckConfig"].items() if value is not None}
    assert shown == {
        "IPAddress": "198.19.0.16", "Port": 80, "Type": "HTTP", "RequestInterval": 30, "FailureThreshold": 3,
        "MeasureLatency": False, "Inverted": False, "Disabled": False, "EnableSNI": False,
    }  # fmt: skip
    assert (check["CallerReference"], check["HealthCheckVersion"]) == ("1", 1)
    assert service.call("get_health_check", HealthCheckId=check["Id"])["HealthCheck"] == check
    with pytest.raises(errors.NoSuchHealthCheck, match=r"A health check with id x does not exist\."):
        service.call("get_health_check", HealthCheckId="x")
    with pytest.raises(errors.NoSuchHealthCheck):
        service.call("get_health_check", account="111111111111", HealthCheckId=check["Id"])


def test_a_caller_reference_gives_the_same_check_for_the_same_settings_and_an_error_otherwise(service: Any) -> None:
    check = make(service)["HealthCheck"]
    assert make(service)["HealthCheck"] == check
    assert service.call("get_health_check_count") == {"HealthCheckCount": 1}
    text = "A different health check has already been created with the specified caller reference."
    with pytest.raises(errors.HealthCheckAlreadyExists, match=text):
        make(service, Port=81)
    service.call("delete_health_check", HealthCheckId=check["Id"])
    with pytest.raises(errors.HealthCheckAlreadyExists):
        make(service)
    assert make(service, "1", "111111111111")["HealthCheck"]["Id"] != check["Id"]
    assert make(service, "2")["HealthCheck"]["Id"] != check["Id"]


def test_an_update_raises_the_version_and_a_stale_version_is_refused(service: Any) -> None:
    id = make(service)["HealthCheck"]["Id"]
    changed = service.call("update_health_check", HealthCheckId=id, HealthCheckVersion=1, FailureThreshold=5)
    assert changed["HealthCheck"]["HealthCheckVersion"] == 2
    assert changed["HealthCheck"]["HealthCheckConfig"]["FailureThreshold"] == 5
    with pytest.raises(errors.HealthCheckVersionMismatch):
        service.call("update_health_check", HealthCheckId=id, HealthCheckVersion=1, FailureThreshold=6)
    assert service.call("update_health_check", HealthCheckId=id)["HealthCheck"]["HealthCheckVersion"] == 3
    with pytest.raises(errors.InvalidInput):
        service.call("update_health_check", HealthCheckId=id, IPAddress="10.0.0.1")
    assert service.call("get_health_check", HealthCheckId=id)["HealthCheck"]["HealthCheckVersion"] == 3


def test_children_of_a_calculated_check_exist_are_not_calculated_and_stay(service: Any) -> None:
    child = make(service)["HealthCheck"]["Id"]
    parent = make(service, "2", Type="CALCULATED", ChildHealthChecks=[child], HealthThreshold=1)["HealthCheck"]["Id"]
    with pytest.raises(errors.InvalidInput, match="does not exist"):
        make(service, "3", Type="CALCULATED", ChildHealthChecks=["x"], HealthThreshold=1)
    with pytest.raises(errors.InvalidInput, match="must not be a calculated one"):
        make(service, "3", Type="CALCULATED", ChildHealthChecks=[parent], HealthThreshold=1)
    with pytest.raises(errors.HealthCheckInUse, match=f"still referenced from parent health check {parent}"):
        service.call("delete_health_check", HealthCheckId=child)
    for operation in ("get_health_check_status", "get_health_check_last_failure_reason"):
        with pytest.raises(errors.InvalidInput, match="calculated"):
            service.call(operation, HealthCheckId=parent)
    service.call("update_health_check", HealthCheckId=parent, ResetElements=["ChildHealthChecks"])
    service.call("delete_health_check", HealthCheckId=child)


def test_an_account_has_at_most_200(service: Any) -> None:
    for number in range(200):
        make(service, str(number))
    with pytest.raises(errors.TooManyHealthChecks):
        make(service, "one more")
    limit = service.call("get_account_limit", Type="MAX_HEALTH_CHECKS_BY_OWNER")
    assert limit == {"Limit": {"Type": "MAX_HEALTH_CHECKS_BY_OWNER", "Value": 200}, "Count": 200}


def test_lists_go_on_where_the_page_ended(service: Any) -> None:
    ids = sorted(make(service, str(number))["HealthCheck"]["Id"] for number in range(5))
    first = service.call("list_health_checks", MaxItems="3")
    assert [each["Id"] for each in first["HealthChecks"]] == ids[:3]
    assert (first["IsTruncated"], first["NextMarker"], first["MaxItems"]) == (True, ids[3], "3")
    second = service.call("list_health_checks", MaxItems="3", Marker=first["NextMarker"])
    assert [each["Id"] for each in second["HealthChecks"]] == ids[3:]
    assert (second["IsTruncated"], second["NextMarker"], second["Marker"]) == (False, None, ids[3])


def test_tags_are_kept_by_health_checks_too(service: Any) -> None:
    id = make(service)["HealthCheck"]["Id"]
    of = {"ResourceType": "healthcheck", "ResourceId": id}
    service.call("change_tags_for_resource", **of, AddTags=[{"Key": "Name", "Value": "web"}])
    tagged = service.call("list_tags_for_resource", **of)["ResourceTagSet"]
    assert tagged == {**of, "Tags": [{"Key": "Name", "Value": "web"}]}
    assert service.call("get_health_check", HealthCheckId=id)["HealthCheck"]["HealthCheckVersion"] == 1
    with pytest.raises(errors.NoSuchHealthCheck):
        service.call("list_tags_for_resource", ResourceType="healthcheck", ResourceId="x")


def test_observations_are_what_the_checkers_report(service: Any) -> None:
    id = make(service)["HealthCheck"]["Id"]
    ill = "Failure: The connection was closed by the endpoint."
    service.api.checker_views = lambda account, check_id: [
        CheckerView(region="us-east-1", address="198.18.2.10", healthy=True, status="Success: x", checked_at=7.0),
        CheckerView(
            region="eu-west-1", address="198.18.2.106", healthy=True, status="Success: x", checked_at=8.0,
            failure=ill, failed_at=5.0,
        ),
    ]  # fmt: skip
    told = service.call("get_health_check_status", HealthCheckId=id)["HealthCheckObservations"]
    assert [each["IPAddress"] for each in told] == ["198.18.2.10", "198.18.2.106"]
    assert told[0]["StatusReport"] == {"Status": "Success: x", "CheckedTime": 7.0}
    told = service.call("get_health_check_last_failure_reason", HealthCheckId=id)["HealthCheckObservations"]
    report = {"Status": ill, "CheckedTime": 5.0}
    assert told == [{"Region": "eu-west-1", "IPAddress": "198.18.2.106", "StatusReport": report}]


def test_the_checkers_ranges_are_this_worlds(service: Any) -> None:
    ranges = service.call("get_checker_ip_ranges")["CheckerIpRanges"]
    assert ranges[:2] == ["198.18.2.0/27", "198.18.2.32/27"] and len(ranges) == 8
