"""Two runs of one drill side by side: the same change, deployed in two ways. Pure."""

from __future__ import annotations

from typing import Any

from kunren.drills.checkers.judge import Result
from kunren.drills.checkers.objectives import met, shown

COLUMNS = ["", "left", "right", "better"]


def rows(left: Result, right: Result) -> list[list[str]]:
    """Objectives first, then what happened besides; the last column says which side is better."""
    others = {(each.name, each.traffic): each for each in right.objectives}
    made = []
    for each in left.objectives:
        other = others[each.name, each.traffic]
        name = each.name + (f" ({each.traffic})" if each.traffic else "")
        values = (each.measured, other.measured)
        made.append(
            [name, shown(each.name, each.measured), shown(each.name, other.measured), better(each.name, *values)]
        )
    counts = ("sent", "ok", "failed", "unknown")
    made += [[f"operations {each}", str(left.operations[each]), str(right.operations[each]), ""] for each in counts]
    made.append(["verdict", _verdict(left), _verdict(right), ""])
    return made


def better(name: str, left: float | None, right: float | None) -> str:
    """left, right or =; nothing where one is not known."""
    if left is None or right is None:
        return ""
    if left == right:
        return "="
    return "left" if met(name, left, right) else "right"


def as_json(drill: str, left: Result, right: Result, settings: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    """`settings` are what each side was deployed with."""
    sides = zip(("left", "right"), (left, right), settings, strict=True)
    told = {side: {"settings": given, "result": result.as_json()} for side, result, given in sides}
    compared = {row[0]: {"left": row[1], "right": row[2], "better": row[3] or None} for row in rows(left, right)}
    return {"drill": drill, **told, "compared": compared}


def _verdict(result: Result) -> str:
    return "holds" if result.verdict is True else "does not hold" if result.verdict is False else "unknown"
