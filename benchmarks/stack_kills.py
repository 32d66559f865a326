"""A stack that is made, changed, fails to change and is deleted, with the daemon killed (SIGKILL) under each: it ends as
AWS documents, what should answer answers, and nothing is there twice or left.

One stack has a VPC, a load balancer with tasks on Fargate behind it, a function behind an HTTP API, a queue, a bucket and
records. The change replaces five of its resources; the one that fails does so at its end, by a role whose name is taken. Each
kill comes at a random moment of its part of the time that the operation takes without kills. KUNREN_SEED is the chance.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import figures
from benchmarks.instance import Instance
from benchmarks.killing import Problem, down, drawn_seed, kill, until

SPEED = "8"
KILLS, AT_ONCE, MOST_ROUNDS = 20, 3, 6
"""So many kills during operations in all, in rounds of so many for each operation; and when to stop trying."""
WITHIN_S = 90.0
NAME, TAKEN = "killed", "taken"
TEMPLATE = Path(__file__).with_suffix(".yaml")
VERSIONS = {"one": "192.0.2.1", "two": "192.0.2.2", "three": "192.0.2.3"}
TASKS = 2
TRUST = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
Listed = Mapping[str, Counter[str]]
"""Type of CloudFormation → the physical ids that its service has."""

OPERATIONS = {
    "create": ("CREATE_COMPLETE", "one"),
    "update, five replaced": ("UPDATE_COMPLETE", "two"),
    "update that fails": ("UPDATE_ROLLBACK_COMPLETE", "two"),
    "delete": ("DELETE_COMPLETE", ""),
}
"""Operation → how it ends, and the version that answers then."""


def run(quick: bool = False) -> list[str]:
    seed = drawn_seed()
    with Instance("--speed", SPEED) as kunren:
        killed = Killed(kunren, random.Random(seed), 4 if quick else KILLS, 1 if quick else AT_ONCE)
        try:
            killed.rounds()
            down(kunren)
        except Problem as problem:
            return [killed.table(), f"Seed {seed}: **{problem}**"]
    return [
        killed.table(),
        f"Seed {seed}: {killed.during} kills during operations. All ended as documented, answered, and left nothing: "
        f"{figures.verdict(killed.during >= killed.kills)}.",
    ]


class Killed:
    """A Kunren with the stack, and what has been done to it."""

    def __init__(self, kunren: Instance, chance: random.Random, kills: int, at_once: int) -> None:
        self.kunren, self.chance, self.kills, self.at_once = kunren, chance, kills, at_once
        self.during, self.id, self.domain, self.outputs = 0, "", "", dict[str, str]()
        self.took: dict[str, list[float]] = {name: [] for name in OPERATIONS}
        self.states: dict[str, Counter[str]] = {name: Counter() for name in OPERATIONS}

    def table(self) -> str:
        rows = [
            [
                name,
                f"{self.took[name][0]:.1f}" if self.took[name] else "",
                f"{max(self.took[name][1:], default=0):.1f}",
                ", ".join(f"{state} {count}" for state, count in sorted(self.states[name].items())),
            ]
            for name in OPERATIONS
        ]
        return figures.table(["operation", "without kills, s", "longest with kills, s", "killed in"], rows)

    def rounds(self) -> None:
        """The first without kills. Raises Problem."""
        self.kunren.client("iam").create_role(RoleName=TAKEN, AssumeRolePolicyDocument=TRUST)
        before = listed(self.kunren)
        for number in range(MOST_ROUNDS + 1):
            self.domain = f"killed{number}.test"
            for name, (wanted, version) in OPERATIONS.items():
                self._begin(name)
                moments = self._moments(self.took[name][0]) if number else []
                began = time.monotonic()
                used = [moment for moment in moments if self._kill_after(name, moment)]
                until(self._going, WITHIN_S)
                self.took[name].append(time.monotonic() - began)
                if (status := self._status()) != wanted:
                    raise Problem(f"{name} ended as {status}, not {wanted}: {self._events()}")
                try:
                    until(lambda version=version: self._unlike(before, version), WITHIN_S)  # type: ignore[misc]
                except Problem as problem:
                    raise Problem(f"{name}: {problem}") from problem
                print(f"{name}\t{', '.join(f'{each:.1f}' for each in used)}\t{self.took[name][-1]:.1f}", flush=True)
            if self.during >= self.kills:
                return

    # -- the operations ------------------------------------------------------------------------------------------------

    @property
    def _api(self) -> Any:
        return self.kunren.client("cloudformation")

    def _begin(self, name: str) -> None:
        domain = {"ParameterKey": "Domain", "ParameterValue": self.domain}
        given = {"StackName": NAME, "TemplateBody": TEMPLATE.read_text(), "Capabilities": ["CAPABILITY_NAMED_IAM"]}
        if name == "create":
            self.id = self._api.create_stack(**given, Parameters=[domain])["StackId"]
        elif name == "delete":
            self.kunren.client("s3").delete_object(Bucket=self.outputs["Bucket"], Key="kept")
            self._api.delete_stack(StackName=self.id)
        else:
            values = {"Version": "two"} if "fails" not in name else {"Version": "three", "Taken": TAKEN}
            told = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
            self._api.update_stack(**given, Parameters=[domain, *told])

    def _moments(self, length_s: float) -> list[float]:
        """How long after each start its kill comes: one in each part of the operation, as long as it takes without."""
        part = length_s / self.at_once
        moments = [part * (n + self.chance.random()) for n in range(self.at_once)]
        return [after - before for before, after in zip([0.0, *moments], moments, strict=False)]

    def _kill_after(self, name: str, seconds: float) -> bool:
        """Unless the operation has ended."""
        time.sleep(seconds)
        if not (status := self._status()).endswith("_IN_PROGRESS"):
            return False
        kill(self.kunren)
        self.states[name][status] += 1
        self.during += 1
        self.kunren.up()
        return True

    def _status(self) -> str:
        return str(self._api.describe_stacks(StackName=self.id)["Stacks"][0]["StackStatus"])

    def _going(self) -> str:
        status = self._status()
        return f"it is still {status}: {self._events()}" if status.endswith("_IN_PROGRESS") else ""

    def _events(self) -> list[str]:
        shown = self._api.describe_stack_events(StackName=self.id)["StackEvents"][:25]
        return [
            f"{each['LogicalResourceId']} {each['ResourceStatus']} {each.get('ResourceStatusReason', '')}".strip()
            for each in shown
        ]

    # -- what must be there --------------------------------------------------------------------------------------------

    def _unlike(self, before: Listed, version: str) -> str:
        """What is not as it should be: resources first, then what clients of the world hear."""
        resources = self._resources(before, version)
        return resources or self._traffic(version)

    def _resources(self, before: Listed, version: str) -> str:
        stack = self._api.describe_stack_resources(StackName=self.id)["StackResources"] if version else []
        stated: dict[str, Counter[str]] = {type: Counter() for type in LISTS}
        for each in stack:
            if each["ResourceType"] in stated:
                queue = each["ResourceType"] == "AWS::SQS::Queue"  # its address has another host on each endpoint
                id = each["PhysicalResourceId"]
                stated[each["ResourceType"]][id.rpartition("/")[2] if queue else id] += 1
        stated["AWS::ECS::Task"] = Counter({"task": TASKS if version else 0})
        stated["target"] = Counter({"healthy": TASKS if version else 0})
        now = listed(self.kunren)
        for type, wanted in stated.items():
            if (found := now[type] - before[type]) != +wanted or before[type] - now[type]:
                return f"of {type} there are {dict(found)}, not {dict(wanted)}"
        links = now["interface"] - before["interface"]
        wanted_links = 2 + TASKS if version else 0
        return "" if links.total() == wanted_links else f"there are {links.total()} interfaces, not {wanted_links}"

    def _traffic(self, version: str) -> str:
        """What answers, and what must not."""
        if version:
            stack = self._api.describe_stacks(StackName=self.id)["Stacks"][0]
            self.outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
            self.kunren.client("s3").put_object(Bucket=self.outputs["Bucket"], Key="kept", Body=b"")
        asked = {
            f"http://{self.outputs['Name']}/": version,
            **({f"http://www.{self.domain}/": version} if version else {}),
            **{f"{self.outputs['Api']}/{each}": each * (each == version) for each in VERSIONS},
        }
        for url, wanted in asked.items():
            if (heard := self._said("curl", "-s", "-f", "-m", "5", url)) != wanted:
                return f"{url} answers {heard!r}, not {wanted!r}"
        for each, address in VERSIONS.items():  # of the zone's own server: resolvers know for long what there was not
            wanted = address if each == version else ""
            if (heard := self._said("dig", "+short", f"@{self.outputs['Server']}", f"{each}.{self.domain}")) != wanted:
                return f"the name of {each} is {heard!r}, not {wanted!r}"
        return ""

    def _said(self, *command: str) -> str:
        done = subprocess.run([*self.kunren.in_place(), *command], capture_output=True, text=True, check=False)
        return done.stdout.strip()


# -- what services have ------------------------------------------------------------------------------------------------


def listed(kunren: Instance) -> dict[str, Counter[str]]:
    """As the services tell it themselves: nothing is asked of CloudFormation."""
    found = {type: Counter(ids(kunren.client)) for type, ids in LISTS.items()}
    ecs = kunren.client("ecs")
    tasks = [
        each for cluster in ecs.list_clusters()["clusterArns"] for each in ecs.list_tasks(cluster=cluster)["taskArns"]
    ]
    found["AWS::ECS::Task"] = Counter({"task": len(tasks)})
    elb = kunren.client("elbv2")
    found["target"] = Counter(
        target["TargetHealth"]["State"]
        for group in LISTS["AWS::ElasticLoadBalancingV2::TargetGroup"](kunren.client)
        for target in elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    )
    shown = kunren.client("ec2").describe_network_interfaces()["NetworkInterfaces"]
    found["interface"] = Counter(each["NetworkInterfaceId"] for each in shown)
    return found


Client = Callable[[str], Any]


def _of(service: str, operation: str, member: str, id: str = "") -> Callable[[Client], list[str]]:
    """What an operation lists, by the member that is the physical id."""

    def ids(client: Client) -> list[str]:
        shown = getattr(client(service), operation)().get(member, [])
        return [each[id] if id else each for each in shown]

    return ids


def _groups(client: Client) -> list[str]:
    """Without those that VPCs make."""
    shown = client("ec2").describe_security_groups()["SecurityGroups"]
    return [each["GroupId"] for each in shown if each["GroupName"] != "default"]


def _route_tables(client: Client) -> list[str]:
    shown = client("ec2").describe_route_tables()["RouteTables"]
    return [each["RouteTableId"] for each in shown if not any(one["Main"] for one in each["Associations"])]


def _listeners(client: Client) -> list[str]:
    elb = client("elbv2")
    return [
        each["ListenerArn"]
        for balancer in elb.describe_load_balancers()["LoadBalancers"]
        for each in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    ]


def _services(client: Client) -> list[str]:
    ecs = client("ecs")
    return [
        each for one in ecs.list_clusters()["clusterArns"] for each in ecs.list_services(cluster=one)["serviceArns"]
    ]


def _in_apis(operation: str, id: str) -> Callable[[Client], list[str]]:
    def ids(client: Client) -> list[str]:
        http = client("apigatewayv2")
        apis = [each["ApiId"] for each in http.get_apis()["Items"]]
        return [each[id] for api in apis for each in getattr(http, operation)(ApiId=api)["Items"]]

    return ids


def _zones(client: Client) -> list[str]:
    return [each["Id"].rpartition("/")[2] for each in client("route53").list_hosted_zones()["HostedZones"]]


def _records(client: Client) -> list[str]:
    route53 = client("route53")
    return [
        each["Name"].rstrip(".")
        for zone in _zones(client)
        for each in route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        if each["Type"] not in ("NS", "SOA")
    ]


LISTS: Mapping[str, Callable[[Client], list[str]]] = {
    "AWS::EC2::VPC": _of("ec2", "describe_vpcs", "Vpcs", "VpcId"),
    "AWS::EC2::Subnet": _of("ec2", "describe_subnets", "Subnets", "SubnetId"),
    "AWS::EC2::InternetGateway": _of("ec2", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    "AWS::EC2::SecurityGroup": _groups,
    "AWS::EC2::RouteTable": _route_tables,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _of(
        "elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerArn"
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": _of(
        "elbv2", "describe_target_groups", "TargetGroups", "TargetGroupArn"
    ),
    "AWS::ElasticLoadBalancingV2::Listener": _listeners,
    "AWS::ECS::Cluster": lambda client: [
        each.rpartition("/")[2] for each in client("ecs").list_clusters()["clusterArns"]
    ],
    "AWS::ECS::Service": _services,
    "AWS::ECS::TaskDefinition": _of("ecs", "list_task_definitions", "taskDefinitionArns"),
    "AWS::IAM::Role": _of("iam", "list_roles", "Roles", "RoleName"),
    "AWS::Lambda::Function": _of("lambda", "list_functions", "Functions", "FunctionName"),
    "AWS::ApiGatewayV2::Api": _of("apigatewayv2", "get_apis", "Items", "ApiId"),
    "AWS::ApiGatewayV2::Integration": _in_apis("get_integrations", "IntegrationId"),
    "AWS::ApiGatewayV2::Route": _in_apis("get_routes", "RouteId"),
    "AWS::ApiGatewayV2::Stage": _in_apis("get_stages", "StageName"),
    "AWS::SQS::Queue": lambda client: [
        each.rpartition("/")[2] for each in client("sqs").list_queues().get("QueueUrls", [])
    ],
    "AWS::S3::Bucket": _of("s3", "list_buckets", "Buckets", "Name"),
    "AWS::Route53::HostedZone": _zones,
    "AWS::Route53::RecordSet": _records,
}
