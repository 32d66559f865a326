"""The journal keeps what was acknowledged, and cuts off what was not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.fallback.journal import Journal, JournalTaken


def written(path: Path, *records: bytes) -> int:
    journal = Journal(path)
    list(journal.records())
    for record in records:
        journal.append([record])
    journal.close()
    return journal.size


def read(path: Path) -> list[bytes]:
    journal = Journal(path)
    try:
        return list(journal.records())
    finally:
        journal.close()


def test_records_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "moto" / "journal"
    written(path, b"one", b"", b"three" * 1000)
    assert read(path) == [b"one", b"", b"three" * 1000]


@given(cut=st.integers(min_value=0, max_value=40), garbage=st.binary(max_size=20))
def test_a_torn_tail_costs_only_the_record_that_was_being_written(
    tmp_path_factory: pytest.TempPathFactory, cut: int, garbage: bytes
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal"
    whole = written(path, b"first", b"second")
    size = written(path, b"third" * 7)
    with path.open("r+b") as file:
        file.truncate(max(whole, size - cut))
        file.seek(0, 2)
        if cut:
            file.write(garbage[: max(0, cut - 1)])
    kept = read(path)
    assert kept[:2] == [b"first", b"second"]
    assert len(kept) == (3 if cut == 0 else 2) or kept[2:] == [b"third" * 7]
    written(path, b"after")
    assert read(path) == [*kept, b"after"]


def test_a_flipped_byte_ends_the_journal_there(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    first = written(path, b"first")
    written(path, b"second")
    content = bytearray(path.read_bytes())
    content[first + 9] ^= 1
    path.write_bytes(content)
    assert read(path) == [b"first"]


def test_two_processes_cannot_hold_one_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    with pytest.raises(JournalTaken):
        Journal(tmp_path / "journal")
    journal.close()
    Journal(tmp_path / "journal").close()


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    list(journal.records())
    journal.append([b"kept"])
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fdatasync", full)
    with pytest.raises(OSError, match="No space"):
        journal.append([b"lost"])
    assert path.read_bytes() == before
    journal.close()
