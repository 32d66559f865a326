"""Private endpoints, probed by Route 53 from interfaces that a health check source has in the VPC."""

from __future__ import annotations

from types import SimpleNamespace
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def private(kunren, account, running, until):
    """A source in three zones of the default VPC, and a program with a private address that only the source reaches."""
    route53, ec2 = kunren.client("route53", account), kunren.client("ec2", account)
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = sorted(ec2.describe_subnets()["Subnets"], key=lambda each: each["AvailabilityZone"])[:3]

    def group(name):
        return ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]

    probing, back = group("probing"), group("back")
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": probing}]}
    ec2.authorize_security_group_ingress(GroupId=back, IpPermissions=[rule])

    def config(*zones, groups=(probing,)):
        listed = [
            {"SubnetId": each["SubnetId"], "AvailabilityZoneId": zone, "SecurityGroupIdList": list(groups)}
            for each, zone in zip(subnets, zones, strict=False)
        ]
        return {"VpcId": vpc, "SubnetConfigurationList": listed}

    def create(*zones, reference="", **more):
        made = route53.create_health_check_source(
            CallerReference=reference or str(uuid4()), HealthCheckSourceConfig=config(*zones, **more)
        )
        return made["HealthCheckSourceId"]

    def source(id):
        return route53.get_health_check_source(HealthCheckSourceId=id)["HealthCheckSource"]

    def interfaces():
        named = [{"Name": "description", "Values": ["Route 53 health check source *"]}]
        return ec2.describe_network_interfaces(Filters=named)["NetworkInterfaces"]

    def check(id, **settings):
        given = {
            "Type": "HTTP", "EndpointType": "PRIVATE", "HealthCheckSourceId": id, "RequestInterval": 10,
            "FailureThreshold": 1, "ResourcePath": "/health", **settings,
        }  # fmt: skip
        return route53.create_health_check(CallerReference=str(uuid4()), HealthCheckConfig=given)["HealthCheck"]["Id"]

    def statuses(id):
        observed = route53.get_health_check_status(HealthCheckId=id)["HealthCheckObservations"]
        return {each["IPAddress"]: each["StatusReport"]["Status"] for each in observed}

    def all_say(id, text):
        told = lambda: [each[: len(text)] for each in statuses(id).values()]  # noqa: E731
        until(lambda: told() == [text] * 3, lambda: f"{text}: {statuses(id)}")

    target = running.target(kunren, "inside", (80,), subnets[0]["SubnetId"], back)
    return SimpleNamespace(
        route53=route53, ec2=ec2, vpc=vpc, zones=[each["AvailabilityZoneId"] for each in subnets], rule=rule, back=back,
        create=create, source=source, interfaces=interfaces, check=check, statuses=statuses, all_say=all_say,
        target=target,
    )  # fmt: skip


def test_a_private_endpoint_is_probed_from_the_sources_interfaces(private, account, until):
    route53, id = private.route53, private.create(*private.zones)
    until(lambda: private.source(id)["HealthCheckSourceStatus"] == "CREATE_COMPLETED", "the source")
    addresses = {each["PrivateIpAddress"] for each in private.interfaces()}
    assert len(addresses) == 3 and all(each["RequesterManaged"] for each in private.interfaces())

    name = f"app.private-{account}.test"
    place = {"VPCRegion": "us-east-1", "VPCId": private.vpc}
    zone = route53.create_hosted_zone(Name=f"private-{account}.test", CallerReference=name, VPC=place)["HostedZone"][
        "Id"
    ]
    records = {"Name": name, "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": private.target.address}]}
    changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": records}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=changes)

    by_address, by_name = (
        private.check(id, IPAddress=private.target.address),
        private.check(id, FullyQualifiedDomainName=name),
    )
    for each in (by_address, by_name):
        private.all_say(each, "Success: HTTP Status Code 200, OK")
        assert set(private.statuses(each)) == addresses
    private.target.do("health 503")
    private.all_say(by_name, "Failure: HTTP Status Code 503, Service Unavailable")
    private.target.do("health 200")
    private.all_say(by_address, "Success: HTTP Status Code 200, OK")
    private.ec2.revoke_security_group_ingress(GroupId=private.back, IpPermissions=[private.rule])
    private.all_say(by_address, "Failure: Connection timed out")

    shown = route53.get_health_check(HealthCheckId=by_name)["HealthCheck"]["HealthCheckConfig"]
    assert (shown["EndpointType"], shown["HealthCheckSourceId"]) == ("PRIVATE", id)
    listed = route53.list_health_checks_by_source(HealthCheckSourceId=id)["HealthChecks"]
    assert sorted(each["Id"] for each in listed) == sorted((by_address, by_name))
    with pytest.raises(ClientError, match="in use by health checks"):
        route53.delete_health_check_source(HealthCheckSourceId=id)
    for each in (by_address, by_name):
        route53.delete_health_check(HealthCheckId=each)
    assert route53.delete_health_check_source(HealthCheckSourceId=id)["HealthCheckSourceStatus"] == "DELETE_PENDING"
    until(lambda: route53.list_health_check_sources()["HealthCheckSources"] == [], "the source deleted")
    with pytest.raises(route53.exceptions.NoSuchHealthCheckSource):
        private.source(id)
    assert private.interfaces() == []


def test_a_source_that_can_not_be_made_says_why_and_leaves_nothing(private, until):
    failing = {
        private.create(private.zones[0], private.zones[2]): "INVALID_SUBNET",
        private.create(*private.zones, groups=("sg-0123456789abcdef0",)): "INVALID_SECURITY_GROUP",
    }
    for id, reason in failing.items():
        until(lambda id=id: private.source(id)["HealthCheckSourceStatus"] == "CREATE_FAILED", "the failure")
        found = private.source(id)
        assert found["StatusReasonCode"] == reason and found["StatusReason"]
        with pytest.raises(ClientError, match="is not ready to be used"):
            private.check(id, IPAddress="10.0.0.1")
        private.route53.delete_health_check_source(HealthCheckSourceId=id)
    until(lambda: private.route53.list_health_check_sources()["HealthCheckSources"] == [], "the sources deleted")
    assert private.interfaces() == []
