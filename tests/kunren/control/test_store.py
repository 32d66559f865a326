"""The store: transactions, snapshots, durability, a full disk."""

import asyncio
import sqlite3
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.control.store import Key, NotDurable, Resource, Store


class Note(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "test.note"

    text: str = ""


class Seen(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "test.seen"
    durable: ClassVar[bool] = False


def note(id: str, text: str = "") -> Note:
    return Note(account="1", region="r", id=id, text=text)


def opened(path) -> Store:
    store = Store(path)
    store.register(Note, Seen)
    return store


def test_a_transaction_that_raises_leaves_everything_as_it_was():
    store = opened(None)
    with pytest.raises(ValueError), store.write() as tx:
        tx.put(note("a"))
        raise ValueError
    assert store.snapshot().get(Note, "1", "r", "a") is None
    assert store.generation == 0


def test_what_no_file_can_hold_is_never_seen(tmp_path):
    store = opened(tmp_path / "state.db")
    with pytest.raises(UnicodeEncodeError), store.write() as tx:
        tx.put(note("a", "half of a character: \ud800"))
    assert store.snapshot().get(Note, "1", "r", "a") is None
    store.close()


def test_a_transaction_reads_its_own_writes_and_a_snapshot_never_changes():
    store = opened(None)
    with store.write() as tx:
        tx.put(note("a", "one"))
        tx.put(note("b", "two"))
        assert [each.id for each in tx.list(Note, "1", "r")] == ["a", "b"]
    before = store.snapshot()
    with store.write() as tx:
        tx.delete(note("a"))
        assert tx.get(Note, "1", "r", "a") is None
    assert before.get(Note, "1", "r", "a") == note("a", "one")
    assert store.snapshot().list(Note, "1", "r") == [note("b", "two")]


def test_a_nested_write_commits_with_the_outer_one():
    store = opened(None)
    told: list[frozenset[Key]] = []
    store.subscribe(told.append)
    with store.write() as outer:
        outer.put(note("a"))
        with store.write() as inner:
            inner.put(note("b"))
        assert told == []
    assert told == [frozenset({note("a").key, note("b").key})]


def test_around_others_a_snapshot_shows_what_their_own_transactions_wrote_and_nobody_else_sees_it():
    store = opened(None)
    told = []
    store.subscribe(told.append)
    with pytest.raises(ValueError), store.write(around=True):
        with store.write() as tx:
            tx.put(note("a", "one"))
            assert store.snapshot().get(Note, "1", "r", "a") is None
        assert store.snapshot().get(Note, "1", "r", "a") == note("a", "one")
        raise ValueError
    assert (store.snapshot().get(Note, "1", "r", "a"), store.generation, told) == (None, 0, [])
    with store.write(around=True) as outer:
        with store.write() as tx:
            tx.put(note("a", "one"))
        outer.put(note("b", "two"))
    assert [each.id for each in store.snapshot().list(Note, "1", "r")] == ["a", "b"]
    assert (store.generation, len(told)) == (1, 1)


def test_what_was_acknowledged_is_there_after_a_restart_and_observed_state_is_not(tmp_path):
    async def first() -> None:
        store = opened(tmp_path / "db")
        with store.write() as tx:
            tx.put(note("a", "kept"))
            tx.put(Seen(account="1", region="r", id="x"))
        await store.durable()
        # no close: as after a kill -9

    asyncio.run(first())
    again = opened(tmp_path / "db")
    assert again.snapshot().get(Note, "1", "r", "a") == note("a", "kept")
    assert again.snapshot().get(Seen, "1", "r", "x") is None
    again.close()


def test_a_full_disk_fails_the_waiter_and_memory_goes_back_to_what_is_on_disk(tmp_path):
    async def scenario() -> None:
        store = opened(tmp_path / "db")
        with store.write() as tx:
            tx.put(note("a", "safe"))
        await store.durable()
        db: sqlite3.Connection = store._committer._db
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count={pages}")
        told: list[frozenset[Key]] = []
        with store.write() as tx:
            tx.put(note("a", "changed"))
            tx.put(note("big", "x" * 100_000))
        store.subscribe(told.append)
        with pytest.raises(NotDurable, match="full"):
            await store.durable()
        assert store.snapshot().list(Note, "1", "r") == [note("a", "safe")]
        assert told == [frozenset({note("a").key, note("big").key})]
        db.execute("PRAGMA max_page_count=1000000")
        with store.write() as tx:
            tx.put(note("b", "room again"))
        await store.durable()
        store.close()

    asyncio.run(scenario())
    again = opened(tmp_path / "db")
    assert again.snapshot().list(Note, "1", "r") == [note("a", "safe"), note("b", "room again")]
    again.close()


def test_many_writers_share_transactions_and_all_become_durable(tmp_path):
    async def scenario() -> None:
        store = opened(tmp_path / "db")

        async def one(number: int) -> None:
            with store.write() as tx:
                tx.put(note(f"n{number}"))
            await store.durable()

        await asyncio.gather(*(one(number) for number in range(500)))
        store.close()

    asyncio.run(scenario())
    again = opened(tmp_path / "db")
    assert again.snapshot().count(Note, "1", "r") == 500
    again.close()


changes = st.lists(st.tuples(st.sampled_from("abcde"), st.one_of(st.none(), st.text(max_size=3))), max_size=30)


@given(changes)
def test_the_store_behaves_as_a_dictionary_of_dictionaries(steps):
    store, model = opened(None), {}
    for id, text in steps:
        with store.write() as tx:
            if text is None:
                tx.delete(note(id))
                model.pop(id, None)
            else:
                tx.put(note(id, text))
                model[id] = text
    assert {each.id: each.text for each in store.snapshot().list(Note, "1", "r")} == model
    assert {each.id: each.text for each in store.snapshot().every(Note)} == model


def test_a_kind_may_be_registered_while_another_is_not_yet_on_disk(tmp_path):
    """Services that come on demand register late."""
    first = opened(tmp_path / "db")
    with first.write() as tx:
        tx.put(note("a", "kept"))
    first.close()

    async def late() -> None:
        store = Store(tmp_path / "db")
        store.register(Seen)
        assert store.unread("test.") and not store.unread("other.")
        with store.write() as tx:
            tx.put(Seen(account="1", region="r", id="s"))
        assert store.unread("test.n")
        store.register(Note)
        assert store.snapshot().get(Note, "1", "r", "a") == note("a", "kept")
        assert not store.unread("test.")
        with store.write() as tx:
            tx.put(note("b"))
        store.register()
        waited = store.when_durable(lambda error: None)
        assert waited  # a registration acknowledges nothing that is not on disk
        await store.durable()
        assert [each.id for each in store.snapshot().list(Note, "1", "r")] == ["a", "b"]
        store.close()

    asyncio.run(late())
