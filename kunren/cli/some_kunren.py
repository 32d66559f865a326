"""The Kunren that a drill runs in: the one that runs, or one of its own."""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from kunren.cli.failures import Unusable
from kunren.management.client import Management


@contextmanager
def some_kunren(
    state_dir: Path, keep: bool, speed: float | None = None, seed: int | None = None
) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """The running Kunren of that state folder, or one of our own: ended afterwards, unless it is to be kept.

    Gives its state folder, its endpoint and what `kunren status` says of it. Raises Unusable where the running one has
    another speed; `seed` is for one of our own. From here on a closed terminal and a CI that gives up are Ctrl-C.
    """
    for each in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:  # as nohup wants it
            signal.signal(each, signal.default_int_handler)
    management = Management(state_dir)
    if management.running():
        told = management.get("/status")
        if speed is not None and speed != told["clock"]["speed"]:
            raise Unusable(
                f"the Kunren that runs has speed {told['clock']['speed']:g}, not {speed:g}: end it (`kunren down`), so "
                "that the drill starts one of its own, or start it with that --speed."
            )
        yield state_dir, f"http://127.0.0.1:{told['ports']['api']}", told
        return
    from kunren.cli.up import start_detached, stop

    own = state_dir if keep else Path(tempfile.mkdtemp(prefix="kunren-drill-"))
    port, proxy_port = free_ports(2)
    click.echo(f"... No Kunren runs: starting one on port {port}", err=True)
    try:
        arguments = ["--state", str(own.resolve()), "--port", str(port), "--proxy-port", str(proxy_port)]
        arguments += ["--speed", str(speed)] if speed is not None else []
        arguments += ["--seed", str(seed)] if seed is not None else []
        start_detached(own, arguments)
        try:
            yield own, f"http://127.0.0.1:{port}", Management(own).get("/status")
        finally:
            if not keep and Management(own).running():
                stop(own)
    finally:
        if not keep:
            shutil.rmtree(own, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody has now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
