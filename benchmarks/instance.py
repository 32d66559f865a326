"""A Kunren of the benchmark's own, with the command line as a user has it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import boto3
import botocore.config

from benchmarks import processes

KUNREN = str(Path(sys.executable).with_name("kunren"))


class Instance:
    """`with Instance() as kunren`: up on free ports, and gone afterwards with its state."""

    def __init__(self, *options: str, quotas: str = "") -> None:
        self.state = Path(tempfile.mkdtemp(prefix="kunren-bench-"))
        self._options = options
        self._variables = {**os.environ, "KUNREN_QUOTAS": quotas}

    def __enter__(self) -> Instance:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
        shutil.rmtree(self.state, ignore_errors=True)

    def up(self) -> None:
        self.cli("up", "--detach", "--port", "0", "--proxy-port", "0", *self._options)
        status = json.loads(self.cli("status", "--json"))
        self.pid, self.port = int(status["pid"]), int(status["ports"]["api"])

    def down(self) -> None:
        self.cli("down")

    def cli(self, command: str, *arguments: str) -> str:
        """A `kunren` command's output. Raises RuntimeError with what it said where it fails."""
        argv = [KUNREN, command, "--state", str(self.state), *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=self._variables)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
        return done.stdout

    def in_place(self, place: str = "virginia") -> list[str]:
        """What to put before a command so that it runs in a client place."""
        return [KUNREN, "exec", "--state", str(self.state), "--from", place, "--"]

    def in_namespace(self, namespace: str) -> list[str]:
        """What to put before a command so that it runs in a network namespace of the world, a VPC's for instance."""
        return [sys.executable, "-m", "benchmarks.inside", str(self.state), namespace]

    def on_subnet(self, subnet: str, *options: str) -> list[str]:
        return [KUNREN, "exec", "--state", str(self.state), "--subnet", subnet, *options, "--"]

    def client(self, service: str) -> Any:
        return client(service, self.port)

    def memory_bytes(self) -> int:
        return processes.proportional_bytes(processes.tree(self.pid))


def client(service: str, port: int, region: str = "us-east-1") -> Any:
    """A boto3 client that tries once."""
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=botocore.config.Config(retries={"total_max_attempts": 1}, proxies={}, read_timeout=120),
    )


def environment() -> dict[str, str]:
    """The environment with bytecode caching on, whatever this shell has: it is how programs are run."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
