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
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.dataplane.edge.record import Record
from kunren.services.cloudfront.logs.buckets import REGION, bucket_of
from kunren.services.cloudfront.logs.lines import file, line, object_key
from kunren.services.cloudfront.model import Distribution

log = logging.getLogger(__name__)
EVERY_S, LEAST_S = 300, 0.1  # AWS seconds between files; real ones, however fast the clock
LINES_MAX = 50_000
_File = tuple[str, str, int]  # account, distribution, hour


class LogDelivery:
    """`observe` takes what the edge answered; `run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._call = call
        self._files: dict[_File, list[str]] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self.failures: dict[str, str] = {}

    async def run(self) -> None:
        while True:
            now = self._clock.now()
            await self._clock.sleep(max((now // EVERY_S + 1) * EVERY_S - now, LEAST_S * self._clock.speed))
            turned, self._files = self._files, {}
            for key, lines in turned.items():
                self._write_soon(key, lines)

    def observe(self, record: Record) -> None:
        site = record.site
        key = (site.account, site.id, int(record.at // 3600))
        lines = self._files.setdefault(key, [])
        lines.append(line(record))
        if len(lines) >= LINES_MAX:
            del self._files[key]
            self._write_soon(key, lines)

    def _write_soon(self, key: _File, lines: list[str]) -> None:
        task = asyncio.get_running_loop().create_task(self._write(key, lines), name="cloudfront-log")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, key: _File, lines: list[str]) -> None:
        account, identity, hour = key
        found = self._store.snapshot().get(Distribution, account, "", identity)
        if found is None or not found.config["Logging"]["Enabled"]:
            return
        wanted = found.config["Logging"]
        bucket = bucket_of(wanted["Bucket"]) or wanted["Bucket"]
        body = await asyncio.to_thread(gzip.compress, file(lines, found.config["Staging"]), 6, mtime=0)
        name = object_key(identity, wanted["Prefix"], hour, self._entropy.hex(8))
        try:
            await self._call(account, REGION, "s3", "PutObject", {"Bucket": bucket, "Key": name, "Body": body})
            self.failures.pop(bucket, None)
        except AwsError as error:
            self.failures[bucket] = f"{error.code}: {error.message}"
            log.error("%d log lines of %s could not be written to %s: %s", len(lines), identity, bucket, error)
