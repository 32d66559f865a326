"""Tasks as AWS shows them. Pure."""

from __future__ import annotations

import json
import os
from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.services.ec2.model import NetworkInterface
from kunren.services.ecs.connect.model import Proxy
from kunren.services.ecs.model import ContainerState, Task, TaskDefinition
from kunren.services.ecs.names import arn
from kunren.services.ecs.tasks import order
from kunren.services.ecs.tasks.plan import ephemeral_gib, plans

Shown = dict[str, Any]
_TIMES = (
    ("connectivityAt", "connected_at"),
    ("executionStoppedAt", "execution_stopped_at"),
    ("pullStartedAt", "pull_started_at"),
    ("pullStoppedAt", "pull_stopped_at"),
    ("startedAt", "started_at"),
    ("stoppingAt", "stopping_at"),
    ("stoppedAt", "stopped_at"),
)
_TEXTS = (
    ("availabilityZone", "availability_zone"),
    ("capacityProviderName", "capacity_provider"),
    ("platformVersion", "platform_version"),
    ("startedBy", "started_by"),
    ("stopCode", "stop_code"),
    ("stoppedReason", "stopped_reason"),
)


def task_to_wire(reader: Snapshot | Tx, task: Task, *, tags: bool = True) -> Shown:
    definition = reader.get(TaskDefinition, task.account, task.region, task.definition)
    shown: Shown = {
        "taskArn": arn(task, "task", task.cluster, task.id),
        "clusterArn": arn(task, "cluster", task.cluster),
        "taskDefinitionArn": arn(task, "task-definition", task.definition),
        "attachments": [_attachment(reader, task)] if task.network is not None else [],
        "attributes": [{"name": "ecs.cpu-architecture", "value": _architecture()}],
        "containers": [_container(task, each, definition) for each in task.containers],
        "cpu": task.cpu,
        "memory": task.memory,
        "createdAt": task.created_at,
        "desiredStatus": task.desired_status,
        "lastStatus": task.last_status,
        "enableExecuteCommand": task.execute_command,
        "group": task.group,
        "healthStatus": _health(task, definition),
        "inferenceAccelerators": [],
        "launchType": task.launch_type,
        "overrides": {"containerOverrides": [], "inferenceAcceleratorOverrides": [], **task.overrides},
        "version": task.version,
        "tags": [{"key": key, "value": task.tags[key]} for key in sorted(task.tags)] if tags else [],
    }
    for members in (_TIMES, _TEXTS):
        shown |= {name: getattr(task, field) for name, field in members if getattr(task, field) is not None}
    if task.instance is not None:
        shown["containerInstanceArn"] = arn(task, "container-instance", task.cluster, task.instance)
    if task.connected_at is not None:
        shown["connectivity"] = "CONNECTED"
    if task.proxy is not None:
        shown["attachments"].append(_proxy(task, task.proxy))
    if task.launch_type == "FARGATE":
        size = ephemeral_gib(task, definition)
        shown["platformFamily"] = "Linux"
        shown["ephemeralStorage"] = {"sizeInGiB": size}
        shown["fargateEphemeralStorage"] = {"sizeInGiB": size}
    return shown


def _container(task: Task, state: ContainerState, definition: TaskDefinition | None) -> Shown:
    given = next((each for each in definition.containers if each["name"] == state.name), {}) if definition else {}
    shown: Shown = {
        "containerArn": arn(task, "container", task.cluster, task.id, state.id),
        "taskArn": arn(task, "task", task.cluster, task.id),
        "name": state.name,
        "image": state.image,
        "lastStatus": state.last_status,
        "healthStatus": state.health,
        "networkBindings": [
            {"bindIP": each.bind_ip, "containerPort": each.container_port, "hostPort": each.host_port,
             "protocol": each.protocol}
            for each in state.bindings
        ],
        "networkInterfaces": [],
        "cpu": str(given.get("cpu") or 0),
    }  # fmt: skip
    if task.private_ip is not None:
        shown["networkInterfaces"] = [{"attachmentId": task.attachment_id, "privateIpv4Address": task.private_ip}]
    if task.execute_command:
        shown["managedAgents"] = [_exec_agent(task, state)]
    for member in ("memory", "memoryReservation"):
        if given.get(member):
            shown[member] = str(given[member])
    for name, value in (("imageDigest", state.image_digest), ("runtimeId", state.runtime_id),
                        ("exitCode", state.exit_code), ("reason", state.reason)):  # fmt: skip
        if value is not None:
            shown[name] = value
    return shown


def _exec_agent(task: Task, state: ContainerState) -> Shown:
    """The agent of ECS Exec, which runs as long as its container does."""
    shown: Shown = {"name": "ExecuteCommandAgent", "lastStatus": state.last_status}
    if state.last_status == "RUNNING" and task.pull_stopped_at is not None:
        shown["lastStartedAt"] = task.started_at or task.pull_stopped_at
    return shown


def _attachment(reader: Snapshot | Tx, task: Task) -> Shown:
    """Its interface; what is known of it, once it is there."""
    assert task.network is not None
    status = _attached(task)
    details = [("subnetId", task.subnet_id or task.network.subnets[0])]
    if task.interface_id is not None:
        found = reader.get(NetworkInterface, task.account, task.region, task.interface_id)
        details += [("networkInterfaceId", task.interface_id), ("macAddress", task.mac or "")]
        address = task.private_ip or ""
        if found is not None:
            details.append(("privateDnsName", private_name(task.region, address)))
        details.append(("privateIPv4Address", address))
    return {
        "id": task.attachment_id or task.containers[0].id,
        "type": "ElasticNetworkInterface",
        "status": status,
        "details": [{"name": name, "value": value} for name, value in details],
    }


def _attached(task: Task) -> str:
    if task.last_status in ("DEPROVISIONING", "STOPPED"):
        return "DELETED"
    return "ATTACHED" if task.connected_at is not None or task.pull_started_at is not None else "PRECREATED"


def _proxy(task: Task, proxy: Proxy) -> Shown:
    """Its proxy of Service Connect, and what the task offers through it."""
    details = [("ContainerName", proxy.name)]
    for each in proxy.offers:
        alias = json.dumps([{"port": each.port, "dnsName": each.dns_name}], separators=(",", ":"))
        details += [("portName", each.port_name), ("discoveryName", each.discovery_name), ("clientAliases", alias)]
        if each.ingress_port:
            details.append(("ingressPortOverride", str(each.ingress_port)))
    return {
        "id": proxy.id, "type": "Service Connect", "status": _attached(task),
        "details": [{"name": name, "value": value} for name, value in details],
    }  # fmt: skip


def private_name(region: str, address: str) -> str:
    domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    return f"ip-{address.replace('.', '-')}.{domain}"


def _health(task: Task, definition: TaskDefinition | None) -> str:
    if definition is None:
        return "UNKNOWN"
    return order.health(
        plans(task, definition), {each.name: order.Live(health=each.health) for each in task.containers}
    )


def _architecture() -> str:
    return "arm64" if os.uname().machine == "aarch64" else "x86_64"
