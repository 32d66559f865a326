"""Calls per second of the API: a small read and a small write, 16 connections, beside moto_server and ministack.

Each server is started empty, given so many security groups, and asked by wrk in short rounds, one server after the
other. Operations: DescribeSecurityGroups of one group and GetHostedZone (reads), CreateTags with another value each
time and ChangeTagsForResource (writes). Kunren's writes are on disk before they are answered; the peers' are in memory.
The Authorization header is written once: none of the three is asked to check a signature.
"""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlencode

from benchmarks import peers, processes, wrk
from benchmarks.figures import median, ratios, spread, table, verdict
from benchmarks.instance import Instance, client

CONNECTIONS = 16
FEW, MANY = 10, 2400
"""AWS lets an account have 2,500 security groups in a region, and so does Kunren."""
SEED_AT_MOST_S = 120.0
TARGET = 3.0
FLAT = 0.8
"""With MANY resources, a rate of at least that part of the one with FEW counts as flat."""


@dataclass(slots=True)
class Server:
    """One of the three: where it listens, which processes it is, and the loads measured by operation."""

    name: str
    port: int
    processes: Callable[[], list[int]]
    groups: int = 0
    group: str = ""
    zone: str = ""
    vpc: str = ""
    loads: dict[tuple[str, int], list[wrk.Load]] = field(default_factory=dict)
    micros: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    sent: int = 0


def run(quick: bool) -> Iterator[str]:
    rounds, seconds, many = (1, 1, 200) if quick else (5, 2, MANY)
    with ExitStack() as stack:
        servers = _start(stack)
        for count in (FEW, many):
            for server in servers:
                _fill(server, count)
            for _ in range(rounds):
                for operation in OPERATIONS:
                    for server in servers:
                        _measure(server, operation, count, seconds)
        yield "Security groups: " + ", ".join(f"{each.name} {each.groups:,}" for each in servers) + "."
    for count in (FEW, many):
        yield from _compared(servers, count)
    yield _growth(servers[0], many)


def _start(stack: ExitStack) -> list[Server]:
    kunren = stack.enter_context(Instance())
    servers = [Server("kunren", kunren.port, partial(processes.tree, kunren.pid))]
    for name in peers.NAMES:
        peer = stack.enter_context(peers.running(name))
        servers.append(Server(name, peer.port, partial(processes.tree, peer.pid)))
    for server in servers:
        ec2, route53 = client("ec2", server.port), client("route53", server.port)
        server.vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        zone = route53.create_hosted_zone(Name="example-one.test", CallerReference="1")["HostedZone"]["Id"]
        server.zone = zone.rpartition("/")[2]
    return servers


def _fill(server: Server, count: int) -> None:
    """Create security groups until there are so many, or it took too long."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    deadline = time.monotonic() + SEED_AT_MOST_S
    while server.groups < count and time.monotonic() < deadline:
        server.groups += 1
        request = _query(
            server, Action="CreateSecurityGroup", GroupName=f"g{server.groups}", GroupDescription="g", VpcId=server.vpc
        )
        connection.request(request.method, "/", request.body, dict(request.headers or {}))
        response = connection.getresponse()
        body = response.read().decode()
        if response.status != 200:
            raise RuntimeError(f"{server.name}: {response.status} {body}")
        found = re.search(r"sg-\w+", body)
        assert found is not None
        server.group = found[0]
    connection.close()


def _measure(server: Server, operation: str, count: int, seconds: int) -> None:
    request = OPERATIONS[operation](server)
    pids = server.processes()
    before = processes.processor_s(pids)
    load = wrk.run(request, connections=CONNECTIONS, seconds=seconds, start=server.sent)
    used = processes.processor_s(pids) - before
    server.sent += load.requests + CONNECTIONS
    server.loads.setdefault((operation, count), []).append(load)
    server.micros.setdefault((operation, count), []).append(used / load.requests * 1e6)


def _query(server: Server, **parameters: str) -> wrk.Request:
    """An EC2 call in the query protocol."""
    body = urlencode({**parameters, "Version": "2016-11-15"}, safe="{}")
    headers = _headers("ec2", server) | {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    return wrk.Request(f"http://127.0.0.1:{server.port}/", "POST", headers, body)


def _route53(server: Server, method: str, path: str, body: str = "") -> wrk.Request:
    url = f"http://127.0.0.1:{server.port}/2013-04-01/{path}"
    return wrk.Request(url, method, _headers("route53", server), body)


def _headers(service: str, server: Server) -> dict[str, str]:
    credential = f"test/20260101/us-east-1/{service}/aws4_request"
    return {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
        "Host": f"127.0.0.1:{server.port}",
        "X-Amz-Date": "20260101T000000Z",
    }


def _describe(server: Server) -> wrk.Request:
    return _query(server, **{"Action": "DescribeSecurityGroups", "GroupId.1": server.group})


def _tag(server: Server) -> wrk.Request:
    parameters = {"ResourceId.1": server.group, "Tag.1.Key": "version", "Tag.1.Value": wrk.COUNTER}
    return _query(server, Action="CreateTags", **parameters)


def _zone(server: Server) -> wrk.Request:
    return _route53(server, "GET", f"hostedzone/{server.zone}")


def _zone_tag(server: Server) -> wrk.Request:
    tag = f"<Tag><Key>version</Key><Value>{wrk.COUNTER}</Value></Tag>"
    body = (
        '<ChangeTagsForResourceRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">'
        f"<AddTags>{tag}</AddTags></ChangeTagsForResourceRequest>"
    )
    return _route53(server, "POST", f"tags/hostedzone/{server.zone}", body)


OPERATIONS: dict[str, Callable[[Server], wrk.Request]] = {
    "ec2 DescribeSecurityGroups": _describe,
    "route53 GetHostedZone": _zone,
    "ec2 CreateTags (write)": _tag,
    "route53 ChangeTagsForResource (write)": _zone_tag,
}


def _compared(servers: list[Server], count: int) -> Iterator[str]:
    yield f"With {count:,} security groups, {CONNECTIONS} connections:"
    rows = []
    for operation in OPERATIONS:
        for server in servers:
            loads = server.loads[operation, count]
            rows.append(
                [
                    f"{operation}, {server.name}",
                    spread([each.per_second for each in loads]),
                    f"{median([each.p50_ms for each in loads]):.1f}",
                    f"{median([each.p99_ms for each in loads]):.1f}",
                    f"{median(server.micros[operation, count]):,.0f}",
                    "" if server is servers[0] else f"{_ratio(servers[0], server, operation, count):.1f}",
                ]
            )
    yield table(["", "calls/s", "p50, ms", "p99, ms", "CPU per call, µs", "Kunren is so many times quicker"], rows)
    least = min(_ratio(servers[0], other, each, count) for each in OPERATIONS for other in servers[1:])
    yield f"Target: {TARGET:g} times the better peer; the least of the ratios is {least:.1f} ({verdict(least >= TARGET)})."


def _ratio(ours: Server, other: Server, operation: str, count: int) -> float:
    return ratios(_rates(ours, operation, count), _rates(other, operation, count))


def _rates(server: Server, operation: str, count: int) -> list[float]:
    return [each.per_second for each in server.loads[operation, count]]


def _growth(kunren: Server, many: int) -> str:
    parts = [median(_rates(kunren, each, many)) / median(_rates(kunren, each, FEW)) for each in OPERATIONS]
    told = ", ".join(f"{operation} {part:.2f}" for operation, part in zip(OPERATIONS, parts, strict=True))
    return f"Kunren's rate with {many:,} groups over that with {FEW}: {told} (flat: {verdict(min(parts) >= FLAT)})."
