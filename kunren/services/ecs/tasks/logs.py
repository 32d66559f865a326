"""What containers print: read from a pipe, cut into lines, handed on as events."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable

LINE_BYTES_MAX = 16 * 1024
"""Docker cuts longer lines."""
_PIPE_BYTES = 64 * 1024
_READ_BYTES = 64 * 1024


class LogPipe:
    """`output` is the end to hand to the program, closed here by `handed`. `told` gets a few lines at a time; `ended`
    is set when nobody writes any more. A last line without an end is one too."""

    def __init__(self, told: Callable[[list[str]], None]) -> None:
        self._told = told
        self._kept = b""
        self._end, self.output = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._end, False)
        fcntl.fcntl(self._end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self.ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._end, self._read)

    def handed(self) -> None:
        """The program has its own copy of `output`, or will never have one."""
        os.close(self.output)

    def _read(self) -> None:
        try:
            found = os.read(self._end, _READ_BYTES)
        except BlockingIOError:
            return
        *lines, self._kept = (self._kept + found).split(b"\n")
        if not found and self._kept:
            lines.append(self._kept)
        while len(self._kept) > LINE_BYTES_MAX:
            lines.append(self._kept[:LINE_BYTES_MAX])
            self._kept = self._kept[LINE_BYTES_MAX:]
        if lines:
            self._told([each.decode(errors="replace").rstrip("\r") for each in lines])
        if not found:
            self.close()

    def close(self) -> None:
        if not self.ended.is_set():
            self.ended.set()
            asyncio.get_running_loop().remove_reader(self._end)
            os.close(self._end)
