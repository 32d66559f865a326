"""Drift of stack sets: each of their stacks is looked at, by an operation as others are. "Performing drift detection on
CloudFormation StackSets"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kunren.core.context import RequestContext
from kunren.services.cloudformation.api.base import Params, Result
from kunren.services.cloudformation.api.stack_sets import StackSets, set_named
from kunren.services.cloudformation.errors import StackInstanceNotFoundException
from kunren.services.cloudformation.model import SetOperation, StackInstance

PAGE = 100
_ENDED = {"SUCCEEDED": "COMPLETED", "RUNNING": "IN_PROGRESS", "STOPPING": "IN_PROGRESS", "STOPPED": "STOPPED"}
_SHOWN = (
    "StackId",
    "LogicalResourceId",
    "PhysicalResourceId",
    "ResourceType",
    "PropertyDifferences",
    "StackResourceDriftStatus",
    "Timestamp",
)


class SetDrift(StackSets):
    def detect_stack_set_drift(self, ctx: RequestContext, params: Params) -> Result:
        with self.store.write() as tx:
            found = set_named(tx, ctx, params["StackSetName"])
            held = [each for each in self._instances(tx, found) if each.stack_arn]
            return {"OperationId": self._begin(tx, ctx, params, found, "DETECT_DRIFT", held)}

    def describe_stack_set(self, ctx: RequestContext, params: Params) -> Result:
        shown = super().describe_stack_set(ctx, params)
        snapshot = self.store.snapshot()
        found = set_named(snapshot, ctx, params["StackSetName"])
        operations = [
            each
            for each in snapshot.list(SetOperation, ctx.account, ctx.region)
            if each.stack_set == found.id and each.action == "DETECT_DRIFT"
        ]
        if operations:
            last = max(operations, key=lambda each: each.created)
            details = detection(self._instances(snapshot, found), last)
            shown["StackSet"]["StackSetDriftDetectionDetails"] = details
        return shown

    async def list_stack_instance_resource_drifts(self, ctx: RequestContext, params: Params) -> Result:
        self._operation(ctx, params)
        found = set_named(self.store.snapshot(), ctx, params["StackSetName"])
        account, region = params["StackInstanceAccount"], params["StackInstanceRegion"]
        held = self.store.snapshot().get(StackInstance, ctx.account, ctx.region, f"{found.id}/{account}/{region}")
        if held is None:
            raise StackInstanceNotFoundException(f"StackInstance not found for {account} in {region}")
        asked: dict[str, Any] = {"StackName": held.stack_arn}
        if wanted := params.get("StackInstanceResourceDriftStatuses"):
            asked["StackResourceDriftStatusFilters"] = wanted
        answer = await self.call(account, region, "cloudformation", "DescribeStackResourceDrifts", asked)
        shown = [{key: each[key] for key in _SHOWN if key in each} for each in answer["StackResourceDrifts"]]
        size = params.get("MaxResults") or PAGE
        chosen, token = self.paged(shown, params, size, lambda each: each["LogicalResourceId"])
        return {"Summaries": chosen, **token}


def detection(instances: Sequence[StackInstance], last: SetOperation) -> Result:
    """StackSetDriftDetectionDetails, behind the last operation that looked. Pure."""
    drifts = [each.drift for each in instances]
    failed = sum(status == "FAILED" for status, _ in last.results.values())
    whole = "DRIFTED" if "DRIFTED" in drifts else "IN_SYNC" if set(drifts) == {"IN_SYNC"} else "NOT_CHECKED"
    partly = "PARTIAL_SUCCESS" if failed < len(last.targets) else "FAILED"
    ended = _ENDED.get(last.status, "FAILED")
    return {
        "DriftStatus": whole,
        "DriftDetectionStatus": partly if failed and ended in ("COMPLETED", "FAILED") else ended,
        "TotalStackInstancesCount": len(instances),
        "DriftedStackInstancesCount": drifts.count("DRIFTED"),
        "InSyncStackInstancesCount": drifts.count("IN_SYNC"),
        "InProgressStackInstancesCount": len(last.targets) - len(last.results) if ended == "IN_PROGRESS" else 0,
        "FailedStackInstancesCount": failed,
        **({"LastDriftCheckTimestamp": last.ended} if last.ended else {}),
    }
