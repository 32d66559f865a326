"""The index of objects: which versions, uploads and parts there are, in key order, durable in an SQLite file.

Objects are too many for the store that holds everything else in memory, and are listed in order, so they have a file
of their own. Changes are jobs: those that come together share a transaction, each with a savepoint; a result is
given when it is on disk. Jobs follow each other, so one that decides on what it reads (If-None-Match) decides rightly.
Reading is done on a connection of its own, which sees what is committed.

Contents are counted by their references, so that a copy shares them; small ones lie in the file itself.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from kunren.core.errors import AwsError, WireError
from kunren.services.s3.errors import refusal
from kunren.services.s3.events import Happening
from kunren.services.s3.model import Part, Segment, Upload, Version

log = logging.getLogger(__name__)
T = TypeVar("T")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS versions (bucket TEXT, key TEXT, seq INTEGER, version TEXT, latest INTEGER, marker INTEGER,
    pending INTEGER, record BLOB, PRIMARY KEY (bucket, key, seq DESC)) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS by_version ON versions (bucket, key, version);
CREATE INDEX IF NOT EXISTS current ON versions (bucket, key) WHERE latest = 1 AND marker = 0;
CREATE INDEX IF NOT EXISTS pending ON versions (seq) WHERE pending = 1;
CREATE TABLE IF NOT EXISTS uploads (bucket TEXT, key TEXT, id TEXT, record BLOB, PRIMARY KEY (bucket, key, id))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (upload TEXT, number INTEGER, record BLOB, PRIMARY KEY (upload, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS happenings (id INTEGER PRIMARY KEY AUTOINCREMENT, record BLOB);
CREATE TABLE IF NOT EXISTS bodies (id TEXT PRIMARY KEY, refs INTEGER, data BLOB);
"""
_encode = msgspec.json.Encoder().encode
_version = msgspec.json.Decoder(Version).decode
_upload = msgspec.json.Decoder(Upload).decode
_part = msgspec.json.Decoder(Part).decode
_happening = msgspec.json.Decoder(Happening).decode


class Content(NamedTuple):
    """A new body: its name, size in bytes, and what it holds where that is little (else a file has it)."""

    id: str
    size: int
    data: bytes | None

    @property
    def segment(self) -> Segment:
        return Segment(self.id, self.size)


class Reading:
    """What can be asked of either connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def current(self, bucket: str, key: str) -> Version | None:
        """The latest version, which may be a delete marker."""
        row = self._db.execute(
            "SELECT record FROM versions WHERE bucket = ? AND key = ? ORDER BY seq DESC LIMIT 1", (bucket, key)
        ).fetchone()
        return _version(row[0]) if row else None

    def version(self, bucket: str, key: str, version: str) -> Version | None:
        row = self._db.execute(
            "SELECT record FROM versions WHERE bucket = ? AND key = ? AND version = ?", (bucket, key, version)
        ).fetchone()
        return _version(row[0]) if row else None

    def objects(self, bucket: str, after: str, inclusive: bool, limit: int) -> list[Version]:
        """The current objects with keys after (or from) `after`, in key order."""
        rows = self._db.execute(
            f"SELECT record FROM versions WHERE bucket = ? AND key {'>=' if inclusive else '>'} ?"
            " AND latest = 1 AND marker = 0 ORDER BY key LIMIT ?",
            (bucket, after, limit),
        )
        return [_version(row[0]) for row in rows]

    def versions(self, bucket: str, after: str, inclusive: bool, limit: int) -> list[tuple[Version, bool]]:
        """All versions from that key on, newest first within a key, each with whether it is the latest."""
        rows = self._db.execute(
            f"SELECT record, latest FROM versions WHERE bucket = ? AND key {'>=' if inclusive else '>'} ?"
            " ORDER BY key, seq DESC LIMIT ?",
            (bucket, after, limit),
        )
        return [(_version(row[0]), bool(row[1])) for row in rows]

    def versions_of(self, bucket: str, key: str) -> list[Version]:
        rows = self._db.execute(
            "SELECT record FROM versions WHERE bucket = ? AND key = ? ORDER BY seq DESC", (bucket, key)
        )
        return [_version(row[0]) for row in rows]

    def pending(self, limit: int, after: int = -1) -> list[tuple[int, str, Version]]:
        """The oldest versions that are to be replicated, each with its place in the order and its bucket."""
        rows = self._db.execute(
            "SELECT seq, bucket, record FROM versions WHERE pending = 1 AND seq > ? ORDER BY seq LIMIT ?",
            (after, limit),
        )
        return [(row[0], row[1], _version(row[2])) for row in rows]

    def is_empty(self, bucket: str) -> bool:
        return self._db.execute("SELECT 1 FROM versions WHERE bucket = ? LIMIT 1", (bucket,)).fetchone() is None

    def upload(self, bucket: str, key: str, id: str) -> Upload | None:
        row = self._db.execute(
            "SELECT record FROM uploads WHERE bucket = ? AND key = ? AND id = ?", (bucket, key, id)
        ).fetchone()
        return _upload(row[0]) if row else None

    def uploads(self, bucket: str, after: str = "", inclusive: bool = True, limit: int = -1) -> list[Upload]:
        """Uploads in progress, by key; within a key in the order in which they began."""
        rows = self._db.execute(
            f"SELECT record FROM uploads WHERE bucket = ? AND key {'>=' if inclusive else '>'} ? ORDER BY key LIMIT ?",
            (bucket, after, limit),
        )
        return sorted((_upload(row[0]) for row in rows), key=lambda each: (each.key.encode(), each.initiated))

    def parts(self, upload: str, after: int = 0, limit: int = -1) -> list[Part]:
        rows = self._db.execute(
            "SELECT record FROM parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?", (upload, after, limit)
        )
        return [_part(row[0]) for row in rows]

    def happenings(self, limit: int) -> list[tuple[int, Happening]]:
        """The oldest events that are not told yet, numbered."""
        rows = self._db.execute("SELECT id, record FROM happenings ORDER BY id LIMIT ?", (limit,))
        return [(row[0], _happening(row[1])) for row in rows]

    def data(self, body: str) -> bytes | None:
        """A small body; None where a file has it."""
        row = self._db.execute("SELECT data FROM bodies WHERE id = ?", (body,)).fetchone()
        return row[0] if row else None

    def bodies(self) -> Iterator[str]:
        """The names of all bodies that are in files."""
        for row in self._db.execute("SELECT id FROM bodies WHERE data IS NULL"):
            yield row[0]


class Writing(Reading):
    """What a job does. `freed` are the bodies that nothing refers to any more, for their files' removal."""

    def __init__(self, db: sqlite3.Connection, numbers: Iterator[int]) -> None:
        """`numbers` order the versions of a key."""
        super().__init__(db)
        self.freed: list[str] = []
        self._numbers = numbers

    def add(self, bucket: str, version: Version, new: Sequence[Content] = ()) -> None:
        """A version becomes the latest of its key; one of the same version id gives way. Raises OperationAborted where
        a content that it refers to is there no more."""
        self._bodies(new, version.segments)
        named = (bucket, version.key, version.version)
        replaced = self._db.execute(
            "SELECT record, latest FROM versions WHERE bucket = ? AND key = ? AND version = ?", named
        ).fetchone()
        if replaced is not None:
            self._release(_version(replaced[0]).segments)
        if replaced is None or not replaced[1]:
            self._db.execute(
                "UPDATE versions SET latest = 0 WHERE bucket = ? AND key = ? AND latest = 1", (bucket, version.key)
            )
        facts = (
            next(self._numbers), int(version.marker), int(version.replication == "PENDING"), _encode(version)
        )  # fmt: skip
        if replaced is not None:
            self._db.execute(
                "UPDATE versions SET latest = 1, seq = ?, marker = ?, pending = ?, record = ?"
                " WHERE bucket = ? AND key = ? AND version = ?", (*facts, *named),
            )  # fmt: skip
        else:
            self._db.execute(
                "INSERT INTO versions (seq, marker, pending, record, bucket, key, version, latest)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 1)", (*facts, *named),
            )  # fmt: skip

    def change(self, bucket: str, version: Version) -> None:
        """The same version with other tags, another storage class and so on; never with another content."""
        self._db.execute(
            "UPDATE versions SET record = ?, pending = ? WHERE bucket = ? AND key = ? AND version = ?",
            (_encode(version), int(version.replication == "PENDING"), bucket, version.key, version.version),
        )

    def remove(self, bucket: str, version: Version) -> None:
        """For good; the next newest becomes the latest."""
        self._delete(bucket, version)
        self._db.execute(
            "UPDATE versions SET latest = 1 WHERE bucket = ?1 AND key = ?2 AND seq ="
            " (SELECT max(seq) FROM versions WHERE bucket = ?1 AND key = ?2)",
            (bucket, version.key),
        )

    def note(self, happening: Happening) -> None:
        """An event that somebody is to be told."""
        self._db.execute("INSERT INTO happenings (record) VALUES (?)", (_encode(happening),))

    def told(self, upto: int) -> None:
        """All events up to that number have reached whom they were for."""
        self._db.execute("DELETE FROM happenings WHERE id <= ?", (upto,))

    def begin_upload(self, bucket: str, upload: Upload) -> None:
        self._db.execute("INSERT INTO uploads VALUES (?, ?, ?, ?)", (bucket, upload.key, upload.id, _encode(upload)))

    def add_part(self, upload: str, part: Part, new: Sequence[Content] = ()) -> None:
        self._bodies(new, part.segments)
        for row in self._db.execute(
            "SELECT record FROM parts WHERE upload = ? AND number = ?", (upload, part.number)
        ).fetchall():
            self._release(_part(row[0]).segments)
        self._db.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", (upload, part.number, _encode(part)))

    def end_upload(self, bucket: str, upload: Upload) -> None:
        """Its parts let go of their contents: those that an object took over are referred to by that."""
        for part in self.parts(upload.id):
            self._release(part.segments)
        self._db.execute("DELETE FROM parts WHERE upload = ?", (upload.id,))
        self._db.execute("DELETE FROM uploads WHERE bucket = ? AND key = ? AND id = ?", (bucket, upload.key, upload.id))

    def _delete(self, bucket: str, version: Version) -> None:
        self._release(version.segments)
        self._db.execute(
            "DELETE FROM versions WHERE bucket = ? AND key = ? AND version = ?", (bucket, version.key, version.version)
        )

    def _bodies(self, new: Sequence[Content], segments: Sequence[Segment]) -> None:
        referred = [each.body for each in segments]
        fresh = {each.id for each in new}
        for each in new:
            self._db.execute("INSERT INTO bodies VALUES (?, ?, ?)", (each.id, referred.count(each.id), each.data))
        for body in referred:
            if body in fresh:
                continue
            done = self._db.execute("UPDATE bodies SET refs = refs + 1 WHERE id = ?", (body,))
            if not done.rowcount:  # of an object that was replaced since it was read
                raise refusal("OperationAborted")

    def _release(self, segments: Sequence[Segment]) -> None:
        for each in segments:
            row = self._db.execute("DELETE FROM bodies WHERE id = ? AND refs <= 1 RETURNING data IS NULL", (each.body,))
            gone = row.fetchone()
            if gone is None:
                self._db.execute("UPDATE bodies SET refs = refs - 1 WHERE id = ?", (each.body,))
            elif gone[0]:
                self.freed.append(each.body)


Job = Callable[[Writing], Any]


class Index:
    """The file, with a connection for writing and one for reading. `freed` is told the names of bodies to remove."""

    def __init__(self, path: Path, freed: Callable[[list[str]], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = _connect(path)
        self._writer.executescript(_SCHEMA)
        last = self._writer.execute("SELECT coalesce(max(seq), 0) FROM versions").fetchone()[0]
        self._numbers = itertools.count(last + 1)
        self.read = Reading(_connect(path))
        self._freed = freed
        self.changed: list[Callable[[], None]] = []
        """Called on the event loop after each transaction."""
        self._waiting: list[tuple[Job, asyncio.Future[Any]]] = []
        self._at_work = False
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="s3-index")

    async def write(self, job: Callable[[Writing], T]) -> T:
        """The job's result, once it is on disk. Raises what the job raised, or InternalError where the disk refused."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._waiting.append((job, done))
        if not self._at_work:
            self._at_work = True
            loop.call_soon(self._together)
        return await done

    def close(self) -> None:
        self._committer.shutdown()
        self._writer.close()
        self.read._db.close()  # noqa: SLF001

    def _together(self) -> None:
        """Run the jobs that wait in one transaction, here: each takes some tens of microseconds. What takes long, the
        disk, is another thread's; jobs that come meanwhile are the next transaction."""
        batch, self._waiting = self._waiting, []
        if not batch:
            self._at_work = False
            return
        outcomes: list[tuple[asyncio.Future[Any], Any, Exception | None, list[str]]] = []
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for job, done in batch:
                outcomes.append((done, *self._one(job)))
        except sqlite3.Error as error:
            self._refused(batch, error)
            return
        committing = asyncio.get_running_loop().run_in_executor(self._committer, self._writer.execute, "COMMIT")
        committing.add_done_callback(lambda done: self._committed(done, batch, outcomes))

    def _one(self, job: Job) -> tuple[Any, Exception | None, list[str]]:
        writing = Writing(self._writer, self._numbers)
        self._writer.execute("SAVEPOINT job")
        try:
            result = job(writing)
        except sqlite3.Error:
            raise
        except Exception as error:
            if not isinstance(error, AwsError):
                log.exception("a change of the index failed")
            self._writer.execute("ROLLBACK TO job")
            self._writer.execute("RELEASE job")
            return None, error, []
        self._writer.execute("RELEASE job")
        return result, None, writing.freed

    def _committed(
        self,
        committing: asyncio.Future[Any],
        batch: list[tuple[Job, asyncio.Future[Any]]],
        outcomes: list[tuple[asyncio.Future[Any], Any, Exception | None, list[str]]],
    ) -> None:
        if committing.cancelled():
            return
        error = committing.exception()
        if error is not None:
            self._refused(batch, error)
            return
        for done, result, failure, freed in outcomes:
            if freed:
                self._freed(freed)
            if done.done():
                continue
            if failure is not None:
                done.set_exception(failure)
            else:
                done.set_result(result)
        for each in self.changed:
            each()
        self._together()

    def _refused(self, batch: list[tuple[Job, asyncio.Future[Any]]], error: BaseException) -> None:
        """Nothing of it is there, and everybody is told so."""
        log.error("the index of objects could not be written: %s", error)
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")
        for _, done in batch:
            if not done.done():
                done.set_exception(not_written(str(error)))
        self._together()


def upload_ended(bucket: str, upload: Upload) -> Callable[[Writing], None]:
    """The job that ends a multipart upload, with its parts."""
    return lambda writing: writing.end_upload(bucket, upload)


def not_written(why: str) -> WireError:
    return WireError("InternalError", f"The object could not be written to disk ({why}); nothing was changed", 500)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA cache_size=-16384")
    return db
