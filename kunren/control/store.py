"""Desired and observed state: immutable resources in memory, made durable in SQLite behind the answer.

How it works. Every resource is a frozen `Resource` struct, found by its `Key`. Memory holds one persistent map per
kind and scope, so a `Snapshot` costs nothing and never changes. `with store.write() as tx` collects puts and
deletes; leaving the block commits them to memory, raises the generation and tells the feed which keys changed;
an exception inside leaves everything as it was. One committer thread writes what has come since its last
transaction (SQLite, WAL, synchronous=FULL); `store.when_durable(told)` calls when all commits so far are on disk, and
`await store.durable()` returns then.

When the disk refuses (full, gone), memory goes back to what is on disk, every key involved is told to the feed once
more, and those who wait for durability get `NotDurable`: nothing that was not written is ever acknowledged.

What it refuses to know: what a resource means, and AWS.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeAlias, TypeVar

import immutables
import msgspec

log = logging.getLogger(__name__)


class Key(NamedTuple):
    """What a resource is found by. Global services use the region ""."""

    kind: str
    account: str
    region: str
    id: str


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every stored resource. `kind` is "service.type"; a kind with `durable` False is kept in memory only
    (what the data plane observes, and a restart would observe anew)."""

    kind: ClassVar[str] = ""
    durable: ClassVar[bool] = True

    account: str
    region: str
    id: str

    @property
    def key(self) -> Key:
        return Key(self.kind, self.account, self.region, self.id)


R = TypeVar("R", bound=Resource)
_COLUMNS = 5
_VALUES_MAX = 200 * _COLUMNS
# kind → (account, region) → id → resource; persistent maps, so that a snapshot is one reference
Scopes: TypeAlias = Any
Listener = Callable[[frozenset[Key]], None]
Wants = Callable[[str], bool]
Told = Callable[[Exception | None], None]
_encode = msgspec.json.Encoder().encode


class NotDurable(Exception):
    """The commit could not be written; memory no longer has it."""


class Snapshot:
    """All resources at one generation. Reading is all one can do with it."""

    __slots__ = ("_kinds", "generation")

    def __init__(self, kinds: Any, generation: int) -> None:
        self._kinds = kinds
        self.generation = generation

    def get(self, kind: type[R], account: str, region: str, id: str) -> R | None:
        scopes = self._kinds.get(kind.kind)
        scope = scopes.get((account, region)) if scopes is not None else None
        return scope.get(id) if scope is not None else None

    def by_key(self, key: Key) -> Resource | None:
        scopes = self._kinds.get(key.kind)
        scope = scopes.get((key.account, key.region)) if scopes is not None else None
        return scope.get(key.id) if scope is not None else None

    def by_id(self, kind: type[R], account: str, region: str) -> Mapping[str, R]:
        """All of one kind in one account and region, for whoever looks many of them up."""
        scopes = self._kinds.get(kind.kind)
        scope = scopes.get((account, region)) if scopes is not None else None
        return scope if scope is not None else {}

    def list(self, kind: type[R], account: str, region: str) -> list[R]:
        """All of one kind in one account and region, sorted by id."""
        scope = self.by_id(kind, account, region)
        return [scope[id] for id in sorted(scope)]

    def every(self, kind: type[R]) -> Iterator[R]:
        """All of one kind in all accounts and regions, in no order."""
        scopes = self._kinds.get(kind.kind)
        if scopes is not None:
            for scope in scopes.values():
                yield from scope.values()

    def count(self, kind: type[R], account: str, region: str) -> int:
        scopes = self._kinds.get(kind.kind)
        scope = scopes.get((account, region)) if scopes is not None else None
        return len(scope) if scope is not None else 0

    def counts(self) -> dict[str, int]:
        """How many resources of each kind there are."""
        return {kind: sum(len(scope) for scope in scopes.values()) for kind, scopes in self._kinds.items()}


class Tx:
    """A transaction: reads see its own writes; leaving `store.write()` commits it."""

    def __init__(self, base: Snapshot) -> None:
        self._base = base
        self.changes: dict[Key, Resource | None] = {}

    def get(self, kind: type[R], account: str, region: str, id: str) -> R | None:
        key = Key(kind.kind, account, region, id)
        if key in self.changes:
            return self.changes[key]  # type: ignore[return-value]
        return self._base.get(kind, account, region, id)

    def list(self, kind: type[R], account: str, region: str) -> list[R]:
        found = {each.id: each for each in self._base.list(kind, account, region)}
        for key, value in self.changes.items():
            if key[:3] == (kind.kind, account, region):
                if value is None:
                    found.pop(key.id, None)
                else:
                    found[key.id] = value  # type: ignore[assignment]
        return [found[id] for id in sorted(found)]

    def every(self, kind: type[R]) -> Iterator[R]:
        for each in self._base.every(kind):
            if each.key not in self.changes:
                yield each
        for key, value in self.changes.items():
            if key.kind == kind.kind and value is not None:
                yield value  # type: ignore[misc]

    def put(self, resource: Resource) -> None:
        self.changes[resource.key] = resource

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """What is written within the block is taken back where an exception leaves it."""
        before = dict(self.changes)
        try:
            yield
        except BaseException:
            self.changes = before
            raise

    def delete(self, resource: Resource) -> None:
        self.changes[resource.key] = None


class _Write:
    """The block of `Store.write`."""

    __slots__ = ("_around", "_outermost", "_store")

    def __init__(self, store: Store, around: bool) -> None:
        self._store = store
        self._around = around
        self._outermost = store._tx is None  # noqa: SLF001

    def __enter__(self) -> Tx:
        store = self._store
        if store._tx is None:  # noqa: SLF001
            store._tx = Tx(store._current)  # noqa: SLF001
            store._inside = store._current if self._around else None  # noqa: SLF001
        return store._tx  # noqa: SLF001

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        store = self._store
        if self._outermost:
            store._inside = None  # noqa: SLF001
            store._leave(failed is None)  # noqa: SLF001
        elif failed is None and store._inside is not None and store._tx is not None:  # noqa: SLF001
            store._inside = _apply(store._current, store._tx.changes, store._current.generation)  # noqa: SLF001


class Store:
    """The one place that owns resources. Used from one event loop's thread."""

    def __init__(self, path: Path | None) -> None:
        """`path` is the SQLite file; None keeps everything in memory (tests of pure parts)."""
        self._types: dict[str, type[Resource]] = {}
        self._unread: dict[str, list[tuple[str, str, str, bytes]]] = {}
        self._listeners: list[tuple[Listener, Wants]] = []
        self._by_kinds: dict[frozenset[str], tuple[Listener, ...]] = {}
        self._tx: Tx | None = None
        self._current = Snapshot(immutables.Map(), 0)
        self._inside: Snapshot | None = None  # what is seen within a transaction around others
        self._on_disk = self._current
        self._committer = _Committer(path) if path is not None else None
        self._waiters: list[tuple[int, Told]] = []
        self._pending: list[tuple[Snapshot, dict[Key, bytes | None]]] = []
        self._writing = False
        self._soon = False
        if self._committer is not None:
            for kind, account, region, id, body in self._committer.rows():
                self._unread.setdefault(kind, []).append((account, region, id, body))

    def register(self, *types: type[Resource]) -> None:
        """Make kinds known, and load their rows. Each service does so once, before anything of it is read; one whose
        kinds have rows does so before the event loop goes on to write what others have changed."""
        loading: dict[Key, Resource | None] = {}
        for kind in types:
            self._types[kind.kind] = kind
            decoder = msgspec.json.Decoder(kind)
            for account, region, id, body in self._unread.pop(kind.kind, []):
                resource = decoder.decode(body)
                assert resource.key == Key(kind.kind, account, region, id)
                loading[resource.key] = resource
        if loading:
            assert not self._writing, "rows are loaded before anything is written"
            self._current, self._on_disk = (
                _apply(each, loading, each.generation) for each in (self._current, self._on_disk)
            )
            self._pending = [(_apply(each, loading, each.generation), rows) for each, rows in self._pending]

    def unread(self, prefix: str) -> bool:
        """Whether rows are kept of kinds, not yet registered, whose names begin so."""
        return any(kind.startswith(prefix) for kind in self._unread)

    @property
    def generation(self) -> int:
        return self._current.generation

    def snapshot(self) -> Snapshot:
        return self._current if self._inside is None else self._inside

    def subscribe(self, listener: Listener, wants: Wants = lambda kind: True) -> None:
        """Call `listener` with the changed keys after each commit, in the order of commits: with all of them, when the
        kind of one is `wants`."""
        self._listeners.append((listener, wants))
        self._by_kinds.clear()

    def write(self, *, around: bool = False) -> _Write:
        """`with store.write() as tx`: a transaction. A nested one joins the outer one, so that operations of several
        services commit as one. Inside one that is put `around` code which does not know of it, snapshots show what
        that code's own transactions have written."""
        return _Write(self, around)

    def _leave(self, kept: bool) -> None:
        tx, self._tx = self._tx, None
        if kept and tx is not None and tx.changes:
            self._commit(tx.changes)

    def _commit(self, changes: dict[Key, Resource | None]) -> None:
        for key in changes:
            assert key.kind in self._types, f"kind {key.kind} was never registered"
        durable = {
            key: _encode(value) if value is not None else None
            for key, value in changes.items()
            if self._types[key.kind].durable
        }  # what can't be written raises before anybody sees it
        self._current = _apply(self._current, changes, self._current.generation + 1)
        if self._committer is not None:
            self._pending.append((self._current, durable))
            self._write_soon()
        self._tell(changes)

    def _tell(self, keys: Iterable[Key]) -> None:
        told = frozenset(keys)
        for listener in self._listening(frozenset(key.kind for key in told)):
            listener(told)

    def _listening(self, kinds: frozenset[str]) -> tuple[Listener, ...]:
        found = self._by_kinds.get(kinds)
        if found is None:
            wanting = (listener for listener, wants in self._listeners if any(map(wants, kinds)))
            found = self._by_kinds[kinds] = tuple(wanting)
        return found

    def when_durable(self, told: Told) -> bool:
        """Have `told` called once, when every commit so far is on disk (with None) or is lost (with NotDurable).

        False, and no call, where all of them are on disk already.
        """
        if self._committer is None or self._on_disk.generation >= self._current.generation:
            return False
        self._waiters.append((self._current.generation, told))
        return True

    async def durable(self) -> None:
        """Return when every commit so far is on disk. Raises NotDurable."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def told(error: Exception | None) -> None:
            if not done.done():
                done.set_result(None) if error is None else done.set_exception(error)

        if self.when_durable(told):
            await done

    def _write_soon(self) -> None:
        """Write when the event loop has seen to what else has arrived: that goes to disk with it."""
        if self._writing or self._soon:
            return
        try:
            asyncio.get_running_loop().call_soon(self._write_behind)
            self._soon = True
        except RuntimeError:  # not inside a loop
            self._write_behind()

    def _write_behind(self) -> None:
        self._soon = False
        if self._writing or not self._pending:
            return
        assert self._committer is not None
        batch, self._pending = self._pending, []
        rows: dict[Key, bytes | None] = {}
        for _, durable in batch:
            rows.update(durable)
        reached = batch[-1][0]
        if not rows:
            self._settled(reached, batch, None)
            return
        self._writing = True
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # not inside a loop (start-up, tests): write at once
            error = self._committer.write(rows)
            self._writing = False
            self._settled(reached, batch, error)
            return

        def done(error: Exception | None) -> None:
            self._writing = False
            self._settled(reached, batch, error)

        self._committer.submit(rows, lambda error: loop.call_soon_threadsafe(done, error))

    def _settled(
        self, reached: Snapshot, batch: list[tuple[Snapshot, dict[Key, bytes | None]]], error: Exception | None
    ) -> None:
        if error is None:
            self._on_disk = reached
            waiters, self._waiters = self._waiters, []
            self._waiters = [each for each in waiters if each[0] > reached.generation]
            self._write_behind()
            for generation, told in waiters:
                if generation <= reached.generation:
                    told(None)
            return
        log.error("state could not be written to disk: %s", error)
        lost = {key for _, durable in batch + self._pending for key in durable}
        generation = self._current.generation + 1
        self._pending = []
        self._current = Snapshot(self._on_disk._kinds, generation)  # noqa: SLF001
        self._on_disk = self._current
        waiters, self._waiters = self._waiters, []
        for _, told in waiters:
            told(NotDurable(str(error)))
        self._tell(lost)

    def close(self) -> None:
        """Write what is left and close the file."""
        if self._committer is not None:
            rows: dict[Key, bytes | None] = {}
            for _, durable in self._pending:
                rows.update(durable)
            self._pending = []
            self._committer.close(rows)


def _apply(base: Snapshot, changes: dict[Key, Resource | None], generation: int) -> Snapshot:
    kinds = base._kinds  # noqa: SLF001
    for key, value in changes.items():
        scopes: Scopes = kinds.get(key.kind, immutables.Map())
        scope = scopes.get((key.account, key.region), immutables.Map())
        if value is not None:
            scope = scope.set(key.id, value)
        elif key.id in scope:
            scope = scope.delete(key.id)
        kinds = kinds.set(key.kind, scopes.set((key.account, key.region), scope))
    return Snapshot(kinds, generation)


@lru_cache
def _upsert(rows: int) -> str:
    values = ",".join(["(?, ?, ?, ?, ?)"] * rows)
    return f"INSERT INTO resources VALUES {values} ON CONFLICT DO UPDATE SET body = excluded.body"


class _Committer:
    """One thread that writes batches of rows; each batch is one SQLite transaction.

    A small batch is one statement: SQLite lets go of the interpreter once for each, and to get it back from the
    event loop's thread takes longer than to write.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS resources (kind TEXT, account TEXT, region TEXT, id TEXT, body BLOB,"
            " PRIMARY KEY (kind, account, region, id)) WITHOUT ROWID"
        )
        self._jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="state-committer", daemon=True)
        self._thread.start()

    def rows(self) -> list[tuple[str, str, str, str, bytes]]:
        return self._db.execute("SELECT kind, account, region, id, body FROM resources").fetchall()

    def submit(self, rows: dict[Key, bytes | None], done: Callable[[Exception | None], Any]) -> None:
        self._jobs.put((rows, done))

    def write(self, rows: dict[Key, bytes | None]) -> Exception | None:
        puts = [value for key, body in rows.items() if body is not None for value in (*key, body)]
        deletes = [tuple(key) for key, body in rows.items() if body is None]
        alone = not deletes and len(puts) <= _VALUES_MAX
        try:
            if not alone:
                self._db.execute("BEGIN IMMEDIATE")
            for start in range(0, len(puts), _VALUES_MAX):
                values = puts[start : start + _VALUES_MAX]
                self._db.execute(_upsert(len(values) // _COLUMNS), values)
            if deletes:
                self._db.executemany(
                    "DELETE FROM resources WHERE kind = ? AND account = ? AND region = ? AND id = ?", deletes
                )
            if not alone:
                self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            return error
        return None

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            rows, done = job
            error = self.write(rows)
            try:
                done(error)
            except RuntimeError:  # the loop has closed: nobody waits any more
                return

    def close(self, rows: dict[Key, bytes | None]) -> None:
        self._jobs.put(None)
        self._thread.join()
        if rows:
            self.write(rows)
        self._db.close()
