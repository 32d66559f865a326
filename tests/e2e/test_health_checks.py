"""Route 53 health checks with real checkers: what they see of a program with a public address of its own."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

THREE = ["us-east-1", "eu-west-1", "ap-southeast-2"]


@pytest.fixture
def route53(kunren, account):
    client = kunren.client("route53", account)
    yield client
    for each in sorted(
        client.list_health_checks()["HealthChecks"],
        key=lambda each: each["HealthCheckConfig"]["Type"] != "CALCULATED",
    ):
        client.delete_health_check(HealthCheckId=each["Id"])


@pytest.fixture
def made(route53):
    def make(**config):
        defaults = {"Regions": THREE, "RequestInterval": 10, "FailureThreshold": 1}
        if config["Type"] in ("CALCULATED", "CLOUDWATCH_METRIC"):
            defaults = {}
        check = route53.create_health_check(CallerReference=str(uuid4()), HealthCheckConfig={**defaults, **config})
        return check["HealthCheck"]["Id"]

    return make


@pytest.fixture
def statuses(route53):
    def told(check):
        observed = route53.get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
        return [each["StatusReport"]["Status"] for each in observed]

    return told


def test_checkers_see_what_happens_to_an_endpoint(site, route53, made, statuses, until):
    target = site.target("web", 80, 8080, group=site.security_group("open", ((1, 65535), "0.0.0.0/0")))
    web = {"IPAddress": target.public_address, "Port": 80}
    by_path = made(Type="HTTP", ResourcePath="/health", **web)
    matching = made(Type="HTTP_STR_MATCH", SearchString='"name": "web"', **web)
    unmatching = made(Type="HTTP_STR_MATCH", SearchString="another", **web)
    connecting = made(Type="TCP", **{**web, "Port": 8080})
    secure = made(Type="HTTPS", **web)
    nowhere = made(Type="TCP", IPAddress="198.19.7.250", Port=80)
    six = made(Type="TCP", IPAddress="2600:9000::1", Port=80)
    nameless = made(Type="HTTP", FullyQualifiedDomainName="no.such.test")

    def all_are(check, text):
        until(lambda: {each[: len(text)] for each in statuses(check)} == {text}, lambda: f"{text}: {statuses(check)}")
        until(lambda: len(statuses(check)) == 6, "all checkers")

    all_are(by_path, "Success: HTTP Status Code 200, OK")
    all_are(matching, "Success: HTTP Status Code 200, OK")
    all_are(unmatching, "Failure: HTTP Status Code 200, OK. The search string was not found")
    all_are(connecting, "Success: TCP connection established")
    all_are(secure, "Failure: The SSL/TLS handshake failed.")
    all_are(six, "Failure: The endpoint is unreachable")
    all_are(nameless, "Failure: DNS resolution failed: Rcode NXDomain(3)")
    observed = route53.get_health_check_status(HealthCheckId=by_path)["HealthCheckObservations"]
    assert sorted(each["Region"] for each in observed) == sorted(THREE * 2)
    ranges = route53.get_checker_ip_ranges()["CheckerIpRanges"]
    assert len({each["IPAddress"] for each in observed}) == 6 and len(ranges) == 8
    assert not route53.get_health_check_last_failure_reason(HealthCheckId=by_path)["HealthCheckObservations"]

    target.do("health 503")
    all_are(by_path, "Failure: HTTP Status Code 503, Service Unavailable")
    target.do("close 8080")
    all_are(connecting, "Failure: Connection refused.")
    target.do("health 200")
    all_are(by_path, "Success: HTTP Status Code 200, OK")
    failed = route53.get_health_check_last_failure_reason(HealthCheckId=by_path)["HealthCheckObservations"]
    assert {each["StatusReport"]["Status"] for each in failed} == {"Failure: HTTP Status Code 503, Service Unavailable"}
    all_are(nowhere, "Failure: Connection timed out. The endpoint or the internet connection is down")


def test_a_security_group_that_shuts_the_checkers_out_makes_an_endpoint_unhealthy(site, made, statuses, until):
    group = site.security_group("checkers", (80, "198.18.2.0/27"))  # us-east-1's alone
    target = site.target("web", 80, group=group)
    check = made(Type="HTTP", IPAddress=target.public_address)
    wanted = ["Failure: Connection timed out"] * 4 + ["Success: HTTP Status Code 200"] * 2
    until(lambda: sorted(each[:29] for each in statuses(check)) == wanted, lambda: statuses(check))
    named = [{"Name": "prefix-list-name", "Values": ["com.amazonaws.us-east-1.route53-healthchecks"]}]
    listed = site.ec2.describe_managed_prefix_lists(Filters=named)["PrefixLists"][0]["PrefixListId"]
    allowed = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "PrefixListIds": [{"PrefixListId": listed}]}
    site.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[allowed])
    until(lambda: all(each.startswith("Success") for each in statuses(check)), lambda: statuses(check))


@pytest.fixture
def cloudwatch(kunren, account):
    return kunren.client("cloudwatch", account)


@pytest.fixture
def is_healthy(cloudwatch):
    """What the metric of a health check says last; None while there is none."""

    def told(check):
        now = datetime.now(UTC) + timedelta(days=1)  # the daemon's clock is ahead of ours
        answer = cloudwatch.get_metric_data(
            StartTime=now - timedelta(days=2), EndTime=now, ScanBy="TimestampDescending",
            MetricDataQueries=[{"Id": "m", "MetricStat": {"Stat": "Maximum", "Period": 60, "Metric": {
                "Namespace": "AWS/Route53", "MetricName": "HealthCheckStatus",
                "Dimensions": [{"Name": "HealthCheckId", "Value": check}]}}}],
        )  # fmt: skip
        values = answer["MetricDataResults"][0]["Values"]
        return bool(values[0]) if values else None

    return told


def test_calculated_and_alarm_checks_follow_their_sources(cloudwatch, route53, made, is_healthy, until):
    cloudwatch.put_metric_alarm(
        AlarmName="errors", Namespace="App", MetricName="Errors", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=5, ComparisonOperator="GreaterThanThreshold", TreatMissingData="missing",
    )  # fmt: skip
    config = {"Type": "CLOUDWATCH_METRIC", "AlarmIdentifier": {"Region": "us-east-1", "Name": "errors"}}
    on_alarm = made(**config)
    unless_told = made(**config, InsufficientDataHealthStatus="Unhealthy")
    both = made(Type="CALCULATED", ChildHealthChecks=[on_alarm, unless_told], HealthThreshold=2)
    either = made(Type="CALCULATED", ChildHealthChecks=[on_alarm, unless_told], HealthThreshold=1)
    inverted = made(Type="CALCULATED", ChildHealthChecks=[unless_told], HealthThreshold=1, Inverted=True)
    shown = route53.get_health_check(HealthCheckId=on_alarm)["HealthCheck"]["CloudWatchAlarmConfiguration"]
    assert shown == {
        "EvaluationPeriods": 1, "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold", "Period": 60,
        "MetricName": "Errors", "Namespace": "App", "Statistic": "Sum",
    }  # fmt: skip
    with pytest.raises(route53.exceptions.InvalidInput, match="does not exist"):
        made(Type="CLOUDWATCH_METRIC", AlarmIdentifier={"Region": "us-east-1", "Name": "nobody's"})

    def all_are(**wanted):
        checks = {
            "on_alarm": on_alarm,
            "unless_told": unless_told,
            "both": both,
            "either": either,
            "inverted": inverted,
        }

        def are():
            return {name: is_healthy(checks[name]) for name in wanted}

        until(lambda: are() == wanted, lambda: f"{wanted}, not {are()}")

    all_are(on_alarm=True, unless_told=False, both=False, either=True, inverted=True)

    def put(value):  # into the minute that runs by the daemon's clock
        cloudwatch.put_metric_data(Namespace="App", MetricData=[{"MetricName": "Errors", "Value": value}])

    # again and again: a period that passes unread is forgotten
    until(lambda: put(9) or is_healthy(on_alarm) is False, "the alarm")
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="OK", StateReason="has no effect")
    all_are(on_alarm=False, unless_told=False, both=False, either=False, inverted=True)
    until(lambda: put(0) or is_healthy(unless_told), "the alarm over")
    all_are(on_alarm=True, both=True, either=True, inverted=False)


def test_a_kunren_that_was_killed_still_knows_what_its_checkers_saw(own_kunren, until):
    def drawn():
        return own_kunren.run("graph", check=True).stdout

    own_kunren.up("--speed", "20")
    own_kunren.exec("true")  # virginia's client is there, and nothing listens
    route53 = own_kunren.client("route53")
    config = {"Type": "TCP", "IPAddress": "198.18.64.10", "Port": 81, "RequestInterval": 10, "FailureThreshold": 1}
    made = route53.create_health_check(CallerReference="1", HealthCheckConfig=config)["HealthCheck"]
    of = {"HealthCheckId": made["Id"]}
    until(lambda: "TCP 198.18.64.10:81  ● unhealthy  0 of 16 healthy" in drawn(), drawn)

    os.kill(own_kunren.pid, signal.SIGKILL)
    own_kunren.up("--speed", "20")
    assert "TCP 198.18.64.10:81  ● unhealthy" in drawn()
    route53 = own_kunren.client("route53")
    assert route53.get_health_check(**of)["HealthCheck"] == made
    assert len(route53.get_health_check_last_failure_reason(**of)["HealthCheckObservations"]) == 16
    before = max(each["StatusReport"]["CheckedTime"] for each in observations(route53, **of))
    until(lambda: max(each["StatusReport"]["CheckedTime"] for each in observations(route53, **of)) > before, "probes")


def observations(route53, **of):
    return route53.get_health_check_status(**of)["HealthCheckObservations"]
