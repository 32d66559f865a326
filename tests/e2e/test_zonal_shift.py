"""Zonal shifts as operators make them: boto3 starts them, DNS and targets in the world follow."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from kunren.management.client import Management


class Zones:
    """A load balancer in two zones that has opted in, with one target in each."""

    def __init__(self, kunren, account, site, until):
        self.arc, self.site, self.until = kunren.client("arc-zonal-shift", account), site, until
        self.targets = [site.target(f"zone-{zone}", zone=zone) for zone in (0, 1)]
        self.group = site.group(*((each, 80) for each in self.targets))
        site.listen(site.forward(self.group))
        on = {"Key": "zonal_shift.config.enabled", "Value": "true"}
        site.elb.modify_load_balancer_attributes(LoadBalancerArn=site.arn, Attributes=[on])
        site.wait_active()
        site.wait_healthy(self.group)
        subnets = {each["SubnetId"]: each for each in site.ec2.describe_subnets(SubnetIds=site.subnets)["Subnets"]}
        self.ids = [subnets[each]["AvailabilityZoneId"] for each in site.subnets]
        self.names = [subnets[each]["AvailabilityZone"] for each in site.subnets]
        self.client = site.client()
        nodes = site.ec2.describe_network_interfaces(Filters=[{"Name": "requester-id", "Values": ["amazon-elb"]}])
        addresses = {each["SubnetId"]: each["Association"]["PublicIp"] for each in nodes["NetworkInterfaces"]}
        self.addresses = [addresses[each] for each in site.subnets]

    def dns(self):
        """What the name answers, sorted."""
        return sorted(self.site.kunren.exec("dig", "+short", self.site.name).stdout.split())

    def start(self, zone, lasts="2h", **given):
        return self.arc.start_zonal_shift(
            resourceIdentifier=self.site.arn, awayFrom=self.ids[zone], expiresIn=lasts, comment="test", **given
        )

    def get(self):
        return self.arc.get_managed_resource(resourceIdentifier=self.site.arn)

    def overrides(self):
        shown = self.site.elb.describe_target_health(TargetGroupArn=self.group)["TargetHealthDescriptions"]
        found = {each["Target"]["Id"]: each["AdministrativeOverride"]["State"] for each in shown}
        return [found[each.address] for each in self.targets]


@pytest.fixture
def zones(kunren, account, site, until):
    return Zones(kunren, account, site, until)


def refused(code, reason, call, **given):
    with pytest.raises(ClientError) as caught:
        call(**given)
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer.get("reason")) == (code, reason)


def test_traffic_leaves_a_zone_and_comes_back(kunren, account, site, until, zones):
    assert zones.dns() == sorted(zones.addresses)
    assert [each["arn"] for each in zones.arc.list_managed_resources()["items"]] == [site.arn]
    shift = zones.start(1)
    assert (shift["status"], shift["awayFrom"]) == ("ACTIVE", zones.ids[1])
    seen = zones.get()
    assert seen["appliedWeights"] == {zones.ids[0]: 1.0, zones.ids[1]: 0.0}
    assert [(each["appliedStatus"], each["shiftType"]) for each in seen["zonalShifts"]] == [("APPLIED", "ZONAL_SHIFT")]
    until(
        lambda: zones.dns() == zones.addresses[:1],
        "one address",
    )
    assert zones.overrides() == ["no_override", "zonal_shift_active"]
    until(
        lambda: set(zones.client.names(f"http://{zones.addresses[0]}", 6)) == {"zone-0"},
        "targets of the other zone alone",
    )
    assert set(zones.client.names(f"http://{zones.addresses[1]}", 6)) == {"zone-0"}  # who still knows the node

    refused("ConflictException", "ZonalShiftAlreadyExists", zones.start, zone=0)
    zones.arc.update_zonal_shift(zonalShiftId=shift["zonalShiftId"], comment="longer", expiresIn="3h")
    zones.arc.cancel_zonal_shift(zonalShiftId=shift["zonalShiftId"])
    refused(
        "ConflictException",
        "ZonalShiftStatusNotActive",
        zones.arc.cancel_zonal_shift,
        zonalShiftId=shift["zonalShiftId"],
    )
    until(
        lambda: set(zones.client.names(f"http://{zones.addresses[0]}", 8)) == {"zone-0", "zone-1"}, "both zones again"
    )
    assert zones.overrides() == ["no_override", "no_override"]

    short = zones.start(0, "1m")
    until(lambda: zones.arc.list_zonal_shifts(status="EXPIRED")["items"], "the end of a minute")
    statuses = {each["zonalShiftId"]: each["status"] for each in zones.arc.list_zonal_shifts()["items"]}
    assert statuses == {shift["zonalShiftId"]: "CANCELED", short["zonalShiftId"]: "EXPIRED"}

    off = {"Key": "load_balancing.cross_zone.enabled", "Value": "false"}
    site.elb.modify_target_group_attributes(TargetGroupArn=zones.group, Attributes=[off])
    zones.start(1)
    assert zones.overrides() == ["no_override", "zonal_shift_delegated_to_dns"]
    refused(
        "ValidationException",
        "InvalidAz",
        zones.arc.start_zonal_shift,
        resourceIdentifier=site.arn,
        awayFrom="use1-az9",
        expiresIn="1h",
        comment="",
    )
    refused("ValidationException", "InvalidExpiresIn", zones.start, zone=0, lasts="73h")


def test_a_dark_zone_leaves_dns_and_aws_shifts_away_from_it(kunren, account, site, until, zones):
    cloudwatch = kunren.client("cloudwatch", account)

    def set_up_alarm():
        cloudwatch.put_metric_alarm(AlarmName="bad", Namespace="n", MetricName="m", Statistic="Sum", Period=60,
                                    EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
                                    TreatMissingData="ignore")  # fmt: skip
        cloudwatch.set_alarm_state(AlarmName="bad", StateValue="OK", StateReason="-")

    set_up_alarm()
    alarm = {"type": "CLOUDWATCH", "alarmIdentifier": cloudwatch.describe_alarms()["MetricAlarms"][0]["AlarmArn"]}
    them = {"resourceIdentifier": site.arn}
    refused("ConflictException", "PracticeConfigurationDoesNotExist", zones.arc.update_zonal_autoshift_configuration,
            zonalAutoshiftStatus="ENABLED", **them)  # fmt: skip
    made = zones.arc.create_practice_run_configuration(outcomeAlarms=[alarm], blockedDates=["2001-01-01"], **them)
    assert made["zonalAutoshiftStatus"] == "DISABLED"
    zones.arc.start_practice_run(awayFrom=zones.ids[0], comment="blind", **them)
    cloudwatch.delete_alarms(AlarmNames=["bad"])
    until(lambda: zones.arc.list_zonal_shifts(status="CANCELED")["items"], "the end of a run that nobody can judge")
    assert [each["practiceRunOutcome"] for each in zones.arc.list_zonal_shifts()["items"]] == ["INTERRUPTED"]
    set_up_alarm()
    practice = zones.arc.start_practice_run(awayFrom=zones.ids[0], comment="try", **them)
    assert [each["practiceRunOutcome"] for each in zones.get()["zonalShifts"]] == ["PENDING"]
    cloudwatch.set_alarm_state(AlarmName="bad", StateValue="ALARM", StateReason="-")
    until(lambda: zones.arc.list_zonal_shifts(status="EXPIRED")["items"], "the end of the practice run")
    (ended,) = zones.arc.list_zonal_shifts(status="EXPIRED")["items"]
    assert (ended["zonalShiftId"], ended["practiceRunOutcome"]) == (practice["zonalShiftId"], "FAILED")
    refused(
        "ConflictException",
        "PracticeOutcomeAlarmsRed",
        zones.arc.start_practice_run,
        awayFrom=zones.ids[0],
        comment="",
        **them,
    )
    zones.arc.update_zonal_autoshift_configuration(zonalAutoshiftStatus="ENABLED", **them)
    refused("ConflictException", "AutoShiftEnabled", zones.arc.delete_practice_run_configuration, **them)

    management = Management(kunren.state)
    management.post("/faults", {"what": "zone", "name": zones.names[1], "owner": "tests"})
    try:
        until(
            lambda: zones.dns() == zones.addresses[:1],
            "one address",
        )
        assert zones.client.names(f"http://{zones.addresses[0]}", 6) == ["zone-0"] * 6
        until(lambda: zones.get()["autoshifts"], "AWS's own shift")
        assert [each["awayFrom"] for each in zones.arc.list_autoshifts(status="ACTIVE")["items"]] == [zones.ids[1]]
    finally:
        management.post("/faults/heal", {"owner": "tests"})
    until(lambda: not zones.get()["autoshifts"], "the end of AWS's shift")
    until(
        lambda: zones.dns() == sorted(zones.addresses),
        "both addresses",
    )


def test_an_experiment_shifts_and_shifts_back(kunren, account, site, until, zones):
    role = kunren.client("iam", account).create_role(RoleName="fis", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    fis = kunren.client("fis", account)
    action = {
        "actionId": "aws:arc:start-zonal-autoshift", "targets": {"ManagedResources": "them"},
        "parameters": {"duration": "PT30M", "availabilityZoneIdentifier": zones.names[1], "managedResourceTypes": "ALB,NLB",
                       "zonalAutoshiftStatus": "ANY"},
    }  # fmt: skip
    them = {"resourceType": "aws:arc:zonal-shift-managed-resource", "resourceArns": [site.arn], "selectionMode": "ALL"}
    made = fis.create_experiment_template(
        clientToken="one", description="d", roleArn=role, actions={"shift": action}, targets={"them": them},
        stopConditions=[{"source": "none"}],
    )["experimentTemplate"]["id"]  # fmt: skip
    experiment = fis.start_experiment(clientToken="two", experimentTemplateId=made)["experiment"]["id"]
    until(lambda: zones.get()["zonalShifts"], "the shift")
    (shift,) = zones.get()["zonalShifts"]
    assert (shift["shiftType"], shift["awayFrom"], shift["appliedStatus"]) == (
        "FIS_EXPERIMENT",
        zones.ids[1],
        "APPLIED",
    )
    refused(
        "ValidationException",
        "FISExperimentUpdateNotAllowed",
        zones.arc.cancel_zonal_shift,
        zonalShiftId=shift["zonalShiftId"],
    )
    zones.start(0)
    assert {each["shiftType"]: each["appliedStatus"] for each in zones.get()["zonalShifts"]} == {
        "ZONAL_SHIFT": "APPLIED", "FIS_EXPERIMENT": "NOT_APPLIED",
    }  # fmt: skip
    fis.stop_experiment(id=experiment)
    until(
        lambda: [each["shiftType"] for each in zones.get()["zonalShifts"]] == ["ZONAL_SHIFT"],
        "the end of the experiment's shift",
    )
