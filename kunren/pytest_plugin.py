"""Kunren in other people's tests: a pytest plugin with three fixtures.

`kunren`: a Kunren of this test session's own, with boto3 clients; `kunren_world`: programs in its places and on its
subnets; `drill`: runs a drill's file there and gives the result. The speed of its clock is the option
`--kunren-speed`, or `kunren_speed` in pytest's configuration.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "kunren.cli.main"]


@dataclass(frozen=True, slots=True)
class SessionKunren:
    """A running Kunren. `run` is the command line, `client` boto3."""

    state: Path
    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, region: str = "us-east-1", account: str = "test") -> Any:
        """A boto3 client; an account of its own is twelve digits."""
        import boto3

        keys = {"aws_access_key_id": account, "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.endpoint, region_name=region, **keys)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`kunren COMMAND --state ... ARGUMENTS`; a command with a subcommand takes both words in one text."""
        command, *rest = arguments
        argv = [*COMMAND, *command.split(), "--state", str(self.state), *rest]
        return subprocess.run(argv, capture_output=True, text=True, check=False)


@dataclass(frozen=True, slots=True)
class SessionWorld:
    """Programs inside the world."""

    kunren: SessionKunren

    def exec(
        self, *command: str, place: str | None = None, subnet: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end in a client place, or behind an interface of its own on a subnet."""
        where = ["--from", place] if place else ["--subnet", subnet] if subnet else []
        return self.kunren.run("exec", *where, "--", *command)


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "how much faster AWS's waits pass in the fixture kunren"
    parser.addoption("--kunren-speed", default=None, help=told)
    parser.addini("kunren_speed", told, default="1")


@pytest.fixture(scope="session")
def kunren(pytestconfig: pytest.Config) -> Iterator[SessionKunren]:
    """A Kunren of this session's own; it ends with the session and leaves nothing behind."""
    from kunren.cli.some_kunren import free_ports
    from kunren.cli.up import start_detached, stop

    speed = pytestconfig.getoption("--kunren-speed") or pytestconfig.getini("kunren_speed")
    state = Path(tempfile.mkdtemp(prefix="kunren-pytest-"))
    port, proxy_port = free_ports(2)
    arguments = ["--state", str(state), "--port", str(port), "--proxy-port", str(proxy_port), "--speed", str(speed)]
    try:
        start_detached(state, arguments)
        try:
            yield SessionKunren(state, port)
        finally:
            stop(state)
    finally:
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="session")
def kunren_world(kunren: SessionKunren) -> SessionWorld:
    """Where programs run."""
    return SessionWorld(kunren)


@pytest.fixture
def drill(kunren: SessionKunren, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`drill(FILE or NAME, setting=value, ...)` runs it and gives its result (docs/drills/README.md)."""

    def run(file: str | Path, **settings: Any) -> dict[str, Any]:
        result = tmp_path / "result.json"
        result.unlink(missing_ok=True)
        options = [f"--set={key}={value}" for key, value in settings.items()]
        done = kunren.run("drill run", str(file), "--json", str(result), *options)
        if not result.exists():
            pytest.fail(f"the drill could not be carried out:\n{done.stderr}", pytrace=False)
        found: dict[str, Any] = json.loads(result.read_text())
        return found

    return run
