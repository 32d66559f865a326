"""What a container instance must be able to do for a task definition ("requiresAttributes"). Pure.

Source: "Amazon ECS container instance attributes" and the capabilities that its agent registers.
"""

from __future__ import annotations

from typing import Any

_API = "com.amazonaws.ecs.capability.docker-remote-api."
_CAPABILITY = "com.amazonaws.ecs.capability."


def required(document: dict[str, Any]) -> list[str]:
    """Names of attributes, sorted."""
    found: set[str] = set()
    if document["networkMode"] == "awsvpc":
        found.add("ecs.capability.task-eni")
    if document.get("taskRoleArn"):
        found |= {f"{_CAPABILITY}task-iam-role", f"{_API}1.17"}
    for each in document["containerDefinitions"]:
        found |= _of_container(each, bool(document.get("executionRoleArn")))
    return sorted(found)


def _of_container(container: dict[str, Any], execution_role: bool) -> set[str]:
    found: set[str] = {f"{_API}1.18"} if container["environment"] or container["portMappings"] else set()
    if (logs := container.get("logConfiguration")) is not None:
        found |= {f"{_CAPABILITY}logging-driver.{logs['logDriver']}", f"{_API}1.19"}
        if execution_role:
            found.add("ecs.capability.execution-role-awslogs")
    if ".dkr.ecr." in container["image"]:
        found |= {f"{_CAPABILITY}ecr-auth", f"{_API}1.19"}
        if execution_role:
            found.add("ecs.capability.execution-role-ecr-pull")
    for each in container.get("secrets") or ():
        kind = "asm" if ":secretsmanager:" in each["valueFrom"] else "ssm"
        found.add(f"ecs.capability.secrets.{kind}.environment-variables")
    if container.get("environmentFiles"):
        found.add("ecs.capability.env-files.s3")
    if container.get("healthCheck"):
        found |= {"ecs.capability.container-health-check", f"{_API}1.24"}
    if container.get("dependsOn"):
        found.add("ecs.capability.container-ordering")
    if container.get("memoryReservation"):
        found.add(f"{_API}1.21")
    return found
