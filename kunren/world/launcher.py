"""Starts the process that becomes the world's agent, before anything else is imported or decided.

The launcher needs a tenth of a second to start its interpreter and make the namespaces, and nothing from us but its
end of a socketpair; so the daemon starts it first and imports everything else meanwhile. When nobody takes it up, the
closing of our end ends it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

_LAUNCH = "import sys; sys.path[:0] = sys.argv[2:]; from kunren.world.agent import launch; launch.run(int(sys.argv[1]))"


class Launched(NamedTuple):
    """The launcher as a child process of ours, and our end of its socketpair."""

    process: subprocess.Popen[bytes]
    connection: socket.socket


def launch(log_file: Path) -> Launched:
    """Start a launcher, with as little imported as can be; the agent waits for its first message. Raises OSError."""
    pyroute2 = find_spec("pyroute2")
    assert pyroute2 is not None and pyroute2.origin is not None
    folders = [str(Path(__file__).parents[2]), str(Path(pyroute2.origin).parents[1])]
    log_file.parent.mkdir(parents=True, exist_ok=True)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    with theirs, log_file.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LAUNCH, str(theirs.fileno()), *folders],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[theirs.fileno()],
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,
        )
    return Launched(process, ours)
