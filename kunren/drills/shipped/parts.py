"""What the shipped drills' scripts share: ordinary boto3, a site behind a load balancer, names, and the way back.

Everything that is made carries the deployment's name, so that `remove` finds it again from nothing but that.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import boto3

REGIONS = ("us-east-1", "eu-west-1")
FIRST_ADDRESS = 200
"""Of a subnet: where its targets have theirs, so that they can be registered before they run."""
PATIENCE = {"Delay": 0.2, "MaxAttempts": 600}
ANYWHERE = "0.0.0.0/0"


def main(deploy: Callable[..., dict[str, Any]], remove: Callable[[], None]) -> None:
    """`SCRIPT deploy --key=value ...` prints one JSON object; `SCRIPT remove` takes it all away."""
    what, *options = sys.argv[1:]
    remove()
    if what == "deploy":
        given = dict(each.removeprefix("--").split("=", 1) for each in options)
        print(json.dumps(deploy(**{key.replace("-", "_"): value for key, value in given.items()}), indent=2))


class Site:
    """An internet-facing Application Load Balancer in two zones of a region's default VPC, and places for targets."""

    def __init__(self, name: str, region: str = REGIONS[0]) -> None:
        self.name, self.region = name, region
        self.elb, self.ec2 = boto3.client("elbv2", region_name=region), boto3.client("ec2", region_name=region)

    def create(self, zones: int = 2, **group: Any) -> dict[str, Any]:
        """With targets in so many zones. What a drill needs: `name` (DNS), `subnets`, `addresses`, ARNs."""
        default = [{"Name": "is-default", "Values": ["true"]}]
        vpc = self.ec2.describe_vpcs(Filters=default)["Vpcs"][0]["VpcId"]
        found = self.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
        subnets = sorted(found, key=lambda each: each["AvailabilityZone"])[:2]
        front = self._security_group(vpc, "front", [{"CidrIp": ANYWHERE}], [])
        back = self._security_group(vpc, "back", [{"CidrIp": ANYWHERE}], [{"GroupId": front}])
        balancer = self.elb.create_load_balancer(
            Name=self.name, Subnets=[each["SubnetId"] for each in subnets], SecurityGroups=[front]
        )["LoadBalancers"][0]
        addresses = [str(ipaddress.ip_network(each["CidrBlock"])[FIRST_ADDRESS]) for each in subnets]
        arn = self.target_group(self.name, vpc, addresses[:zones], **group)
        forward = [{"Type": "forward", "TargetGroupArn": arn}]
        listener = self.elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=forward
        )["Listeners"][0]["ListenerArn"]
        return {
            "name": balancer["DNSName"],
            "zone_id": balancer["CanonicalHostedZoneId"],
            "balancer": balancer["LoadBalancerArn"],
            "listener": listener,
            "group": arn,
            "vpc": vpc,
            "subnets": [each["SubnetId"] for each in subnets],
            "zones": [each["AvailabilityZone"] for each in subnets],
            "addresses": addresses,
            "security_group": back,
        }

    def target_group(self, name: str, vpc: str, addresses: list[str], delay_s: int = 300, **given: Any) -> str:
        """Of addresses on port 80, probed every ten seconds and judged after two; its ARN."""
        settings = {
            "Name": name, "Protocol": "HTTP", "Port": 80, "VpcId": vpc, "TargetType": "ip",
            "HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 10, "HealthCheckTimeoutSeconds": 5,
            "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 2, **given,
        }  # fmt: skip
        arn = str(self.elb.create_target_group(**settings)["TargetGroups"][0]["TargetGroupArn"])
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": str(delay_s)}
        self.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
        if addresses:
            self.elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": each, "Port": 80} for each in addresses])
        return arn

    def _security_group(self, vpc: str, role: str, ranges: list[Any], peers: list[Any]) -> str:
        made = self.ec2.create_security_group(GroupName=f"{self.name}-{role}", Description="Drill", VpcId=vpc)[
            "GroupId"
        ]
        allowed = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 8080}
        permission = {**allowed, "IpRanges": ranges} if not peers else {**allowed, "UserIdGroupPairs": peers}
        if role == "back":  # the drill reads back what was written, and copies go from target to target
            permission = {**allowed, "IpRanges": ranges}
        self.ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[permission])
        return str(made)

    def wait(self) -> None:
        """Until the load balancer is active."""
        self.elb.get_waiter("load_balancer_available").wait(Names=[self.name], WaiterConfig=PATIENCE)

    def remove(self) -> None:
        """All that carries its name."""
        for balancer in self._balancers():
            self.elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
        pages = self.elb.get_paginator("describe_target_groups").paginate()
        for group in [each for page in pages for each in page["TargetGroups"]]:
            if group["TargetGroupName"] == self.name or group["TargetGroupName"].startswith(f"{self.name}-"):
                self.elb.delete_target_group(TargetGroupArn=group["TargetGroupArn"])
        names = [f"{self.name}-back", f"{self.name}-front"]
        found = self.ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": names}])["SecurityGroups"]
        for group in found:
            _patiently(partial(self.ec2.delete_security_group, GroupId=group["GroupId"]))

    def _balancers(self) -> list[Any]:
        try:
            return list(self.elb.describe_load_balancers(Names=[self.name])["LoadBalancers"])
        except self.elb.exceptions.LoadBalancerNotFoundException:
            return []


def _patiently(call: Callable[[], object], attempts: int = 100) -> None:
    """A security group is in use until the interfaces that had it are gone."""
    for left in reversed(range(attempts)):
        try:
            call()
            return
        except boto3.client("ec2").exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "DependencyViolation" or not left:
                raise
            time.sleep(0.1)


class Zone:
    """A public hosted zone, found again by its comment."""

    def __init__(self, name: str, domain: str) -> None:
        self.name, self.domain = name, domain
        self.route53 = boto3.client("route53")
        self.id = ""

    def create(self, records: list[dict[str, Any]]) -> str:
        """With those record sets, served when it returns; its id."""
        made = self.route53.create_hosted_zone(
            Name=self.domain, CallerReference=secrets.token_hex(16), HostedZoneConfig={"Comment": self.name}
        )["HostedZone"]["Id"]
        changes = [{"Action": "CREATE", "ResourceRecordSet": each} for each in records]
        change = self.route53.change_resource_record_sets(HostedZoneId=made, ChangeBatch={"Changes": changes})
        self.route53.get_waiter("resource_record_sets_changed").wait(
            Id=change["ChangeInfo"]["Id"], WaiterConfig=PATIENCE
        )
        self.id = str(made)
        return self.id

    def health_check(self, **config: Any) -> str:
        """Tagged with the name; its id."""
        made = self.route53.create_health_check(CallerReference=secrets.token_hex(16), HealthCheckConfig=config)
        check = str(made["HealthCheck"]["Id"])
        tags = [{"Key": "Name", "Value": self.name}]
        self.route53.change_tags_for_resource(ResourceType="healthcheck", ResourceId=check, AddTags=tags)
        return check

    def remove(self) -> None:
        for zone in self.route53.list_hosted_zones()["HostedZones"]:
            if zone.get("Config", {}).get("Comment") != self.name:
                continue
            listed = self.route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
            changes = [
                {"Action": "DELETE", "ResourceRecordSet": each} for each in listed if each["Type"] not in ("NS", "SOA")
            ]
            if changes:
                self.route53.change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch={"Changes": changes})
            self.route53.delete_hosted_zone(Id=zone["Id"])
        for check in self.route53.list_health_checks()["HealthChecks"]:
            tags = self.route53.list_tags_for_resource(ResourceType="healthcheck", ResourceId=check["Id"])
            if {"Key": "Name", "Value": self.name} in tags["ResourceTagSet"]["Tags"]:
                self.route53.delete_health_check(HealthCheckId=check["Id"])
