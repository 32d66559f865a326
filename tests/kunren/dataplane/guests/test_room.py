"""Guests don't fill the machine's disk: who holds most is ended while there is a reserve."""

import asyncio
import os

from kunren.core.clock import SystemClock
from kunren.dataplane.guests.room import RESERVE, DiskRoom, largest, measured

MIB = 1 << 20


def test_what_a_guest_holds_is_what_the_disk_gave_it(tmp_path):
    for name, size in (("small", 1), ("big", 3)):
        (tmp_path / name / "below").mkdir(parents=True)
        (tmp_path / name / "below" / "file").write_bytes(os.urandom(size * MIB))
    (tmp_path / "small" / "link").symlink_to(tmp_path / "big")
    with (tmp_path / "image").open("wb") as sparse:
        sparse.truncate(100 * MIB)
    sizes = measured({each: [tmp_path / each] for each in ("small", "big", "image", "gone")})
    assert MIB <= sizes["small"] < 2 * MIB < 3 * MIB <= sizes["big"] < 4 * MIB
    assert sizes["image"] < MIB
    assert sizes["gone"] == 0


def test_who_holds_most_is_ended_unless_it_is_little():
    assert largest({"a": 300 * MIB, "b": 900 * MIB}) == "b"
    assert largest({"a": 3 * MIB}) is None
    assert largest({}) is None


def test_the_reserve_is_half_of_what_was_free_where_that_was_little(tmp_path, monkeypatch):
    monkeypatch.setattr("kunren.dataplane.guests.room._LEAST", MIB)
    (tmp_path / "big").write_bytes(os.urandom(2 * MIB))
    ended = []

    def looks(*free, writers=("big",)):
        told = iter(free)
        room = DiskRoom(
            SystemClock(), tmp_path, lambda: {each: [tmp_path / each] for each in writers}, lambda name, why: ended.append(why),
            lambda folder: next(told),
        )  # fmt: skip
        return [asyncio.run(room.look()) for _ in free]

    assert looks(100 << 30, RESERVE, RESERVE - 1) == [False, False, True]
    assert looks(2 << 30, 1 << 30, (1 << 30) - 1) == [False, False, True]
    assert len(ended) == 2
    assert looks(2 << 30, 1 << 20, writers=()) == [False, True]
    assert len(ended) == 2
    assert ended[0] == "The disk of this machine has 4.0 GiB left, and this one held the most of it: 0.0 GiB."
