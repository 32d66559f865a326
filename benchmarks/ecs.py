"""Tasks of ECS: from the call of RunTask to RUNNING and to an answer on the task's address, and what many idle ones hold.

The container is a small server from the machine's own programs (Python's, so what it takes to start counts too), on a
VPC that runs already. A client on the same subnet tries to connect, again and again, from the moment that DescribeTasks
says RUNNING. Memory is what 200 tasks of `sleep` hold beside these programs themselves: proportional memory of the
daemon's processes, and what the kernel has for itself (namespaces, cgroups, mounts), as /proc/meminfo counts it.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.figures import median, percentile, spread, table, verdict
from benchmarks.instance import Instance

TARGET_MS, TARGET_TASKS, TARGET_MB = 300.0, 200, 2.0
_AT_ONCE = 10
_SERVER = "import socket\nwith socket.create_server(('', 80)) as server:\n while True:\n  server.accept()[0].close()"
_CONNECTING = """
import socket, sys, time
for line in sys.stdin:
    while True:
        try:
            socket.create_connection((line.strip(), 80), 0.2).close()
            break
        except OSError:
            time.sleep(0.001)
    print(time.monotonic(), flush=True)
"""
_OF_THE_KERNEL = ("Slab", "KernelStack", "PageTables", "Percpu")


class Tasks:
    """A cluster, a subnet, and a group that lets everything in."""

    def __init__(self, kunren: Instance) -> None:
        self.ecs, ec2 = kunren.client("ecs"), kunren.client("ec2")
        self.ecs.create_cluster(clusterName="bench")
        found = ec2.describe_subnets()["Subnets"][0]
        self.subnet = found["SubnetId"]
        group = ec2.create_security_group(GroupName="all", Description="all", VpcId=found["VpcId"])["GroupId"]
        ec2.authorize_security_group_ingress(
            GroupId=group, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        )
        self._network = {"awsvpcConfiguration": {"subnets": [self.subnet], "securityGroups": [group]}}

    def define(self, family: str, *command: str) -> None:
        self.ecs.register_task_definition(
            family=family, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            containerDefinitions=[{"name": "main", "image": "python", "command": list(command)}],
        )  # fmt: skip

    def run(self, family: str, count: int = 1) -> list[str]:
        answer = self.ecs.run_task(
            cluster="bench",
            taskDefinition=family,
            launchType="FARGATE",
            count=count,
            networkConfiguration=self._network,
        )
        return [each["taskArn"] for each in answer["tasks"]]

    def show(self, arn: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.ecs.describe_tasks(cluster="bench", tasks=[arn])["tasks"][0]
        return shown

    def running(self) -> int:
        shown = self.ecs.describe_clusters(clusters=["bench"])["clusters"][0]
        return int(shown["runningTasksCount"])


def run(quick: bool) -> Iterator[str]:
    times, many = (5, 20) if quick else (40, TARGET_TASKS)
    with Instance() as kunren:
        tasks = Tasks(kunren)
        tasks.define("server", "python3", "-c", _SERVER)
        tasks.define("idle", "sleep", "100000")
        argv = [*kunren.on_subnet(tasks.subnet), "python3", "-c", _CONNECTING]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            _one(tasks, client)  # starts the VPC, and makes the file system that all share
            took = [_one(tasks, client) for _ in range(times)]
            assert client.stdin is not None
            client.stdin.close()
        running, reached = ([each[place] for each in took] for place in range(2))
        yield table(
            ["from RunTask to", "median [range], ms", "p99, ms"],
            [[name, spread(got), f"{percentile(got, 99):,.0f}"]
             for name, got in (("RUNNING", running), ("a connection", reached))],
        )  # fmt: skip
        met = median(reached) < TARGET_MS
        yield f"Target: running and reached in under {TARGET_MS:g} ms ({verdict(met)})."
        yield _many(kunren, tasks, many)


def _one(tasks: Tasks, client: subprocess.Popen[str]) -> tuple[float, float]:
    """Milliseconds until DescribeTasks says RUNNING, and until the first connection; the task is stopped then."""
    assert client.stdin is not None and client.stdout is not None
    began = time.monotonic()
    arn = tasks.run("server")[0]
    while (shown := tasks.show(arn))["lastStatus"] != "RUNNING":
        if shown["lastStatus"] == "STOPPED":
            raise RuntimeError(json.dumps(shown, default=str))
    running = time.monotonic()
    details = {each["name"]: each["value"] for each in shown["attachments"][0]["details"]}
    client.stdin.write(f"{details['privateIPv4Address']}\n")
    client.stdin.flush()
    reached = float(client.stdout.readline())
    tasks.ecs.stop_task(cluster="bench", task=arn)
    return (running - began) * 1000, (reached - began) * 1000


def _many(kunren: Instance, tasks: Tasks, count: int) -> str:
    settled = tasks.running()
    while settled:
        time.sleep(0.5)
        settled = tasks.running()
    daemon, kernel = kunren.memory_bytes(), _kernel_bytes()
    began = time.monotonic()
    for _ in range(0, count, _AT_ONCE):
        tasks.run("idle", _AT_ONCE)
    while tasks.running() < count:
        time.sleep(0.05)
    took = time.monotonic() - began
    own = processes.proportional_bytes(processes.named(kunren.pid, "sleep"))
    of_daemon = (kunren.memory_bytes() - daemon - own) / count / (1 << 20)
    of_kernel = (_kernel_bytes() - kernel) / count / (1 << 20)
    rows = [
        ["processes", f"{of_daemon:.2f}"],
        ["kernel", f"{of_kernel:.2f}"],
        ["together", f"{of_daemon + of_kernel:.2f}"],
        ["sleep itself", f"{own / count / (1 << 20):.2f}"],
    ]
    met = verdict(of_daemon + of_kernel < TARGET_MB)
    return (
        f"{table([f'of each of {count} idle tasks', 'MB'], rows)}\n\n"
        f"All ran {took:.1f} s after the first of the calls. Target: under {TARGET_MB:g} MB each ({met})."
    )


def _kernel_bytes() -> int:
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return sum(int(line[1]) * 1024 for line in lines if line[0].rstrip(":") in _OF_THE_KERNEL)
