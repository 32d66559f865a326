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

from kunren.world.agent import frames, idmap, kernel

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
    mapper = idmap.Mapper() if uid == 0 else None
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
    idmap.map_one(0, 0, (uid, gid))
