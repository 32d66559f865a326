"""Gathers the records of distributions that have logs, and writes them to S3 every five minutes of AWS time.

Lines are kept in memory until then, at most `LINES_MAX` a file (what is more goes out at once): like AWS's, these logs
are on best effort, and what was not delivered when the daemon dies is gone.
"""

from __future__ import annotations

import asyncio
import gzip
import logging

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock, ticks
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.dataplane.edge.record import Record
from kunren.services.cloudfront.logs import lines, vended
from kunren.services.cloudfront.logs.buckets import REGION, bucket_of
from kunren.services.cloudfront.logs.model import VendedDelivery
from kunren.services.cloudfront.model import Distribution

log = logging.getLogger(__name__)
EVERY_S = 300  # AWS seconds between files
LINES_MAX = 50_000
_Log = tuple[str, str, str]  # account, distribution, delivery ("": the legacy log)
_File = tuple[str, str, str, int]  # a log, and an hour


class LogDelivery:
    """`observe` takes what the edge answered; `run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._call = call
        self._files: dict[_File, list[str]] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self.vended = vended.VendedLogs(store, call)
        self._failed: dict[_Log, str] = {}

    async def run(self) -> None:
        async for _ in ticks(self._clock, EVERY_S):
            turned, self._files = self._files, {}
            for key, told in turned.items():
                self._write_soon(key, told)

    @property
    def failures(self) -> dict[str, str]:
        """By log: why it, or its last file, could not be delivered. Of logs that somebody still wants."""
        return {
            f"logs of {log[1]}" + (f" by delivery {log[2]}" if log[2] else ""): why
            for log, why in self._failed.items()
            if self._wanted(log) is not None
        }

    def observe(self, record: Record) -> None:
        site = record.site
        if site.legacy_log:
            self._add(record, "", lines.line(record))
        for identity in site.deliveries:
            delivery = self._store.snapshot().get(VendedDelivery, site.account, "", identity)
            if delivery is None:
                continue
            if lacking := vended.what_lacks(delivery.to, delivery.format):  # made before such were refused
                self._failed[site.account, site.id, identity] = f"no log can be delivered {lacking}"
            elif delivery.to == "S3":
                self._add(record, identity, vended.line(delivery, record))
            else:
                self.vended.to_group(delivery, record)

    def _add(self, record: Record, delivery: str, line: str) -> None:
        key = (record.site.account, record.site.id, delivery, int(record.at // 3600))
        told = self._files.setdefault(key, [])
        told.append(line)
        if len(told) >= LINES_MAX:
            del self._files[key]
            self._write_soon(key, told)

    def _write_soon(self, key: _File, told: list[str]) -> None:
        task = asyncio.get_running_loop().create_task(self._write(key, told), name="cloudfront-log")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, key: _File, told: list[str]) -> None:
        account, identity, delivery, _ = key
        where = self._where(key, told)
        if where is None:
            self._failed.pop((account, identity, delivery), None)
            return
        bucket, name, text = where
        body = await asyncio.to_thread(gzip.compress, text, 6, mtime=0)
        try:
            await self._call(account, REGION, "s3", "PutObject", {"Bucket": bucket, "Key": name, "Body": body})
            self._failed.pop((account, identity, delivery), None)
        except AwsError as error:
            self._failed[account, identity, delivery] = f"{bucket}: {error.code}: {error.message}"
            log.error("%d log lines of %s could not be written to %s: %s", len(told), identity, bucket, error)

    def _where(self, key: _File, told: list[str]) -> tuple[str, str, bytes] | None:
        """Bucket, key and content; None where the log is not wanted any more."""
        account, identity, delivery, hour = key
        found, unique = self._wanted((account, identity, delivery)), self._entropy.hex(8)
        if found is None:
            return None
        if isinstance(found, VendedDelivery):
            return *vended.bucket_and_key(found, hour, unique), vended.file(found, told)
        to = found.config["Logging"]
        name = lines.object_key(identity, to["Prefix"], hour, unique)
        return bucket_of(to["Bucket"]) or to["Bucket"], name, lines.file(told, found.config["Staging"])

    def _wanted(self, log: _Log) -> VendedDelivery | Distribution | None:
        """What asks for a log; None where nobody does any more."""
        account, identity, delivery = log
        snapshot = self._store.snapshot()
        if delivery:
            return snapshot.get(VendedDelivery, account, "", delivery)
        found = snapshot.get(Distribution, account, "", identity)
        return found if found is not None and found.config["Logging"]["Enabled"] else None
