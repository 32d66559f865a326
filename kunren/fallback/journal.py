"""An append-only file of records, each with its length and checksum, durable when `append` returns.

A torn tail (the machine or the process died while writing) belongs to records that nobody was told of; opening cuts
it off. What it refuses to know: what a record says.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

_HEAD = struct.Struct("<II")  # length, CRC-32 of the payload


class JournalTaken(Exception):
    """Another process holds this journal."""


class Journal:
    """`records()` once after opening, `append` afterwards."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, and JournalTaken."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.dropped_bytes = 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise JournalTaken(str(path)) from None
        self.size = 0

    def records(self) -> Iterator[bytes]:
        """Every whole record, oldest first; then the torn tail, if any, is cut off."""
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            while len(head := file.read(_HEAD.size)) == _HEAD.size:
                length, checksum = _HEAD.unpack(head)
                payload = file.read(length)
                if len(payload) != length or zlib.crc32(payload) != checksum:
                    break
                self.size += _HEAD.size + length
                yield payload
        self.dropped_bytes = os.fstat(self._file).st_size - self.size
        if self.dropped_bytes:
            os.ftruncate(self._file, self.size)
            os.fsync(self._file)

    def append(self, payloads: Sequence[bytes]) -> None:
        """Write records and wait for the disk. Raises OSError; the file then ends where it ended before."""
        block = b"".join(_HEAD.pack(len(each), zlib.crc32(each)) + each for each in payloads)
        try:
            written = 0
            while written < len(block):
                written += os.pwrite(self._file, block[written:], self.size + written)
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += len(block)

    def close(self) -> None:
        os.close(self._file)
