"""What there is of everything: the words that other operations take."""

from __future__ import annotations

from kunren.core.context import RequestContext
from kunren.services.autoscaling import metrics, scaling
from kunren.services.autoscaling.api.base import Operations, Params, Result
from kunren.services.autoscaling.api.groups import TERMINATION_POLICIES
from kunren.services.autoscaling.events import NOTIFICATION_TYPES
from kunren.services.autoscaling.model import PROCESSES, Group


class TypeOperations(Operations):
    def describe_adjustment_types(self, ctx: RequestContext, params: Params) -> Result:
        found = (scaling.CHANGE, scaling.EXACT, scaling.PERCENT)
        return {"AdjustmentTypes": [{"AdjustmentType": each} for each in found]}

    def describe_auto_scaling_notification_types(self, ctx: RequestContext, params: Params) -> Result:
        return {"AutoScalingNotificationTypes": list(NOTIFICATION_TYPES)}

    def describe_metric_collection_types(self, ctx: RequestContext, params: Params) -> Result:
        listed = [{"Metric": each} for each in metrics.METRICS]
        return {"Metrics": listed, "Granularities": [{"Granularity": "1Minute"}]}

    def describe_scaling_process_types(self, ctx: RequestContext, params: Params) -> Result:
        return {"Processes": [{"ProcessName": each} for each in PROCESSES]}

    def describe_termination_policy_types(self, ctx: RequestContext, params: Params) -> Result:
        return {"TerminationPolicyTypes": list(TERMINATION_POLICIES)}

    def describe_account_limits(self, ctx: RequestContext, params: Params) -> Result:
        count = self._store.snapshot().count(Group, ctx.account, ctx.region)
        return {
            "MaxNumberOfAutoScalingGroups": 500, "MaxNumberOfLaunchConfigurations": 200,
            "NumberOfAutoScalingGroups": count, "NumberOfLaunchConfigurations": 0,
        }  # fmt: skip
