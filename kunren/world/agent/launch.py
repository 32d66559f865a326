"""From an ordinary child process of the daemon to process 1 of a new world.

The launcher leaves the daemon's namespaces for new ones (user, mount, network, IPC, host name, PID), forks the agent,
which is process 1 of the new PID namespace, and waits for it. As an ordinary user the user namespace maps that user
to root; root gets all its ids mapped. Where user namespaces are forbidden and we are privileged, it goes without.

A failure is told to the daemon in one message: {"event": "failed", "step", "errno", "text"}.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

from kunren.world.agent import frames, kernel

_FLAGS = (
    kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
)  # fmt: skip


def run(fd: int) -> None:
    """Launch the world; returns never. `fd` is our end of the daemon's socketpair."""
    connection = socket.socket(fileno=fd)
    kernel.set_process_name("kunren-world")
    try:
        _new_namespaces()
        kernel.die_with_parent(signal.SIGKILL)
        kernel.allow_inspection()
    except OSError as error:
        failure = {"event": "failed", "step": "making namespaces", "errno": error.errno or 0, "text": str(error)}
        frames.send(connection, failure)
        os._exit(1)
    pid = os.fork()
    if pid == 0:
        _be_agent(connection)
    connection.close()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _, status = os.waitpid(pid, 0)
    os._exit(min(255, abs(os.waitstatus_to_exitcode(status))))


def _be_agent(connection: socket.socket) -> None:
    code = 1
    try:
        kernel.die_with_parent(signal.SIGKILL)
        kernel.allow_inspection()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        from kunren.world.agent.main import serve

        serve(connection)
        code = 0
    except (BrokenPipeError, ConnectionResetError):
        code = 0
    except BaseException as error:
        sys.stderr.write(f"the world's agent ended: {type(error).__name__}: {error}\n")
    finally:
        os._exit(code)


def _new_namespaces() -> None:
    uid, gid = os.geteuid(), os.getegid()
    mapper = _Mapper() if uid == 0 else None
    try:
        kernel.unshare(kernel.CLONE_NEWUSER | _FLAGS)
    except OSError:
        if mapper:
            mapper.cancel()
        if uid != 0:
            raise
        kernel.unshare(_FLAGS)
        return
    if mapper and mapper.map_all():
        return
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"0 {uid} 1")
    _write("/proc/self/gid_map", f"0 {gid} 1")


class _Mapper:
    """A child that stayed outside: only a privileged process of the parent namespace may map more than one id."""

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
                        _write(f"/proc/{target}/{name}", _same_ids(f"/proc/self/{name}"))
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


def _same_ids(path: str) -> str:
    """Every id that we have, mapped to itself."""
    with open(path) as file:
        ranges = [line.split() for line in file]
    return "\n".join(f"{inside} {inside} {count}" for inside, _, count in ranges) + "\n"


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
