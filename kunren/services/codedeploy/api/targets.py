"""Deployment targets, in both shapes, and the answers of hooks."""

from __future__ import annotations

from msgspec.structs import replace

from kunren.control.store import Snapshot
from kunren.core.context import RequestContext
from kunren.services.codedeploy import errors, views
from kunren.services.codedeploy.api.base import ApiBase, Params, Result, check_batch, find_deployment, page
from kunren.services.codedeploy.model import SERVER, Deployment, Target


class Targets(ApiBase):
    def list_deployment_targets(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        found = views.targets_of(snapshot, find_deployment(snapshot, ctx, params.get("deploymentId")))
        wanted = params.get("targetFilters") or {}
        statuses, labels = wanted.get("TargetStatus") or (), wanted.get("ServerInstanceLabel") or ()
        ids = sorted(
            each.target
            for each in found
            if (not statuses or each.status in statuses) and (not labels or each.label in labels)
        )
        shown, token = page(ids, params.get("nextToken"), str)
        return {"targetIds": shown, "nextToken": token}

    def get_deployment_target(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        of = find_deployment(snapshot, ctx, params["deploymentId"])
        return {"deploymentTarget": views.target(of, _target(snapshot, of, params["targetId"]))}

    def batch_get_deployment_targets(self, ctx: RequestContext, params: Params) -> Result:
        check_batch(params["targetIds"], 25)
        snapshot = self._store.snapshot()
        of = find_deployment(snapshot, ctx, params["deploymentId"])
        return {"deploymentTargets": [views.target(of, _target(snapshot, of, each)) for each in params["targetIds"]]}

    # -- instances, by the older operations --------------------------------------------------------------------------

    def list_deployment_instances(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        statuses, labels = params.get("instanceStatusFilter") or (), params.get("instanceTypeFilter") or ()
        ids = sorted(
            each.target
            for each in views.targets_of(snapshot, _of_server(snapshot, ctx, params["deploymentId"]))
            if (not statuses or each.status in statuses) and (not labels or each.label in labels)
        )
        shown, token = page(ids, params.get("nextToken"), str)
        return {"instancesList": shown, "nextToken": token}

    def get_deployment_instance(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        found = _find(snapshot, _of_server(snapshot, ctx, params["deploymentId"]), params["instanceId"])
        if found is None:
            raise errors.InstanceDoesNotExistException(f"The instance {params['instanceId']} is not in the deployment")
        return {"instanceSummary": views.instance_summary(found)}

    def batch_get_deployment_instances(self, ctx: RequestContext, params: Params) -> Result:
        check_batch(params["instanceIds"], 25)
        snapshot = self._store.snapshot()
        of = _of_server(snapshot, ctx, params["deploymentId"])
        found = [_find(snapshot, of, each) for each in params["instanceIds"]]
        return {"instancesSummary": [views.instance_summary(each) for each in found if each is not None]}

    # -- hooks -------------------------------------------------------------------------------------------------------

    def put_lifecycle_event_hook_execution_status(self, ctx: RequestContext, params: Params) -> Result:
        id, status = params.get("lifecycleEventHookExecutionId") or "", params.get("status")
        with self._store.write() as tx:
            of = find_deployment(tx, ctx, params.get("deploymentId"))
            if of.platform == SERVER:
                raise errors.UnsupportedActionForDeploymentTypeException(
                    "Hooks of instances are scripts and have no status to put"
                )
            if status not in ("Succeeded", "Failed"):
                raise errors.InvalidLifecycleEventHookExecutionStatusException(
                    f"The lifecycle event hook execution status must be Succeeded or Failed: {status}"
                )
            for target in views.targets_of(tx, of):
                for place, event in enumerate(target.events):
                    if not id or event.hook != id:
                        continue
                    if event.ended or of.ended:
                        raise errors.LifecycleEventAlreadyCompletedException(
                            f"The lifecycle event {event.name} has already completed"
                        )
                    now, events = self._clock.now(), list(target.events)
                    events[place] = replace(event, status=status, ended_at=now)
                    tx.put(replace(target, events=tuple(events), updated_at=now))
                    return {"lifecycleEventHookExecutionId": id}
        raise errors.InvalidLifecycleEventHookExecutionIdException(
            "The lifecycle event hook execution ID is not valid for this deployment"
        )


def _find(snapshot: Snapshot, of: Deployment, id: str) -> Target | None:
    return snapshot.get(Target, of.account, of.region, f"{of.id}/{id.rpartition('/')[2]}")


def _target(snapshot: Snapshot, of: Deployment, id: str) -> Target:
    found = _find(snapshot, of, id)
    if found is None:
        raise errors.DeploymentTargetDoesNotExistException(f"The deployment target {id} does not exist")
    return found


def _of_server(snapshot: Snapshot, ctx: RequestContext, id: str) -> Deployment:
    found = find_deployment(snapshot, ctx, id)
    if found.platform != SERVER:
        raise errors.InvalidComputePlatformException(
            f"The operation is not supported for the {found.platform} compute platform"
        )
    return found
