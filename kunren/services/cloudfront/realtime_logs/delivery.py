"""Puts the records of requests into Kinesis data streams, within a second, a batch at a time.

A request is never kept waiting: its record is written down once it has been answered, and goes out behind it. Each
configuration has a queue with an end; like AWS's, these logs are on best effort: what finds no room, what a stream
refuses and what waits when the daemon ends is lost. How much that was, and why, is told.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from kunren.control.store import Store
from kunren.core.arn import parse_arn
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.core.policies import Asker, allowed, many
from kunren.dataplane.edge.record import Record
from kunren.services.cloudfront.realtime_logs.fields import line
from kunren.services.cloudfront.realtime_logs.model import RealtimeLogConfig

log = logging.getLogger(__name__)
GATHER_S = 0.5  # real seconds that records gather before they go out
WAITING_MAX = 10_000
"""Records that wait for one stream."""
BATCH_RECORDS, BATCH_BYTES = 500, 1_000_000
"""Of one PutRecords; Kinesis takes 500 records, and 5 MB of them."""
CLOUDFRONT = Asker(service="cloudfront.amazonaws.com")
_Key = tuple[str, str]  # account and name of a configuration


class Undelivered(Exception):
    """Why a stream did not get records."""


@dataclass(slots=True)
class _Queue:
    """`waiting` are partition keys and records."""

    waiting: deque[tuple[str, bytes]] = field(default_factory=deque)
    delivered: int = 0
    lost: int = 0
    why: str = ""
    delivering: asyncio.Task[None] | None = None


class RealtimeDelivery:
    """`observe` takes what the edge answered."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._call = call
        self._queues: dict[_Key, _Queue] = {}

    def observe(self, record: Record) -> None:
        name = record.site.realtime_logs.get(record.request.pattern)
        config = self._config((record.site.account, name)) if name is not None else None
        if config is None or self._entropy.uniform(0, 100) >= config.sampling_rate:
            return
        queue = self._queues.setdefault((config.account, config.id), _Queue())
        if len(queue.waiting) >= WAITING_MAX:
            self._lose(queue, config.id, 1, f"more than {WAITING_MAX} records waited for the stream")
            return
        queue.waiting.append((record.request.id, line(record, config.fields).encode("utf-8", "replace")))
        if queue.delivering is None:
            work = self._deliver((config.account, config.id), queue)
            queue.delivering = asyncio.get_running_loop().create_task(work, name="cloudfront-realtime-log")

    @property
    def failures(self) -> dict[str, str]:
        """By configuration that there still is: why records of it were lost last."""
        return {
            f"real-time log {key[1]}": f"{queue.lost} records lost: {queue.why}"
            for key, queue in self._queues.items()
            if queue.why and self._config(key) is not None
        }

    def status(self) -> dict[str, dict[str, int]]:
        """By configuration that had records: how many were delivered, how many lost."""
        return {
            name: {"delivered": queue.delivered, "lost": queue.lost}
            for (_, name), queue in sorted(self._queues.items())
        }

    async def stop(self) -> None:
        tasks = [each.delivering for each in self._queues.values() if each.delivering is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _config(self, key: _Key) -> RealtimeLogConfig | None:
        return self._store.snapshot().get(RealtimeLogConfig, key[0], "", key[1])

    async def _deliver(self, key: _Key, queue: _Queue) -> None:
        """Until nothing waits."""
        try:
            await self._clock.wall_sleep(GATHER_S)
            while queue.waiting:
                batch = _batch(queue.waiting)
                try:
                    refused, why = await self._put(key, batch)
                except (AwsError, Undelivered) as error:
                    text = f"{error.code}: {error.message}" if isinstance(error, AwsError) else str(error)
                    refused, why = len(batch), text
                except Exception:
                    log.exception("records of real-time log %s could not be delivered", key[1])
                    refused, why = len(batch), "an internal error occurred"
                queue.delivered += len(batch) - refused
                if refused:
                    self._lose(queue, key[1], refused, why)
                else:
                    queue.why = ""
        finally:
            queue.delivering = None

    async def _put(self, key: _Key, batch: list[dict[str, Any]]) -> tuple[int, str]:
        """How many records the stream refused, and why. Raises AwsError, Undelivered."""
        config = self._config(key)
        stream = parse_arn(config.stream_arn) if config is not None else None
        if config is None or stream is None:
            raise Undelivered("the configuration is gone")
        await self._check_role(config.role_arn)
        asked = {"StreamARN": config.stream_arn, "Records": batch}
        made = await self._call(stream.account, stream.region, "kinesis", "PutRecords", asked)
        failed = [each for each in made["Records"] if each.get("ErrorCode")]
        return len(failed), f"{failed[0]['ErrorCode']}: {failed[0].get('ErrorMessage', '')}" if failed else ""

    async def _check_role(self, arn: str) -> None:
        """Raises AwsError where there is no such role, Undelivered where CloudFront may not take it on."""
        parsed = parse_arn(arn)
        assert parsed is not None  # `rules.completed` has seen to that
        named = {"RoleName": parsed.resource.rpartition("/")[2]}
        role: Mapping[str, Any] = (await self._call(parsed.account, "us-east-1", "iam", "GetRole", named))["Role"]
        trust = role["AssumeRolePolicyDocument"]
        document = json.loads(unquote(trust)) if isinstance(trust, str) else trust
        if not allowed(many(document.get("Statement")), CLOUDFRONT, "sts:AssumeRole", {}):
            raise Undelivered(f"the trust policy of {arn} does not let cloudfront.amazonaws.com assume the role")

    def _lose(self, queue: _Queue, name: str, count: int, why: str) -> None:
        queue.lost += count
        if queue.why != why:
            log.warning("records of real-time log %s are lost: %s", name, why)
        queue.why = why


def _batch(waiting: deque[tuple[str, bytes]]) -> list[dict[str, Any]]:
    """The first records that wait, as many as one call takes; they wait no more."""
    batch: list[dict[str, Any]] = []
    size = 0
    while waiting and len(batch) < BATCH_RECORDS and (not batch or size + len(waiting[0][1]) <= BATCH_BYTES):
        partition_key, data = waiting.popleft()
        size += len(data)
        batch.append({"Data": data, "PartitionKey": partition_key})
    return batch
