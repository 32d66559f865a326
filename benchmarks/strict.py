"""What strict mode costs: calls per second of a Kunren with it and of one without, one after the other in short rounds.

16 connections. The requests are signed once, as AWS lets a signature be used again for a quarter of an hour; the caller
is an IAM user with one policy, once without conditions and once with (then each call is judged anew).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlencode

import boto3
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks import wrk
from benchmarks.figures import median, spread, table, verdict
from benchmarks.instance import Instance

CONNECTIONS = 16
TARGET = 0.8
"""Strict mode is to keep at least that part of the rate of requests for objects."""
BUCKET = "bench-strict"
_PLAIN = {"Effect": "Allow", "Action": ["ec2:*", "route53:Get*", "s3:GetObject", "s3:PutObject"], "Resource": "*"}
_ASKING = {**_PLAIN, "Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "127.0.0.0/8"]}}}
POLICIES = {"no conditions": _PLAIN, "a condition": _ASKING}
Make = Callable[["Server", str], wrk.Request]


class Server:
    """One of the two: users by their policies, something to ask for, and the loads that were measured."""

    def __init__(self, kunren: Instance) -> None:
        self.port = kunren.port
        lines = kunren.cli("env").splitlines()
        root = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        self._root = (root["AWS_ACCESS_KEY_ID"], root["AWS_SECRET_ACCESS_KEY"])
        self.keys = {name: self._user(f"user-{place}", one) for place, (name, one) in enumerate(POLICIES.items())}
        ec2, s3, route53 = (self._client(each) for each in ("ec2", "s3", "route53"))
        self.group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
        self.zone = route53.create_hosted_zone(Name="bench.test", CallerReference="1")["HostedZone"]["Id"][12:]
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="key", Body=b"x" * 1024)
        self.loads: dict[tuple[str, str], list[float]] = {}

    def _client(self, service: str) -> boto3.client:
        url = f"http://127.0.0.1:{self.port}"
        return boto3.client(service, "us-east-1", endpoint_url=url, aws_access_key_id=self._root[0],
                            aws_secret_access_key=self._root[1])  # fmt: skip

    def _user(self, name: str, statement: object) -> Credentials:
        iam = self._client("iam")
        iam.create_user(UserName=name)
        document = json.dumps({"Version": "2012-10-17", "Statement": statement})
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return Credentials(made["AccessKeyId"], made["SecretAccessKey"])

    def signed(self, policy: str, service: str, method: str, path: str, body: str = "") -> wrk.Request:
        url = f"http://127.0.0.1:{self.port}{path}"
        request = AWSRequest(method, url, {"Host": f"127.0.0.1:{self.port}"}, body)
        if body and service != "s3":
            request.headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
        (S3SigV4Auth if service == "s3" else SigV4Auth)(self.keys[policy], service, "us-east-1").add_auth(request)
        return wrk.Request(url, method, {str(name): str(value) for name, value in request.headers.items()}, body)


def _groups(server: Server, policy: str) -> wrk.Request:
    body = urlencode({"Action": "DescribeSecurityGroups", "GroupId.1": server.group, "Version": "2016-11-15"})
    return server.signed(policy, "ec2", "POST", "/", body)


OPERATIONS: dict[str, Make] = {
    "ec2 DescribeSecurityGroups": _groups,
    "route53 GetHostedZone": lambda server, policy: server.signed(
        policy, "route53", "GET", f"/2013-04-01/hostedzone/{server.zone}"
    ),
    "s3 GetObject, 1 KB": lambda server, policy: server.signed(policy, "s3", "GET", f"/{BUCKET}/key"),
    "s3 PutObject, 1 KB": lambda server, policy: server.signed(policy, "s3", "PUT", f"/{BUCKET}/put", "x" * 1024),
}


def run(quick: bool) -> Iterator[str]:
    rounds, seconds = (1, 1) if quick else (5, 2)
    with ExitStack() as stack:
        without, strict = (Server(stack.enter_context(Instance(*options))) for options in ((), ("--strict",)))
        for _ in range(rounds):
            for policy in POLICIES:
                for operation, make in OPERATIONS.items():
                    for server in (without, strict):
                        load = wrk.run(make(server, policy), connections=CONNECTIONS, seconds=seconds)
                        server.loads.setdefault((operation, policy), []).append(load.per_second)
    rows, parts = [], []
    for key in without.loads:
        part = median([mine / theirs for mine, theirs in zip(strict.loads[key], without.loads[key], strict=True)])
        parts.append(part)
        rows.append([f"{key[0]}, {key[1]}", spread(without.loads[key]), spread(strict.loads[key]), f"{part:.2f}"])
    yield table(["", "without, calls/s", "strict, calls/s", "part of it"], rows)
    objects = min(part for part, row in zip(parts, rows, strict=True) if row[0].startswith("s3"))
    yield (
        f"Target for objects: {TARGET:g}; the least is {objects:.2f} ({verdict(objects >= TARGET)}). Calls that cost next "
        f"to nothing feel a signature more: the least of all is {min(parts):.2f}."
    )
