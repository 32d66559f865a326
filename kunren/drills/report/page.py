"""The page: verdict, targets against measures with their formulas, the time line, the architecture, the raw history."""

from __future__ import annotations

import base64
import gzip
import re
from html import escape
from pathlib import Path

import yaml

from kunren.drills.checkers.judge import Result, View
from kunren.drills.checkers.objectives import FORMULAS, shown
from kunren.drills.checkers.outages import Recovery, outages
from kunren.drills.history import REASON_TEXTS, History, Reason
from kunren.drills.report.timeline import Scene, Span, timeline

STYLE = Path(__file__).with_name("style.css")
LARGEST_ATTACHED = 8_000_000
"""Bytes, compressed: a larger history is named and not attached."""
_VERDICTS = {"True": ("holds", "Every objective holds"), "False": ("missed", "An objective was missed")}


def page(result: Result, history: History) -> str:
    """One HTML document that loads nothing."""
    view = View(history)
    header = history.header
    kind, words = _VERDICTS.get(str(result.verdict), ("unknown", "Nothing is known"))
    reason = result.reason.removeprefix("every objective holds: ")
    title = escape(str(header.get("title") or result.drill))
    pattern = header.get("pattern") or {}
    by = f"<p>Pattern: {escape(pattern['name'])} <cite>({escape(pattern['source'])})</cite></p>" if pattern else ""
    sections = [
        f'<header><p class="kicker">Kunren drill · {escape(result.drill)}</p><h1>{title}</h1>'
        f"<p>{escape(str(header.get('question', '')))}</p>{by}</header>",
        f'<section class="verdict {kind}"><strong>{words}.</strong> {escape(_sentence(reason))}</section>',
        f"<section><h2>Target against measured</h2>{_objectives(result)}</section>",
        f"<section><h2>What happened</h2>{_figure(view, result)}{_legend()}</section>",
        f"<section><h2>Operations</h2>{_operations(view, result)}</section>",
        f"<section><h2>Faults and remedies</h2>{_faults(result)}</section>",
        *_health(view),
        *_architecture(history),
        f"<section><h2>How it was measured</h2>{_method(view, result)}</section>",
        f"<section><h2>Raw history</h2>{_attached(history)}</section>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{title}</title>'
        f"<style>{STYLE.read_text()}</style></head>"
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def _sentence(text: str) -> str:
    for name in ("rto", "rpo"):
        text = re.sub(rf"\b{name}\b", name.upper(), text)
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else text + "."


def table(columns: list[str], rows: list[list[str]], numbers: tuple[int, ...] = ()) -> str:
    """Cells are HTML already."""

    def cell(tag: str, index: int, text: str) -> str:
        name = ' class="number"' if index in numbers else ""
        return f"<{tag}{name}>{text}</{tag}>"

    head = "".join(cell("th", index, each) for index, each in enumerate(columns))
    body = "".join(
        "<tr>" + "".join(cell("td", index, each) for index, each in enumerate(row)) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _objectives(result: Result) -> str:
    marks = {"True": ("good", "holds"), "False": ("wrong", "missed")}
    rows = []
    for each in result.objectives:
        kind, words = marks.get(str(each.met), ("open", "unknown"))
        name = each.name.replace("_", " ")
        name = name.upper() if name in ("rto", "rpo") else name
        rows.append(
            [
                f"<strong>{escape(name)}</strong>" + (f" of {escape(each.traffic)}" if each.traffic else ""),
                escape(shown(each.name, each.target)),
                f"<strong>{escape(shown(each.name, each.measured))}</strong>",
                f'<span class="mark {kind}">{words}</span>',
                f'<span class="formula">{escape(FORMULAS[each.name])}</span>',
            ]
        )
    return table(["Objective", "Target", "Measured", "", "Formula"], rows, (1, 2))


def _figure(view: View, result: Result) -> str:
    zero = view.steady_s or 0.0

    def since(real_s: float) -> float:
        return (min(real_s, view.until_s) - zero) * view.speed

    watched = view.watched("")
    faults = [Span(each.name, since(each.start_s), since(each.healed_s), remedy) for each, remedy in view.faults]
    over = [
        Span(_rto(each, view.speed), since(each.fault.start_s), since(each.over_s))
        for each in view.recoveries("")
        if each.rto_s
    ]
    lasting = [
        Span("not over", since(each.start_s), since(view.until_s))
        for each in outages(watched, view.hold_s, view.success, view.until_s)
        if each.end_s is None
    ]
    health = [
        (since(each["time_ns"] / 1e9), f"{each['what']}: {each['before'] or 'not there'} → {each['now'] or 'gone'}")
        for each in view.history.told("health")
        if each["time_ns"] / 1e9 >= zero
    ]
    drawn = timeline(Scene(watched, zero, view.until_s, view.speed, faults, over + lasting, health))
    return f'<div class="scroll">{drawn}</div>'


def _rto(found: Recovery, speed: float) -> str:
    return f"RTO {shown('rto', round((found.rto_s or 0.0) * speed, 3))}"


def _legend() -> str:
    return (
        '<p class="legend"><span class="key ok"></span> ok <span class="key bad"></span> not ok '
        '<span class="key fault"></span> fault <span class="key remedy"></span> remedy ▲ a health changed. '
        "Seconds are AWS's time since the steady state; operations stand where they were meant to start.</p>"
    )


def _operations(view: View, result: Result) -> str:
    counts = result.operations
    first = table(
        ["Sent", "Ok", "Failed", "Unknown"], [[f"{counts[each]:,}" for each in ("sent", "ok", "failed", "unknown")]],
        (0, 1, 2, 3),
    )  # fmt: skip
    rows = [
        [f"{phase} the fault", *(f"{value:,.1f} ms" if value is not None else "–" for value in levels.values())]
        for phase, levels in result.latency_ms.items()
    ]
    watched = view.watched("")
    bad = watched.reason[~watched.ok]
    reasons = [
        [escape(REASON_TEXTS[each] or "nothing was heard"), f"{int((bad == each).sum()):,}"]
        for each in Reason
        if (bad == each).any()
    ]
    return (
        first
        + table(["Latency", "p50", "p99"], rows, (1, 2))
        + (table(["Why not ok", "Operations"], reasons, (1,)) if reasons else "")
    )


def _faults(result: Result) -> str:
    rows = [
        [
            escape(each["name"]) + (" (remedy)" if each["remedy"] else ""),
            f"{each['started_s']:.2f} s",
            "–" if each["healed_s"] is None else f"{each['healed_s']:.2f} s",
        ]
        for each in result.faults
    ]
    return table(["What", "Began", "Healed"], rows, (1, 2)) if rows else "<p>Nothing was broken.</p>"


def _health(view: View) -> list[str]:
    zero = view.steady_s or 0.0
    rows = [
        [
            f"{(each['time_ns'] / 1e9 - zero) * view.speed:.1f} s",
            escape(each["what"]),
            escape(f"{each['before'] or 'not there'} → {each['now'] or 'gone'}"),
        ]
        for each in view.history.told("health")
        if each["time_ns"] / 1e9 >= zero
    ]
    if not rows:
        return []
    listed = table(["When", "What", "Health"], rows, (0,))
    return [f"<section><details><summary>Health changes ({len(rows)})</summary>{listed}</details></section>"]


def _architecture(history: History) -> list[str]:
    pictures = [each["svg"] for each in history.told("picture") if each["svg"]]
    if not pictures:
        return []
    drawing = re.sub(r"^.*?(?=<svg)", "", pictures[0], count=1, flags=re.DOTALL)
    return [
        "<section><h2>The architecture</h2><p>As it was deployed and healthy, before anything was broken.</p>"
        f'<div class="scroll picture">{drawing}</div></section>'
    ]


def _method(view: View, result: Result) -> str:
    header = view.header
    rows = [
        ["Begun", escape(str(header.get("began", "")))],
        ["Speed of AWS's clock", f"{result.speed:g}"],
        ["Seed", escape(str(result.seed))],
        [
            "Steady state",
            f"{header.get('steady_s', 0):g} s, {float(header.get('success', 1)) * 100:g} % of operations ok",
        ],
        *(
            [
                f"Traffic {escape(each['traffic'])}",
                f"{escape(each['kind'])} from {escape(each['place'])}, {each['rate']:g}/s"
                + (f": <code>{escape(each['asks'])}</code>" if each.get("asks") else ""),
            ]
            for each in view.clients
            if "rate" in each
        ),
    ]
    document = yaml.safe_dump(header.get("document", {}), sort_keys=False, allow_unicode=True, width=100)
    return (
        table(["", ""], rows)
        + "<p>Operations start at a constant rate, whatever became of those before them; latency counts from the time "
        "at which an operation was meant to start. An outage ends with the first answer after its last error, when no "
        "error follows within the steady time.</p>"
        f"<details><summary>The drill's file</summary><pre>{escape(document)}</pre></details>"
    )


def _attached(history: History) -> str:
    if history.path is None or not history.path.exists():
        return "<p>It was not kept.</p>"
    name = history.path.name
    again = f"<code>kunren drill check {escape(name)}</code> computes all numbers of this page from it again."
    packed = gzip.compress(history.path.read_bytes(), 6, mtime=0)
    if len(packed) > LARGEST_ATTACHED:
        return f"<p>It is too large to be attached: <code>{escape(str(history.path))}</code>. {again}</p>"
    data = base64.b64encode(packed).decode()
    return (
        f'<p><a download="{escape(name)}.gz" href="data:application/gzip;base64,{data}">{escape(name)}.gz</a> '
        f"({len(packed) / 1000:,.0f} kB). Unpacked, {again}</p>"
    )
