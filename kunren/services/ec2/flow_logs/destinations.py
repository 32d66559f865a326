"""Where a flow log goes: what a request names, and keys as AWS lays them out. Pure.

"Publish flow logs to CloudWatch Logs", "Publish flow logs to Amazon S3" and "Flow log files".
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from kunren.services.ec2 import errors
from kunren.services.ec2.model import FlowLog

LOGS, S3 = "cloud-watch-logs", "s3"
_GROUP = re.compile(r"arn:aws:logs:[a-z0-9-]+:\d{12}:log-group:([\w./#-]{1,512})(?::\*)?")
FILE_S = 300
_BUCKET = re.compile(r"arn:aws:s3:::([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")


def checked(params: dict[str, Any]) -> dict[str, Any]:
    """The destination members of a new flow log. Raises InvalidParameter and NotYet."""
    kind = params.get("LogDestinationType", LOGS)
    place, group = params.get("LogDestination"), params.get("LogGroupName")
    options = params.get("DestinationOptions") or {}
    if kind not in (LOGS, S3):
        raise errors.NotYet("flow logs to Amazon Data Firehose")
    if place and group:
        raise errors.InvalidParameter("Please only provide LogGroupName or only provide LogDestination.")
    if kind == S3:
        _check_bucket(place or "", options)
    else:
        if not place and not group:
            raise errors.InvalidParameter("LogDestination can't be empty if LogGroupName is not provided.")
        if not params.get("DeliverLogsPermissionArn"):
            raise errors.InvalidParameter(
                "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs."
            )
        if options:
            raise errors.InvalidParameter("DestinationOptions can only be provided if LogDestinationType is s3.")
        if place:
            found = _GROUP.fullmatch(place)
            if found is None:
                raise errors.InvalidParameter(f"LogDestination: {place} is not a valid log group ARN.")
            group = found.group(1)
    return {
        "destination_type": kind,
        "destination": place,
        "log_group": group if kind == LOGS else None,
        "hive_partitions": bool(options.get("HiveCompatiblePartitions")),
        "hour_partitions": bool(options.get("PerHourPartition")),
        "has_options": bool(options),
    }


def _check_bucket(place: str, options: dict[str, Any]) -> None:
    found = _BUCKET.fullmatch(place)
    if found is None:
        raise errors.InvalidParameter("LogDestination can't be empty if LogDestinationType is s3.")
    if "AWSLogs" in (found.group(2) or "").split("/"):
        raise errors.InvalidParameter("LogDestination: AWSLogs is a reserved term and cannot be used as a subfolder.")
    if options.get("FileFormat", "plain-text") != "plain-text":
        raise errors.NotYet("flow log files in Parquet format")


def bucket_of(log: FlowLog) -> str:
    found = _BUCKET.fullmatch(log.destination or "")
    assert found is not None, "checked when the flow log was made"
    return found.group(1)


def stream_of(log: FlowLog, interface_id: str) -> str:
    """`eni-1235b8ca-all`."""
    return f"{interface_id}-{log.traffic_type.lower()}"


def object_key(log: FlowLog, end: float, random: str) -> str:
    """The key of the file of the five minutes before `end` (AWS time), which a late delivery is later than."""
    found = _BUCKET.fullmatch(log.destination or "")
    assert found is not None, "checked when the flow log was made"
    prefix = (found.group(2) or "").strip("/")
    day = datetime.fromtimestamp(end // FILE_S * FILE_S, UTC)
    if log.hive_partitions:
        folder = f"aws-account-id={log.account}/aws-service=vpcflowlogs/aws-region={log.region}"
        folder += f"/year={day:%Y}/month={day:%m}/day={day:%d}"
        hour = f"/hour={day:%H}"
    else:
        folder = f"{log.account}/vpcflowlogs/{log.region}/{day:%Y/%m/%d}"
        hour = f"/{day:%H}"
    folder += hour if log.hour_partitions else ""
    name = f"{log.account}_vpcflowlogs_{log.region}_{log.id}_{day:%Y%m%dT%H%MZ}_{random}.log.gz"
    return f"{prefix}/AWSLogs/{folder}/{name}".lstrip("/")
