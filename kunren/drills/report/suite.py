"""A suite of drills, run one after the other and seen side by side: what each strategy gives, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import yaml

from kunren.drills.checkers.judge import Result
from kunren.drills.checkers.objectives import shown
from kunren.drills.checkers.summary import worst
from kunren.drills.document import BadDrill, read_drill
from kunren.drills.model import Drill
from kunren.drills.report.page import STYLE, table

KEYS = {"drill", "title", "question", "suite"}
WIDTH, HEIGHT, EDGE = 960, 420, 70
SECONDS = (1, 10, 60, 600, 3600)


@dataclass(frozen=True, slots=True)
class Suite:
    """Drills in the order of their running."""

    name: str
    title: str
    question: str
    drills: tuple[Drill, ...]


def read_suite(path: Path) -> Suite | None:
    """None where the file is no suite (but perhaps a drill). Raises BadDrill."""
    try:
        told = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None  # `read_drill` says what is wrong
    if not isinstance(told, dict) or "suite" not in told:
        return None
    if unknown := set(told) - KEYS:
        raise BadDrill(f"{path}:1: a suite has no key {sorted(unknown)[0]!r}; it has {', '.join(sorted(KEYS))}.")
    if not isinstance(told["suite"], list) or not told["suite"]:
        raise BadDrill(f"{path}:1: `suite` is a list of files of drills.")
    drills = tuple(read_drill(path.parent / str(each)) for each in told["suite"])
    name = str(told.get("drill", path.stem))
    return Suite(name, str(told.get("title", name)), str(told.get("question", "")).strip(), drills)


def suite_page(suite: Suite, results: Sequence[Result]) -> str:
    """One HTML document that loads nothing: the picture of all, and the numbers."""
    rows = [
        [
            f"<strong>{escape(each.pattern.get('name', each.name))}</strong>",
            escape(shown("rto", target(each, "rto"))),
            f"<strong>{escape(shown('rto', result.rto_s))}</strong>",
            escape(shown("rpo", target(each, "rpo"))),
            f"<strong>{escape(shown('rpo', result.rpo_s))}</strong>",
            f"{each.cost:g}" if each.cost is not None else "–",
            {"True": "holds", "False": "missed"}.get(str(result.verdict), "unknown"),
        ]
        for each, result in zip(suite.drills, results, strict=True)
    ]
    columns = ["Strategy", "RTO target", "RTO", "RPO target", "RPO", "Cost", ""]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(suite.title)}</title><style>{STYLE.read_text()}</style></head><body><main>"
        f'<header><p class="kicker">Kunren drills · {escape(suite.name)}</p><h1>{escape(suite.title)}</h1>'
        f"<p>{escape(suite.question)}</p></header>"
        f'<section><div class="scroll">{picture(suite, results)}</div>'
        '<p class="legend">Measured. Time without the service to the right, lost data upwards, both on a logarithmic '
        "scale; the larger the circle, the more is paid while nothing happens (as the drill's author states it: 1 is "
        "the primary region alone).</p></section>"
        f"<section><h2>Target against measured</h2>{table(columns, rows, (1, 2, 3, 4, 5))}</section>"
        "</main></body></html>\n"
    )


def target(drill: Drill, name: str) -> float | None:
    return next((each.target for each in drill.objectives if each.name == name), None)


def picture(suite: Suite, results: Sequence[Result]) -> str:
    """RTO against RPO, each strategy a circle as large as its cost."""
    parts = [_axes()]
    for index, (drill, result) in enumerate(zip(suite.drills, results, strict=True)):
        if result.rto_s is None or result.rpo_s is None:
            continue
        x, y = _x(result.rto_s), _y(result.rpo_s)
        radius = 8 + 9 * (drill.cost or 1.0)
        label = drill.pattern.get("name", drill.name)
        numbers = f"RTO {shown('rto', result.rto_s)}, RPO {shown('rpo', result.rpo_s)}"
        side = "start" if x < WIDTH / 2 else "end"
        at = x + radius + 8 if side == "start" else x - radius - 8
        parts.append(
            f'<circle class="strategy" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>'
            f'<text class="name {side}" x="{at:.1f}" y="{y - 2 + index % 2 * 2:.1f}">{escape(label)}</text>'
            f'<text class="{side}" x="{at:.1f}" y="{y + 14 + index % 2 * 2:.1f}">{escape(numbers)}</text>'
        )
    return (
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Recovery time, lost data and cost of each strategy">{"".join(parts)}</svg>'
    )


def _axes() -> str:
    drawn = []
    for each in SECONDS:
        text = f"{each} s" if each < 60 else f"{each // 60} min" if each < 3600 else "1 h"
        drawn.append(
            f'<line class="grid" x1="{_x(each):.1f}" x2="{_x(each):.1f}" y1="20" y2="{HEIGHT - EDGE}"/>'
            f'<text class="middle" x="{_x(each):.1f}" y="{HEIGHT - EDGE + 20}">{text}</text>'
            f'<line class="grid" x1="{EDGE}" x2="{WIDTH - 20}" y1="{_y(each):.1f}" y2="{_y(each):.1f}"/>'
            f'<text class="end" x="{EDGE - 8}" y="{_y(each) + 4:.1f}">{text}</text>'
        )
    drawn.append(f'<text class="end" x="{EDGE - 8}" y="{_y(0) + 4:.1f}">none</text>')
    drawn.append(f'<text class="middle" x="{WIDTH / 2}" y="{HEIGHT - 18}">without the service (RTO)</text>')
    drawn.append('<text x="6" y="14">data lost (RPO)</text>')
    return "".join(drawn)


def _part(seconds: float) -> float:
    """Where on a logarithmic scale from nothing to an hour."""
    return math.log10(1 + max(seconds, 0.0)) / math.log10(1 + SECONDS[-1])


def _x(seconds: float) -> float:
    return EDGE + (WIDTH - EDGE - 40) * _part(seconds)


def _y(seconds: float) -> float:
    return HEIGHT - EDGE - 20 - (HEIGHT - EDGE - 60) * _part(seconds)


def as_json(suite: Suite, by_drill: Sequence[Sequence[Result]]) -> dict[str, Any]:
    """The worst result of all; of each drill the worst with its cost, and all of its runs where there are more."""
    told = []
    for drill, runs in zip(suite.drills, by_drill, strict=True):
        told.append({**worst(runs).as_json(), "cost": drill.cost})
        if len(runs) > 1:
            told[-1]["runs"] = [each.as_json() for each in runs]
    return {**worst([each for runs in by_drill for each in runs]).as_json(), "drill": suite.name, "runs": told}
