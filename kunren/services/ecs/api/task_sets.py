"""Task sets: the deployments of services that CodeDeploy, or somebody else, deploys."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.ecs import errors
from kunren.services.ecs.api import service_checks as checks
from kunren.services.ecs.api.base import Operations, Params, Result, find_cluster
from kunren.services.ecs.api.service_views import task_set_to_wire
from kunren.services.ecs.api.services import find_active, with_task_set
from kunren.services.ecs.model import Deployment, Service
from kunren.services.ecs.names import last_part
from kunren.services.ecs.services.scheduling import computed_count

SETS_MAX = 5


class TaskSetOperations(Operations):
    def create_task_set(self, ctx: RequestContext, params: Params) -> Result:
        checks.refuse(params)
        _scale(params)
        with self._store.write() as tx:
            cluster = find_cluster(tx, ctx, params["cluster"])
            service = self._of_others(find_active(tx, ctx, cluster, params["service"]))
            if len(service.deployments) >= SETS_MAX:
                raise errors.LimitExceededException(f"A service has at most {SETS_MAX} task sets.")
            document = checks.revision_document(tx, ctx, cluster, {}, params, "ROLLING")
            service = with_task_set(self, tx, service, document, params, "ACTIVE")
            tx.put(service)
        return {"taskSet": self._set_shown(service, service.deployments[-1].id)}

    def update_task_set(self, ctx: RequestContext, params: Params) -> Result:
        scale = _scale(params)
        with self._store.write() as tx:
            cluster = find_cluster(tx, ctx, params["cluster"])
            service = self._of_others(find_active(tx, ctx, cluster, params["service"]))
            found = _find(service, params["taskSet"])
            if found.status == "DRAINING":
                raise errors.InvalidParameterException("A task set that is DRAINING cannot be scaled.")
            count = computed_count(service.desired_count, scale)
            changed = replace(found, scale=scale, desired_count=count, updated_at=self._clock.now())
            service = _with(service, changed)
            tx.put(service)
        return {"taskSet": self._set_shown(service, found.id)}

    def update_service_primary_task_set(self, ctx: RequestContext, params: Params) -> Result:
        now = self._clock.now()
        with self._store.write() as tx:
            cluster = find_cluster(tx, ctx, params["cluster"])
            service = self._of_others(find_active(tx, ctx, cluster, params["service"]))
            chosen = _find(service, params["primaryTaskSet"])
            if chosen.status == "DRAINING":
                raise errors.InvalidParameterException("A task set that is DRAINING cannot become PRIMARY.")
            for each in service.deployments:
                if each.id == chosen.id:
                    service = _with(service, replace(each, status="PRIMARY", updated_at=now))
                elif each.status == "PRIMARY":
                    service = _with(service, replace(each, status="ACTIVE", updated_at=now))
            tx.put(service)
        return {"taskSet": self._set_shown(service, chosen.id)}

    def delete_task_set(self, ctx: RequestContext, params: Params) -> Result:
        now = self._clock.now()
        with self._store.write() as tx:
            cluster = find_cluster(tx, ctx, params["cluster"])
            service = self._of_others(find_active(tx, ctx, cluster, params["service"]))
            found = _find(service, params["taskSet"])
            if found.desired_count > 0 and not params.get("force"):
                raise errors.InvalidParameterException(
                    "The task set cannot be deleted while it is scaled above 0. Scale it down, or force its deletion."
                )
            gone = replace(found, status="DRAINING", desired_count=0, scale=0.0, updated_at=now)
            service = _with(service, gone)
            tx.put(service)
        return {"taskSet": self._set_shown(service, found.id)}

    def describe_task_sets(self, ctx: RequestContext, params: Params) -> Result:
        snapshot, now = self._store.snapshot(), self._clock.now()
        cluster = find_cluster(snapshot, ctx, params["cluster"])
        service = self._of_others(find_active(snapshot, ctx, cluster, params["service"]))
        tags = "TAGS" in (params.get("include") or ())
        wanted = {_id(each): each for each in params.get("taskSets") or ()}
        found = [each for each in service.deployments if not wanted or each.id in wanted]
        missing = [told for id, told in wanted.items() if id not in {each.id for each in found}]
        return {
            "taskSets": [task_set_to_wire(snapshot, service, each, now, tags) for each in found],
            "failures": [{"arn": each, "reason": "MISSING"} for each in missing],
        }

    def _of_others(self, service: Service) -> Service:
        if service.controller == "ECS":
            raise errors.InvalidParameterException(
                "Task sets are only for services with the deployment controller CODE_DEPLOY or EXTERNAL."
            )
        return service

    def _set_shown(self, service: Service, id: str) -> dict[str, Any]:
        found = next(each for each in service.deployments if each.id == id)
        return task_set_to_wire(self._store.snapshot(), service, found, self._clock.now(), tags=True)


def _id(named: str) -> str:
    return f"ecs-svc/{last_part(named)}"


def _find(service: Service, named: str) -> Deployment:
    found = service.deployment(_id(named))
    if found is None:
        raise errors.TaskSetNotFoundException()
    return found


def _with(service: Service, changed: Deployment) -> Service:
    sets = tuple(changed if each.id == changed.id else each for each in service.deployments)
    return replace(service, deployments=sets, steady=False)


def _scale(params: Params) -> float:
    told = params.get("scale") or {}
    value = float(told.get("value", 0.0))
    if not 0 <= value <= 100:
        raise errors.InvalidParameterException("The scale must be from 0 to 100 per cent.")
    return value
