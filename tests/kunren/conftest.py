"""Envoy without the world: the same code, on the host's loopback."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from kunren.settings import Settings
from kunren.world.interface import ProcessSpec


class HostProcess:
    """A plain child process, in the shape of the world's."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        return self._popen.poll()

    async def wait(self) -> int:
        return await asyncio.to_thread(self._popen.wait)

    async def signal(self, number: int) -> None:
        self._popen.send_signal(number)

    async def stop(self, grace_s: float = 5.0) -> int:
        self._popen.send_signal(signal.SIGTERM)
        try:
            return await asyncio.to_thread(self._popen.wait, grace_s)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return await self.wait()


class HostSpawner:
    """Starts programs on the host; namespaces mean nothing to it."""

    async def spawn(self, spec: ProcessSpec) -> HostProcess:
        assert spec.log is not None
        with spec.log.open("ab") as log:
            popen = subprocess.Popen(spec.argv, stdout=log, stderr=log, cwd=spec.cwd, env=dict(os.environ))
        return HostProcess(popen)


class HostSettings(Settings):
    """A state folder whose run folder lies inside it."""

    @property
    def run_dir(self) -> Path:
        return self.state_dir / "run"


@pytest.fixture
def host_spawner() -> HostSpawner:
    return HostSpawner()


@pytest.fixture
def host_settings():
    folder = Path(tempfile.mkdtemp(prefix="kunren-envoy-"))
    yield HostSettings(state_dir=folder)
    shutil.rmtree(folder, ignore_errors=True)
