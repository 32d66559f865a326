"""How much memory a worker uses: by its control group where it has one, else by /proc, for its first process alone.

/proc works across PID namespaces: a worker is found by a unique word of its environment, since the pid that the world
knows it by is not the one that this process sees.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from kunren.world.cgroups import Cgroup

_PROC = Path("/proc")
_MB = 1 << 20


class MemoryMeter:
    """One worker's memory, in MB rounded up. `word` is in the environment of no other process."""

    def __init__(self, word: str, limit_mb: int) -> None:
        self.group: Cgroup | None = None
        self._word = word
        self._limit_mb = limit_mb
        self._pid: int | None = None
        self._highest: int | None = None

    async def find(self) -> None:
        """Look for the process; one that was just started may not be found yet."""
        self._pid = await asyncio.to_thread(find_process, self._word)

    @property
    def found(self) -> bool:
        return self._pid is not None

    @property
    def highest_mb(self) -> int | None:
        """The most that was seen; None before anything was. As on AWS no more than the limit is ever told."""
        return None if self._highest is None else min(self._highest, self._limit_mb)

    def look(self, *, search: bool = False) -> int | None:
        """What it holds now; None where that can't be told. `search` looks for the process where it is not known."""
        if self._pid is None and search:
            self._pid = find_process(self._word)
        usage = memory_mb(self._pid) if self._pid is not None else None
        if usage is None:
            self._pid = None  # not there any more: look again
        now, highest = usage or (None, 0)
        if self.group is not None:
            now = -(-self.group.memory_bytes() // _MB)
        highest = max(highest, now or 0, self._highest or 0)
        self._highest = highest or None
        return now

    def was_killed(self) -> bool:
        """Whether the kernel has killed a process of it for want of memory."""
        if self.group is None or not self.group.kills():
            return False
        self._highest = self._limit_mb
        return True


def find_process(word: str) -> int | None:
    """The lowest pid whose environment holds that word; None where there is none, or it may not be read."""
    wanted = word.encode()
    for pid in sorted(int(each.name) for each in _PROC.iterdir() if each.name.isdigit()):
        try:
            if wanted in (_PROC / str(pid) / "environ").read_bytes():
                return pid
        except OSError:
            continue
    return None


def memory_mb(pid: int) -> tuple[int, int] | None:
    """Resident memory now and at its highest, in MB rounded up; None when the process is gone."""
    try:
        status = (_PROC / str(pid) / "status").read_text()
    except OSError:
        return None
    found = {}
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "VmHWM"):
            found[name] = -(-int(value.split()[0]) // 1024)
    if len(found) != 2:
        return None
    return found["VmRSS"], found["VmHWM"]
