"""Deploys a drill's architecture and takes it away: a boto3 script, a Terraform folder or a CloudFormation
template, run as users run them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kunren.drills import stacks
from kunren.drills.access import Access
from kunren.drills.ending import while_kunren_runs
from kunren.drills.failures import DrillFailed, KunrenEnded, NotOurs
from kunren.drills.model import Architecture

SHOWN_LINES = 12


class Deployment:
    """`deploy`, which gives values; `remove`, which may be called at any time."""

    def __init__(
        self, access: Access, architecture: Architecture, folder: Path, progress: Callable[[str], None] | None = None
    ) -> None:
        self._access = access
        self._architecture = architecture
        self._folder = folder
        """Where Terraform keeps its state."""
        self._progress = progress or (lambda _: None)

    def deploy(self) -> dict[str, Any]:
        """What the architecture gives. Raises DrillFailed, also where it is interrupted; what was deployed half is
        removed then, unless Kunren has ended (KunrenEnded) or it is somebody else's (NotOurs)."""
        try:
            with while_kunren_runs(self._access, "deployed"):
                return self._deploy()
        except (KunrenEnded, NotOurs):
            raise
        except (DrillFailed, KeyboardInterrupt) as cause:
            error = (
                cause if isinstance(cause, DrillFailed) else DrillFailed("It was interrupted while it was deployed.")
            )
            try:
                self.remove()
            except DrillFailed as left:
                raise DrillFailed(f"{error}\nTaking back what had been deployed failed, too: {left}") from error
            raise DrillFailed(f"{error}\nWhat had been deployed was taken back.") from error

    def remove(self) -> None:
        """Raises DrillFailed."""
        with while_kunren_runs(self._access, "taken away"):
            if self._architecture.script:
                self._by_script("remove")
            elif self._architecture.template:
                stacks.remove(self._access, self._architecture, self._progress)
            else:
                self._terraform("destroy", "-auto-approve", "-input=false", *self._state)

    def _deploy(self) -> dict[str, Any]:
        if self._architecture.script:
            return self._by_script("deploy")
        if self._architecture.template:
            return stacks.deploy(self._access, self._architecture, self._progress)
        return self._by_terraform()

    def _by_script(self, what: str) -> dict[str, Any]:
        script = self._architecture.script
        assert script is not None
        options = [f"--{key.replace('_', '-')}={value}" for key, value in self._architecture.settings.items()]
        command = [sys.executable, str(script), what, *(options if what == "deploy" else [])]
        done = self._run(command, f"{script.name} {what}", {})
        if what == "remove":
            return {}
        try:
            values = json.loads(done[done.index("{") :])
        except ValueError as error:
            raise DrillFailed(
                f"{script} deploy printed no JSON object with what it deployed: {done[-200:]!r}"
            ) from error
        assert isinstance(values, dict)
        return values

    @property
    def _state(self) -> tuple[str, ...]:
        return (f"-state={self._folder / 'terraform.tfstate'}",)

    def _by_terraform(self) -> dict[str, Any]:
        self._terraform("init", "-input=false")
        self._terraform("apply", "-auto-approve", "-input=false", *self._state)
        told = json.loads(self._terraform("output", "-json", *self._state))
        return {name: each["value"] for name, each in told.items()}

    def _terraform(self, *arguments: str) -> str:
        folder = self._architecture.terraform
        variables = {
            f"TF_VAR_{key}": str(value).lower() if isinstance(value, bool) else str(value)
            for key, value in self._architecture.settings.items()
        }
        more = {"TF_DATA_DIR": str(self._folder / ".terraform"), "TF_IN_AUTOMATION": "1", **variables}
        command = ["terraform", f"-chdir={folder}", arguments[0], "-no-color", *arguments[1:]]
        if arguments[0] == "output":
            command.remove("-no-color")
        return self._run(command, f"terraform {arguments[0]} in {folder}", more)

    def _run(self, command: list[str], name: str, more: Mapping[str, str]) -> str:
        try:
            done = subprocess.run(
                command, env={**self._access.environment(), **more}, capture_output=True, text=True, check=False
            )
        except FileNotFoundError as error:
            raise DrillFailed(f"{command[0]} is not there: it is needed for {name}.") from error
        if done.returncode:
            said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-SHOWN_LINES:])
            raise DrillFailed(f"{name} failed with status {done.returncode}:\n{said}")
        return done.stdout
