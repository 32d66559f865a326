"""Datapoints on disk, bounded by their age: one SQLite file, beside the store.

How it works. A row is a metric's point over one second, minute, five minutes or hour, merged with what comes later for
the same. Writers are served in batches by one thread (WAL, synchronous=FULL): `put` returns when the batch is on disk.
Readers use a connection of their own on the loop. Rows grow coarser as AWS has it ("Metrics retention"): seconds live
three hours, minutes 15 days, five minutes 63 days, hours 455 days; what a row loses then is kept in the coarser one.

What it refuses to know: statistics' names, alarms, requests.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec

from kunren.services.cloudwatch.metrics.points import Point, merged

HOUR, DAY = 3600.0, 86400.0
RETENTION = ((1, 60, 3 * HOUR), (60, 300, 15 * DAY), (300, 3600, 63 * DAY), (3600, 0, 455 * DAY))
"""Resolution, the coarser one that follows (0: none), and the age at which it does; all in seconds."""
ROLLED_AT_ONCE = 2000
LISTED_FOR = 14 * DAY
_WAIT_S = 30.0


class MetricId(NamedTuple):
    """`dimensions` are sorted."""

    account: str
    region: str
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


class Row(NamedTuple):
    """A point of a metric from `at` on (whole seconds), `resolution` seconds long."""

    metric: MetricId
    at: int
    resolution: int
    unit: str
    point: Point


_SCHEMA = """
CREATE TABLE IF NOT EXISTS metrics (id INTEGER PRIMARY KEY, account TEXT, region TEXT, namespace TEXT, name TEXT,
  dimensions TEXT, last REAL, UNIQUE (account, region, namespace, name, dimensions));
CREATE TABLE IF NOT EXISTS points (metric INTEGER, at INTEGER, resolution INTEGER, unit TEXT, count REAL, sum REAL,
  least REAL, most REAL, vals BLOB, PRIMARY KEY (metric, at, resolution, unit)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_age ON points (resolution, at);
"""
_decoder = msgspec.msgpack.Decoder(dict[float, float])


class Storage:
    """Used from one event loop's thread. `close` writes what is left."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = sqlite3.connect(path, check_same_thread=False, timeout=_WAIT_S, isolation_level=None)
        self._writer.execute("PRAGMA journal_mode=WAL")
        self._writer.execute("PRAGMA synchronous=FULL")
        self._writer.executescript(_SCHEMA)
        self._reader = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
        self._thread = ThreadPoolExecutor(1, "metrics")
        self._ids: dict[MetricId, int] = {}
        for id, account, region, namespace, name, dimensions in self._reader.execute(
            "SELECT id, account, region, namespace, name, dimensions FROM metrics"
        ):
            self._ids[MetricId(account, region, namespace, name, _dimensions(dimensions))] = id
        self._pending: list[tuple[list[Row], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    # -- writing -----------------------------------------------------------------------------------------------------

    async def put(self, rows: Iterable[Row]) -> None:
        """Return when they are on disk. Raises sqlite3.Error where the disk refuses: then none of them is kept."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._pending.append((list(rows), done))
        if self._writing is None:
            self._writing = loop.create_task(self._write_behind(), name="metrics-writer")
        await done

    async def _write_behind(self) -> None:
        try:
            while self._pending:
                batch, self._pending = self._pending, []
                if (error := await self._written([row for rows, _ in batch for row in rows])) is None:
                    _tell([done for _, done in batch], None)
                    continue
                for rows, done in batch:  # nobody's fails for what another's has
                    _tell([done], error if len(batch) == 1 else await self._written(rows))
        finally:
            self._writing = None

    async def _written(self, rows: list[Row]) -> Exception | None:
        try:
            made = await asyncio.get_running_loop().run_in_executor(self._thread, self._write, rows)
        except Exception as error:
            return error
        self._ids.update(made)
        return None

    def _write(self, rows: Iterable[Row]) -> dict[MetricId, int]:
        """In the writer's thread: one transaction. Returns the ids of the metrics that were not known before."""
        together: dict[tuple[MetricId, int, int, str], list[Point]] = {}
        for row in rows:
            together.setdefault((row.metric, row.at, row.resolution, row.unit), []).append(row.point)
        made: dict[MetricId, int] = {}
        last: dict[int, int] = {}
        with _transaction(self._writer) as db:
            for (metric, at, resolution, unit), points in together.items():
                id = self._ids.get(metric) or made.get(metric)
                if id is None:
                    id = made[metric] = _new_metric(db, metric)
                _merge(db, id, at, resolution, unit, points)
                last[id] = max(last.get(id, 0), at)
            db.executemany("UPDATE metrics SET last = max(last, ?) WHERE id = ?", [(at, id) for id, at in last.items()])
        return made

    async def age(self, now: float) -> None:
        """Make coarser what has come of age, and let go of what is older than all."""
        loop = asyncio.get_running_loop()
        for resolution, coarser, age in RETENTION:
            while await loop.run_in_executor(self._thread, self._roll, resolution, coarser, now - age):
                pass
        await loop.run_in_executor(self._thread, self._forget, now - RETENTION[-1][2])
        known = {id for (id,) in self._reader.execute("SELECT id FROM metrics")}
        self._ids = {metric: id for metric, id in self._ids.items() if id in known}

    def _roll(self, resolution: int, coarser: int, before: float) -> bool:
        """One step. True where there is more to do."""
        with _transaction(self._writer) as db:
            found = db.execute(
                "SELECT metric, at, unit, count, sum, least, most, vals FROM points WHERE resolution = ? AND at < ? "
                "ORDER BY at LIMIT ?",
                (resolution, int(before), ROLLED_AT_ONCE),
            ).fetchall()
            if coarser:
                together: dict[tuple[int, int, str], list[Point]] = {}
                for metric, at, unit, *told in found:
                    together.setdefault((metric, at // coarser * coarser, unit), []).append(_point(*told))
                for (metric, at, unit), points in together.items():
                    _merge(db, metric, at, coarser, unit, points)
            db.executemany(
                "DELETE FROM points WHERE metric = ? AND at = ? AND resolution = ? AND unit = ?",
                [(metric, at, resolution, unit) for metric, at, unit, *_ in found],
            )
        return len(found) == ROLLED_AT_ONCE

    def _forget(self, before: float) -> None:
        with _transaction(self._writer) as db:
            db.execute("DELETE FROM metrics WHERE last < ?", (int(before),))

    def close(self) -> None:
        """Write what is left and close the file."""
        self._thread.shutdown(wait=True)
        if self._pending:
            self._write(row for rows, _ in self._pending for row in rows)
            self._pending = []
        self._reader.close()
        self._writer.close()

    # -- reading -----------------------------------------------------------------------------------------------------

    def rows(
        self, metric: MetricId, start: float, end: float, period: int, unit: str | None = None
    ) -> Iterator[tuple[int, str, Point]]:
        """What there is from `start` on and before `end`, in order, as fine as `period` or finer: when, unit, point."""
        id = self._ids.get(metric)
        if id is None:
            return
        for at, held, *told in self._reader.execute(
            "SELECT at, unit, count, sum, least, most, vals FROM points "
            "WHERE metric = ? AND at >= ? AND at < ? AND resolution <= ? ORDER BY at",
            (id, start, end, max(period, 1)),
        ):
            if unit is None or held == unit:
                yield at, held, _point(*told)

    def metrics(self, account: str, region: str, since: float) -> list[MetricId]:
        """Those that were given a value since then, sorted."""
        found = self._reader.execute(
            "SELECT namespace, name, dimensions FROM metrics WHERE account = ? AND region = ? AND last >= ?",
            (account, region, since),
        )
        return sorted(MetricId(account, region, each[0], each[1], _dimensions(each[2])) for each in found)

    def status(self) -> dict[str, int]:
        return {"metrics": len(self._ids)}


class _transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> sqlite3.Connection:
        self._db.execute("BEGIN IMMEDIATE")
        return self._db

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        self._db.execute("COMMIT" if failed is None else "ROLLBACK")


def _tell(waiting: Iterable[asyncio.Future[None]], error: Exception | None) -> None:
    for each in waiting:
        if not each.done():
            each.set_result(None) if error is None else each.set_exception(error)


def _new_metric(db: sqlite3.Connection, metric: MetricId) -> int:
    told = msgspec.json.encode(metric.dimensions).decode()
    key = (metric.account, metric.region, metric.namespace, metric.name, told)
    db.execute(
        "INSERT OR IGNORE INTO metrics (account, region, namespace, name, dimensions, last) VALUES (?,?,?,?,?,0)", key
    )
    found = db.execute(
        "SELECT id FROM metrics WHERE account=? AND region=? AND namespace=? AND name=? AND dimensions=?", key
    ).fetchone()
    return int(found[0])


def _merge(db: sqlite3.Connection, id: int, at: int, resolution: int, unit: str, points: list[Point]) -> None:
    """Keep the points with what is there for the same stretch."""
    key = (id, at, resolution, unit)
    held = db.execute(
        "SELECT count, sum, least, most, vals FROM points WHERE metric=? AND at=? AND resolution=? AND unit=?", key
    ).fetchone()
    count, total, least, most, values = merged([*points, _point(*held)] if held is not None else points)
    told = None if values is None else msgspec.msgpack.encode(values)
    db.execute("INSERT OR REPLACE INTO points VALUES (?,?,?,?,?,?,?,?,?)", (*key, count, total, least, most, told))


def _point(count: float, total: float, least: float, most: float, values: bytes | None) -> Point:
    counts: Mapping[float, float] | None = None if values is None else _decoder.decode(values)
    return Point(count, total, least, most, counts)


def _dimensions(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in msgspec.json.decode(text))
