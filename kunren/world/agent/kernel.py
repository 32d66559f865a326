"""The system calls that Python 3.11 has no function for, by ctypes; and their constants.

Raises OSError with the kernel's errno. Knows nothing of Kunren.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from typing import Any

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

NO_OVERLAY = "no overlay"
"""How the error begins where folders can't be laid over each other."""
MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_REC = 0x4000
MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_SLAVE = 0x80000
MS_SHARED = 0x100000
MNT_DETACH = 2

_SYS_MOVE_MOUNT, _SYS_FSOPEN, _SYS_FSCONFIG, _SYS_FSMOUNT = 429, 430, 431, 432
_SYS_MOUNT_SETATTR = 442  # on every architecture, as all that are younger than 5.1
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_RDONLY, _MOUNT_ATTR_NODEV = 1, 4
_FSCONFIG_SET_FLAG, _FSCONFIG_SET_STRING, _FSCONFIG_CMD_CREATE = 0, 1, 6
_CLOEXEC = 1
_MOVE_MOUNT_F_EMPTY_PATH = 4

_TIOCSCTTY = 0x540E
_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_CAPBSET_DROP = 24

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(fd: int, kind: int = 0) -> None:
    """Enter the namespace that the descriptor stands for; `kind` is its CLONE_NEW* flag, 0 for any."""
    _check(_libc.setns(ctypes.c_int(fd), ctypes.c_int(kind)), "setns")


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    _check(
        _libc.mount(_bytes(source), _bytes(target), _bytes(kind), flags, _bytes(data)),
        f"mount on {target}",
    )


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    _check(_libc.umount2(_bytes(target), ctypes.c_int(flags)), f"unmount {target}")


def detached_mount(kind: str, source: str, flags: tuple[str, ...]) -> int:
    """A descriptor of a new mount of that file system, which is nowhere yet (`move_mount`) and ends with the
    descriptor if it stays so."""
    context = _call(_SYS_FSOPEN, f"fsopen of {kind}", _bytes(kind), ctypes.c_uint(_CLOEXEC))
    try:
        where = f"mount of {source}"
        _call(_SYS_FSCONFIG, where, context, _FSCONFIG_SET_STRING, b"source", _bytes(source), 0)
        for each in flags:
            _call(_SYS_FSCONFIG, f"{where} with {each}", context, _FSCONFIG_SET_FLAG, _bytes(each), None, 0)
        _call(_SYS_FSCONFIG, where, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        return _call(_SYS_FSMOUNT, where, context, ctypes.c_uint(_CLOEXEC), ctypes.c_uint(_MOUNT_ATTR_NODEV))
    finally:
        os.close(context)


def move_mount(mount: int, target: str) -> None:
    """Have the mount of that descriptor over that path."""
    flags = ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH)
    _call(_SYS_MOVE_MOUNT, f"move_mount to {target}", mount, b"", _AT_FDCWD, _bytes(target), flags)


def _call(number: int, what: str, *arguments: Any) -> int:
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    _check(min(result, 0), what)
    return result


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user_namespace", ctypes.c_uint64),
    )


def make_readonly(path: str, *, on: bool = True, recursive: bool = False) -> None:
    """Make the mount at that path read-only, or writable again, and with `recursive` all that is mounted below it."""
    attributes = _MountAttributes(_MOUNT_ATTR_RDONLY if on else 0, 0 if on else _MOUNT_ATTR_RDONLY)
    result = _libc.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        _bytes(path),
        ctypes.c_uint(_AT_RECURSIVE if recursive else 0),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )
    _check(result, f"mount_setattr of {path}")


def pivot_root(root: str) -> None:
    """Make the mount at that path the root, and let go of the one before."""
    swap_root(root)
    unmount(".")
    os.chdir("/")


def swap_root(root: str) -> None:
    """Make the mount at that path the root. The one before is still mounted, over it, and is where we are."""
    os.chdir(root)
    number = _SYS_PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, f"pivot_root on {os.uname().machine}")
    _check(_libc.syscall(ctypes.c_long(number), b".", b"."), "pivot_root")


def die_with_parent(signal: int) -> None:
    """Have the kernel send us that signal when the thread that started us ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal), 0, 0, 0), "prctl PR_SET_PDEATHSIG")


def drop_capability(number: int) -> None:
    """Have no program that is started from now on have that capability; nothing where the kernel knows none such."""
    if _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0) and ctypes.get_errno() != errno.EINVAL:
        _check(-1, "prctl PR_CAPBSET_DROP")


def allow_inspection() -> None:
    """Let processes of the same user open our /proc/PID/ns: changing user namespace may have withdrawn it."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(1), 0, 0, 0), "prctl PR_SET_DUMPABLE")


def set_process_name(name: str) -> None:
    """The name that `ps` shows (15 bytes)."""
    _libc.prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()[:15]), 0, 0, 0)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def make_tunnel(name: str) -> None:
    """A TUN device (packets without a header of their own) in the namespace that we are in; it stays."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
        fcntl.ioctl(fd, _TUNSETPERSIST, 1)
    finally:
        os.close(fd)


def own_terminal(fd: int) -> None:
    """Have that terminal as the one that controls this session, whose leader we are."""
    fcntl.ioctl(fd, _TIOCSCTTY, 0)
