"""The targets of a drill: programs on subnets. A target's interface stays while its process is dead."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping
from typing import IO, Any

from kunren.drills.access import Access, python_of
from kunren.drills.document import filled
from kunren.drills.failures import DrillFailed
from kunren.drills.model import Target

ENDS_WITHIN_S = 10.0


class Programs:
    """Starts and kills them by name."""

    def __init__(self, access: Access, targets: tuple[Target, ...], values: Mapping[str, Any], log: IO[bytes]) -> None:
        self._access, self._values, self._log = access, values, log
        self._targets = {each.name: each for each in targets}
        self._keepers: dict[str, subprocess.Popen[bytes]] = {}

    def start_all(self) -> None:
        """Give all their interfaces, and start those that run from the beginning. Raises DrillFailed."""
        for each in self._targets.values():
            self._keep(each)
        for each in self._targets.values():
            if each.start:
                self.start(each.name)

    def start(self, name: str) -> None:
        self._tell(name, "start")

    def kill(self, name: str) -> None:
        """End its process as a crash would: connections are reset, new ones refused."""
        self._tell(name, "kill")

    def _keep(self, target: Target) -> None:
        where = ["--subnet", str(filled(target.subnet, self._values))]
        for option, value in (("--address", target.address), ("--security-group", target.security_group)):
            where += [option, str(filled(value, self._values))] if value else []
        command = python_of([str(each) for each in filled(target.command, self._values)])
        pipe = subprocess.PIPE
        keeper = self._access.inside(
            where, ["python", "-m", "kunren.drills.keeper", *command], stdin=pipe, stdout=pipe, stderr=pipe
        )
        assert keeper.stderr is not None
        told = keeper.stderr.readline().decode(errors="replace")  # "eni-…: 172.31.0.9, public 198.18.4.7"
        if not told.startswith("eni-"):
            keeper.kill()
            rest = keeper.stderr.read().decode(errors="replace")
            raise DrillFailed(f"the target {target.name} has no place on its subnet: {told}{rest}")
        threading.Thread(target=self._log_all, args=(keeper.stderr,), daemon=True).start()
        self._keepers[target.name] = keeper

    def _log_all(self, said: IO[bytes]) -> None:
        for line in said:
            if not self._log.closed:
                self._log.write(line)

    def _tell(self, name: str, what: str) -> None:
        keeper = self._keepers[name]
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        try:
            keeper.stdin.write(what.encode() + b"\n")
            keeper.stdin.flush()
            done = keeper.stdout.readline()
        except OSError:
            done = b""
        if not done:
            raise DrillFailed(f"the target {name} has lost its place on its subnet")

    def end(self) -> None:
        for keeper in self._keepers.values():
            if keeper.stdin is not None:
                try:
                    keeper.stdin.close()
                except OSError:
                    pass
        for keeper in self._keepers.values():
            try:
                keeper.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                keeper.kill()
                keeper.wait()
        self._keepers.clear()
