"""Drills that were begun and not ended: a file each in the state folder, so that the next start heals what they broke.

The world's own faults heal by themselves when the daemon starts; this is for what is state: calls of AWS's API, and
experiments, which go on after a crash.

    python -m kunren.drills.unfinished STATE_FOLDER ENDPOINT
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kunren.drills.access import Access

FOLDER = "unfinished-drills"
OVER = ("completed", "stopped", "failed", "cancelled")


class Unfinished:
    """One such file."""

    def __init__(self, path: Path, told: dict[str, Any]) -> None:
        self._path, self._told = path, told

    @classmethod
    def begun(cls, access: Access, drill: str, history: Path, heals: list[dict[str, Any]]) -> Unfinished:
        folder = access.state_dir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        told = {"drill": drill, "history": str(history), "heals": heals, "experiments": []}
        made = cls(folder / f"{drill}-{os.getpid()}.json", told)
        made._write()
        return made

    def experiment(self, experiment: str, region: str) -> None:
        """One that has been started."""
        self._told["experiments"].append({"id": experiment, "region": region})
        self._write()

    def _write(self) -> None:
        text = json.dumps(self._told)
        new = self._path.with_suffix(".new")
        new.write_text(text)
        new.replace(self._path)

    def done(self) -> None:
        self._path.unlink(missing_ok=True)


def heal_unfinished(access: Access) -> list[str]:
    """Heal what unfinished drills broke; what could not be done, in words. Nothing is tried twice."""
    failed = []
    for path in sorted((access.state_dir / FOLDER).glob("*.json")):
        told = json.loads(path.read_text())
        for call in told["heals"]:
            try:
                access.call(call)
            except Exception as error:  # one that fails does not keep the others from being done
                failed.append(f"{told['drill']}: {call['operation']}: {error}")
        for each in told["experiments"]:
            try:
                stop_experiment(access.client("fis", each["region"]), each["id"])
            except Exception as error:
                failed.append(f"{told['drill']}: the experiment {each['id']}: {error}")
        path.unlink(missing_ok=True)
        print(
            f"healed the unfinished drill {told['drill']}; its verdict is unknown: kunren drill check {told['history']}"
        )
    return failed


def stop_experiment(fis: Any, experiment: str) -> Mapping[str, Any]:
    """Stop it unless it is over; its state then."""
    state: Mapping[str, Any] = fis.get_experiment(id=experiment)["experiment"]["state"]
    if state["status"] not in OVER:
        state = fis.stop_experiment(id=experiment)["experiment"]["state"]
    return state


if __name__ == "__main__":
    failures = heal_unfinished(Access(Path(sys.argv[1]), sys.argv[2]))
    sys.exit("\n".join(failures) if failures else 0)
