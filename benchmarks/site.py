"""A load balancer in the default VPC of a Kunren, by ordinary API calls, and targets behind it."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.instance import Instance

WITHIN_S = 60.0


class Site:
    """One Application Load Balancer in one zone (AWS wants two; the second has no targets and is not asked)."""

    def __init__(self, kunren: Instance) -> None:
        self.kunren = kunren
        self.ec2, self.elb = kunren.client("ec2"), kunren.client("elbv2")
        self.vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = sorted(self.ec2.describe_subnets()["Subnets"], key=lambda each: each["AvailabilityZone"])
        self.subnets = [each["SubnetId"] for each in subnets[:2]]
        made = self.ec2.create_security_group(GroupName="open", Description="open", VpcId=self.vpc)
        self.group = made["GroupId"]
        everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[everything])
        balancer = self.elb.create_load_balancer(Name="web", Subnets=self.subnets, SecurityGroups=[self.group])
        self.arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
        self.name = balancer["LoadBalancers"][0]["DNSName"]
        until(lambda: self._state() == "active", "the load balancer to be active")
        self.node_address = self._public_address()

    def _state(self) -> str:
        found = self.elb.describe_load_balancers(LoadBalancerArns=[self.arn])["LoadBalancers"][0]
        return str(found["State"]["Code"])

    def _public_address(self) -> str:
        """The address of the first zone's node as clients in the internet see it."""
        wanted = [{"Name": "subnet-id", "Values": [self.subnets[0]]}]
        interfaces = self.ec2.describe_network_interfaces(Filters=wanted)["NetworkInterfaces"]
        return next(str(each["Association"]["PublicIp"]) for each in interfaces if "ELB" in each["Description"])

    def target_group(self, name: str, every_s: int = 5) -> str:
        """A group for ip targets that are checked so often."""
        made = self.elb.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=80,
            VpcId=self.vpc,
            TargetType="ip",
            HealthCheckIntervalSeconds=every_s,
            HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2,
        )
        return str(made["TargetGroups"][0]["TargetGroupArn"])

    def register(self, group: str, targets: list[tuple[str, int]]) -> None:
        self.elb.register_targets(TargetGroupArn=group, Targets=_wire(targets))

    def deregister(self, group: str, targets: list[tuple[str, int]]) -> None:
        self.elb.deregister_targets(TargetGroupArn=group, Targets=_wire(targets))

    def healthy(self, group: str, count: int) -> None:
        """Return when so many targets are healthy and none is anything else."""

        def states() -> bool:
            told = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
            return [each["TargetHealth"]["State"] for each in told] == ["healthy"] * count

        until(states, f"{count} targets to be healthy")

    def listener(self, port: int, actions: list[dict[str, Any]], **more: Any) -> str:
        protocol = more.pop("Protocol", "HTTP")
        made = self.elb.create_listener(
            LoadBalancerArn=self.arn, Protocol=protocol, Port=port, DefaultActions=actions, **more
        )
        return str(made["Listeners"][0]["ListenerArn"])

    def delete_listener(self, port: int) -> None:
        listeners = self.elb.describe_listeners(LoadBalancerArn=self.arn)["Listeners"]
        self.elb.delete_listener(ListenerArn=next(each["ListenerArn"] for each in listeners if each["Port"] == port))

    def rule(self, listener: str, priority: int, host: str, actions: list[dict[str, Any]]) -> str:
        made = self.elb.create_rule(
            ListenerArn=listener,
            Priority=priority,
            Conditions=[{"Field": "host-header", "HostHeaderConfig": {"Values": [host]}}],
            Actions=actions,
        )
        return str(made["Rules"][0]["RuleArn"])


def _wire(targets: list[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"Id": address, "Port": port} for address, port in targets]


def forward(group: str) -> list[dict[str, Any]]:
    return [{"Type": "forward", "TargetGroupArn": group}]


def fixed(body: str, status: str = "200") -> list[dict[str, Any]]:
    config = {"StatusCode": status, "ContentType": "text/plain", "MessageBody": body}
    return [{"Type": "fixed-response", "FixedResponseConfig": config}]


def moved() -> list[dict[str, Any]]:
    """A static redirect, as nginx's `return 301`."""
    config = {"Protocol": "HTTPS", "Host": "example-one.test", "Port": "443", "Path": "/moved", "Query": ""}
    return [{"Type": "redirect", "RedirectConfig": {**config, "StatusCode": "HTTP_301"}}]


def until(holds: Any, what: str) -> None:
    """Wait for it. Raises TimeoutError."""
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.05)
