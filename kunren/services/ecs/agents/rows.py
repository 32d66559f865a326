"""Container instances as rows: what is left of them, who is on them, how AWS shows them. Pure but for `Rows`, which
writes changes and notes what EventBridge is to be told of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Tx
from kunren.core.clock import Clock, iso_utc
from kunren.core.entropy import Entropy
from kunren.services.ecs.agents.model import InstanceNotice
from kunren.services.ecs.model import ContainerInstance, Task, TaskDefinition
from kunren.services.ecs.names import arn

COMING = ("PROVISIONING", "PENDING", "ACTIVATING")
PORT_SETS = {"tcp": "PORTS", "udp": "PORTS_UDP"}  # the resources that name the ports that are taken


def arn_of(instance: ContainerInstance) -> str:
    return arn(instance, "container-instance", instance.cluster, instance.id)


def tasks_on(reader: Snapshot | Tx, instance: ContainerInstance) -> list[Task]:
    """Those that are not STOPPED."""
    found = reader.list(Task, instance.account, instance.region)
    return [each for each in found if each.instance == instance.id and each.last_status != "STOPPED"]


def host_ports(definition: TaskDefinition) -> dict[str, set[int]]:
    """The ports of its instance that a task of the definition takes, by protocol: those that are stated."""
    found: dict[str, set[int]] = {"tcp": set(), "udp": set()}
    mode = definition.document.get("networkMode")
    for container in definition.containers if mode != "awsvpc" else ():
        for each in container.get("portMappings") or ():
            port = each.get("hostPort") or (each.get("containerPort") if mode == "host" else 0)
            if port:
                found[each.get("protocol") or "tcp"].add(int(port))
    return found


def remaining(reader: Snapshot | Tx, instance: ContainerInstance, tasks: Iterable[Task]) -> dict[str, Any]:
    """What is left of the registered resources; of ports, those that are taken."""
    left = dict(instance.resources)
    for task in tasks:
        left["CPU"] = int(left.get("CPU") or 0) - int(task.cpu or 0)
        left["MEMORY"] = int(left.get("MEMORY") or 0) - int(task.memory or 0)
        definition = reader.get(TaskDefinition, task.account, task.region, task.definition)
        ports = host_ports(definition) if definition is not None else {}
        for protocol, name in PORT_SETS.items():
            left[name] = [*left.get(name, ()), *(str(each) for each in sorted(ports.get(protocol, ())))]
    return left


def resources_to_wire(resources: Mapping[str, Any]) -> list[dict[str, Any]]:
    shown = []
    for name, value in resources.items():
        each: dict[str, Any] = {"name": name, "doubleValue": 0.0, "longValue": 0, "integerValue": 0}
        if isinstance(value, int):
            shown.append({**each, "type": "INTEGER", "integerValue": value})
        else:
            shown.append({**each, "type": "STRINGSET", "stringSetValue": list(value)})
    return shown


def to_wire(reader: Snapshot | Tx, instance: ContainerInstance, tags: bool = False) -> dict[str, Any]:
    tasks = tasks_on(reader, instance)
    return {
        "containerInstanceArn": arn_of(instance),
        "ec2InstanceId": instance.instance_id,
        **({"capacityProviderName": instance.capacity_provider} if instance.capacity_provider else {}),
        "version": instance.version,
        "versionInfo": dict(instance.versions),
        "registeredResources": resources_to_wire(instance.resources),
        "remainingResources": resources_to_wire(remaining(reader, instance, tasks)),
        "status": instance.status,
        "agentConnected": instance.agent_connected,
        "runningTasksCount": sum(each.last_status == "RUNNING" for each in tasks),
        "pendingTasksCount": sum(each.last_status in COMING for each in tasks),
        "attributes": [
            {"name": name, **({"value": value} if value is not None else {})}
            for name, value in sorted(instance.attributes.items())
        ],
        "registeredAt": instance.registered_at,
        "attachments": [],
        "tags": [{"key": key, "value": instance.tags[key]} for key in sorted(instance.tags)] if tags else [],
    }


class Rows:
    """`heard` says whether EventBridge can have rules."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock, self._entropy = clock, entropy
        self.heard: Callable[[], bool] = lambda: True

    def put(self, tx: Tx, before: ContainerInstance | None, changed: ContainerInstance) -> ContainerInstance:
        """Write it, as one version more."""
        if before is not None:
            changed = replace(changed, version=before.version + 1)
        tx.put(changed)
        if self.heard():
            self._note(tx, changed)
        return changed

    def change(self, tx: Tx, instance: ContainerInstance, **members: Any) -> ContainerInstance:
        """Write it with these members, where that changes something."""
        changed = replace(instance, **members)
        return self.put(tx, instance, changed) if changed != instance else instance

    def _note(self, tx: Tx, instance: ContainerInstance) -> None:
        now = self._clock.now()
        shown = to_wire(tx, instance)
        detail = {
            name: shown[name]
            for name in ("agentConnected", "attributes", "containerInstanceArn", "ec2InstanceId", "registeredResources",
                         "remainingResources", "status", "version", "versionInfo")
        }  # fmt: skip
        detail |= {
            "clusterArn": arn(instance, "cluster", instance.cluster),
            "registeredAt": iso_utc(instance.registered_at),
            "updatedAt": iso_utc(now),
        }
        notice = InstanceNotice(
            account=instance.account, region=instance.region, id=f"{now:020.6f}-{self._entropy.hex(8)}",
            instance=instance.id, detail=detail, at=now,
        )  # fmt: skip
        tx.put(notice)
