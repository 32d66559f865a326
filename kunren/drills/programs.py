"""The targets of a drill: programs on subnets, each with an interface that lasts as long as its process."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import IO, Any

from kunren.drills.access import Access
from kunren.drills.document import filled
from kunren.drills.failures import DrillFailed
from kunren.drills.model import Target

ENDS_WITHIN_S = 10.0


class Programs:
    """Starts and kills them by name."""

    def __init__(self, access: Access, targets: tuple[Target, ...], values: Mapping[str, Any], log: IO[bytes]) -> None:
        self._access, self._values, self._log = access, values, log
        self._targets = {each.name: each for each in targets}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start_all(self) -> None:
        """Those that run from the beginning. Raises DrillFailed."""
        for each in self._targets.values():
            if each.start:
                self.start(each.name)

    def start(self, name: str) -> None:
        """Return when its interface is there. Raises DrillFailed."""
        target = self._targets[name]
        where = ["--subnet", str(filled(target.subnet, self._values))]
        for option, value in (("--address", target.address), ("--security-group", target.security_group)):
            where += [option, str(filled(value, self._values))] if value else []
        command = [str(each) for each in filled(target.command, self._values)]
        process = self._access.inside(
            where, command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.PIPE
        )
        assert process.stderr is not None
        told = process.stderr.readline().decode(errors="replace")  # "eni-…: 172.31.0.9, public 198.18.4.7"
        if not told.startswith("eni-"):
            process.kill()
            raise DrillFailed(
                f"the target {name} did not start: {told}{process.stderr.read().decode(errors='replace')}"
            )
        self._running[name] = process

    def kill(self, name: str) -> None:
        """End it as a power cut would, and with it its interface."""
        process = self._running.pop(name, None)
        if process is not None:
            process.kill()
            process.wait(ENDS_WITHIN_S)

    def ended(self) -> list[str]:
        """Those that have ended by themselves."""
        return [name for name, process in self._running.items() if process.poll() is not None]

    def end(self) -> None:
        for name in list(self._running):
            self.kill(name)
