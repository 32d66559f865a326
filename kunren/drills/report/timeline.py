"""The time line as SVG: what was ok above the axis, what was not below it, faults as bands, health changes as ticks."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy

from kunren.drills.checkers.operations import Operations

WIDTH, LEFT, RIGHT = 960, 52, 12
UP, DOWN, LATENCY, GAP = 130, 70, 70, 34
TOP = 44
MOST_SLICES = 200
OPERATIONS_A_SLICE = 8
TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True, slots=True)
class Span:
    """Something that stood for a time, in seconds of AWS's time since the steady state."""

    name: str
    start_s: float
    end_s: float
    remedy: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """What is drawn. Times of `operations` are real seconds; `zero_s` is when the steady state was reached."""

    operations: Operations
    zero_s: float
    until_s: float
    speed: float
    faults: list[Span]
    outages: list[Span]
    health: list[tuple[float, str]]


def timeline(scene: Scene) -> str:
    """One `<svg>`; colours are classes of the page's style sheet."""
    end_s = max((scene.until_s - scene.zero_s) * scene.speed, 0.001)

    def x(seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(seconds / end_s, 0.0), 1.0)

    axis = TOP + UP
    bottom = axis + DOWN
    parts = [_bands(scene.faults, x, bottom)]
    parts += [_bars(scene, axis, end_s, x), _latencies(scene, bottom + GAP, end_s, x)]
    parts += [_outages(scene.outages, x, axis), _health(scene.health, x, bottom)]
    parts.append(_axis(x, end_s, axis, bottom))
    height = bottom + GAP + LATENCY + 26
    label = "Operations over time: ok above the axis, not ok below it"
    return (
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def _sliced(scene: Scene) -> tuple[Any, Any, Any, float]:
    """Counts of ok and not ok, the slowest ok operation in ms, for each slice; and a slice's length in real seconds."""
    operations = scene.operations
    count = min(max(len(operations) // OPERATIONS_A_SLICE, 10), MOST_SLICES)
    length_s = max((scene.until_s - scene.zero_s) / count, 1e-9)
    index = numpy.clip(((operations.start - scene.zero_s) / length_s).astype(int), 0, count - 1)
    good = operations.ok
    ok = numpy.bincount(index[good], minlength=count)
    bad = numpy.bincount(index[~good], minlength=count)
    slowest = numpy.full(count, numpy.nan)
    numpy.fmax.at(slowest, index[good], ((operations.end - operations.start) * 1000)[good])
    return ok, bad, slowest, length_s


def _bars(scene: Scene, axis: float, end_s: float, x: Any) -> str:
    ok, bad, _, length_s = _sliced(scene)
    most = max(float((ok + bad).max()), 1.0)
    width = max((x(end_s) - x(0)) / len(ok) - 0.4, 0.4)
    drawn = []
    for number in range(len(ok)):
        left = x(number / len(ok) * end_s)
        for count, kind, room in ((ok[number], "ok", UP), (bad[number], "bad", DOWN)):
            if count:
                tall = max(room * float(count) / most, 1.5)
                top = axis - tall if kind == "ok" else axis
                drawn.append(
                    f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" width="{width:.2f}" height="{tall:.1f}"/>'
                )
    rate = most / length_s
    return "".join(drawn) + (
        f'<text x="{LEFT - 6}" y="{TOP + 10}" class="end">{rate:.0f}/s</text>'
        f'<text x="{LEFT - 6}" y="{axis - 6:.0f}" class="end">ok</text>'
        f'<text x="{LEFT - 6}" y="{axis + 14:.0f}" class="end">not ok</text>'
    )


def _latencies(scene: Scene, top: float, end_s: float, x: Any) -> str:
    _, _, slowest, _ = _sliced(scene)
    most = 1.0 if numpy.isnan(slowest).all() else max(float(numpy.nanmax(slowest)), 1.0)
    path, move = "", "M"
    for number, value in enumerate(slowest):
        if numpy.isnan(value):
            move = "M"
            continue
        left, high = x((number + 0.5) / len(slowest) * end_s), top + LATENCY * (1 - float(value) / most)
        path, move = f"{path}{move}{left:.1f} {high:.1f}", "L"
    return (
        f'<path class="latency" d="{path}"/>'
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{top + LATENCY}" y2="{top + LATENCY}"/>'
        f'<text x="{LEFT - 6}" y="{top + 10}" class="end">{most:.0f} ms</text>'
        f'<text x="{LEFT - 6}" y="{top + LATENCY - 4}" class="end">slowest</text>'
    )


def _bands(faults: list[Span], x: Any, bottom: float) -> str:
    drawn = []
    for row, fault in enumerate(faults):
        left, right = x(fault.start_s), x(fault.end_s)
        kind = "remedy" if fault.remedy else "fault"
        y = 12 + row % 3 * 12
        where, anchor = (left + 3, "start") if left < WIDTH * 0.6 else (right - 3, "end")
        drawn.append(
            f'<rect class="{kind}" x="{left:.1f}" y="{TOP}" width="{max(right - left, 1):.1f}" '
            f'height="{bottom - TOP}"/>'
            f'<line class="{kind}-edge" x1="{left:.1f}" x2="{left:.1f}" y1="{y - 8}" y2="{bottom}"/>'
            f'<text class="{anchor}" x="{where:.1f}" y="{y}">{escape(fault.name)}</text>'
        )
    return "".join(drawn)


def _outages(outages: list[Span], x: Any, axis: float) -> str:
    drawn = []
    for each in outages:
        left, right, y = x(each.start_s), x(each.end_s), axis + DOWN - 8
        drawn.append(
            f'<line class="outage" x1="{left:.1f}" x2="{right:.1f}" y1="{y}" y2="{y}"/>'
            f'<line class="outage" x1="{left:.1f}" x2="{left:.1f}" y1="{y - 4}" y2="{y + 4}"/>'
            f'<line class="outage" x1="{right:.1f}" x2="{right:.1f}" y1="{y - 4}" y2="{y + 4}"/>'
            f'<text class="strong" x="{right + 5:.1f}" y="{y + 4}">{escape(each.name)}</text>'
        )
    return "".join(drawn)


def _health(changes: list[tuple[float, str]], x: Any, bottom: float) -> str:
    return "".join(
        f'<path class="health" d="M{x(at):.1f} {bottom + 4} l4 8 h-8 z">'
        f"<title>{at:.1f} s: {escape(text)}</title></path>"
        for at, text in changes
    )


def _axis(x: Any, end_s: float, axis: float, bottom: float) -> str:
    step = next((each for each in TICKS if end_s / each <= 10), TICKS[-1])
    base = bottom + GAP + LATENCY
    drawn = [f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{axis}" y2="{axis}"/>']
    at = 0.0
    while at <= end_s:
        side = "end" if x(at) > WIDTH - 30 else "middle"
        drawn.append(
            f'<line class="axis" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{base}" y2="{base + 5}"/>'
            f'<text class="{side}" x="{x(at):.1f}" y="{base + 19}">{at:.0f} s</text>'
        )
        at += step
    return "".join(drawn)
