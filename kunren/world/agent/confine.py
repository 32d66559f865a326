"""What a program that is not trusted with the machine gets of it: a file system to read, a /tmp of a stated size, so
many descriptors and processes, and no power over the namespaces it was put in.

`enter` runs in the child that becomes the program, after its files were laid. Its user namespace is one below the
world's, so what it is root of there reaches neither routes and firewalls nor mounts; the kernel counts its processes
per such namespace. Root's own processes it does not count at all: there the cgroup does.
"""

from __future__ import annotations

import os
import resource
import signal
from typing import Any

from kunren.world.agent import idmap, kernel
from kunren.world.agent.filesystem import SCRATCH, STAGE, make_private

TMP = "/tmp"
_SETTINGS = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs")
_TMPFS_PAGE = 4096
_ROUNDS = 50


def make_scratch(name: str, size: int) -> str:
    """The scratch space of that name, made where there is none yet: where it is mounted."""
    folder = f"{SCRATCH}/{name}"
    if not os.path.isdir(folder):
        os.mkdir(folder, 0o700)
        try:
            data = f"size={size},nr_inodes={max(1024, size // _TMPFS_PAGE)},mode=1777"
            kernel.mount("kunren", folder, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, data)
        except OSError:
            os.rmdir(folder)
            raise
    return folder


def drop_scratch(name: str) -> None:
    """Forget a scratch space; its memory is free when the last program that has it as /tmp has ended."""
    folder = f"{SCRATCH}/{name}"
    if os.path.isdir(folder):
        kernel.unmount(folder)
        os.rmdir(folder)


def join_cgroups(descriptors: list[int]) -> None:
    """Have this process, and all that it will start, counted there; the descriptors are of cgroup.procs files."""
    for each in descriptors:
        os.write(each, b"0")


def change_root(root: str, laid: dict[str, str]) -> None:
    """Have that folder as the root of the file system, with these laid over it: target → source."""
    make_private()  # else the agent would lose what of ours it shares with us when we let go of the root before
    kernel.mount(root, STAGE, None, kernel.MS_BIND | kernel.MS_REC)
    for target in sorted(laid):
        kernel.mount(laid[target], f"{STAGE}{target}", None, kernel.MS_BIND | kernel.MS_REC)
    kernel.pivot_root(STAGE)


def shield_kernel() -> None:
    """Have the kernel's settings in /proc to be read only: who is the machine's root outside may write them whatever
    user namespace he is in."""
    for path in _SETTINGS:
        if os.path.exists(path):
            kernel.mount(path, path, None, kernel.MS_BIND | kernel.MS_REC)
            kernel.make_readonly(path, recursive=True)


def enter(confined: dict[str, Any]) -> None:
    """Give up what the program shall not have."""
    shield_kernel()
    kernel.make_readonly("/", recursive=True)
    for writable in ("/proc", TMP):
        kernel.make_readonly(writable, on=False)
    own_user_namespace()
    limit(resource.RLIMIT_NPROC, confined["processes"])
    limit(resource.RLIMIT_NOFILE, confined["open_files"])


def limit(what: int, most: int, soft: int | None = None) -> None:
    """Bound a resource of ours, softly and hard, as far as it is not bounded already."""
    hard = resource.getrlimit(what)[1]
    least = _lower(most, hard)
    resource.setrlimit(what, (least if soft is None else _lower(soft, least), least))


def _lower(one: int, other: int) -> int:
    return max(one, other) if resource.RLIM_INFINITY in (one, other) else min(one, other)


def own_user_namespace(everybody: bool = False) -> None:
    """Go into a user namespace of our own below the one we are in, as the same user; alone, or with `everybody` who is
    in the one above."""
    uid, gid = os.geteuid(), os.getegid()
    mapper = idmap.Mapper() if everybody and idmap.has_many() else None
    try:
        kernel.unshare(kernel.CLONE_NEWUSER)
    except PermissionError:
        if mapper:
            mapper.cancel()
        return  # a world that root had to make without user namespaces
    if not (mapper and mapper.map_all()):
        idmap.map_one(uid, gid, (uid, gid))


def namespace_of(pid: int) -> int | None:
    """What tells a confined program's processes from all others: its mount namespace. None when it has ended, or where
    /proc is not ours and numbers processes otherwise."""
    if os.readlink("/proc/self") != str(os.getpid()):
        return None
    try:
        return os.stat(f"/proc/{pid}/ns/mnt").st_ino
    except OSError:
        return None


def end_all(namespace: int) -> None:
    """Kill every process there, sessions of their own and fork bombs included: first they are stopped."""
    for _ in range(_ROUNDS):
        stopped: set[int] = set()
        while found := _inside(namespace) - stopped:
            for pid in found:
                _signal(pid, signal.SIGSTOP)
            stopped |= found
        if not stopped:
            return
        for pid in stopped:
            _signal(pid, signal.SIGKILL)


def _inside(namespace: int) -> set[int]:
    return {pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if namespace_of(pid) == namespace}


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
