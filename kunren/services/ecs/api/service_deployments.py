"""Service deployments and revisions: what has become of a service, and how a deployment is stopped or continued."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.ecs import errors
from kunren.services.ecs.api.base import Operations, Params, Result, find_cluster, own_name, page
from kunren.services.ecs.api.service_views import brief_to_wire, course_to_wire, revision_to_wire
from kunren.services.ecs.api.services import service_id
from kunren.services.ecs.model import Service
from kunren.services.ecs.services.model import ServiceDeployment, ServiceRevision
from kunren.services.ecs.services.stages import CLEAN_UP

DESCRIBED_MAX = 20
LISTED, LISTED_MAX = 20, 100


class ServiceDeploymentOperations(Operations):
    def list_service_deployments(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        cluster = find_cluster(snapshot, ctx, params.get("cluster"))
        id = service_id(ctx, cluster, params["service"])
        service = snapshot.get(Service, ctx.account, ctx.region, id)
        if service is None:
            raise errors.ServiceNotFoundException()
        wanted, span = params.get("status") or (), params.get("createdAt") or {}
        found = [
            each
            for each in snapshot.list(ServiceDeployment, ctx.account, ctx.region)
            if each.service == id
            and each.created_at >= service.created_at  # not those of one that had the name before
            and (not wanted or each.status in wanted)
            and _seconds(span.get("after"), 0.0) <= each.created_at <= _seconds(span.get("before"), 1e11)
        ]
        found.sort(key=lambda each: (-each.created_at, each.id))
        if params.get("maxResults") is None:
            params = {**params, "maxResults": LISTED}
        chosen, token = page(found, params, lambda each: f"{1e11 - each.created_at:020.6f}{each.id}", LISTED_MAX)
        return {"serviceDeployments": [brief_to_wire(each) for each in chosen], "nextToken": token}

    def describe_service_deployments(self, ctx: RequestContext, params: Params) -> Result:
        snapshot, found, failures = self._store.snapshot(), [], []
        for named in _few(params["serviceDeploymentArns"]):
            id = own_name(ctx, named, "service-deployment")
            course = snapshot.get(ServiceDeployment, ctx.account, ctx.region, id)
            if course is None:
                failures.append({"arn": named, "reason": "MISSING"})
            else:
                found.append(course_to_wire(snapshot, course))
        return {"serviceDeployments": found, "failures": failures}

    def describe_service_revisions(self, ctx: RequestContext, params: Params) -> Result:
        snapshot, found, failures = self._store.snapshot(), [], []
        for named in _few(params["serviceRevisionArns"]):
            id = own_name(ctx, named, "service-revision")
            revision = snapshot.get(ServiceRevision, ctx.account, ctx.region, id)
            if revision is None:
                failures.append({"arn": named, "reason": "MISSING"})
            else:
                found.append(revision_to_wire(snapshot, revision))
        return {"serviceRevisions": found, "failures": failures}

    def stop_service_deployment(self, ctx: RequestContext, params: Params) -> Result:
        named, aborts = params["serviceDeploymentArn"], params.get("stopType") == "ABORT"
        with self._store.write() as tx:
            course = tx.get(ServiceDeployment, ctx.account, ctx.region, own_name(ctx, named, "service-deployment"))
            if course is None:
                raise errors.ServiceDeploymentNotFoundException("Service deployment not found.")
            if course.status not in ("PENDING", "IN_PROGRESS") or course.stage == CLEAN_UP:
                raise errors.ConflictException(
                    f"The service deployment cannot be stopped in the status {course.status}."
                )
            if course.source is None and not aborts:
                raise errors.ConflictException(
                    "The service deployment cannot be rolled back: there is no service revision that was deployed "
                    "successfully."
                )
            status = "STOP_REQUESTED" if aborts else "ROLLBACK_REQUESTED"
            tx.put(replace(course, status=status, updated_at=self._clock.now()))
        return {"serviceDeploymentArn": named}

    def continue_service_deployment(self, ctx: RequestContext, params: Params) -> Result:
        named, rolls_back = params["serviceDeploymentArn"], params.get("action") == "ROLLBACK"
        with self._store.write() as tx:
            course = tx.get(ServiceDeployment, ctx.account, ctx.region, own_name(ctx, named, "service-deployment"))
            if course is None:
                raise errors.ServiceDeploymentNotFoundException("Service deployment not found.")
            run = next((each for each in course.hooks if each.id == params["hookId"]), None)
            if run is None or run.status != "AWAITING_ACTION" or course.status != "IN_PROGRESS":
                raise errors.InvalidParameterException("The lifecycle hook does not await an action.")
            done = replace(run, status="FAILED" if rolls_back else "SUCCEEDED")
            hooks = tuple(done if each.id == run.id else each for each in course.hooks)
            tx.put(replace(course, hooks=hooks, updated_at=self._clock.now()))
        return {"serviceDeploymentArn": named}


def _few(named: list[str]) -> list[str]:
    if not named or len(named) > DESCRIBED_MAX:
        raise errors.InvalidParameterException(f"There must be from 1 to {DESCRIBED_MAX} ARNs.")
    return named


def _seconds(told: Any, otherwise: float) -> float:
    if told is None:
        return otherwise
    return float(told.timestamp()) if hasattr(told, "timestamp") else float(told)
