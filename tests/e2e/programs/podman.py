"""Podman on its own: a service with a store and a socket in folders that nobody else uses."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

MISSING = (
    "it takes root, podman, conmon and runc"
    if os.geteuid() != 0 or not all(map(shutil.which, ("podman", "conmon", "runc")))
    else ""
)


class Podman(NamedTuple):
    """A service of it: its socket, and the command by which others use the same stores."""

    socket: Path
    command: list[str]

    def refusal(self, root: Path, program: str) -> str:
        """Why this machine lets no container run, with limits, whose root is that folder; "" where it does."""
        options = ["--rm", "--network", "host", "--memory", "64m", "--pids-limit", "64"]
        options += ["--ulimit", "nproc=64", "--ulimit", "nofile=64"]
        done = subprocess.run(
            [*self.command, "run", *options, "--rootfs", str(root), program, "-I", "-S", "-c", "pass"],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return done.stderr if done.returncode else ""


@contextmanager
def serving(folder: Path, run: Path) -> Iterator[Podman]:
    """`run` is a folder with a short path, as it wants it."""
    (folder / ".config/containers").mkdir(parents=True)
    (folder / ".config/containers/policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    own = folder / "containers.conf"
    own.write_text("[engine]\nexit_command_delay = 1\n")  # else what ran programs in containers stays for five minutes
    socket = run / "engine.sock"
    podman = [
        "env", f"HOME={folder}", f"CONTAINERS_CONF={own}", "podman", "--root", str(folder / "root"), "--runroot", str(run),
        "--tmpdir", str(run / "tmp"), "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--storage-driver", "vfs",
    ]  # fmt: skip
    with (folder / "podman.log").open("wb") as log:
        service = subprocess.Popen([*podman, "system", "service", "--time", "0", f"unix://{socket}"], stderr=log)
    try:
        while not socket.exists() and service.poll() is None:
            try:
                service.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        assert service.poll() is None, (folder / "podman.log").read_text()
        yield Podman(socket, podman)
    finally:
        subprocess.run([*podman, "rm", "--all", "--force"], capture_output=True, timeout=60)
        service.terminate()
        service.wait(30)
