"""What processes use: memory and processor time of a process and all below it, read from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """The process and everything below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))

    def below(pid: int) -> Iterator[int]:
        yield pid
        for child in children.get(pid, ()):
            yield from below(child)

    return list(below(root))


def named(root: int, program: str) -> list[int]:
    """The processes of the tree whose program has that file name."""
    found = []
    for pid in tree(root):
        with suppress(OSError):
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if Path(os.fsdecode(argv[0])).name == program:
                found.append(pid)
    return found


def proportional_bytes(pids: list[int]) -> int:
    """PSS: memory that several processes share counts for each by its share."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def processor_s(pids: list[int]) -> float:
    """Seconds of processor time so far, in the program and in the kernel for it."""
    total = 0.0
    for pid in pids:
        with suppress(OSError):
            stat = _stat(pid)
            total += (int(stat[11]) + int(stat[12])) / _TICKS
    return total


def pin(pids: list[int], core: int) -> None:
    """Have all threads of these processes run on that core alone."""
    for pid in pids:
        with suppress(OSError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with suppress(OSError):
                    os.sched_setaffinity(int(thread.name), {core})


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
