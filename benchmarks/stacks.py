"""A stack of 100 queues, 50 functions and a VPC with a load balancer, from the call to CREATE_COMPLETE and to
DELETE_COMPLETE, beside moto_server and ministack, in rounds that alternate. Theirs carries no traffic; ours answers
a request before its time is taken, from a client that waits in its place for the name to ask.
"""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from benchmarks.figures import median, table, verdict
from benchmarks.instance import Instance, client
from benchmarks.peers import NAMES, running

ASK_EVERY_S = 0.02
ENDS_WITHIN_S = 300.0
OURS = "Kunren"


def template(queues: int, functions: int) -> str:
    assume = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    code = {"ZipFile": "def handler(event, context):\n    return 1\n"}
    made: dict[str, Any] = {
        "Vpc": _of("EC2::VPC", CidrBlock="10.50.0.0/16"),
        "Gateway": _of("EC2::InternetGateway"),
        "Attached": _of("EC2::VPCGatewayAttachment", VpcId={"Ref": "Vpc"}, InternetGatewayId={"Ref": "Gateway"}),
        "Routes": _of("EC2::RouteTable", VpcId={"Ref": "Vpc"}),
        "Out": {
            **_of("EC2::Route", RouteTableId={"Ref": "Routes"}, DestinationCidrBlock="0.0.0.0/0", GatewayId={"Ref": "Gateway"}),
            "DependsOn": "Attached",
        },
        "Group": _of(
            "EC2::SecurityGroup", GroupDescription="front", VpcId={"Ref": "Vpc"},
            SecurityGroupIngress=[{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "0.0.0.0/0"}],
        ),
        "Balancer": {
            **_of(
                "ElasticLoadBalancingV2::LoadBalancer", Subnets=[{"Ref": "Subnet0"}, {"Ref": "Subnet1"}],
                SecurityGroups=[{"Ref": "Group"}],
            ),
            "DependsOn": ["Out", "In0", "In1"],
        },
        "Listener": _of(
            "ElasticLoadBalancingV2::Listener", LoadBalancerArn={"Ref": "Balancer"}, Port=80, Protocol="HTTP",
            DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "204"}}],
        ),
        "Role": _of("IAM::Role", AssumeRolePolicyDocument={"Version": "2012-10-17", "Statement": [assume]}),
    }  # fmt: skip
    for n in range(2):
        zone = {"Fn::Select": [n, {"Fn::GetAZs": ""}]}
        made[f"Subnet{n}"] = _of(
            "EC2::Subnet", VpcId={"Ref": "Vpc"}, CidrBlock=f"10.50.{n}.0/24", AvailabilityZone=zone
        )
        made[f"In{n}"] = _of(
            "EC2::SubnetRouteTableAssociation", RouteTableId={"Ref": "Routes"}, SubnetId={"Ref": f"Subnet{n}"}
        )
    for n in range(queues):
        made[f"Queue{n}"] = _of("SQS::Queue")
    for n in range(functions):
        role = {"Fn::GetAtt": ["Role", "Arn"]}
        made[f"Function{n}"] = _of(
            "Lambda::Function", Handler="index.handler", Runtime="python3.12", Role=role, Code=code
        )
    outputs = {"Name": {"Value": {"Fn::GetAtt": ["Balancer", "DNSName"]}}}
    return json.dumps({"Resources": made, "Outputs": outputs}, separators=(",", ":"))


def _of(type: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{type}", **({"Properties": properties} if properties else {})}


def run(quick: bool) -> Iterator[str]:
    rounds, text = (1, template(10, 5)) if quick else (3, template(100, 50))
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in (OURS, *NAMES)}
    why: dict[str, str] = {}
    with ExitStack() as stack:
        kunren = stack.enter_context(Instance())
        ports = {OURS: kunren.port, **{name: stack.enter_context(running(name)).port for name in NAMES}}
        for number in range(-1, rounds):  # the first one warms up
            for name, port in ports.items():
                if name in why:
                    continue
                try:
                    with _asking(kunren) if name == OURS else nullcontext(lambda shown: True) as answers:
                        took = _once(client("cloudformation", port), f"round{number + 1}", text, answers)
                except (Failed, BotoCoreError, ClientError) as error:
                    why[name] = str(error)[:200]
                    continue
                if number >= 0:
                    seconds[name].append(took)
    rows = [
        [name, *_figures(found)] if name not in why else [f"{name}: {why[name]}", "-", "-"]
        for name, found in seconds.items()
    ]
    yield table(["stack of 100 queues, 50 functions, one VPC with an ALB", "created, s", "deleted, s"], rows)
    created = {name: median([each[0] for each in found]) for name, found in seconds.items() if name not in why}
    first = min(created, key=lambda name: created[name])
    yield f"Target: created first ({verdict(first == OURS)})."


def _figures(found: list[tuple[float, float]]) -> list[str]:
    medians = [median(list(each)) for each in zip(*found, strict=True)]
    return ["it could not" if math.isnan(each) else f"{each:,.2f}" for each in medians]


class Failed(Exception):
    """A stack that did not come to be."""


def _once(api: Any, name: str, text: str, answers: Callable[[dict[str, Any]], bool]) -> tuple[float, float]:
    began = time.monotonic()
    id = api.create_stack(StackName=name, TemplateBody=text, Capabilities=["CAPABILITY_IAM"])["StackId"]
    shown = _settled(api, id, "CREATE_COMPLETE")
    if not answers(shown):
        raise Failed("the load balancer does not answer")
    created = time.monotonic()
    try:
        api.delete_stack(StackName=id)
        _settled(api, id, "DELETE_COMPLETE")
    except (ClientError, Failed):
        return created - began, math.nan
    return created - began, time.monotonic() - created


def _settled(api: Any, id: str, wanted: str) -> dict[str, Any]:
    deadline = time.monotonic() + ENDS_WITHIN_S
    while time.monotonic() < deadline:
        shown: dict[str, Any] = api.describe_stacks(StackName=id)["Stacks"][0]
        if shown["StackStatus"] == wanted:
            return shown
        if not shown["StackStatus"].endswith("IN_PROGRESS"):
            raise Failed(f"{shown['StackStatus']} {shown.get('StackStatusReason', '')}")
        time.sleep(ASK_EVERY_S)
    raise Failed(f"not {wanted} within {ENDS_WITHIN_S:g} s")


@contextmanager
def _asking(kunren: Instance) -> Iterator[Callable[[dict[str, Any]], bool]]:
    """Whether the load balancer answers whoever asks it now: a client that has started already, and needs its name."""
    ask = 'read url; exec curl -s -o /dev/null -w "%{http_code}" "$url"'
    waiting = subprocess.Popen(
        [*kunren.in_place(), "sh", "-c", f"echo; {ask}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert waiting.stdout is not None
    waiting.stdout.readline()

    def asked(stack: dict[str, Any]) -> bool:
        told, _ = waiting.communicate(f"http://{stack['Outputs'][0]['OutputValue']}/\n")
        return told.strip() == "204"

    try:
        yield asked
    finally:
        waiting.kill()
        waiting.communicate()
