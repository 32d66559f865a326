"""Where what an ECS Exec session printed is kept: a log stream, an object of S3, both, or nowhere."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kunren.core.calling import CallService
from kunren.core.errors import AwsError
from kunren.services.ecs.model import Task
from kunren.services.ecs.tasks.plan import ContainerPlan

log = logging.getLogger(__name__)
_EVENT_BYTES_MAX = 250_000


@dataclass(frozen=True, slots=True)
class Place:
    """A log group in a region; a bucket and what begins the keys in it. Empty where there is none."""

    region: str
    group: str = ""
    bucket: str = ""
    prefix: str = ""


def place_of(configuration: Mapping[str, Any], plan: ContainerPlan, region: str) -> Place | None:
    """By the cluster's executeCommandConfiguration: with DEFAULT the group that the container logs to."""
    kind = configuration.get("logging") or "DEFAULT"
    if kind == "OVERRIDE":
        told = configuration.get("logConfiguration") or {}
        found = Place(
            region, told.get("cloudWatchLogGroupName") or "", told.get("s3BucketName") or "",
            (told.get("s3KeyPrefix") or "").strip("/"),
        )  # fmt: skip
        return found if found.group or found.bucket else None
    if kind == "DEFAULT" and plan.logs is not None and plan.logs.get("awslogs-group"):
        return Place(plan.logs.get("awslogs-region") or region, plan.logs["awslogs-group"])
    return None


class ExecLogs:
    def __init__(self, call: CallService) -> None:
        self._call = call

    async def keep(self, task: Task, place: Place, session: str, printed: bytes, at_ms: int) -> None:
        """One that can't be kept is lost, as on AWS."""
        try:
            if place.group:
                names = {"logGroupName": place.group, "logStreamName": session}
                await self._call(task.account, place.region, "logs", "CreateLogStream", names)
                text = printed[-_EVENT_BYTES_MAX:].decode(errors="replace") or " "
                events = [{"timestamp": at_ms, "message": text}]
                await self._call(task.account, place.region, "logs", "PutLogEvents", {**names, "logEvents": events})
            if place.bucket:
                key = "/".join(each for each in (place.prefix, f"{session}.log") if each)
                wanted = {"Bucket": place.bucket, "Key": key, "Body": printed}
                await self._call(task.account, task.region, "s3", "PutObject", wanted)
        except AwsError as error:
            log.warning("the log of %s could not be kept: %s", session, error)
