"""What a service's events and deployments say. Pure; the wordings are those of "Amazon ECS service event messages"."""

from __future__ import annotations

from collections.abc import Sequence

from kunren.services.ecs.model import Service

STEADY = "SERVICE_STEADY_STATE"
IMPAIRED = "SERVICE_TASK_START_IMPAIRED"
NO_PLACE = "SERVICE_TASK_PLACEMENT_FAILURE"
IN_PROGRESS, COMPLETED = "SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED"
FAILED = "SERVICE_DEPLOYMENT_FAILED"


def tasks(ids: Sequence[str]) -> str:
    return " ".join(f"(task {each})" for each in ids)


def started(service: Service, ids: Sequence[str]) -> str:
    return f"(service {service.name}) has started {len(ids)} tasks: {tasks(ids)}."


def stopped(service: Service, ids: Sequence[str]) -> str:
    return f"(service {service.name}) has stopped {len(ids)} running tasks: {tasks(ids)}."


def steady(service: Service) -> str:
    return f"(service {service.name}) has reached a steady state."


def registered(service: Service, group: str, count: int) -> str:
    return f"(service {service.name}) registered {count} targets in (target-group {group})"


def deregistered(service: Service, group: str, count: int) -> str:
    return f"(service {service.name}) deregistered {count} targets in (target-group {group})"


def draining(service: Service, count: int) -> str:
    return f"(service {service.name}) has begun draining connections on {count} tasks."


def unhealthy(service: Service, port: int, group: str, reason: str) -> str:
    return f"(service {service.name}) (port {port}) is unhealthy in (target-group {group}) due to (reason {reason})."


def not_placed(service: Service, reason: str) -> str:
    return f"(service {service.name}) was unable to place a task because {reason[0].lower()}{reason[1:]}"


def impaired(service: Service) -> str:
    return f"(service {service.name}) is unable to consistently start tasks successfully."


def completed(service: Service, deployment: str) -> str:
    return f"(service {service.name}) (deployment {deployment}) deployment completed."


def failed(service: Service, deployment: str, why: str) -> str:
    return f"(service {service.name}) (deployment {deployment}) deployment failed: {why}"


def rolling_back(service: Service, deployment: str) -> str:
    return f"(service {service.name}) rolling back to deployment {deployment}."
