"""Leaves out what protects: a drill's architecture is deployed without it, so that what it prevents shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kunren.drills.model import Drill


class NoProtection(Exception):
    """The drill has no protection of that name."""


def without(drill: Drill, names: Iterable[str]) -> Drill:
    """The drill with those of its protections left out; its name and its objectives stay. Raises NoProtection."""
    known = {each.name: each for each in drill.protections}
    left_out = tuple(dict.fromkeys(names))
    settings = dict(drill.architecture.settings)
    for name in left_out:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise NoProtection(f"the drill {drill.name} has no protection {name!r}; it has: {listed}.")
        settings |= known[name].settings
    return replace(drill, architecture=replace(drill.architecture, settings=settings), without=left_out)
