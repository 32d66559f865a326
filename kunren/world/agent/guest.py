"""A guest of the world: a machine as far as its programs can tell, with its own root, process numbers and host name.

`become` runs in a child of the agent that is on the guest's network already. It forks process 1 of a new PID
namespace, which makes a folder the root of its file system, lays what the guest sees of the machine over that, gives up
all power over the world (a user namespace below the world's, as `confine` does), and is the guest's init or its
program. When process 1 ends, the kernel ends everything in the guest.

Mount points are resolved after the root was changed: a guest that left symbolic links on its disk leads nobody out.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import stat
from typing import Any

from kunren.world.agent import confine, init, kernel, users, volumes
from kunren.world.agent.filesystem import RESOLV_CONF, STAGE, make_private, resolver_file

_STREAMS = 3
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
_FAILED = 127
_NAMESPACES = (
    ("pid", kernel.CLONE_NEWPID),
    ("ipc", kernel.CLONE_NEWIPC),
    ("mnt", kernel.CLONE_NEWNS),
    ("uts", kernel.CLONE_NEWUTS),
    ("user", kernel.CLONE_NEWUSER),
)


def become(request: dict[str, Any], fds: list[int], tell: int) -> None:
    """Start process 1 and tell its number ("pid N" and a newline) on that pipe; what fails later is told there too, as
    "ERRNO TEXT". The pipe's end means that the guest runs. Returns never."""
    guest = request["guest"]
    further = _STREAMS + len(guest["cgroups"])
    try:
        confine.join_cgroups(fds[_STREAMS:further])
        kernel.unshare(kernel.CLONE_NEWPID)
        pid = os.fork()
        if pid:
            os.write(tell, f"pid {pid}\n".encode())
            os._exit(0)
        os.setsid()
        binds = dict(request["binds"])
        if (resolver := resolver_file(request["namespace"])) is not None:
            binds.setdefault(RESOLV_CONF, resolver)
        _make_root(guest, fds[further:], binds, "/" if guest["boot"] is not None else request["cwd"])
        _limit_power(guest)
        for place, fd in enumerate(fds[:_STREAMS]):
            os.dup2(fd, place, inheritable=True)
        os.chdir(request["cwd"])
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        if guest["user"]:
            users.become(guest["user"], request["env"])
        if guest["init"]:
            init.hold(request["argv"], request["env"], tell)
        if guest["boot"] is None:
            os.execvpe(request["argv"][0], request["argv"], request["env"])
        os.closerange(_STREAMS, tell)
        os.close(tell)
        os.closerange(tell + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        init.run(guest["boot"], request["env"])
    except OSError as error:
        _tell(tell, f"{error.errno or 5} {error.strerror or error}")
    except BaseException as error:
        _tell(tell, f"5 {error}")
    finally:
        os._exit(_FAILED)


def enter(request: dict[str, Any], fds: list[int], tell: int) -> None:
    """Start a program in a guest that runs, by the number of its process 1; told as `become` tells. Returns never."""
    try:
        confine.join_cgroups(fds[_STREAMS:])
        _join(request["inside"]["pid"])
        pid = os.fork()
        if pid:
            os.write(tell, f"pid {pid}\n".encode())
            os._exit(0)
        os.setsid()
        for place, fd in enumerate(fds[:_STREAMS]):
            os.dup2(fd, place, inheritable=True)
        if os.isatty(0):
            kernel.own_terminal(0)
        if request["inside"]["user"]:
            users.become(request["inside"]["user"], request["env"])
        os.chdir(request["cwd"])
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.execvpe(request["argv"][0], request["argv"], request["env"])
    except OSError as error:
        _tell(tell, f"{error.errno or 5} {error.strerror or error}")
    except BaseException as error:
        _tell(tell, f"5 {error}")
    finally:
        os._exit(_FAILED)


def _join(pid: int) -> None:
    """The guest's namespaces but its network, where we are; the user namespace last, since it takes power over the
    others away, and not at all where it is ours."""
    opened = [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), flag) for name, flag in _NAMESPACES]
    same = os.stat(f"/proc/{pid}/ns/user").st_ino == os.stat("/proc/self/ns/user").st_ino
    for descriptor, flag in opened:
        if flag != kernel.CLONE_NEWUSER or not same:
            kernel.setns(descriptor, flag)
        os.close(descriptor)


def _tell(tell: int, text: str) -> None:
    try:
        os.write(tell, text.encode()[:4000])
    except OSError:
        pass  # the guest ran already


def _make_root(guest: dict[str, Any], disks: list[int], binds: dict[str, str], cwd: str) -> None:
    """Have the guest's folder as "/", with devices, processes and what is laid over it; let go of the world's. The
    folder `cwd` is made where it is missing."""
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC)
    make_private()
    for each in disks:
        kernel.move_mount(each, guest["disk"][1])
    for folder in guest["readonly"]:
        binds.setdefault(folder, folder)
    sources = {target: os.open(source, os.O_PATH | os.O_CLOEXEC) for target, source in binds.items()}
    devices = {each: os.open(f"/dev/{each}", os.O_PATH | os.O_CLOEXEC) for each in _DEVICES}
    old = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if guest["lower"]:
        _lay_over(guest["lower"], guest["root"])
    else:
        kernel.mount(guest["root"], STAGE, None, kernel.MS_BIND | kernel.MS_REC)
    kernel.swap_root(STAGE)
    _mount_fresh("proc", "/proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    confine.shield_kernel()
    _make_devices(devices)
    if guest["boot"] is not None:
        volumes.link_devices()
    _mount_fresh("tmpfs", "/run", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    try:
        _mount_fresh("sysfs", "/sys", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC | kernel.MS_RDONLY)
    except PermissionError:
        pass  # a container that hides parts of its own
    for target in sorted(sources):
        place = lay(target, sources[target])
        if target in guest["readonly"]:
            kernel.make_readonly(place, recursive=True)
    os.fchdir(old)
    kernel.unmount(".")
    os.chdir("/")
    for fd in (old, *sources.values(), *devices.values()):
        os.close(fd)
    os.makedirs(cwd, exist_ok=True)  # not before: its path may go through /proc/self/fd
    if guest["readonly_root"]:
        kernel.make_readonly("/")


def _lay_over(lower: str, own: str) -> None:
    """Mount a folder that is not changed under what a guest has of its own. Raises OSError beginning with
    `kernel.NO_OVERLAY` where the kernel, or the file system of these folders, does not have that."""
    folders = {"lowerdir": lower, "upperdir": f"{own}/upper", "workdir": f"{own}/work"}
    # by descriptors, since a path may have commas and colons
    opened = {name: os.open(path, os.O_PATH | os.O_CLOEXEC) for name, path in folders.items()}
    options = ",".join(f"{name}=/proc/self/fd/{fd}" for name, fd in opened.items())
    try:
        kernel.mount("kunren", STAGE, "overlay", 0, f"{options},userxattr")
    except OSError as error:
        raise OSError(error.errno, f"{kernel.NO_OVERLAY}: {error.strerror}") from error
    finally:
        for fd in opened.values():
            os.close(fd)


def _mount_fresh(kind: str, target: str, flags: int, data: str | None = None) -> None:
    kernel.mount("kunren", _point(target, folder=True), kind, flags, data)


def lay(target: str, source: int) -> str:
    """Bind what the descriptor stands for over a path of the root that we are in; where that led."""
    place = _point(target, folder=stat.S_ISDIR(os.stat(f"/proc/self/fd/{source}").st_mode))
    kernel.mount(f"/proc/self/fd/{source}", place, None, kernel.MS_BIND | kernel.MS_REC)
    return place


def _point(target: str, *, folder: bool) -> str:
    """Have something there that can be mounted over; where links lead, by what is written in them: one to a descriptor
    of ours in /proc would lead the kernel out of this root."""
    above, name = os.path.split(target)
    place = os.path.join(os.path.realpath(above), name)
    if os.path.islink(place) and not os.path.exists(place):
        os.unlink(place)
    place = os.path.realpath(place)
    if not os.path.exists(place):
        os.makedirs(place if folder else os.path.dirname(place), 0o755, exist_ok=True)
        if not folder:
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    return place


def _make_devices(devices: dict[str, int]) -> None:
    _mount_fresh("tmpfs", "/dev", kernel.MS_NOSUID, "mode=755")
    for name, source in devices.items():
        lay(f"/dev/{name}", source)
    _mount_fresh("devpts", "/dev/pts", kernel.MS_NOSUID | kernel.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    _mount_fresh("tmpfs", "/dev/shm", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=1777")
    for name, target in _LINKS.items():
        os.symlink(target, f"/dev/{name}")


def _limit_power(guest: dict[str, Any]) -> None:
    confine.own_user_namespace(everybody=True)
    kernel.unshare(kernel.CLONE_NEWUTS | kernel.CLONE_NEWNS)  # its own mounts come on top of ours, which are locked
    socket.sethostname(guest["hostname"])
    confine.limit(resource.RLIMIT_NPROC, guest["processes"])
    confine.limit(resource.RLIMIT_NOFILE, guest["open_files"])
    for what, soft, hard in guest["limits"]:
        confine.limit(what, hard, soft)
    for each in guest["dropped"]:
        kernel.drop_capability(each)
