"""Commands and invocations as AWS shows them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kunren.core.clock import iso_utc
from kunren.services.ssm.commands import outputs, states
from kunren.services.ssm.model import Command, Invocation

_OUTPUT_MAX = 2_500
_NO_NOTICES: dict[str, Any] = {"NotificationArn": "", "NotificationEvents": [], "NotificationType": ""}


def command(each: Command, invocations: Sequence[Invocation]) -> dict[str, Any]:
    """A `Command` of the model."""
    details = states.details_of(each, invocations)
    counted = states.counted(invocations)
    return {
        "CommandId": each.id,
        "DocumentName": each.document,
        "DocumentVersion": each.version,
        "Comment": each.comment,
        "ExpiresAfter": each.expires,
        "Parameters": each.parameters,
        "InstanceIds": each.instance_ids,
        "Targets": each.targets,
        "RequestedDateTime": each.requested,
        "Status": states.status(details),
        "StatusDetails": details,
        "OutputS3BucketName": each.bucket,
        "OutputS3KeyPrefix": each.prefix,
        "MaxConcurrency": each.max_concurrency,
        "MaxErrors": each.max_errors,
        "TargetCount": len(invocations),
        "CompletedCount": counted.completed,
        "ErrorCount": counted.errors,
        "DeliveryTimedOutCount": counted.undelivered,
        "ServiceRole": "",
        "NotificationConfig": _NO_NOTICES,
        "CloudWatchOutputConfig": _logs(each),
        "TimeoutSeconds": each.timeout_s,
    }


def _logs(of: Command) -> dict[str, Any]:
    return {"CloudWatchLogGroupName": of.log_group, "CloudWatchOutputEnabled": bool(of.log_group)}


def _urls(of: Command, each: Invocation) -> dict[str, str]:
    """Where its output is; nowhere as long as it runs."""
    over = each.ended is not None
    names = {"StandardOutputUrl": "stdout", "StandardErrorUrl": "stderr"}
    return {member: outputs.url(of, each.instance_id, name) if over else "" for member, name in names.items()}


def _shared(of: Command, each: Invocation) -> dict[str, Any]:
    return {
        "CommandId": of.id,
        "InstanceId": each.instance_id,
        "Comment": of.comment,
        "DocumentName": of.document,
        "DocumentVersion": of.version,
        "Status": states.status(each.details),
        "StatusDetails": each.details,
        **_urls(of, each),
        "CloudWatchOutputConfig": _logs(of),
    }


def details(of: Command, each: Invocation) -> dict[str, Any]:
    """What GetCommandInvocation says."""
    over = each.started is not None and each.ended is not None
    elapsed = (each.ended or 0.0) - (each.started or 0.0)
    return {
        **_shared(of, each),
        "PluginName": of.step,
        "ResponseCode": each.code,
        "ExecutionStartDateTime": iso_utc(each.started) if each.started is not None else "",
        "ExecutionElapsedTime": f"PT{elapsed:.3f}S" if over else "",
        "ExecutionEndDateTime": iso_utc(each.ended) if over and each.ended is not None else "",
        "StandardOutputContent": each.output,
        "StandardErrorContent": each.errors,
    }


def invocation(of: Command, each: Invocation, *, full: bool) -> dict[str, Any]:
    """A `CommandInvocation` of the model; with its plugin where it is asked for in full."""
    told = f"{each.output}\n----------ERROR-------\n{each.errors}" if each.errors else each.output
    plugin = {
        "Name": of.step,
        "Status": states.status(each.details),
        "StatusDetails": each.details,
        "ResponseCode": each.code,
        "ResponseStartDateTime": each.started,
        "ResponseFinishDateTime": each.ended if each.started is not None else None,
        "Output": told[:_OUTPUT_MAX],
        **_urls(of, each),
        "OutputS3Region": of.region,
        "OutputS3BucketName": of.bucket,
        "OutputS3KeyPrefix": outputs.folder(of, each.instance_id) if of.bucket else "",
    }
    return {
        **_shared(of, each),
        "InstanceName": each.name,
        "RequestedDateTime": each.requested,
        "TraceOutput": "",
        "CommandPlugins": [plugin] if full else [],
        "ServiceRole": "",
        "NotificationConfig": _NO_NOTICES,
    }
