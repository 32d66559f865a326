"""How a drill reaches a running Kunren: boto3, `kunren exec`, the management API. From outside, as anybody would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from kunren.management.client import Management, NotRunning

REGION = "us-east-1"
ANY = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@dataclass(frozen=True, slots=True)
class Access:
    """One Kunren: its state folder and where its API listens."""

    state_dir: Path
    endpoint: str

    @property
    def management(self) -> Management:
        return Management(self.state_dir)

    def environment(self) -> dict[str, str]:
        """For programs of the host that speak to its API."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        return inherited | {
            "AWS_ENDPOINT_URL": self.endpoint,
            **self.credentials,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def credentials(self) -> dict[str, str]:
        """Variables with those of the default account."""
        try:
            found: dict[str, str] = self.management.post("/credentials", {})["variables"]
        except NotRunning:
            return ANY
        return found

    def client(self, service: str, region: str = "") -> Any:
        """A boto3 client, made once: that takes longer than a call."""
        given = self.credentials
        keys = given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"]
        return _client(self.endpoint, service, region or REGION, *keys)

    def call(self, told: Mapping[str, Any]) -> Any:
        """A call as drills write them: service, operation, region, parameters. Raises botocore's errors."""
        method = getattr(self.client(told["service"], told.get("region", "")), told["operation"])
        return method(**told.get("parameters", {}))

    def inside(self, where: Sequence[str], command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """A program inside the world: `where` are options of `kunren exec`."""
        argv = [sys.executable, "-m", "kunren.cli.main", "exec", "--state", str(self.state_dir), *where, "--"]
        # a session of its own: a terminal's Ctrl-C is for the runner, which heals first
        return subprocess.Popen([*argv, *python_of(command)], start_new_session=True, **options)


@lru_cache(64)
def _client(endpoint: str, service: str, region: str, key: str, secret: str) -> Any:
    import boto3

    keys = {"aws_access_key_id": key, "aws_secret_access_key": secret}
    return boto3.client(service, endpoint_url=endpoint, region_name=region, **keys)


def python_of(command: Sequence[str]) -> list[str]:
    """The command with `python` as the Python that runs this."""
    return [sys.executable if command[0] in ("python", "python3") else command[0], *command[1:]]
