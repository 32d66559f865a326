"""What the rest of Kunren may ask of the world. `kunren.world.world.World` is the one that is real."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from kunren.world.network import VpcNetwork

INTERNET = "internet"
TRANSIT = "transit"


def place_namespace(place: str) -> str:
    return f"place-{place}"


def edge_namespace(place: str) -> str:
    return f"edge-{place}"


def checkers_namespace(region: str) -> str:
    return f"checkers-{region}"


def region_namespace(region: str) -> str:
    return f"region-{region}"


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a program that is not trusted gets of the machine.

    It sees the file system read-only, or the folder `root` alone where there is one; and always the spec's `binds` and
    a /tmp of its own: the scratch space of that name, which outlives the program until `drop_scratch`. When it ends, so
    does everything that it started. `cgroups` are open cgroup.procs files of the groups that it is to be in
    (`cgroups.py`).
    """

    scratch: str
    scratch_bytes: int
    open_files: int = 1024
    processes: int = 1024
    root: str = ""
    cgroups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Guest:
    """What makes a program a guest: a machine as far as it can tell (`agent/guest.py`), whose "/" is the folder `root`.

    It is process 1 there; with a `boot` plan (`agent/init.py`) that is our init, and `argv` of the spec is not used.
    Paths in `readonly` can only be read: of the spec's binds, or else the machine's own. When process 1 ends, the whole
    guest has ended. `cgroups` are open cgroup.procs files. With a folder `lower` the guest sees that one, and what it
    changes goes to `root`, which has the folders `upper` and `work` for it (an overlay). `limits` are further limits of
    resources, softly and hard, by the number that the kernel has for them (getrlimit), as far as they are below those
    of the machine.
    """

    root: str
    hostname: str
    lower: str = ""
    boot: Sequence[Mapping[str, Any]] | None = None
    readonly: tuple[str, ...] = ()
    open_files: int = 65536
    processes: int = 4096
    cgroups: tuple[int, ...] = ()
    limits: tuple[tuple[int, int, int], ...] = ()
    readonly_root: bool = False
    init: bool = False
    """Whether process 1 is our init, with `argv` as its only program: it ends as that does."""
    dropped: tuple[int, ...] = ()
    """Capabilities that none of its programs has, by the kernel's numbers."""
    user: str = ""
    """Who its program is, by its own /etc/passwd (`agent/users.py`); root where nobody is named."""
    disk: tuple[int, str] | None = None
    """A file system of its own, by the descriptor of a mount that is nowhere, and the folder that it has it at."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What makes a program one of a guest's, whose process 1 has that number in the world: it sees what the guest's
    programs see, and ends with the guest. `cgroups` are open cgroup.procs files, `user` who it is there."""

    pid: int
    cgroups: tuple[int, ...] = ()
    user: str = ""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A program to start inside the world.

    `namespace` is the network namespace. `env` is the whole environment. The files of `binds` (target → source, both
    absolute) are laid over the file system that the process sees; the world's resolver and trust store are laid over
    it always. Standard output and error go to `log` (appended) unless file descriptors are given.
    """

    name: str
    argv: Sequence[str]
    namespace: str
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    log: Path | None = None
    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None
    binds: Mapping[str, str] = field(default_factory=dict)
    confined: Confinement | None = None
    guest: Guest | None = None
    inside: Inside | None = None

    def handed(self) -> list[int]:
        """The descriptors that go to the agent behind the standard streams, in the order that it takes them."""
        held = self.confined or self.guest or self.inside
        return [*(held.cgroups if held else ()), *(self.guest.disk[:1] if self.guest and self.guest.disk else ())]


class Process(Protocol):
    """A running program of the world."""

    @property
    def pid(self) -> int:
        """Its pid as the world's own PID namespace numbers it."""
        ...

    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int:
        """The exit code; minus the signal's number where a signal ended it."""
        ...

    async def signal(self, number: int) -> None: ...
    async def stop(self, grace_s: float = 5.0) -> int:
        """SIGTERM, and SIGKILL to its process group when it still runs after `grace_s` real seconds."""
        ...


class WorldControl(Protocol):
    """The daemon's handle on the world. All calls are idempotent and may be awaited concurrently."""

    def netns_path(self, namespace: str) -> str:
        """The file, inside the world, that Envoy's `network_namespace_filepath` takes."""
        ...

    async def open_socket(
        self,
        namespace: str,
        family: int = socket.AF_INET,
        type: int = socket.SOCK_STREAM,
        *,
        bind: tuple[str, int] | None = None,
        listen: int | None = None,
        reuse_port: bool = False,
        transparent: bool = False,
    ) -> socket.socket:
        """A non-blocking socket that lives in the namespace (bound, and listening, where asked). Connecting is the
        caller's. Raises OSError as the kernel did, and NoSuchNamespace."""
        ...

    async def spawn(self, spec: ProcessSpec) -> Process: ...
    async def ensure_place(self, place: str) -> str:
        """Start the client place if it has not been used yet; the name of its namespace. Raises UnknownPlace."""
        ...

    async def ensure_region(self, region: str) -> str: ...
    async def apply_vpc(self, network: VpcNetwork) -> None:
        """Make the VPC's network exactly so; returns when the kernel has it."""
        ...

    async def remove_vpc(self, vpc_id: str) -> None: ...


class NoSuchNamespace(Exception):
    """The namespace does not exist (yet): a reconciler lets its workqueue try again."""


class UnknownPlace(Exception):
    """No place of that name in the world; the message lists those there are."""


class WorldUnavailable(Exception):
    """This machine can't have a world as it is; the text is one paragraph that says why and what would help."""


class WorldEnded(Exception):
    """The world's agent is gone, and everything in the world with it."""
