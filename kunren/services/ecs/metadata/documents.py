"""What the task metadata endpoint says of a task and its containers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Any

from kunren.control.store import Snapshot
from kunren.core.clock import iso_utc
from kunren.services.ec2.model import Subnet
from kunren.services.ecs.definitions.checks import units
from kunren.services.ecs.model import Task, TaskDefinition
from kunren.services.ecs.names import arn
from kunren.services.ecs.views import private_name


class View:
    """`tokens` are the runtime ids of containers, by name."""

    def __init__(self, snapshot: Snapshot, task: Task, definition: TaskDefinition, tokens: Mapping[str, str]) -> None:
        self._task, self._definition, self._tokens = task, definition, tokens
        self._subnet = snapshot.get(Subnet, task.account, task.region, task.subnet_id or "")

    def task(self) -> dict[str, Any]:
        task = self._task
        shown: dict[str, Any] = {
            "Cluster": arn(task, "cluster", task.cluster),
            "TaskARN": arn(task, "task", task.cluster, task.id),
            "Family": self._definition.family,
            "Revision": str(self._definition.revision),
            "DesiredStatus": task.desired_status,
            "KnownStatus": task.last_status,
            "Limits": {"CPU": (units(task.cpu, 1024) or 0) / 1024, "Memory": units(task.memory, 1024) or 0},
            "AvailabilityZone": task.availability_zone,
            "LaunchType": task.launch_type,
            "Containers": [self.container(each.name) for each in task.containers],
        }
        for name, at in (("PullStartedAt", task.pull_started_at), ("PullStoppedAt", task.pull_stopped_at)):
            if at is not None:
                shown[name] = iso_utc(at)
        return shown

    def container(self, name: str) -> dict[str, Any]:
        task, state = self._task, self._task.container(name)
        given = next(each for each in self._definition.containers if each["name"] == name)
        shown: dict[str, Any] = {
            "DockerId": self._tokens[name],
            "Name": name,
            "DockerName": name,
            "Image": state.image,
            "ImageID": state.image_digest or "",
            "Labels": {
                **(given.get("dockerLabels") or {}),
                "com.amazonaws.ecs.cluster": arn(task, "cluster", task.cluster),
                "com.amazonaws.ecs.container-name": name,
                "com.amazonaws.ecs.task-arn": arn(task, "task", task.cluster, task.id),
                "com.amazonaws.ecs.task-definition-family": self._definition.family,
                "com.amazonaws.ecs.task-definition-version": str(self._definition.revision),
            },
            "DesiredStatus": task.desired_status,
            "KnownStatus": state.last_status,
            "Limits": {"CPU": given.get("cpu") or 2, **({"Memory": given["memory"]} if given.get("memory") else {})},
            "CreatedAt": iso_utc(task.created_at),
            "Type": "NORMAL",
            "ContainerARN": arn(task, "container", task.cluster, task.id, state.id),
            "Networks": [self._network()],
        }
        if task.started_at is not None:
            shown["StartedAt"] = iso_utc(task.started_at)
        if (logs := given.get("logConfiguration")) is not None:
            prefix = (logs.get("options") or {}).get("awslogs-stream-prefix")
            stream = f"{prefix}/{name}/{task.id}" if prefix else task.id
            shown["LogDriver"] = logs["logDriver"]
            shown["LogOptions"] = {**(logs.get("options") or {}), "awslogs-stream": stream}
        if state.exit_code is not None:
            shown["ExitCode"] = state.exit_code
        if given.get("healthCheck"):
            shown["Health"] = {"status": state.health}
        return shown

    def _network(self) -> dict[str, Any]:
        task = self._task
        if task.private_ip is None:  # its container instance's network
            return {"NetworkMode": self._definition.document["networkMode"], "IPv4Addresses": []}
        address = task.private_ip or ""
        shown: dict[str, Any] = {
            "NetworkMode": "awsvpc",
            "IPv4Addresses": [address],
            "AttachmentIndex": 0,
            "MACAddress": task.mac,
            "PrivateDNSName": private_name(task.region, address),
        }
        if self._subnet is not None:
            block = IPv4Network(self._subnet.cidr)
            shown["IPv4SubnetCIDRBlock"] = self._subnet.cidr
            shown["SubnetGatewayIpv4Address"] = f"{block.network_address + 1}/{block.prefixlen}"
        return shown
