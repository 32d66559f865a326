"""Drills that were begun and not ended: a file each in the state folder, so that the next start heals what they broke.

The world's own faults heal by themselves when the daemon starts; this is for calls of AWS's API, whose effect is state.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunren.drills.access import Access

if TYPE_CHECKING:
    from kunren.drills.run import Plan

log = logging.getLogger(__name__)
FOLDER = "unfinished-drills"


class Unfinished:
    """One such file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def begun(cls, plan: Plan, heals: list[dict[str, Any]]) -> Unfinished:
        folder = plan.access.state_dir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{plan.drill.name}-{os.getpid()}.json"
        path.write_text(json.dumps({"drill": plan.drill.name, "history": str(plan.history), "heals": heals}))
        return cls(path)

    def done(self) -> None:
        self._path.unlink(missing_ok=True)


def heal_unfinished(access: Access) -> list[str]:
    """Heal what unfinished drills broke; the names of those drills. A call that fails is logged and tried no more."""
    names = []
    for path in sorted((access.state_dir / FOLDER).glob("*.json")):
        told = json.loads(path.read_text())
        for call in told["heals"]:
            try:
                access.call(call)
            except Exception:
                log.exception("the drill %s could not be healed by %s", told["drill"], call["operation"])
        names.append(told["drill"])
        path.unlink(missing_ok=True)
    return names
