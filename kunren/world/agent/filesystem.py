"""The world's view of the file system: the host's, with a few files of its own laid over it.

`lay` puts one file or folder over a path. Where the path does not exist, the nearest folder that does is *shadowed*:
a tmpfs takes its place, in which every entry is a link to the entry it hides, so that something can be added that
nobody outside sees. /run is always shadowed: namespace files live in it, and services of the host that would answer
name lookups through a socket there (nscd) must not be found.

Everything happens in our own mount namespace: nothing of it is seen outside, all of it ends with the namespace.
"""

from __future__ import annotations

import os

from kunren.world.agent.kernel import (
    MS_BIND,
    MS_MOVE,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_REC,
    MS_SHARED,
    MS_SLAVE,
    mount,
    unmount,
)

NETNS_DIR = "/run/netns"
RESOLV_DIR = "/run/kunren/resolv"
RESOLV_CONF = "/etc/resolv.conf"
STAGE = "/run/kunren/stage"
"""Where programs prepare what they shadow: in our own /run, since they may lay a folder of their own over /tmp."""
SCRATCH = "/run/kunren/scratch"
"""Where the scratch spaces of confined programs are mounted, seen by nobody but the agent (`confine.py`)."""
_HIDDEN = {"/run": frozenset({"netns", "nscd", "kunren"})}
_BELOW = ".host"


def make_private() -> None:
    """Keep our mounts to ourselves, while what the host mounts later still appears."""
    mount(None, "/", None, MS_REC | MS_SLAVE)


def make_proc() -> str | None:
    """A /proc of our PID namespace; why not, where a container forbids it (the outer one then stays usable)."""
    try:
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError as error:
        return str(error)
    return None


def make_run(stage: str) -> None:
    """Our own /run with the folder of namespace files, which mount namespaces made from ours see grow."""
    shadow("/run", stage)
    os.mkdir(NETNS_DIR, 0o755)
    os.makedirs(RESOLV_DIR, 0o755)
    os.mkdir(STAGE, 0o755)
    os.mkdir(SCRATCH, 0o700)
    mount("kunren", SCRATCH, "tmpfs", MS_NOSUID | MS_NODEV, "mode=700")
    mount(NETNS_DIR, NETNS_DIR, None, MS_BIND)
    mount(None, NETNS_DIR, None, MS_SHARED)


def hide_scratch() -> None:
    """In a mount namespace made from the agent's: let go of every scratch space."""
    unmount(SCRATCH)


def shadow(folder: str, stage: str) -> None:
    """Put a writable tmpfs of links over a folder; `stage` is an empty folder to prepare it in."""
    if folder == "/":
        raise OSError("the root folder can't be shadowed: lay files over folders that exist below it")
    below = f"{stage}/{_BELOW}"
    entries = os.listdir(folder)
    mount("kunren", stage, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    os.mkdir(below, 0o755)
    mount(folder, below, None, MS_BIND | MS_REC)
    hidden = _HIDDEN.get(folder, frozenset())
    for entry in entries:
        if entry not in hidden:
            os.symlink(f"{_BELOW}/{entry}", f"{stage}/{entry}")
    mount(stage, folder, None, MS_MOVE)


def lay(target: str, source: str, stage: str, shadowed: set[str]) -> None:
    """Lay the file or folder `source` over `target`. `shadowed` collects the folders that became ours on the way."""
    place = os.path.realpath(target)
    if not os.path.exists(place):
        place = _make_place(target, os.path.isdir(source), stage, shadowed)
    mount(source, place, None, MS_BIND | MS_REC)


def _make_place(target: str, folder: bool, stage: str, shadowed: set[str]) -> str:
    parent = os.path.dirname(target)
    while not os.path.isdir(parent):
        parent = os.path.dirname(parent)
    rest = os.path.relpath(target, parent)
    parent = os.path.realpath(parent)
    if not any(parent == each or (parent.startswith(f"{each}/") and f"/{_BELOW}" not in parent) for each in shadowed):
        shadow(parent, stage)
        shadowed.add(parent)
    place = f"{parent}/{rest}"
    if os.path.islink(place):
        os.unlink(place)
    if folder:
        os.makedirs(place, 0o755)
    else:
        os.makedirs(os.path.dirname(place), 0o755, exist_ok=True)
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o644))
    return place


def resolver_file(namespace: str) -> str | None:
    """The resolv.conf of a namespace that has one of its own."""
    path = f"{RESOLV_DIR}/{namespace}"
    return path if os.path.exists(path) else None
