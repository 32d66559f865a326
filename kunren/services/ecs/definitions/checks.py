"""Whether a task definition is one, in AWS's words; what nobody here runs is refused by name. Pure.

Sources: "Amazon ECS task definition parameters", "Troubleshoot ... task definition invalid CPU or memory errors".
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from typing import Any

from kunren.services.ecs import errors
from kunren.world.ids import several_users

Document = dict[str, Any]
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
PORT_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]{0,63}")
CONTAINERS_MAX = 10
BYTES_MAX = 65536
FARGATE: dict[int, Sequence[int]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4097, 1024),
    1024: range(2048, 8193, 1024),
    2048: range(4096, 16385, 1024),
    4096: range(8192, 30721, 1024),
    8192: range(16384, 61441, 4096),
    16384: range(32768, 122881, 8192),
}
"""Memory in MiB by units of CPU."""
_SIZES = {"cpu": (128, 196_608), "memory": (4, 1 << 30)}
"""Least and most of a task on container instances."""
_EPHEMERAL_GIB = (21, 200)
_NOT_OF_FARGATE = ("hostname", "privileged", "links", "dnsServers", "dnsSearchDomains", "extraHosts",
                   "dockerSecurityOptions", "disableNetworking")  # fmt: skip
_NOT_OF_FARGATE_LINUX = ("devices", "tmpfs", "sharedMemorySize", "maxSwap", "swappiness")
_LIMITS = {
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
}  # fmt: skip
_BETWEEN = {  # of a health check, with its default
    "interval": (5, 300, 30),
    "timeout": (2, 60, 5),
    "retries": (1, 10, 3),
    "startPeriod": (0, 300, None),
}
_LOGS = ("awslogs",)
_LOG_OPTIONS = ("awslogs-region", "awslogs-group")
_ROOT = ("", "root", "0", "0:0", "root:root", "0:root", "root:0")
_NOT_YET_OF_TASK = {
    "proxyConfiguration": "App Mesh proxies",
    "inferenceAccelerators": "Elastic Inference",
    "pidMode": "pidMode",
    "ipcMode": "ipcMode",
    "trustedExecutionConfiguration": "trusted execution",
}
_NOT_YET_OF_CONTAINER = {
    "repositoryCredentials": "private registries with credentials",
    "firelensConfiguration": "FireLens",
    "credentialSpecs": "credential specs",
    "resourceRequirements": "GPUs and accelerators",
    "privileged": "privileged containers",
    "disableNetworking": "containers without a network",
    "interactive": "interactive containers",
    "pseudoTerminal": "pseudo terminals",
    "dockerSecurityOptions": "security options",
    "systemControls": "system controls",
    "links": "links",
    "dnsServers": "DNS servers of containers' own",
    "dnsSearchDomains": "search domains of containers' own",
    "extraHosts": "extra hosts",
    "hostname": "host names of containers' own",
}
_NOT_YET_OF_LINUX = {
    "devices": "devices",
    "tmpfs": "tmpfs mounts",
    "sharedMemorySize": "sharedMemorySize",
    "maxSwap": "swap",
    "swappiness": "swap",
}
_NOT_YET_OF_VOLUMES = {
    "dockerVolumeConfiguration": "Docker volumes",
    "efsVolumeConfiguration": "EFS volumes",
    "fsxWindowsFileServerVolumeConfiguration": "FSx volumes",
    "s3filesVolumeConfiguration": "S3 Files volumes",
    "configuredAtLaunch": "volumes that are configured at launch",
}


def checked(params: Document) -> Document:
    """What RegisterTaskDefinition is given, with AWS's defaults. Raises ClientException, and NotYet."""
    if not _NAME.fullmatch(params["family"]):
        raise _wrong("Family contains invalid characters.")
    containers = params.get("containerDefinitions") or []
    if not containers:
        raise _wrong("Container list cannot be empty.")
    if len(containers) > CONTAINERS_MAX:
        raise _wrong("Too many containers.")
    if (size := len(json.dumps(params, separators=(",", ":")).encode())) > BYTES_MAX:
        raise _wrong(f"Actual length: '{size}'. Max allowed length is '{BYTES_MAX}' bytes.")
    document = {name: value for name, value in params.items() if name != "tags" and value is not None}
    document |= sizes(document)
    check_storage(document)
    document["containerDefinitions"] = [_container(each, params) for each in containers]
    document["volumes"] = list(params.get("volumes") or [])
    document["placementConstraints"] = list(params.get("placementConstraints") or [])
    if "networkMode" not in document:
        document["networkMode"] = "bridge"
    _check_together(document)
    fargate = why_not_fargate(document)
    if fargate is not None and "FARGATE" in (params.get("requiresCompatibilities") or ()):
        raise _wrong(fargate)
    _refuse(document)
    document["compatibilities"] = ["EC2", *(["FARGATE"] if fargate is None else [])]
    return document


def sizes(given: Document) -> Document:
    """`cpu` and `memory`, where they are stated, as ECS keeps them: in units and MiB. Raises ClientException."""
    found = {}
    for member, (least, most) in _SIZES.items():
        if given.get(member):
            size = units(given[member], 1024)
            if size is None or not least <= size <= most:
                raise _wrong(
                    f"Invalid '{member}' setting for task. For more information, see the Troubleshooting section of "
                    "the Amazon ECS Developer Guide."
                )
            found[member] = str(size)
    return found


def check_storage(given: Document) -> None:
    """Whether `ephemeralStorage`, where it is stated, is one that Fargate has. Raises ClientException."""
    if given.get("ephemeralStorage"):
        size, (least, most) = given["ephemeralStorage"]["sizeInGiB"], _EPHEMERAL_GIB
        if size < least:
            raise _wrong(f"EphemeralStorage size should be at least {least}")
        if size > most:
            raise _wrong(f"EphemeralStorage size should be at most {most}")


def _wrong(text: str) -> errors.ClientException:
    return errors.ClientException(text)


# -- one container -----------------------------------------------------------------------------------------------------


def _check_name(what: str, name: str | None) -> str:
    """The names of containers and volumes are folders' names, too."""
    if not name:
        raise _wrong(f"{what}.name should not be null or empty.")
    if not _NAME.fullmatch(name):
        raise _wrong(f"{what}.name contains invalid characters.")
    return name


def _container(given: Document, task: Document) -> Document:
    """A container definition with its defaults."""
    name = _check_name("Container", given.get("name"))
    if not given.get("image"):
        raise _wrong("Container.image should not be null or empty.")
    if not task.get("memory") and given.get("memory") is None and given.get("memoryReservation") is None:
        raise _wrong(
            f"Invalid setting for container '{name}'. At least one of 'memory' or 'memoryReservation' must be "
            "specified."
        )
    if (given.get("memory") or 6) < 6:
        raise _wrong(f"Invalid setting for container '{name}'. 'memory' must be at least 6 MiB.")
    made = {
        "cpu": 0,
        "essential": True,
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
        **{member: value for member, value in given.items() if value is not None},
    }
    made["portMappings"] = [_port(each, task.get("networkMode")) for each in given.get("portMappings") or ()]
    if given.get("healthCheck") is not None:
        made["healthCheck"] = _health(name, given["healthCheck"])
    for each in given.get("ulimits") or ():
        if each["name"] not in _LIMITS or each["softLimit"] > each["hardLimit"] >= 0:
            raise _wrong(f"Invalid ulimit '{each['name']}' for container '{name}'.")
    for member, most in (("startTimeout", None), ("stopTimeout", 120)):
        if (value := given.get(member)) is not None and (value < 2 or (most is not None and value > most)):
            raise _wrong(f"{member} for container '{name}' must be between 2 and {most or 'the timeout'} seconds.")
    restart = given.get("restartPolicy") or {}
    if restart.get("restartAttemptPeriod") is not None and not 60 <= restart["restartAttemptPeriod"] <= 1800:
        raise _wrong("restartAttemptPeriod must be between 60 and 1800 seconds.")
    if len(restart.get("ignoredExitCodes") or ()) > 50:
        raise _wrong("ignoredExitCodes must have at most 50 exit codes.")
    return made


def _port(given: Document, mode: str | None) -> Document:
    container, host = given.get("containerPort"), given.get("hostPort")
    if container is None and given.get("containerPortRange") is None:
        raise _wrong("Container port must be specified.")
    if container is not None and not 0 <= container <= 65535:
        raise _wrong(f"Invalid container port {container}.")
    if host is not None and not 0 <= host <= 65535:
        raise _wrong(f"Invalid host port {host}.")
    if given.get("name") and not PORT_NAME.fullmatch(given["name"]):
        raise _wrong(f"The port mapping name {given['name']} is invalid.")
    if mode in ("awsvpc", "host") and container is not None:
        if host not in (None, 0, container):
            raise _wrong(f"When networkMode={mode}, the host ports and container ports in port mappings must match.")
        host = container
    return {"protocol": "tcp", **given, **({"hostPort": host or 0} if container is not None else {})}


def _health(name: str, given: Document) -> Document:
    command = given["command"]
    if not command or command[0] not in ("CMD", "CMD-SHELL", "NONE") or (command[0] != "NONE" and len(command) < 2):
        raise _wrong(f"Health check command of container '{name}' must start with CMD or CMD-SHELL.")
    made = dict(given)
    for member, (least, most, default) in _BETWEEN.items():
        value = given.get(member)
        if value is None and default is not None:
            made[member] = default
        elif value is not None and not least <= value <= most:
            raise _wrong(f"Health check {member} must be between {least} and {most}.")
    return made


# -- all of them together ----------------------------------------------------------------------------------------------


def _check_together(document: Document) -> None:
    containers = document["containerDefinitions"]
    names = [each["name"] for each in containers]
    if len(set(names)) < len(names):
        raise _wrong("Container names must be unique within a task definition.")
    if not any(each["essential"] for each in containers):
        raise _wrong("At least one essential container must be defined in the task definition.")
    for each in document["volumes"]:
        _check_name("Volume", each.get("name"))
    volumes = {each["name"] for each in document["volumes"]}
    for each in containers:
        for mount in each["mountPoints"]:
            if mount.get("sourceVolume") not in volumes:
                raise _wrong(f"Unknown volume '{mount.get('sourceVolume')}'.")
        for other in each["volumesFrom"]:
            if other.get("sourceContainer") not in names:
                raise _wrong(f"Unknown container '{other.get('sourceContainer')}' in volumesFrom.")
    _check_order(containers)
    _check_sizes(document)
    _check_roles(document)
    named = [each["name"] for one in containers for each in one["portMappings"] if each.get("name")]
    if len(set(named)) < len(named):
        raise _wrong("Port mapping names must be unique within a task definition.")
    ports = [(each["containerPort"], each["protocol"]) for one in containers for each in one["portMappings"]
             if "containerPort" in each]  # fmt: skip
    if document["networkMode"] == "awsvpc" and len(set(ports)) < len(ports):
        raise _wrong("Container ports must be unique within a task definition of network mode awsvpc.")


def _check_sizes(document: Document) -> None:
    """What containers reserve is within what the task states."""
    containers = document["containerDefinitions"]
    if document.get("cpu") and sum(each["cpu"] for each in containers) > int(document["cpu"]):
        raise _wrong("The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'.")
    for each in containers:
        if document.get("memory") and (each.get("memory") or 0) > int(document["memory"]):
            raise _wrong(f"The 'memory' setting for container '{each['name']}' is greater than for the task.")


def _check_roles(document: Document) -> None:
    if not document.get("executionRoleArn") and any(each.get("secrets") for each in document["containerDefinitions"]):
        raise _wrong("When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.")


def _check_order(containers: list[Document]) -> None:
    """Whom a container waits for is there, is no circle, and can come to what is waited for."""
    by_name = {each["name"]: each for each in containers}
    waits: dict[str, set[str]] = {}
    for each in containers:
        waits[each["name"]] = set()
        for wanted in each.get("dependsOn") or ():
            other = by_name.get(wanted["containerName"])
            if other is None or other is each:
                raise _wrong(f"Invalid dependency '{wanted['containerName']}' of container '{each['name']}'.")
            if wanted["condition"] == "HEALTHY" and not other.get("healthCheck"):
                raise _wrong(f"Container '{other['name']}' must have a health check for the condition HEALTHY.")
            if wanted["condition"] in ("COMPLETE", "SUCCESS") and other["essential"]:
                raise _wrong(
                    "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container"
                )
            waits[each["name"]].add(other["name"])
    while free := {name for name, others in waits.items() if not others}:
        waits = {name: others - free for name, others in waits.items() if name not in free}
    if waits:
        raise _wrong("There is a cycle between container dependencies.")


def why_not_fargate(document: Document) -> str | None:
    """What keeps the definition from being one for Fargate; None where nothing does."""
    if document["networkMode"] != "awsvpc":
        return "Fargate only supports network mode ‘awsvpc’."
    cpu, memory = units(document.get("cpu"), 1024), units(document.get("memory"), 1024)
    if cpu is None or memory is None:
        return (
            "Fargate requires that 'cpu' be defined at the task level."
            if cpu is None
            else ("Fargate requires that 'memory' be defined at the task level.")
        )
    if cpu not in FARGATE or memory not in FARGATE[cpu]:
        return (
            "No Fargate configuration exists for given values: "
            f"{cpu} CPU, {memory} memory. See the Amazon ECS documentation for the valid values."
        )
    if any((each.get("host") or {}).get("sourcePath") for each in document["volumes"]):
        return "Fargate compatible task definitions do not support sourcePath."
    if document["placementConstraints"]:
        return "Fargate compatible task definitions do not support placement constraints."
    for each in document["containerDefinitions"]:
        logs = each.get("logConfiguration")
        if logs is not None and not document.get("executionRoleArn"):
            driver = logs["logDriver"]
            return f"Fargate requires task definition to have execution role ARN to support log driver {driver}."
        missing = [name for name in _LOG_OPTIONS if logs is not None and not (logs.get("options") or {}).get(name)]
        if logs is not None and logs["logDriver"] == "awslogs" and missing:
            return f"Log driver awslogs requires options: {', '.join(missing)}"
        if logs is not None and "awslogs-stream-prefix" not in (logs.get("options") or {}):
            return "Fargate requires the awslogs-stream-prefix option for the log driver awslogs."
        if ".dkr.ecr." in each["image"] and not document.get("executionRoleArn"):
            return "Fargate requires task definition to have execution role ARN to support ECR images."
        if unknown := _not_of_fargate(each):
            return f"Fargate compatible task definitions do not support {unknown}."
    return None


def _not_of_fargate(container: Document) -> str | None:
    """The first member of a container that only container instances have."""
    linux = container.get("linuxParameters") or {}
    for member in _NOT_OF_FARGATE:
        if container.get(member):
            return member
    for member in _NOT_OF_FARGATE_LINUX:
        if linux.get(member):
            return member
    added = set((linux.get("capabilities") or {}).get("add") or ())
    return "adding capabilities other than SYS_PTRACE" if added - {"SYS_PTRACE"} else None


def units(text: str | None, per_whole: int) -> int | None:
    """ "256", "1 vCPU", "0.5 GB" in units of CPU or MiB; None for what is neither."""
    found = re.fullmatch(r"\s*([0-9.]+)\s*(vcpu|gb)?\s*", (text or "").lower())
    if found is None:
        return None
    try:
        number = float(found[1])
    except ValueError:
        return None
    return round(number * per_whole) if found[2] else int(number)


# -- what nobody runs here ---------------------------------------------------------------------------------------------


def _refuse(document: Document) -> None:
    """Raises NotYet."""
    _refuse_any(document, _NOT_YET_OF_TASK)
    platform = document.get("runtimePlatform") or {}
    if platform.get("operatingSystemFamily") not in (None, "LINUX"):
        raise errors.NotYet("Windows")
    machine = {"x86_64": "X86_64", "aarch64": "ARM64"}.get(os.uname().machine)
    if platform.get("cpuArchitecture") not in (None, machine):
        raise errors.NotYet(f"architecture {platform['cpuArchitecture']} on this machine")
    for each in document["volumes"]:
        _refuse_any(each, _NOT_YET_OF_VOLUMES)
        if (each.get("host") or {}).get("sourcePath"):
            raise errors.NotYet("volumes at a path of the container instance")
    for each in document["containerDefinitions"]:
        _refuse_any(each, _NOT_YET_OF_CONTAINER)
        _refuse_any(each.get("linuxParameters") or {}, _NOT_YET_OF_LINUX)
        if (each.get("user") or "") not in _ROOT and not several_users():
            raise errors.NotYet(
                f"user {each['user']} in containers where an ordinary user runs Kunren (start it as root)"
            )
        logs = each.get("logConfiguration")
        if logs is not None and logs["logDriver"] not in _LOGS:
            raise errors.NotYet(f"log driver {logs['logDriver']}")
        if logs is not None and logs.get("secretOptions"):
            raise errors.NotYet("secrets in log options")
        if any(port.get("containerPortRange") for port in each["portMappings"]):
            raise errors.NotYet("ranges of container ports")


def _refuse_any(given: Document, members: dict[str, str]) -> None:
    for member, what in members.items():
        if given.get(member):
            raise errors.NotYet(what)
