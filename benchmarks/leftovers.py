"""What a Kunren has on the machine, and what of it is still there later: processes, namespaces, mounts, groups, links."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from benchmarks import processes
from kunren.settings import run_dir

WITHIN_S = 30.0
_LINKS = Path("/sys/class/net")


class Footprint:
    """Taken of a Kunren that runs; `left` says what is there of it after its end."""

    def __init__(self, state: Path, pid: int) -> None:
        self._marks = (str(state.resolve()), str(run_dir(state)))
        self._processes = {each: began for each in processes.tree(pid) if (began := _began(each))}
        self._spaces = set(_spaces(self._processes)) - set(_spaces([os.getpid()]))
        self._group = f"kunren-{run_dir(state).name}"
        self._links = {each.name for each in _LINKS.iterdir()}

    def left(self, after_a_kill: bool = False) -> list[str]:
        """In words, once half a minute was not enough: the kernel takes a moment to end a world. A kill may leave files
        and empty control groups, which the next start uses."""
        ending = time.monotonic() + WITHIN_S
        while (found := [*self._running(), *([] if after_a_kill else self._kept())]) and time.monotonic() < ending:
            time.sleep(0.1)
        return found

    def _running(self) -> Iterator[str]:
        for pid, began in self._processes.items():
            if _began(pid) == began:
                yield f"process {pid}: {_command(pid)}"
        there = [int(each.name) for each in Path("/proc").glob("[0-9]*")]
        for pid in there:
            for space in self._spaces.intersection(_spaces([pid])):
                yield f"namespace {space}, of process {pid}: {_command(pid)}"
        for pid in there:
            with suppress(OSError):
                for line in Path(f"/proc/{pid}/mounts").read_text().splitlines():
                    if any(mark in line for mark in self._marks):
                        yield f"mount {line.split()[1]}, seen by process {pid}"
        yield from (f"link {each.name}" for each in _LINKS.iterdir() if each.name not in self._links)

    def _kept(self) -> Iterator[str]:
        yield from (f"control group {each}" for each in Path("/sys/fs/cgroup").rglob(self._group))
        if Path(self._marks[1]).exists():
            yield f"folder {self._marks[1]}"


def _began(pid: int) -> str:
    """When it began, in the kernel's ticks: with the number it says which process it is. Empty: there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _spaces(pids: Iterable[int]) -> Iterator[str]:
    for pid in pids:
        with suppress(OSError):
            yield from [str(each.readlink()) for each in Path(f"/proc/{pid}/ns").iterdir()]


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:120]
    return "gone"
