"""Reads what the kernel counted once an aggregation interval, and delivers the records.

CloudWatch Logs gets them at once, S3 a file every five minutes (all in AWS time). What waits for its file is kept in
memory, at most `LINES_MAX` lines a log: like AWS's, flow logs are on best effort, and what was not delivered when the
daemon dies is gone.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from kunren.control.store import Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock, ticks
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2.flow_logs import destinations
from kunren.services.ec2.flow_logs.coverage import covered_by
from kunren.services.ec2.flow_logs.fields import names_in
from kunren.services.ec2.flow_logs.records import Window, difference, lines
from kunren.services.ec2.model import FlowLog, FlowLogStatus, NetworkInterface, Subnet
from kunren.world.flow_counts import Counts
from kunren.world.interface import WorldEnded
from kunren.world.network import VpcNetwork

log = logging.getLogger(__name__)
TICK_S, FILE_S = 60, destinations.FILE_S
LINES_MAX = 100_000
EVENTS_AT_ONCE = 2000  # PutLogEvents takes a megabyte
FAILURES = (AwsError, OSError)


class Counter(Protocol):
    """The part of the world that flow logs need."""

    async def flow_counts(self, network: VpcNetwork) -> dict[str, Counts]: ...


class FlowLogDelivery:
    """`run` lives until it is cancelled. `network_of` gives a VPC's network as the world surely has it."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        world: Counter,
        network_of: Callable[[str], VpcNetwork | None],
        call: CallService,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._world = world
        self._network_of = network_of
        self._call = call
        self._read: dict[tuple[str, str], Counts] = {}  # log and interface → what was counted when last read
        self._ticked = clock.now()
        self._files: dict[str, list[str]] = defaultdict(list)  # log → lines of its next file

    async def run(self) -> None:
        async for now in ticks(self._clock, TICK_S):
            try:
                await self.tick(now)
            except WorldEnded:
                return
            except Exception:
                log.exception("the flow logs of the interval that ended at %d are lost", now)

    async def tick(self, now: float) -> None:
        """Deliver what has become due since the last time."""
        snapshot = self._store.snapshot()
        last, self._ticked = self._ticked, now
        logs = list(snapshot.every(FlowLog))
        due = [each for each in logs if now // each.interval_s > last // each.interval_s]
        if due:
            found = await self._records(snapshot, due, last, now)
            await asyncio.gather(*(self._deliver(each, records, now) for each, records in found))
        if now // FILE_S > last // FILE_S:
            await asyncio.gather(*(self._write_file(each, now) for each in logs if self._files.get(each.id)))

    async def _records(
        self, snapshot: Snapshot, due: Sequence[FlowLog], last: float, now: float
    ) -> list[tuple[FlowLog, dict[str, list[str]]]]:
        """The lines of each log by interface."""
        covered = {each.id: covered_by(snapshot, each) for each in due}
        counts: dict[str, Counts] = {}
        for vpc_id in sorted({each.vpc_id for each in due}):
            network = self._network_of(vpc_id)
            if network is not None:
                wanted = frozenset(i.id for each in due if each.vpc_id == vpc_id for i in covered[each.id])
                counts |= await self._world.flow_counts(replace(network, observed=network.observed & wanted))
        found = []
        for each in due:
            window = Window(max(last // each.interval_s * each.interval_s, each.created_at), now)
            told = {}
            for interface in covered[each.id]:
                subnet = snapshot.get(Subnet, each.account, each.region, interface.subnet_id)
                if subnet is not None and interface.id in counts:
                    news = self._since_last(snapshot, each, interface, counts[interface.id])
                    told[interface.id] = lines(each, interface, subnet, news, window)
            found.append((each, told))
        self._forget(snapshot)
        return found

    def _since_last(self, snapshot: Snapshot, each: FlowLog, interface: NetworkInterface, now: Counts) -> Counts:
        """What was counted since the log was read last. One that comes to an interface that another log has been
        counting begins with what is counted from its first reading on."""
        before = self._read.get((each.id, interface.id))
        self._read[each.id, interface.id] = now
        if before is None:
            older = [
                other
                for other in snapshot.list(FlowLog, each.account, each.region)
                if other.created_at < each.created_at and interface in covered_by(snapshot, other)
            ]
            before = now if older else Counts({}, {})
        return difference(before, now)

    def _forget(self, snapshot: Snapshot) -> None:
        """Readings of logs and interfaces that are gone."""
        logs = {each.id for each in snapshot.every(FlowLog)}
        interfaces = {each.id for each in snapshot.every(NetworkInterface)}
        self._read = {key: at for key, at in self._read.items() if key[0] in logs and key[1] in interfaces}
        for gone in self._files.keys() - logs:
            del self._files[gone]

    # -- delivering --------------------------------------------------------------------------------------------------

    async def _deliver(self, each: FlowLog, records: Mapping[str, list[str]], now: float) -> None:
        if each.destination_type == destinations.S3:
            file = self._files[each.id]
            file += [line for told in records.values() for line in told][: LINES_MAX - len(file)]
            return
        try:
            for interface_id, told in records.items():
                await self._put_events(each, destinations.stream_of(each, interface_id), told, now)
        except FAILURES as error:
            self._report(each, error)
        else:
            if records:
                self._report(each, None)

    async def _put_events(self, each: FlowLog, stream: str, told: Sequence[str], now: float) -> None:
        """Group and stream are made when they are missing, as the role that AWS asks for may do."""
        names = {"logGroupName": each.log_group, "logStreamName": stream}
        at = int((now - each.interval_s) * 1000)
        for first in range(0, len(told), EVENTS_AT_ONCE):
            events = [{"timestamp": at, "message": line} for line in told[first : first + EVENTS_AT_ONCE]]
            try:
                await self._logs(each, "PutLogEvents", {**names, "logEvents": events})
            except AwsError as error:
                if error.code != "ResourceNotFoundException":
                    raise
                await self._make(each, "CreateLogGroup", {"logGroupName": each.log_group})
                await self._make(each, "CreateLogStream", names)
                await self._logs(each, "PutLogEvents", {**names, "logEvents": events})

    async def _make(self, each: FlowLog, operation: str, params: Mapping[str, Any]) -> None:
        try:
            await self._logs(each, operation, params)
        except AwsError as error:
            if error.code != "ResourceAlreadyExistsException":
                raise

    async def _logs(self, each: FlowLog, operation: str, params: Mapping[str, Any]) -> None:
        await self._call(each.account, each.region, "logs", operation, params)

    async def _write_file(self, each: FlowLog, now: float) -> None:
        told = self._files.pop(each.id)
        key = destinations.object_key(each, now, self._entropy.hex(8))
        text = "\n".join([" ".join(names_in(each.format)), *told, ""]).encode()
        body = await asyncio.to_thread(gzip.compress, text, 6, mtime=0)
        try:
            put = {"Bucket": destinations.bucket_of(each), "Key": key, "Body": body}
            await self._call(each.account, each.region, "s3", "PutObject", put)
        except FAILURES as error:
            self._report(each, error)
        else:
            self._report(each, None)

    def _report(self, each: FlowLog, error: Exception | None) -> None:
        """DeliverLogsStatus is what delivery saw last."""
        message = _words(error)
        if error is not None:
            log.warning("flow log %s could not be delivered: %s", each.id, error)
        with self._store.write() as tx:
            before = tx.get(FlowLogStatus, each.account, each.region, each.id)
            still = tx.get(FlowLog, each.account, each.region, each.id) is not None
            if still and (before is None or before.error != message):
                tx.put(FlowLogStatus(account=each.account, region=each.region, id=each.id, error=message))


def _words(error: Exception | None) -> str | None:
    """DeliverLogsErrorMessage, in the words of DescribeFlowLogs."""
    if error is None:
        return None
    code = getattr(error, "code", "")
    if code in ("ThrottlingException", "SlowDown"):
        return "Rate limited"
    return "Access error" if code in ("AccessDenied", "AccessDeniedException", "NoSuchBucket") else "Unknown error"
