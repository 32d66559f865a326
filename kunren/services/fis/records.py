"""What experiments log, to CloudWatch Logs and S3: one JSON object an event, schema version 2.

"Experiment logging for AWS FIS". To CloudWatch Logs lines go when somebody asks for them; to S3 when the experiment
ends. What was not delivered when the daemon dies is gone, as with other logs here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kunren.core.arn import parse_arn
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.services.fis.model import Experiment
from kunren.services.lambda_.log_delivery import LogDelivery

log = logging.getLogger(__name__)


class Records:
    """`before` is what CloudWatch Logs' operations wait for."""

    def __init__(self, clock: Clock, call: CallService) -> None:
        self._clock, self._call = clock, call
        self._delivery = LogDelivery(call, line_end="", makes_group=True)
        self.before = self._delivery.before
        self._lines: dict[str, list[str]] = {}

    def note(self, experiment: Experiment, log_type: str, **details: Any) -> None:
        """One event."""
        settings = experiment.log_configuration
        if settings is None:
            return
        now = self._clock.now()
        text = record(experiment.id, log_type, now, details)
        group = parse_arn((settings.get("cloudWatchLogsConfiguration") or {}).get("logGroupArn", ""))
        if group is not None:
            name = group.resource.removeprefix("log-group:").removesuffix(":*")
            self._delivery.take(
                experiment.account, group.region, name, f"experiment/{experiment.id}", [(int(now * 1000), text)]
            )
        if settings.get("s3Configuration"):
            self._lines.setdefault(experiment.id, []).append(text)

    async def close(self, experiment: Experiment) -> None:
        """The experiment has ended: its lines go to S3."""
        lines = self._lines.pop(experiment.id, None)
        if not lines or experiment.log_configuration is None:
            return
        where = experiment.log_configuration["s3Configuration"]
        key = object_key(experiment, where.get("prefix", ""), self._clock.now())
        body = "".join(f"{each}\n" for each in lines).encode()
        params = {"Bucket": where["bucketName"], "Key": key, "Body": body, "ContentType": "application/json"}
        try:
            await self._call(experiment.account, experiment.region, "s3", "PutObject", params)
        except AwsError as error:
            log.warning("the log of experiment %s could not be delivered: %s", experiment.id, error)


def record(experiment_id: str, log_type: str, now: float, details: Mapping[str, Any]) -> str:
    """One line, as the log schema has it."""
    return json.dumps(
        {
            "id": experiment_id, "log_type": log_type, "event_timestamp": stamp(now), "version": "2",
            "details": {key: value for key, value in details.items() if value is not None},
        }
    )  # fmt: skip


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def object_key(experiment: Experiment, prefix: str, now: float) -> str:
    """Where a log goes in its bucket."""
    day = datetime.fromtimestamp(now, UTC).strftime("%Y/%m/%d")
    path = f"AWSLogs/{experiment.account}/fis/{experiment.region}/{day}/{experiment.id}.json"
    return f"{prefix.strip('/')}/{path}" if prefix.strip("/") else path
