"""Control groups for programs of the world: so much memory, so many processes, a share of the processors.

Where they may be made is read from the kernel's own lists (`find`): beside our own group in the one tree of version 2,
below it in the trees of version 1. It takes root or a delegated tree; `Cgroups.refusal` says what is missing. A program
enters its group by the descriptors of `Cgroup.open`, before it becomes the program, so that nothing escapes the count.

Memory has a wide bound that the kernel keeps at once (files in a program's /tmp count there, as in any tmpfs) and
`memory_bytes`, what the programs themselves hold, which is for the owner to look at. Sources: the kernel's
admin-guide/cgroup-v2.rst and cgroup-v1/.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_CONTROLLERS = ("memory", "pids", "cpu")
_NEEDED = frozenset({"memory", "pids"})
_PROBE_WITHIN_S = 10.0
_TOGETHER_WEIGHT = 10
"""All programs together weigh as much as ten groups of their neighbours'."""
MISSING = "the kernel offers no control groups with memory and pids where this user may make some"


@dataclass(frozen=True, slots=True)
class Tree:
    """Where groups may be made: a folder per controller, all the same in version 2."""

    version: int
    folders: Mapping[str, Path]


def find(own: str, mounts: str) -> list[Tree]:
    """The places to try, by the text of /proc/self/cgroup and /proc/self/mountinfo, the best first. Pure."""
    groups = {}
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), path))  # version 2 names none
    unified: list[Tree] = []
    separate: dict[str, Path] = {}
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        root, mount_point = fields.split()[3:5]
        kind, _, options = (*rest.split(), "", "")[:3]
        if kind == "cgroup2" and "" in groups:
            home = _seen_at(groups[""], root, mount_point)
            tops = [home, *home.parents][1:] if home != Path(mount_point) else [home]
            inside = [each for each in tops if each.is_relative_to(mount_point)]
            unified += [Tree(2, dict.fromkeys(_CONTROLLERS, each)) for each in inside]
        elif kind == "cgroup":
            named = [each for each in _CONTROLLERS if each in options.split(",") and each in groups]
            separate.update({each: _seen_at(groups[each], root, mount_point) for each in named})
    return [*unified, *([Tree(1, separate)] if separate.keys() >= _NEEDED else [])]


def _seen_at(group: str, root: str, mount_point: str) -> Path:
    """Where a group is seen, of whose tree `root` is mounted there."""
    inside = os.path.relpath(group, root)
    return Path(mount_point, "" if inside == "." or inside.startswith("..") else inside)


class Cgroups:
    """The groups of one daemon's programs, in a group of that name of their own. `probe` first; it blocks for some
    milliseconds."""

    def __init__(self, name: str) -> None:
        self.refusal = MISSING
        self.tree: Tree | None = None
        self._name = name
        self._probing = threading.Lock()
        self._ended: list[Cgroup] = []

    def probe(self) -> None:
        """Find a tree where groups can be made and entered; leaves what an earlier daemon left there removed."""
        for tree in _trees():
            try:
                self._try(tree)
            except OSError as error:
                self.refusal = f"{next(iter(tree.folders.values()))}: {error.strerror or error}"
            else:
                self.tree, self.refusal = tree, ""
                return

    def ensure(self) -> None:
        """`probe`, unless that has found a tree already; for several that ask at once."""
        with self._probing:
            if self.tree is None:
                self.probe()

    def _try(self, tree: Tree) -> None:
        if tree.version == 2:
            parent = tree.folders["memory"]
            if not set(_read(parent / "cgroup.subtree_control").split()) >= _NEEDED:
                raise OSError("memory and pids are not handed on to the groups below")
        home = self._home(tree)
        for folder in set(home.folders.values()):
            folder.mkdir(exist_ok=True)
            _empty(folder)
        if tree.version == 2:
            offered = set(_read(home.folders["memory"] / "cgroup.controllers").split())
            wanted = " ".join(f"+{each}" for each in _CONTROLLERS if each in offered)
            (home.folders["memory"] / "cgroup.subtree_control").write_text(wanted)
        _weigh(home, 100 * _TOGETHER_WEIGHT)
        tried = Cgroup(home, "probe", 64 << 20, 16, 100)
        descriptors = tried.open()
        try:
            for each in descriptors:
                entering = ["/bin/sh", "-c", "echo 0 >&0"]
                run = subprocess.run(
                    entering, stdin=each, stderr=subprocess.DEVNULL, timeout=_PROBE_WITHIN_S, check=False
                )
                if run.returncode:
                    raise OSError("a process could not enter its group")
        finally:
            for each in descriptors:
                os.close(each)
            tried.remove()

    def _home(self, tree: Tree) -> Tree:
        return Tree(tree.version, {each: folder / self._name for each, folder in tree.folders.items()})

    def make(self, name: str, memory_bytes_max: int, processes_max: int, weight: int) -> Cgroup | None:
        """A new group; None where there can be none. Raises OSError."""
        self._ended = [each for each in self._ended if not each.remove()]
        if self.tree is None:
            return None
        return Cgroup(self._home(self.tree), name, memory_bytes_max, processes_max, weight)

    def discard(self, group: Cgroup) -> None:
        """Remove a group as soon as nothing runs in it."""
        self._ended.append(group)
        self._ended = [each for each in self._ended if not each.remove()]

    def end(self) -> None:
        """Remove everything, also what a killed daemon left where this one made nothing; what still has processes is
        left for the next daemon."""
        for tree in [self.tree] if self.tree is not None else _trees():
            for folder in set(self._home(tree).folders.values()):
                _empty(folder)
                with contextlib.suppress(OSError):
                    folder.rmdir()


class Cgroup:
    """One group. `weight` is its share of the processors where others want them: 100 is the usual one."""

    def __init__(self, home: Tree, name: str, memory_bytes_max: int, processes_max: int, weight: int) -> None:
        self._group = Tree(home.version, {each: folder / name for each, folder in home.folders.items()})
        memory, pids = self._group.folders["memory"], self._group.folders["pids"]
        self._memory = memory
        for folder in set(self._group.folders.values()):
            folder.mkdir(exist_ok=True)
        if home.version == 2:
            (memory / "memory.max").write_text(str(memory_bytes_max))
            _write_if_there(memory / "memory.swap.max", "0")
        else:
            (memory / "memory.limit_in_bytes").write_text(str(memory_bytes_max))
            _write_if_there(memory / "memory.memsw.limit_in_bytes", str(memory_bytes_max))
        (pids / "pids.max").write_text(str(processes_max))
        _weigh(self._group, weight)

    def open(self) -> list[int]:
        """Descriptors by which a process enters the group (it writes "0"); the caller closes them."""
        folders = sorted(set(self._group.folders.values()))
        return [os.open(each / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for each in folders]

    def memory_bytes(self) -> int:
        """What its processes hold now, without files in memory."""
        wanted = "anon" if self._group.version == 2 else "total_rss"
        return _number(_read(self._memory / "memory.stat"), wanted)

    def processes(self) -> list[int]:
        """The processes in it, as our own PID namespace numbers them."""
        return [int(each) for each in _read(self._group.folders["pids"] / "cgroup.procs").split()]

    def cpu_seconds(self) -> float:
        """The processor time that its processes have had; in version 1, of those that there are and their children."""
        if self._group.version == 2:
            return _number(_read(self._group.folders["memory"] / "cpu.stat"), "usage_usec") / 1e6
        return sum(map(_cpu_seconds, self.processes()))

    def frozen(self) -> bool:
        """Have none of its processes run; whether that is so now, else it is to be asked again in a while. They keep
        their memory, and may be killed. Version 1 has signals for it, since what its own freezer holds can't be."""
        if self._group.version == 2:
            (self._memory / "cgroup.freeze").write_text("1")
            return _number(_read(self._memory / "cgroup.events"), "frozen") == 1
        running = [each for each in self.processes() if _state(each) not in "TtZX"]
        for each in running:
            _signal(each, signal.SIGSTOP)
        return not running  # those that ran may have started others

    def thaw(self) -> None:
        """Have them go on where they were."""
        if self._group.version == 2:
            (self._memory / "cgroup.freeze").write_text("0")
            return
        for each in self.processes():
            _signal(each, signal.SIGCONT)

    def kills(self) -> int:
        """How many processes the kernel has killed because the group was at its bound."""
        name = "memory.events" if self._group.version == 2 else "memory.oom_control"
        return _number(_read(self._memory / name), "oom_kill")

    def remove(self) -> bool:
        """Whether it is gone: a group with processes stays."""
        try:
            for folder in set(self._group.folders.values()):
                if folder.exists():
                    folder.rmdir()
        except OSError:
            return False
        return True


def _trees() -> list[Tree]:
    own, mounts = (_read(Path("/proc/self", name)) for name in ("cgroup", "mountinfo"))
    return find(own, mounts)


def _empty(folder: Path) -> None:
    """Remove the groups there; one whose processes are just ending stays."""
    for left in filter(Path.is_dir, folder.glob("*")):
        with contextlib.suppress(OSError):
            left.rmdir()


def _weigh(group: Tree, weight: int) -> None:
    folder = group.folders.get("cpu")
    if folder is None:
        return
    if group.version == 2:
        _write_if_there(folder / "cpu.weight", str(min(10_000, max(1, weight))))
    else:
        _write_if_there(folder / "cpu.shares", str(max(2, weight * 1024 // 100)))


def _write_if_there(path: Path, text: str) -> None:
    if path.exists():
        path.write_text(text)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _state(pid: int) -> str:
    """As /proc has it ("T" is stopped); "X" where it is gone."""
    return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].strip()[:1] or "X"


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _cpu_seconds(pid: int) -> float:
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") if len(fields) > 14 else 0.0


def _number(text: str, name: str) -> int:
    return next((int(line.split()[1]) for line in text.splitlines() if line.split()[:1] == [name]), 0)
