"""Programs of the world: started, watched and, when their time has come, ended with their whole process group.

A program gets a session of its own, the network namespace it asked for, and, where files are laid over for it alone,
a mount namespace of its own. When the program itself ends, what is left of its process group is killed: no worker
outlives its supervisor's view. Orphans become our children (we are process 1) and are reaped.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import Any

from kunren.world.agent import confine, guest, kernel
from kunren.world.agent.filesystem import RESOLV_CONF, SCRATCH, hide_scratch, lay, resolver_file
from kunren.world.agent.network import Network

_EXEC_FAILED = 127
_STREAMS = 3


class Processes:
    """The programs that run. `stage` is an empty folder where file systems are prepared."""

    def __init__(self, network: Network, stage: str) -> None:
        self._network = network
        self._stage = stage
        self._running: dict[int, int | None] = {}  # by pid: what a confined program's processes are known by

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, request: dict[str, Any], fds: list[int]) -> int:
        """Start a program; its pid. `fds` are its standard streams, then those of the cgroups it is to be in. Raises
        NoNamespace, and OSError as exec did."""
        self._network.enter(request["namespace"])
        confined = request["confined"]
        if confined:
            confine.make_scratch(confined["scratch"], confined["scratch_bytes"])
        told, tell = os.pipe2(os.O_CLOEXEC)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            if request["guest"]:
                guest.become(request, fds, tell)
            if request["inside"]:
                guest.enter(request, fds, tell)
            self._become(request, fds, tell)
        os.close(tell)
        with os.fdopen(told, "rb") as pipe:
            refusal = pipe.read()
        handed = request["guest"] or request["inside"]
        if handed:
            os.waitpid(pid, 0)  # whose child is process 1 of the guest, or the program in it, and ours now
            first, newline, refusal = refusal.partition(b"\n")
            if newline:
                pid = int(first.removeprefix(b"pid "))
            else:
                refusal = first
        if refusal:
            if not handed:
                os.waitpid(pid, 0)
            number, _, text = refusal.decode(errors="replace").partition(" ")
            raise OSError(int(number), text)
        self._running[pid] = confine.namespace_of(pid) if confined else None
        return pid

    def signal(self, pid: int, number: int, group: bool) -> None:
        """Raises ProcessLookupError when the program has ended."""
        if pid not in self._running:
            raise ProcessLookupError(errno.ESRCH, f"process {pid} has ended")
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)

    def reap(self) -> list[tuple[int, int]]:
        """Take in what has ended; the programs among it as (pid, exit code or minus the signal)."""
        ended: list[tuple[int, int]] = []
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return ended
            if found is None:
                return ended
            pid = found.si_pid
            if pid in self._running:
                # Before it is reaped, so that the number can't belong to another group yet.
                try:
                    os.killpg(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass
                if (namespace := self._running[pid]) is not None:
                    confine.end_all(namespace)
            _, status = os.waitpid(pid, 0)
            if pid in self._running:
                del self._running[pid]
                ended.append((pid, os.waitstatus_to_exitcode(status)))

    def _become(self, request: dict[str, Any], fds: list[int], tell: int) -> None:
        """In the child: become the program, or tell why not."""
        confined = request["confined"]
        try:
            os.setsid()
            confine.join_cgroups(fds[_STREAMS:])
            for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            signal.set_wakeup_fd(-1)
            binds = dict(request["binds"])
            if (resolver := resolver_file(request["namespace"])) is not None:
                binds.setdefault(RESOLV_CONF, resolver)
            if confined:
                binds[confine.TMP] = f"{SCRATCH}/{confined['scratch']}"
            if binds:
                kernel.unshare(kernel.CLONE_NEWNS)
                shadowed = {confine.TMP} if confined else set()
                # Opened before anything is laid: a target may hide the source of another (a /tmp of one's own).
                sources = {target: os.open(binds[target], os.O_PATH) for target in binds}
                opened = {target: f"/proc/self/fd/{sources[target]}" for target in sources}
                if confined and confined["root"]:
                    confine.change_root(confined["root"], opened)
                else:
                    for target in sorted(binds):
                        lay(target, opened[target], self._stage, shadowed)
                    hide_scratch()
            if confined:
                confine.enter(confined)
            for place, fd in enumerate(fds[:_STREAMS]):
                os.dup2(fd, place, inheritable=True)
            os.chdir(request["cwd"])
            os.execvpe(request["argv"][0], request["argv"], request["env"])
        except OSError as error:
            os.write(tell, f"{error.errno or 5} {error.strerror or error}".encode()[:4000])
        except BaseException as error:
            os.write(tell, f"5 {error}".encode()[:4000])
        finally:
            os._exit(_EXEC_FAILED)
