"""The agent's loop: one request after the other from the daemon, and the ends of programs as they happen.

Requests have `id` and `op`; the answer repeats the id and has either `result` or `error` ({"kind", "errno", "text"}).
Kinds of error: "os" (with errno), "namespace" (does not exist), "ruleset" (nft refused), "bug". An `event` message
without id reports that a program ended. At the end of the stream the process exits, and with it the world.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
from typing import Any

from kunren.world.agent import confine, filesystem, frames
from kunren.world.agent.network import Network, NoNamespace, RulesetRefused
from kunren.world.agent.processes import Processes

_IP_TRANSPARENT, _IPV6_TRANSPARENT = 19, 75
_DESCRIPTORS = 65536


class Agent:
    """Serves one daemon until it is gone."""

    def __init__(self, connection: socket.socket, network: Network, processes: Processes) -> None:
        self._connection = connection
        self._network = network
        self._processes = processes
        self._reader = frames.Reader(connection)

    def run(self) -> None:
        woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._connection.fileno(), select.POLLIN)
        poll.register(woken, select.POLLIN)
        self._report_ended()
        while True:
            for fd, _ in poll.poll():
                if fd == woken:
                    os.read(woken, 65536)
                    self._report_ended()
                elif not self._reader.receive():
                    return
                else:
                    for message, fds in self._reader.messages():
                        self._serve(message, fds)

    def _report_ended(self) -> None:
        for pid, code in self._processes.reap():
            frames.send(self._connection, {"event": "exit", "pid": pid, "code": code})

    def _serve(self, message: dict[str, Any], fds: list[int]) -> None:
        outgoing: list[int] = []
        try:
            result = getattr(self, f"op_{message['op']}")(message, fds, outgoing)
            answer: dict[str, Any] = {"id": message["id"], "result": result}
        except OSError as error:
            answer = _error(message, "os", error.strerror or str(error), error.errno or 0)
        except NoNamespace as error:
            answer = _error(message, "namespace", str(error))
        except RulesetRefused as error:
            answer = _error(message, "ruleset", str(error))
        except Exception as error:
            answer = _error(message, "bug", f"{type(error).__name__}: {error}")
        finally:
            for fd in fds:
                os.close(fd)
        frames.send(self._connection, answer, outgoing)
        for fd in outgoing:
            os.close(fd)

    def op_make(self, message: dict[str, Any], fds: list[int], outgoing: list[int]) -> None:
        self._network.make(message["fact"])

    def op_undo(self, message: dict[str, Any], fds: list[int], outgoing: list[int]) -> None:
        self._network.undo(message["fact"])

    def op_counts(self, message: dict[str, Any], fds: list[int], outgoing: list[int]) -> dict[str, str]:
        return self._network.counts(message["namespace"], message["family"], message["table"])

    def op_socket(self, message: dict[str, Any], fds: list[int], outgoing: list[int]) -> None:
        self._network.enter(message["namespace"])
        made = socket.socket(message["family"], message["type"])
        try:
            made.setblocking(False)
            if made.family == socket.AF_INET6:  # IPv4 has sockets of its own
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            stream = made.type == socket.SOCK_STREAM
            if stream and message["bind"]:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if message["reuse_port"]:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if message["transparent"]:
                if made.family == socket.AF_INET6:
                    made.setsockopt(socket.IPPROTO_IPV6, _IPV6_TRANSPARENT, 1)
                else:
                    made.setsockopt(socket.SOL_IP, _IP_TRANSPARENT, 1)
            if message["bind"]:
                made.bind(tuple(message["bind"]))
            if message["listen"] is not None:
                made.listen(message["listen"])
        except BaseException:
            made.close()
            raise
        outgoing.append(made.detach())

    def op_spawn(self, message: dict[str, Any], fds: list[int], outgoing: list[int]) -> int:
        return self._processes.spawn(message, fds)

    def op_drop(self, message: dict[str, Any], fds: list[int], outgoing: list[int]) -> None:
        confine.drop_scratch(message["scratch"])

    def op_signal(self, message: dict[str, Any], fds: list[int], outgoing: list[int]) -> None:
        self._processes.signal(message["pid"], message["number"], message["group"])

    def op_status(self, message: dict[str, Any], fds: list[int], outgoing: list[int]) -> dict[str, Any]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "namespaces": len(self._network.names()),
            "programs": len(self._processes),
            "memory_bytes_max": usage.ru_maxrss * 1024,
        }


def serve(connection: socket.socket) -> None:
    """Be the agent: prepare the file system as the first message says, say so, and serve."""
    reader = frames.Reader(connection)
    first: list[tuple[dict[str, Any], list[int]]] = []
    while not first:
        if not reader.receive():
            return
        first = reader.messages()
    settings = first[0][0]
    outer_pid = os.readlink("/proc/self")
    step = "making the world's mounts its own"
    try:
        filesystem.make_private()
        step = "mounting its /proc"
        proc_refusal = filesystem.make_proc()
        step = "making its /run"
        filesystem.make_run(settings["stage"])
        shadowed = {"/run"}
        for target, source in settings["binds"]:
            step = f"laying a file over {target}"
            filesystem.lay(target, source, settings["stage"], shadowed)
    except OSError as error:
        frames.send(connection, {"event": "failed", "step": step, "errno": error.errno or 0, "text": str(error)})
        return
    _raise_descriptor_limit()
    network = Network(settings["nft"], settings["nft_env"])
    agent = Agent(connection, network, Processes(network, filesystem.STAGE))
    frames.send(connection, {"event": "ready", "pid": int(outer_pid), "proc": proc_refusal})
    agent.run()


def _error(message: dict[str, Any], kind: str, text: str, number: int = 0) -> dict[str, Any]:
    return {"id": message.get("id"), "error": {"kind": kind, "errno": number, "text": text}}


def _raise_descriptor_limit() -> None:
    """Room for Envoy's connections; not all that may be had, since some programs walk through every number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
