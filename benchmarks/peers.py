"""The two servers that Kunren is measured beside, moto_server and ministack, both from PyPI.

They live in a virtual environment of their own: the one that KUNREN_BENCH_PEERS names, or `.venv-bench`, which is made
here with pip the first time.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.instance import environment

ROOT = Path(__file__).parent.parent
PACKAGES = ("moto[server]", "ministack")
STARTS_WITHIN_S = 60.0
NAMES = ("moto_server", "ministack")


@dataclass(frozen=True, slots=True)
class Peer:
    """One that runs, on 127.0.0.1."""

    name: str
    pid: int
    port: int


def programs() -> Path:
    """The folder with their programs; made where it is missing."""
    given = os.environ.get("KUNREN_BENCH_PEERS")
    folder = Path(given) if given else ROOT / ".venv-bench"
    if not all((folder / "bin" / name).exists() for name in NAMES):
        print(f"installing {', '.join(PACKAGES)} into {folder}", file=sys.stderr)
        subprocess.run([ROOT / "scripts" / "venv.sh", folder], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES], check=True)
    return folder / "bin"


def command(name: str, port: int) -> tuple[list[str], dict[str, str]]:
    """How it is started, as its documentation says; the variables go into the environment."""
    if name == "moto_server":
        return [str(programs() / name), "-H", "127.0.0.1", "-p", str(port)], {}
    return [str(programs() / name)], {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "LOG_LEVEL": "WARNING"}


@contextmanager
def running(name: str) -> Iterator[Peer]:
    """Start it, wait until its port is open, and end it with all its children afterwards."""
    port = free_port()
    argv, variables = command(name, port)
    with tempfile.TemporaryDirectory(prefix="kunren-bench-") as folder:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env=environment() | variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            wait_for_port(port, process)
            yield Peer(name, process.pid, port)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when something listens there. Raises RuntimeError where the process ended, or nothing came."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.002)
    raise RuntimeError(f"{process.args!r} opened no port")


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])
