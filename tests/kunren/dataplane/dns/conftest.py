"""A network namespace of its own for DNS tests: every address of the world is local in it, port 53 is free in it.

A small child process owns a user and a network namespace and opens sockets there on request, passing them back; the
server under test and its clients then talk over real packets without root and without touching the host's network.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
LOCAL6 = ("3fff::2", "3fff:0:1::41", "3fff:0:1::42", "3fff:0:4::10")
LOCAL = ("198.18.0.0/15", "10.0.0.2/32", "10.1.0.2/32", "169.254.169.253/32")


class NamespaceOpener:
    """`open_socket` as `WorldControl` has it; all namespaces are one."""

    def __init__(self) -> None:
        self._near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # a program of its own: a fork of the test process would inherit its threads' locks, and hang on an import
        self._process = subprocess.Popen([sys.executable, __file__, str(far.fileno())], pass_fds=[far.fileno()])
        self.pid = self._process.pid
        far.close()
        reply = self._near.recv(4096)
        if reply != b"ready":
            self.close()
            pytest.skip(f"no unprivileged user and network namespaces here: {reply.decode(errors='replace')}")

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
        self._near.sendall(json.dumps([family, type, bind, listen]).encode())
        body, fds, _, _ = socket.recv_fds(self._near, 4096, 1)
        if not fds:
            number, text = json.loads(body)
            raise OSError(number, text)
        sock = socket.socket(fileno=fds[0])
        sock.setblocking(False)
        return sock

    def dig(self, *arguments: str) -> str:
        """The system's dig, run inside the namespace. Run it in a thread while the server lives on the loop."""
        command = ["nsenter", "-t", str(self.pid), "-U", "-n", "--preserve-credentials", "dig", "+time=2", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout

    async def dig_async(self, *arguments: str) -> str:
        return await asyncio.to_thread(self.dig, *arguments)

    def close(self) -> None:
        self._near.close()
        self._process.wait(10)


def _serve(control: socket.socket) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
        control.send(os.strerror(ctypes.get_errno()).encode())
        return
    from pyroute2 import IPRoute

    with IPRoute() as route:
        loopback = route.link_lookup(ifname="lo")[0]
        route.link("set", index=loopback, state="up")
        for network in LOCAL:
            route.route("add", dst=network, oif=loopback, type="local", table=255, scope="host")
        for address in LOCAL6:
            route.addr("add", index=loopback, address=address, prefixlen=128, family=socket.AF_INET6)
    control.send(b"ready")
    while request := control.recv(4096):
        family, kind, bind, listen = json.loads(request)
        sock = socket.socket(family, kind)
        try:
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if bind:
                sock.bind((bind[0], bind[1]))
            if listen:
                sock.listen(listen)
            socket.send_fds(control, [b"ok"], [sock.fileno()])
        except OSError as error:
            control.send(json.dumps([error.errno, error.strerror]).encode())
        finally:
            sock.close()


@pytest.fixture
def namespace() -> Iterator[NamespaceOpener]:
    opener = NamespaceOpener()
    try:
        yield opener
    finally:
        opener.close()


@pytest.fixture
def other_namespace() -> Iterator[NamespaceOpener]:
    opener = NamespaceOpener()
    try:
        yield opener
    finally:
        opener.close()


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
