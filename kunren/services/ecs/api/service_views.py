"""Services, deployments, revisions and task sets as the wire has them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kunren.control.store import Snapshot
from kunren.services.ecs.api.base import tags_to_wire, without_empty
from kunren.services.ecs.connect.offering import CONFIGURATION
from kunren.services.ecs.model import Deployment, Service, Task
from kunren.services.ecs.names import arn
from kunren.services.ecs.services import breaker
from kunren.services.ecs.services.discovery import registry_arn
from kunren.services.ecs.services.facts import counts, is_ready, tasks_of, views
from kunren.services.ecs.services.hooks import present
from kunren.services.ecs.services.model import Member, ServiceDeployment, ServiceRevision
from kunren.services.ecs.services.progress import shares, shifting
from kunren.services.ecs.services.stages import PRE_PRODUCTION_SHIFT, PRODUCTION_SHIFT

CREATED_BY = "arn:aws:iam::{account}:root"


def service_to_wire(snapshot: Snapshot, service: Service, include: Iterable[str], now: float) -> dict[str, Any]:
    tasks = tasks_of(snapshot, service)
    running, pending = counts(tasks)
    document, primary = service.document, service.primary
    shown: dict[str, Any] = {
        "serviceArn": arn(service, "service", service.id),
        "serviceName": service.name,
        "clusterArn": arn(service, "cluster", service.cluster),
        "status": service.status,
        "desiredCount": service.desired_count,
        "runningCount": running,
        "pendingCount": pending,
        "deploymentConfiguration": document["deploymentConfiguration"],
        "deployments": [],
        "events": list(service.events),
        "createdAt": service.created_at,
        "createdBy": CREATED_BY.format(account=service.account),
        "placementConstraints": document.get("placementConstraints") or [],
        "placementStrategy": document.get("placementStrategy") or [],
        "schedulingStrategy": document["schedulingStrategy"],
        "deploymentController": document["deploymentController"],
        "enableECSManagedTags": bool(document.get("enableECSManagedTags")),
        "propagateTags": document.get("propagateTags") or "NONE",
        "enableExecuteCommand": bool(document.get("enableExecuteCommand")),
        "availabilityZoneRebalancing": document.get("availabilityZoneRebalancing") or "DISABLED",
        "healthCheckGracePeriodSeconds": document.get("healthCheckGracePeriodSeconds"),
        "roleArn": document.get("roleArn"),
        "tags": tags_to_wire(service.tags) if "TAGS" in include else [],
        "resourceManagementType": "CUSTOMER",
    }
    current = document["current"] if primary is None else primary.document
    shown |= {
        "taskDefinition": current.get("taskDefinition"),
        "launchType": current.get("launchType"),
        "capacityProviderStrategy": current.get("capacityProviderStrategy"),
        "platformVersion": current.get("platformVersion"),
        "platformFamily": "Linux" if current.get("platformVersion") else None,
        "loadBalancers": current.get("loadBalancers") or [],
        "serviceRegistries": current.get("serviceRegistries") or [],
        "networkConfiguration": current.get("networkConfiguration"),
    }
    if service.controller == "ECS":
        course = snapshot.get(ServiceDeployment, service.account, service.region, service.current)
        shown["deployments"] = [deployment_to_wire(each, tasks, service) for each in service.deployments]
        if course is not None:
            shown["currentServiceDeployment"] = arn(service, "service-deployment", course.id)
        shown["currentServiceRevisions"] = [_current_revision(service, each, tasks) for each in service.deployments]
    else:
        shown["taskSets"] = [task_set_to_wire(snapshot, service, each, now) for each in service.deployments]
    return without_empty(shown.items())


def deployment_to_wire(each: Deployment, tasks: Mapping[str, Task], service: Service) -> dict[str, Any]:
    running, pending = counts(tasks, each.id)
    document = each.document
    return without_empty(
        {
            "id": each.id,
            "status": each.status,
            "taskDefinition": document["taskDefinition"],
            "desiredCount": service.desired_count if each.status == "PRIMARY" else each.desired_count,
            "pendingCount": pending,
            "runningCount": running,
            "failedTasks": each.failed_tasks,
            "createdAt": each.created_at,
            "updatedAt": each.updated_at,
            "capacityProviderStrategy": document.get("capacityProviderStrategy"),
            "launchType": document.get("launchType"),
            "platformVersion": _platform(document),
            "platformFamily": "Linux" if document.get("platformVersion") else None,
            "networkConfiguration": document.get("networkConfiguration"),
            "serviceConnectConfiguration": document.get(CONFIGURATION),
            "serviceConnectResources": _connect_resources(each, service),
            "rolloutState": each.rollout_state,
            "rolloutStateReason": each.rollout_reason,
        }.items()
    )


def _connect_resources(each: Deployment, service: Service) -> list[dict[str, str]] | None:
    offers = each.connect.offers if each.connect is not None else ()
    return [
        {"discoveryName": offer.discovery_name, "discoveryArn": registry_arn(service, offer.registry)}
        for offer in offers
    ] or None


def _platform(document: Mapping[str, Any]) -> str | None:
    told = document.get("platformVersion")
    return "1.4.0" if told == "LATEST" else told


def _current_revision(service: Service, each: Deployment, tasks: Mapping[str, Task]) -> dict[str, Any]:
    running, pending = counts(tasks, each.id)
    return {
        "arn": arn(service, "service-revision", each.revision),
        "requestedTaskCount": service.desired_count if each.status == "PRIMARY" else each.desired_count,
        "runningTaskCount": running,
        "pendingTaskCount": pending,
    }


def task_set_to_wire(
    snapshot: Snapshot, service: Service, each: Deployment, now: float, tags: bool = False
) -> dict[str, Any]:
    tasks = tasks_of(snapshot, service)
    running, pending = counts(tasks, each.id)
    members = snapshot.by_id(Member, service.account, service.region)
    seen = views(snapshot, service, tasks, members, now).get(each.id, [])
    stable = running == each.desired_count and pending == 0 and all(is_ready(view) for view in seen)
    document = each.document
    return without_empty(
        {
            "id": each.id,
            "taskSetArn": arn(service, "task-set", service.id, each.id),
            "serviceArn": arn(service, "service", service.id),
            "clusterArn": arn(service, "cluster", service.cluster),
            "startedBy": "CODE_DEPLOY" if service.controller == "CODE_DEPLOY" else None,
            "externalId": each.external_id,
            "status": each.status,
            "taskDefinition": document["taskDefinition"],
            "computedDesiredCount": each.desired_count,
            "pendingCount": pending,
            "runningCount": running,
            "createdAt": each.created_at,
            "updatedAt": each.updated_at,
            "launchType": document.get("launchType"),
            "capacityProviderStrategy": document.get("capacityProviderStrategy"),
            "platformVersion": _platform(document),
            "networkConfiguration": document.get("networkConfiguration"),
            "loadBalancers": document.get("loadBalancers") or [],
            "serviceRegistries": document.get("serviceRegistries") or [],
            "scale": {"value": each.scale if each.scale is not None else 100.0, "unit": "PERCENT"},
            "stabilityStatus": "STEADY_STATE" if stable else "STABILIZING",
            "stabilityStatusAt": now,
            "tags": tags_to_wire(each.tags) if tags else [],
        }.items()
    )


def brief_to_wire(course: ServiceDeployment) -> dict[str, Any]:
    return without_empty(
        {
            "serviceDeploymentArn": arn(course, "service-deployment", course.id),
            "serviceArn": arn(course, "service", course.service),
            "clusterArn": arn(course, "cluster", course.service.partition("/")[0]),
            "createdAt": course.created_at,
            "startedAt": course.started_at,
            "finishedAt": course.finished_at,
            "targetServiceRevisionArn": arn(course, "service-revision", course.target_revision),
            "status": course.status,
            "statusReason": course.reason,
        }.items()
    )


def course_to_wire(snapshot: Snapshot, course: ServiceDeployment) -> dict[str, Any]:
    service = snapshot.get(Service, course.account, course.region, course.service)
    shown = brief_to_wire(course)
    shown["targetServiceRevision"] = shown.pop("targetServiceRevisionArn")
    stage = course.stage
    if stage is not None:
        shown["lifecycleStage"] = PRODUCTION_SHIFT if stage == PRE_PRODUCTION_SHIFT else stage
    production, test = shares(course)
    shown |= {
        "updatedAt": course.updated_at,
        "deploymentConfiguration": course.configuration,
        "targetServiceRevision": _summary(snapshot, service, course, course.target_revision, production, test),
        "sourceServiceRevisions": [
            _summary(snapshot, service, course, each, 100 - production, 100 - test) for each in course.source_revisions
        ],
        "deploymentCircuitBreaker": {
            "status": course.breaker,
            "failureCount": course.failures,
            "threshold": breaker.threshold(
                course.configuration.get("deploymentCircuitBreaker") or {}, service.desired_count if service else 0
            ),
        },
        "alarms": {
            "status": course.alarms,
            "alarmNames": list((course.configuration.get("alarms") or {}).get("alarmNames") or ()),
            "triggeredAlarmNames": list(course.triggered),
        },
        "lifecycleHookDetails": [_hook(course, each) for each in present(course)],
    }
    if course.stopped_at is not None:
        shown["stoppedAt"] = course.stopped_at
    if course.rollback_at is not None:
        shown["rollback"] = {
            "reason": course.rollback_reason,
            "startedAt": course.rollback_at,
            "serviceRevisionArn": arn(course, "service-revision", course.rollback_revision or ""),
        }
    return shown


def _summary(
    snapshot: Snapshot,
    service: Service | None,
    course: ServiceDeployment,
    revision: str,
    production: float,
    test: float,
) -> dict[str, Any]:
    held = next((each for each in service.deployments if each.revision == revision), None) if service else None
    running, pending = counts(tasks_of(snapshot, service), held.id) if service and held else (0, 0)
    wanted = service.desired_count if service and held and (held.status == "PRIMARY" or shifting(course)) else 0
    shown: dict[str, Any] = {
        "arn": arn(course, "service-revision", revision),
        "requestedTaskCount": wanted,
        "runningTaskCount": running,
        "pendingTaskCount": pending,
    }
    if shifting(course):
        shown |= {"requestedProductionTrafficWeight": production, "requestedTestTrafficWeight": test}
    return shown


def _hook(course: ServiceDeployment, run: Any) -> dict[str, Any]:
    hook = course.configuration["lifecycleHooks"][run.index]
    timeout = (hook.get("timeoutConfiguration") or {}).get("action", "ROLLBACK")
    return without_empty(
        {
            "hookId": run.id,
            "targetType": hook.get("targetType") or "AWS_LAMBDA",
            "targetArn": hook.get("hookTargetArn"),
            "status": run.status,
            "expiresAt": run.expires_at,
            "timeoutAction": timeout,
        }.items()
    )


def revision_to_wire(snapshot: Snapshot, revision: ServiceRevision) -> dict[str, Any]:
    document = revision.document
    service = snapshot.get(Service, revision.account, revision.region, revision.service)
    held = next((each for each in service.deployments if each.revision == revision.id), None) if service else None
    shown = {
        "serviceRevisionArn": arn(revision, "service-revision", revision.id),
        "serviceArn": arn(revision, "service", revision.service),
        "clusterArn": arn(revision, "cluster", revision.service.partition("/")[0]),
        "taskDefinition": document["taskDefinition"],
        "capacityProviderStrategy": document.get("capacityProviderStrategy"),
        "launchType": document.get("launchType"),
        "platformVersion": _platform(document),
        "platformFamily": "Linux" if document.get("platformVersion") else None,
        "loadBalancers": document.get("loadBalancers") or [],
        "serviceRegistries": document.get("serviceRegistries") or [],
        "networkConfiguration": document.get("networkConfiguration"),
        "serviceConnectConfiguration": document.get(CONFIGURATION),
        "guardDutyEnabled": False,
        "createdAt": revision.created_at,
    }
    if held is not None and held.loads:
        rules = [
            (each.get("advancedConfiguration") or {}).get("productionListenerRule")
            for each in document["loadBalancers"]
        ]
        shown["resolvedConfiguration"] = {
            "loadBalancers": [
                without_empty({"targetGroupArn": load.group, "productionListenerRule": rule}.items())
                for load, rule in zip(held.loads, rules, strict=True)
            ]
        }
    return without_empty(shown.items())
