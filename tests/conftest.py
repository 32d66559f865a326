"""Shared fixtures: a running daemon per test process, and clients that speak to it."""

from __future__ import annotations

import gc
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# how long an example takes says nothing on a machine that does something else too
settings.register_profile("kunren", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kunren")
KUNREN = ["-m", "kunren.cli.main"]
TOOLS = Path(sys.prefix) / "debian" / "bin"
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), str(TOOLS), "/usr/sbin", "/sbin"])


def until(condition: Callable[[], Any], what: str, timeout_s: float = 30.0) -> Any:
    """Wait until the condition gives something true, and return it.

    It is looked at less often the longer it takes, and the dearer a look is: others need the processors meanwhile.
    """
    began = time.monotonic()
    while True:
        looked = time.monotonic()
        value = condition()
        if value:
            return value
        now = time.monotonic()
        if now - began > timeout_s:
            what = what() if callable(what) else what
            raise AssertionError(f"{what} did not come true within {timeout_s:g} s; last value: {value!r}")
        time.sleep(max(0.02, min(0.1, (now - began) / 20), min(0.2, now - looked)))


@dataclass
class Kunren:
    """A running daemon, as a user has it: a state folder, ports, the `kunren` command."""

    state: Path
    port: int = 0
    pid: int = 0
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    python: str = sys.executable
    user: dict[str, Any] = field(default_factory=dict)  # of subprocess: user, group, extra_groups

    def up(self, *options: str) -> None:
        arguments = ["up", "--detach", "--port", str(self.port), "--proxy-port", "0", *options]
        self.run(*arguments, check=True)
        status = self.status()
        self.port, self.pid = status["ports"]["api"], status["pid"]

    def run(self, command: str, *arguments: str, check: bool = False, **options: Any) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [self.python, *KUNREN, command, *self.placed(command, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            env=self.environment,
            **self.user,
            **options,
        )
        if check and done.returncode:
            raise AssertionError(f"kunren {command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def placed(self, command: str, arguments: tuple[str, ...]) -> list[str]:
        """The arguments with --state where the command takes it."""
        state = ["--state", str(self.state)]
        if command == "drill" and arguments[0] not in ("run", "compare"):
            return list(arguments)
        if command in ("drill", "image", "stack"):
            return [*arguments[:1], *state, *arguments[1:]]
        return [*state, *arguments]

    def exec(self, *command: str, place: str | None = None, check: bool = True) -> subprocess.CompletedProcess:
        chosen = ["--from", place] if place else []
        return self.run("exec", *chosen, "--", *command, check=check)

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen:
        """`kunren exec` with these arguments, running in the background."""
        command = [self.python, *KUNREN, "exec", "--state", str(self.state), *arguments]
        return subprocess.Popen(command, env=self.environment, text=True, **self.user, **options)

    def status(self) -> dict[str, Any]:
        return json.loads(self.run("status", "--json", check=True).stdout)

    def client(self, service: str, account: str = "000000000000", region: str = "us-east-1", **options: Any) -> Any:
        import boto3

        made = boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id=account,
            aws_secret_access_key="test",
            region_name=region,
            **options,
        )
        return looking_often(made)


def looking_often(client: Any) -> Any:
    """The client, its waiters made to ask ten times a second for as long as they would have asked every 15 or 60."""
    usual = client.get_waiter

    def get_waiter(name: str) -> Any:
        waiter = usual(name)
        config = waiter.config
        config.max_attempts, config.delay = max(config.max_attempts, int(config.max_attempts * config.delay * 10)), 0.1
        return waiter

    client.get_waiter = get_waiter
    return client


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The type checker first: it takes the longest of all, and would be what everybody waits for at the end."""
    items.sort(key=lambda item: "tests/tidy/" not in item.path.as_posix())


def pytest_collection_finish() -> None:
    """What was collected, some million objects, stays until the end: the garbage collector need not look through it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def kunren(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kunren]:
    """The daemon that tests of one process share, at twenty times the speed; each test takes an account of its own."""
    daemon = Kunren(tmp_path_factory.mktemp("kunren") / "state")
    daemon.up("--speed", "20")
    yield daemon
    daemon.run("down", check=True)


@pytest.fixture
def own_kunren(tmp_path: Path) -> Iterator[Kunren]:
    """A daemon that only this test uses, for what it does to it."""
    daemon = Kunren(tmp_path / "state")
    yield daemon
    daemon.run("down")


def _ports() -> Iterator[int]:
    """Ports that this test process alone uses: two Envoys would share one silently (SO_REUSEPORT), and below the
    kernel's own range no connection has one by chance."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 14_000 + worker % 6 * 3_000
    while True:
        for port in range(first + os.getpid() % 500, first + 3_000):
            with socket.socket() as tried:
                try:
                    tried.bind(("127.0.0.1", port))
                except OSError:
                    continue
            yield port


_unused = _ports()


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """`free_port()` gives a port of 127.0.0.1 that nobody else has."""
    return lambda: next(_unused)


@pytest.fixture(name="until", scope="session")
def until_fixture() -> Callable[..., Any]:
    """`until(condition, what, timeout_s)`: for test files, which can't import this one."""
    return until


@pytest.fixture
def account(request: pytest.FixtureRequest) -> str:
    """A twelve-digit account that no other test of this process uses, nor the same one when it is asked again."""
    digits = abs(hash((request.node.nodeid, getattr(request.node, "execution_count", 1)))) % 10**11
    return f"1{digits:011d}"
