"""What the end-to-end tests share: targets and clients that run in the world, and a load balancer between them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "terraform"))
sys.path.append(str(Path(__file__).parent / "programs"))

from conversing import Client, FlowClient, Program, Running, Target
from ordinary import users_kunren  # noqa: F401 — a fixture
from terraforming import Case, CaseFunction, at_once, missing, provider_mirror


class Site:
    """One account with an internet-facing load balancer in two zones of its default VPC."""

    def __init__(
        self, kunren: Any, account: str, running: Running, until: Callable[..., Any], region: str = "us-east-1"
    ) -> None:
        self.kunren, self.account, self._running, self._until = kunren, account, running, until
        self.elb, self.ec2 = kunren.client("elbv2", account, region), kunren.client("ec2", account, region)
        self.vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = self.ec2.describe_subnets()["Subnets"]
        self.subnets = [each["SubnetId"] for each in sorted(subnets, key=lambda each: each["AvailabilityZone"])[:2]]
        self.front = self.security_group("front", (80, "0.0.0.0/0"), (443, "0.0.0.0/0"))
        self.back = self.security_group("back", ((1, 65535), self.front))
        made = self.elb.create_load_balancer(Name="web", Subnets=self.subnets, SecurityGroups=[self.front])
        self.balancer = made["LoadBalancers"][0]
        self.arn, self.name = self.balancer["LoadBalancerArn"], self.balancer["DNSName"]
        self.url = f"http://{self.name}"
        self._groups = 0

    def security_group(self, name: str, *rules: tuple[Any, str]) -> str:
        """A group that lets in (port or (from, to), a CIDR or a group's id)."""
        made = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)["GroupId"]
        if rules:
            self.ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[permission(*rule) for rule in rules])
        return made

    def target(self, name: str, *ports: int, group: str | None = None, zone: int = 0) -> Target:
        return self._running.target(self.kunren, name, ports or (80,), self.subnets[zone], group or self.back)

    def client(self, place: str = "virginia") -> Client:
        return self._running.client(self.kunren, place)

    def group(self, *targets: tuple[Target, int], delay: int | None = None, **given: Any) -> str:
        """A target group of these targets at these ports, probed every five (AWS) seconds; its ARN."""
        self._groups += 1
        defaults = {
            "Name": f"group-{self._groups}", "Protocol": "HTTP", "Port": 80, "VpcId": self.vpc, "TargetType": "ip",
            "HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2, "HealthyThresholdCount": 2,
            "UnhealthyThresholdCount": 2,
        }  # fmt: skip
        arn = self.elb.create_target_group(**{**defaults, **given})["TargetGroups"][0]["TargetGroupArn"]
        if delay is not None:
            attribute = {"Key": "deregistration_delay.timeout_seconds", "Value": str(delay)}
            self.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[attribute])
        if targets:
            self.register(arn, *targets)
        return arn

    def register(self, group: str, *targets: tuple[Target, int]) -> None:
        self.elb.register_targets(TargetGroupArn=group, Targets=described(targets))

    def deregister(self, group: str, *targets: tuple[Target, int]) -> None:
        self.elb.deregister_targets(TargetGroupArn=group, Targets=described(targets))

    def health(self, group: str) -> dict[tuple[str, int], dict[str, Any]]:
        """(address, port) → TargetHealth."""
        shown = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return {(each["Target"]["Id"], each["Target"]["Port"]): each["TargetHealth"] for each in shown}

    def states(self, group: str) -> dict[tuple[str, int], str]:
        return {key: each["State"] for key, each in self.health(group).items()}

    def wait_healthy(self, *groups: str) -> None:
        for group in groups:
            self._until(lambda group=group: set(self.states(group).values()) == {"healthy"}, "healthy targets")

    def listen(self, *actions: dict[str, Any], port: int = 80, **given: Any) -> str:
        made = self.elb.create_listener(
            **{"LoadBalancerArn": self.arn, "Port": port, "Protocol": "HTTP", "DefaultActions": list(actions), **given}
        )
        return made["Listeners"][0]["ListenerArn"]

    def rule(self, listener: str, priority: int, conditions: list[dict[str, Any]], action: dict[str, Any]) -> str:
        made = self.elb.create_rule(
            ListenerArn=listener, Priority=priority, Conditions=conditions, Actions=[action]
        )  # fmt: skip
        return made["Rules"][0]["RuleArn"]

    def remove(self) -> None:
        """Take away what keeps working: the load balancer, and so its nodes and probes."""
        self.elb.delete_load_balancer(LoadBalancerArn=self.arn)

    @staticmethod
    def forward(*weighted: str | tuple[str, int]) -> dict[str, Any]:
        """A forward action to target groups, each an ARN or (ARN, weight)."""
        groups = [each if isinstance(each, tuple) else (each, 1) for each in weighted]
        return {
            "Type": "forward",
            "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in groups]},
        }

    @staticmethod
    def fixed(body: str, status: int = 200) -> dict[str, Any]:
        """A fixed response in plain text."""
        response = {"StatusCode": str(status), "ContentType": "text/plain", "MessageBody": body}
        return {"Type": "fixed-response", "FixedResponseConfig": response}

    def wait_active(self) -> None:
        def active() -> bool:
            balancer = self.elb.describe_load_balancers(LoadBalancerArns=[self.arn])["LoadBalancers"][0]
            return balancer["State"]["Code"] == "active"

        self._until(active, "the load balancer active")


class Front:
    """One account with a Network Load Balancer, and what runs around it."""

    def __init__(self, kunren: Any, account: str, until: Any, programs: Any, region: str = "us-east-1") -> None:
        self.kunren, self.until, self.programs = kunren, until, programs
        self.elb, self.ec2 = kunren.client("elbv2", account, region), kunren.client("ec2", account, region)
        self.acm, self.route53 = kunren.client("acm", account), kunren.client("route53", account)
        self.vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = sorted(self.ec2.describe_subnets()["Subnets"], key=lambda each: each["AvailabilityZone"])
        self.subnets = [each["SubnetId"] for each in subnets[:2]]
        self.zones = [each["AvailabilityZone"] for each in subnets[:2]]
        self.open = self.security_group("open", "0.0.0.0/0")
        self.balancers: list[str] = []
        self._groups = 0

    def security_group(self, name: str, cidr: str) -> str:
        made = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)["GroupId"]
        allowed = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": cidr}]}
        self.ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[allowed])
        return made

    def balancer(self, name: str = "flows", **given: Any) -> dict[str, Any]:
        given.setdefault("Subnets", self.subnets)
        made = self.elb.create_load_balancer(Name=name, Type="network", **given)["LoadBalancers"][0]
        self.balancers.append(made["LoadBalancerArn"])
        return made

    def group(self, *targets: Any, attributes: dict[str, str] | None = None, **given: Any) -> str:
        self._groups += 1
        settings = {
            "Name": f"flow-group-{self._groups}", "Protocol": "TCP", "Port": 80, "VpcId": self.vpc, "TargetType": "ip",
            "HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2, "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 2, **given,
        }  # fmt: skip
        arn = self.elb.create_target_group(**settings)["TargetGroups"][0]["TargetGroupArn"]
        if attributes:
            self.tune(arn, **attributes)
        if targets:
            self.elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": each.address} for each in targets])
        return arn

    def tune(self, group: str, **attributes: str) -> None:
        listed = [{"Key": key.replace("__", "."), "Value": value} for key, value in attributes.items()]
        self.elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=listed)

    def listen(self, balancer: dict[str, Any], group: str, port: int = 80, **given: Any) -> str:
        settings = {"Protocol": "TCP", "DefaultActions": [{"Type": "forward", "TargetGroupArn": group}], **given}
        made = self.elb.create_listener(LoadBalancerArn=balancer["LoadBalancerArn"], Port=port, **settings)
        return made["Listeners"][0]["ListenerArn"]

    def states(self, group: str) -> dict[str, str]:
        shown = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return {each["Target"]["Id"]: each["TargetHealth"]["State"] for each in shown}

    def wait_for(self, group: str, *states: str) -> None:
        self.until(lambda: sorted(self.states(group).values()) == sorted(states), f"targets that are {states}")

    def wait_active(self, balancer: dict[str, Any]) -> None:
        arns = [balancer["LoadBalancerArn"]]
        self.until(
            lambda: (
                self.elb.describe_load_balancers(LoadBalancerArns=arns)["LoadBalancers"][0]["State"]["Code"] == "active"
            ),
            "the load balancer active",
        )

    def target(
        self, name: str, zone: int = 0, *ports: int, secure: tuple[int, Path] | None = None, address: str = "",
        group: str = "",
    ) -> Any:  # fmt: skip
        """`secure` is a port with TLS, and the file of its certificate and key; `group` its security group."""
        where = ("--subnet", self.subnets[zone], "--security-group", group or self.open)
        where += ("--address", address) if address else ()
        given = [*map(str, ports or (() if secure else (80,))), *([f"{secure[0]}={secure[1]}"] if secure else [])]
        made = self.programs(self.kunren, "flow_target.py", name, *given, where=where)
        words = made.process.stderr.readline().split()
        made.address = words[1].rstrip(",")
        made.hear_until("ready")
        return made

    def client(self, *where: str) -> FlowClient:
        return FlowClient(self.programs(self.kunren, "flow_client.py", where=where or ("--from", "tokyo")))

    def addresses(self, name: str) -> list[str]:
        return sorted(self.kunren.exec("dig", "+short", name).stdout.split())


class Accelerated:
    """An accelerator, and how a test changes it."""

    def __init__(self, kunren: Any, account: str, until: Any) -> None:
        self.api, self.until = kunren.client("globalaccelerator", account, "us-west-2"), until
        made = self.api.create_accelerator(Name="front", IdempotencyToken="one")["Accelerator"]
        self.arn, self.name, self.addresses = made["AcceleratorArn"], made["DnsName"], made["IpSets"][0]["IpAddresses"]

    def listen(self, *ranges: tuple[int, int], protocol: str = "TCP", **given: Any) -> str:
        listed = [{"FromPort": first, "ToPort": last} for first, last in ranges]
        made = self.api.create_listener(
            AcceleratorArn=self.arn,
            PortRanges=listed,
            Protocol=protocol,
            IdempotencyToken=f"{protocol}{ranges}",
            **given,
        )
        return made["Listener"]["ListenerArn"]

    def group(self, listener: str, region: str, *endpoints: Any, **given: Any) -> str:
        listed = [each if isinstance(each, dict) else {"EndpointId": each} for each in endpoints]
        made = self.api.create_endpoint_group(
            ListenerArn=listener, EndpointGroupRegion=region, EndpointConfigurations=listed,
            IdempotencyToken=region, **given,
        )  # fmt: skip
        return made["EndpointGroup"]["EndpointGroupArn"]

    def health(self, group: str) -> list[str]:
        shown = self.api.describe_endpoint_group(EndpointGroupArn=group)["EndpointGroup"]["EndpointDescriptions"]
        return [each["HealthState"] for each in shown]

    def deployed(self) -> None:
        def status() -> str:
            return self.api.describe_accelerator(AcceleratorArn=self.arn)["Accelerator"]["Status"]

        self.until(lambda: status() == "DEPLOYED", "the accelerator deployed")


def described(targets: tuple[tuple[Target, int], ...]) -> list[dict[str, Any]]:
    return [{"Id": target.address, "Port": port} for target, port in targets]


def permission(ports: Any, peer: str) -> dict[str, Any]:
    """An IpPermission: TCP, a port or (from, to), a CIDR or the id of a security group."""
    low, high = ports if isinstance(ports, tuple) else (ports, ports)
    allowed = {"UserIdGroupPairs": [{"GroupId": peer}]} if peer.startswith("sg-") else {"IpRanges": [{"CidrIp": peer}]}
    return {"IpProtocol": "tcp", "FromPort": low, "ToPort": high, **allowed}


@pytest.fixture
def running() -> Iterator[Running]:
    """To be named after the daemon in a test's arguments, so that the programs end before it."""
    with ExitStack() as stack:
        yield Running(stack)


@pytest.fixture
def programs() -> Iterator[Callable[..., Program]]:
    """`programs(kunren, script, *arguments, where=…)` starts a program; all end with the test."""
    with ExitStack() as stack:

        def start(*given: Any, **more: Any) -> Program:
            made = Program(*given, **more)
            stack.callback(made.end)
            return made

        yield start


@pytest.fixture
def site(kunren: Any, account: str, running: Running, until: Any) -> Iterator[Site]:
    """A load balancer, and all that runs around it, ended afterwards."""
    made = Site(kunren, account, running, until)
    yield made
    made.remove()


@pytest.fixture
def site_in(kunren: Any, account: str, running: Running, until: Any) -> Iterator[Callable[[str], Site]]:
    """`site_in(region)`: such a load balancer in any region."""
    with ExitStack() as made:

        def make(region: str) -> Site:
            site = Site(kunren, account, running, until, region)
            made.callback(site.remove)
            return site

        yield make


@pytest.fixture
def front(kunren: Any, account: str, until: Any, programs: Any) -> Iterator[Front]:
    made = Front(kunren, account, until, programs)
    yield made
    for arn in made.balancers:
        made.elb.delete_load_balancer(LoadBalancerArn=arn)


@pytest.fixture
def front_of(until: Any, programs: Any) -> Callable[..., Front]:
    """`front_of(daemon, account, region)`: not tidied up."""
    return lambda daemon, account, region="us-east-1": Front(daemon, account, until, programs, region)


@pytest.fixture
def terraform_cases(kunren: Any, until: Any, tmp_path: Path) -> Callable[[Iterable[CaseFunction]], None]:
    """`terraform_cases(cases)` runs them, all at once; skips where there is no Terraform."""
    here = (os.environ, Path.home(), Path.cwd())
    if why := missing(*here):
        pytest.skip(why)
    mirror = provider_mirror(*here)
    assert mirror is not None

    def run(case: CaseFunction) -> None:
        with ExitStack() as stack:
            case(Case(kunren, Running(stack), until, tmp_path / case.__name__, mirror.resolve()))

    return lambda cases: at_once(cases, run)


@pytest.fixture
def accelerator(until: Any) -> Callable[[Any, str], Accelerated]:
    """Makes an accelerator in a Kunren and an account."""
    return lambda kunren, account: Accelerated(kunren, account, until)


@pytest.fixture
def accelerated(kunren: Any, account: str, accelerator: Any) -> Accelerated:
    return accelerator(kunren, account)


@pytest.fixture
def site_of(running: Any, until: Any) -> Callable[[Any], Site]:
    """Makes a site in another Kunren than the shared one."""
    return lambda kunren: Site(kunren, "000000000000", running, until)
