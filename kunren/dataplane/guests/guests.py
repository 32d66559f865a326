"""Starts and ends guests: each a process tree of its own on a network interface that is there, in a control group where
the machine allows any.

It refuses to know what a guest is for. Who starts one keeps it, waits for its end, and decides what that means.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from kunren.core.clock import Clock
from kunren.dataplane.guests.disk import BUNDLE, copy_once, make_room, programs
from kunren.world.agent.init import GRACE_S
from kunren.world.agent.kernel import NO_OVERLAY
from kunren.world.cgroups import Cgroup, Cgroups
from kunren.world.file_systems import FileSystem
from kunren.world.interface import Guest, Inside, Process, ProcessSpec

log = logging.getLogger(__name__)
PATH = "/run/kunren/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OWN_BYTES = 64 << 20  # what a guest may hold besides: init, and what the kernel counts for it
_FROZEN_WITHIN_S = 10.0
_CONSOLE = "/var/log/cloud-init-output.log"


class GuestsWorld(Protocol):
    """The part of the world that guests need."""

    async def spawn(self, spec: ProcessSpec) -> Process: ...


@dataclass(frozen=True, slots=True)
class GuestSpec:
    """`root` is the folder that is its "/". Output goes to the file `console`, appended, or to the descriptor `output`.
    With `boot` process 1 is our init with that plan, else `argv`. With `machine` it has the machine's programs; a root
    of its own kind brings its own. With a folder `lower`, of which many guests may be made, that is its "/" as far as
    it has not changed it, and `root` holds what it has. Of `binds` (target → source) those in `readonly` can't be
    written. `limits` and what follows as `interface.Guest` has them. With a `disk`, all below the folder `disk_at` is
    on that file system."""

    name: str
    namespace: str
    root: Path
    hostname: str
    console: Path | None = None
    output: int | None = None
    boot: Sequence[Mapping[str, Any]] | None = None
    argv: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    binds: Mapping[str, str] = field(default_factory=dict)
    readonly: Sequence[str] = ()
    limits: tuple[tuple[int, int, int], ...] = ()
    readonly_root: bool = False
    init: bool = False
    dropped: tuple[int, ...] = ()
    user: str = ""
    machine: bool = True
    lower: Path | None = None
    memory_bytes: int = 1 << 30
    processors: float = 1.0
    processes: int = 4096
    disk: FileSystem | None = None
    disk_at: Path = Path("/")

    def outside(self, path: Path) -> Path:
        """Where the daemon sees what the guest has at that path of the machine's."""
        return path if self.disk is None else self.disk.path / path.relative_to(self.disk_at)


class RunningGuest:
    """A guest that was started. `wait` gives process 1's exit code, or minus the signal that ended it."""

    def __init__(self, process: Process, cgroup: Cgroup | None, cgroups: Cgroups) -> None:
        self._process, self._cgroup, self._cgroups = process, cgroup, cgroups
        self.out_of_memory = False
        """Whether the kernel has killed one of its processes for the memory that they held; known when it has ended."""

    @property
    def pid(self) -> int:
        """Process 1, as the world's PID namespace numbers it."""
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> int:
        code = await self._process.wait()
        if self._cgroup is not None:
            cgroup, self._cgroup = self._cgroup, None
            self.out_of_memory = cgroup.kills() > 0
            self._cgroups.discard(cgroup)
        return code

    def entered(self) -> list[int]:
        """Descriptors by which another program is counted with this guest; the caller closes them."""
        return self._cgroup.open() if self._cgroup is not None else []

    def memory_bytes(self) -> int | None:
        """What its programs hold now; None where nobody counts."""
        return self._cgroup.memory_bytes() if self._cgroup is not None else None

    def cpu_seconds(self) -> float | None:
        """The processor time that its programs have had; None where nobody counts."""
        return self._cgroup.cpu_seconds() if self._cgroup is not None else None

    def network_bytes(self) -> tuple[int, int] | None:
        """Received and sent by its interfaces; None where nobody counts."""
        processes = self._cgroup.processes() if self._cgroup is not None else []
        try:
            lines = Path(f"/proc/{processes[0]}/net/dev").read_text().splitlines()[2:] if processes else []
        except OSError:
            lines = []
        counted = [each.partition(":")[2].split() for each in lines if not each.strip().startswith("lo:")]
        return (sum(int(each[0]) for each in counted), sum(int(each[8]) for each in counted)) if counted else None

    async def freeze(self, clock: Clock) -> bool:
        """Have nothing in it run, and keep its memory; False, and it runs on, where that can't be had."""
        if self._cgroup is None:
            return False
        until = clock.monotonic() + _FROZEN_WITHIN_S
        try:
            while not self._cgroup.frozen():
                if clock.monotonic() > until:
                    raise TimeoutError("some of it runs on")
                await clock.wall_sleep(0.01)
        except OSError as error:
            log.warning("a guest can't be frozen: %s", error)
            with contextlib.suppress(OSError):
                self._cgroup.thaw()  # what of it was held already
            return False
        return True

    def thaw(self) -> None:
        """Have it go on where it was."""
        if self._cgroup is not None:
            self._cgroup.thaw()

    async def signal(self, number: int) -> None:
        await self._process.signal(number)

    async def stop(self, grace_s: float = GRACE_S + 5.0) -> int:
        """Have it end by itself, and end it when it has not after so many real seconds."""
        return await self._process.stop(grace_s)

    async def kill(self) -> int:
        """End it as a power failure does."""
        await self._process.signal(signal.SIGKILL)
        return await self._process.wait()


class Guests:
    """`bundle` is the file of the roots that guests trust."""

    def __init__(self, world: GuestsWorld, cgroups: Cgroups, bundle: Path) -> None:
        self._world, self._cgroups, self._bundle = world, cgroups, bundle
        self._overlays = True

    async def start(self, spec: GuestSpec) -> RunningGuest:
        """Raises OSError as mounting or exec did, NoSuchNamespace, WorldEnded."""
        if spec.lower is None:
            return await self._start(spec)
        if self._overlays:
            await asyncio.to_thread(make_room, spec.outside(spec.root))
            try:
                return await self._start(spec)
            except OSError as error:
                if NO_OVERLAY not in str(error):
                    raise
                log.info("containers get copies of their images: %s", error)
                self._overlays = False
        root = await asyncio.to_thread(copy_once, spec.lower, spec.outside(spec.root))
        return await self._start(replace(spec, root=spec.root / root.name, lower=None))

    async def _start(self, spec: GuestSpec) -> RunningGuest:
        if self._cgroups.tree is None:
            await asyncio.to_thread(self._cgroups.ensure)
        own = _OWN_BYTES if spec.boot is not None else 0
        bound, weight = spec.memory_bytes + own, round(100 * spec.processors)
        cgroup = self._cgroups.make(spec.name, bound, spec.processes, max(1, weight))
        descriptors = cgroup.open() if cgroup is not None else []
        try:
            process = await self._world.spawn(self._wanted(spec, descriptors))
        except BaseException:
            if cgroup is not None:
                self._cgroups.discard(cgroup)
            raise
        finally:
            for each in descriptors:
                os.close(each)
        return RunningGuest(process, cgroup, self._cgroups)

    def _wanted(self, spec: GuestSpec, descriptors: list[int]) -> ProcessSpec:
        """What the world is to start; `descriptors` are of its control groups, and get that of its disk. Raises
        OSError."""
        groups = tuple(descriptors)
        if spec.disk is not None:
            descriptors.append(spec.disk.mount())
        guest = Guest(
            root=str(spec.root),
            hostname=spec.hostname,
            lower=str(spec.lower or ""),
            boot=spec.boot,
            readonly=(BUNDLE, *spec.readonly, *(programs() if spec.machine else ())),
            processes=spec.processes,
            cgroups=groups,
            disk=(descriptors[-1], str(spec.disk_at)) if spec.disk is not None else None,
            limits=spec.limits,
            readonly_root=spec.readonly_root,
            init=spec.init,
            dropped=spec.dropped,
            user=spec.user,
        )
        binds = {BUNDLE: str(self._bundle), **spec.binds}
        if spec.console is not None:
            binds.setdefault(_CONSOLE, str(spec.console))
        return ProcessSpec(
            spec.name,
            spec.argv,
            spec.namespace,
            env=environment(spec.env),
            cwd=spec.cwd,
            log=spec.console,
            stdout=spec.output,
            stderr=spec.output,
            binds=binds,
            guest=guest,
        )

    async def enter(
        self, guest: RunningGuest, namespace: str, argv: Sequence[str], env: Mapping[str, str], cwd: str = "/",
        output: int | None = None, terminal: int | None = None, user: str = "", errors: int | None = None,
    ) -> Process:  # fmt: skip
        """Start one more program in the guest, which ends with it; it prints to `output`, its errors to `errors` where
        they go elsewhere, or has the descriptor `terminal` as its terminal. Root's, where no user is named. Raises
        OSError as exec did, and where the guest has ended."""
        descriptors = guest.entered()
        inside = Inside(guest.pid, tuple(descriptors), user)
        printed = output if terminal is None else terminal
        wanted = ProcessSpec(
            "in guest", argv, namespace, env=environment(env), cwd=cwd, stdin=terminal, stdout=printed,
            stderr=printed if errors is None else errors, inside=inside,
        )  # fmt: skip
        try:
            return await self._world.spawn(wanted)
        finally:
            for each in descriptors:
                os.close(each)


def environment(own: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a guest's programs are started with: where programs are, and every name under which tools look for roots."""
    names = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    return {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", **dict.fromkeys(names, BUNDLE), **(own or {})}
