"""Which ids a user namespace has. Only a privileged process of the parent namespace may map more than one, so a child
stays there for it.
"""

from __future__ import annotations

import os

_EVERYBODY = 65536


class Mapper:
    """A child that stays outside while its parent goes into a user namespace of its own, which then has the ids that
    both had before."""

    def __init__(self) -> None:
        go, self._go = os.pipe()
        target = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._go)
            code = 1
            try:
                if os.read(go, 1):
                    for name in ("uid_map", "gid_map"):
                        write(f"/proc/{target}/{name}", _same_ids(f"/proc/self/{name}"))
                    code = 0
            finally:
                os._exit(code)
        os.close(go)

    def map_all(self) -> bool:
        os.write(self._go, b"g")
        return self._end() == 0

    def cancel(self) -> None:
        self._end()

    def _end(self) -> int:
        os.close(self._go)
        _, status = os.waitpid(self._pid, 0)
        return status


def map_one(uid: int, gid: int, outside: tuple[int, int]) -> None:
    """Have one user and one group in the namespace that this process has made, for those ids outside."""
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{uid} {outside[0]} 1")
    write("/proc/self/gid_map", f"{gid} {outside[1]} 1")


def has_many() -> bool:
    """Whether this process's namespace has the ids of a whole machine, for users of a guest's own."""
    return all(_count(f"/proc/self/{name}") >= _EVERYBODY for name in ("uid_map", "gid_map"))


def _count(path: str) -> int:
    """How many ids there are from 0 on."""
    end = 0
    for inside, _, count in sorted(_ranges(path)):
        if inside > end:
            break
        end = inside + count
    return end


def _same_ids(path: str) -> str:
    """Every id that we have, mapped to itself."""
    return "".join(f"{inside} {inside} {count}\n" for inside, _, count in _ranges(path))


def _ranges(path: str) -> list[tuple[int, int, int]]:
    with open(path) as file:
        found = [line.split() for line in file]
    return [(int(inside), int(outside), int(count)) for inside, outside, count in found]


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
