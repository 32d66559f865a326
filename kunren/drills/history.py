"""A drill's history: everything that clients did and saw, and what was done to the world, in one append-only file.

The file is `MAGIC` and then frames: one byte of kind, four of length (little-endian), the payload. A frame of kind
`J` is a note, one JSON object with `note` (its kind) and `time_ns`; one of kind `R` holds records of 24 bytes
(`RECORD`), the invocations and completions of operations. All times are nanoseconds since the history began. What
follows the last whole frame is left out: it was being written when the writer ended.

An operation is named by its client (see the notes `client`) and its number. Its invocation carries the time at which it
was *meant* to start, and by how much its client was late.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

if TYPE_CHECKING:
    import numpy

MAGIC = b"KUNREN HISTORY 1\n"
NOTE, RECORDS = b"J", b"R"
FRAME = struct.Struct("<cI")
RECORD = struct.Struct("<QIHBBHHI")
"""time_ns, operation, client, event, reason, status, address, late_us."""
FIELDS = [
    ("time_ns", "<u8"), ("operation", "<u4"), ("client", "<u2"), ("event", "u1"), ("reason", "u1"),
    ("status", "<u2"), ("address", "<u2"), ("late_us", "<u4"),
]  # fmt: skip


class Event(IntEnum):
    """What a record says of its operation. `SEEN` is a write that somebody read or received afterwards."""

    INVOKE = 0
    OK = 1
    FAIL = 2
    UNKNOWN = 3
    SEEN = 4


class Reason(IntEnum):
    """Why an operation was not ok."""

    NONE = 0
    NO_NAME = 1
    REFUSED = 2
    UNREACHABLE = 3
    NO_CONNECTION = 4
    NO_ANSWER = 5
    CUT = 6
    STATUS = 7
    UNEXPECTED = 8
    TLS = 9
    NO_FREE_CONNECTION = 10
    ERROR = 11


REASON_TEXTS = {
    Reason.NONE: "",
    Reason.NO_NAME: "DNS gave no address",
    Reason.REFUSED: "connection refused",
    Reason.UNREACHABLE: "network unreachable",
    Reason.NO_CONNECTION: "no connection in time",
    Reason.NO_ANSWER: "no answer in time",
    Reason.CUT: "cut off before the answer was whole",
    Reason.STATUS: "an error status",
    Reason.UNEXPECTED: "another answer than expected",
    Reason.TLS: "TLS failed",
    Reason.NO_FREE_CONNECTION: "no connection of the client was free",
    Reason.ERROR: "the server said that it failed",
}


class BadHistory(Exception):
    """The file is no history; the text says why."""


@dataclass(frozen=True, slots=True)
class History:
    """A whole history, read. `records` is a numpy array of `FIELDS` in the order of the file."""

    notes: tuple[dict[str, Any], ...]
    records: numpy.ndarray[Any, Any]
    path: Path | None = field(default=None, compare=False)

    def told(self, note: str) -> list[dict[str, Any]]:
        """The notes of that kind, in order."""
        return [each for each in self.notes if each["note"] == note]

    @property
    def header(self) -> dict[str, Any]:
        """The first note: the drill as it was read, its seed and the clock's speed."""
        return next(iter(self.told("drill")), {})


class HistoryWriter:
    """Appends to a file that is made; one writer at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO = path.open("wb")
        self._file.write(MAGIC)

    def note(self, kind: str, time_ns: int, /, **told: Any) -> dict[str, Any]:
        """Write a note and return it."""
        made = {"note": kind, "time_ns": time_ns, **told}
        self.frame(NOTE, msgspec.json.encode(made))
        self._file.flush()
        return made

    def frame(self, kind: bytes, payload: bytes) -> None:
        self._file.write(FRAME.pack(kind, len(payload)) + payload)

    def close(self) -> None:
        self._file.close()


class FrameReader:
    """Takes bytes as they come and gives whole frames."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def fed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        self._pending += data
        start = 0
        while len(self._pending) - start >= FRAME.size:
            kind, length = FRAME.unpack_from(self._pending, start)
            end = start + FRAME.size + length
            if end > len(self._pending):
                break
            yield kind, bytes(self._pending[start + FRAME.size : end])
            start = end
        del self._pending[:start]


def read_history(path: Path) -> History:
    """Raises BadHistory; OSError where the file can't be read."""
    raw = path.read_bytes()
    if not raw.startswith(MAGIC):
        raise BadHistory(f"{path} is no history of a drill: it does not begin with {MAGIC.decode().strip()!r}")
    return history_of(FrameReader().fed(raw[len(MAGIC) :]), path)


def history_of(frames: Iterable[tuple[bytes, bytes]], path: Path | None = None) -> History:
    """Raises BadHistory for a frame that can't be read."""
    import numpy

    notes, records = [], []
    for kind, payload in frames:
        if kind == NOTE:
            try:
                notes.append(msgspec.json.decode(payload, type=dict[str, Any]))
            except msgspec.DecodeError as error:
                raise BadHistory(f"a note can't be read: {error}") from error
        elif kind == RECORDS and len(payload) % RECORD.size == 0:
            records.append(payload)
        else:
            raise BadHistory(f"a frame of kind {kind!r} and {len(payload)} bytes belongs to no history")
    return History(tuple(notes), numpy.frombuffer(b"".join(records), dtype=FIELDS), path)


def records_of(rows: Iterable[tuple[int, ...]]) -> numpy.ndarray[Any, Any]:
    """Records from tuples in the order of `FIELDS`."""
    import numpy

    return numpy.array(list(rows), dtype=FIELDS)
