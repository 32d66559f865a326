"""A picture as one SVG document: no scripts, no fonts to load, dark on light, ready for a slide or a page."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from kunren.graph.layout import picture
from kunren.graph.model import Graph
from kunren.graph.picture import LINE, PAD, Area, Box, Frame, Picture, Wire

INK, FAINT, LINE_COLOUR = "#0f172a", "#64748b", "#94a3b8"
HEALTH = {"good": "#16a34a", "bad": "#dc2626", "waiting": "#d97706", "quiet": "#94a3b8"}
# kind → (fill, stroke)
COLOURS = {
    "hosted-zone": ("#f5f3ff", "#8b5cf6"),
    "record": ("#ffffff", "#c4b5fd"),
    "front": ("#fdf2f8", "#ec4899"),
    "behaviour": ("#ffffff", "#f9a8d4"),
    "origin": ("#fff1f2", "#fda4af"),
    "endpoint-group": ("#fdf4ff", "#e879f9"),
    "endpoint": ("#ffffff", "#f0abfc"),
    "load-balancer": ("#eff6ff", "#3b82f6"),
    "load-balancer-node": ("#ffffff", "#93c5fd"),
    "listener": ("#f0f9ff", "#0ea5e9"),
    "rule": ("#ffffff", "#bae6fd"),
    "certificate": ("#fefce8", "#eab308"),
    "target-group": ("#f0fdfa", "#14b8a6"),
    "target": ("#ffffff", "#94a3b8"),
    "function": ("#fff7ed", "#f97316"),
    "function-version": ("#ffffff", "#fdba74"),
    "subnet": ("#f8fafc", "#cbd5e1"),
    "vpc": ("#fcfdff", "#64748b"),
}
_LEGEND = (
    ("hosted-zone", "DNS"), ("front", "accelerator, distribution, API"), ("load-balancer", "load balancer"),
    ("listener", "listener"),
    ("certificate", "certificate"), ("target-group", "target group"), ("target", "target"), ("function", "function"),
    ("subnet", "subnet"),
)  # fmt: skip
_STATES = (("good", "healthy, active"), ("waiting", "on its way"), ("bad", "unhealthy"))


def svg(graph: Graph) -> str:
    """The whole document."""
    return "\n".join(_document(picture(graph))) + "\n"


def _document(drawn: Picture) -> Iterable[str]:
    width, height = round(drawn.width), round(drawn.height)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        "font-family=\"Inter, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif\" font-size=\"12\">"
    )
    yield f"<title>{_text(drawn.title)}</title>"
    yield f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    yield f'<text x="36" y="44" font-size="22" font-weight="700" fill="{INK}">{_text(drawn.title)}</text>'
    yield f'<text x="36" y="66" font-size="13" fill="{FAINT}">{_text(drawn.subtitle)}</text>'
    yield from (_frame(each) for each in drawn.frames)
    yield from (_curve(each) for each in drawn.wires)
    for shape in drawn.shapes:
        yield from _shape(shape)
    yield from (label for each in drawn.wires if (label := _label(each)))
    yield from _legend(drawn)
    yield "</svg>"


def _frame(frame: Frame) -> str:
    fill, stroke = COLOURS[frame.kind]
    return (
        f'<rect x="{frame.x:.1f}" y="{frame.y:.1f}" width="{frame.width:.1f}" height="{frame.height:.1f}" rx="14" '
        f'fill="{fill}" stroke="{stroke}" stroke-dasharray="6 4"/>'
        f'<text x="{frame.x + 16:.1f}" y="{frame.y + 24:.1f}" fill="{INK}" font-weight="600" font-size="13">'
        f'{_text(frame.title)}<tspan dx="10" fill="{FAINT}" font-weight="400" font-size="12">'
        f"{_text(frame.note)}</tspan></text>"
    )


def _shape(shape: Box | Area) -> Iterable[str]:
    fill, stroke = COLOURS[shape.kind]
    if isinstance(shape, Box):
        yield f"<g>{_hint(shape.hint)}" + _rectangle(shape, fill, stroke, 6) + _lines(shape) + "</g>"
        return
    dash = ' stroke-dasharray="3 3"' if shape.kind == "subnet" else ""
    yield f"<g>{_hint(shape.hint)}" + _rectangle(shape, fill, stroke, 10, dash) + _lines(shape) + "</g>"
    for each in shape.boxes:
        yield from _shape(each)


def _rectangle(shape: Box | Area, fill: str, stroke: str, radius: int, more: str = "") -> str:
    return (
        f'<rect x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}" height="{shape.height:.1f}" '
        f'rx="{radius}" fill="{fill}" stroke="{stroke}"{more}/>'
    )


def _lines(shape: Box | Area) -> str:
    made = []
    lines = shape.lines if isinstance(shape, Box) else shape.heading
    for number, line in enumerate(lines):
        y = shape.y + PAD + LINE * number + 11.5
        x = shape.x + 10
        if line.state:
            made.append(f'<circle cx="{x + 4:.1f}" cy="{y - 4:.1f}" r="4" fill="{HEALTH[line.state]}"/>')
        if line.state or any(each.state for each in lines):
            x += 14
        weight = ' font-weight="600"' if line.style == "title" else ""
        size = ' font-size="11"' if line.style == "faint" else ""
        colour = FAINT if line.style == "faint" else INK
        made.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{weight}{size}>{_text(line.text)}</text>')
    return "".join(made)


def _ends(wire: Wire) -> tuple[float, float, float, float]:
    """From the middle of the right side (of an area: of its heading's height where that is the same) to the left."""
    return wire.source.x + wire.source.width, wire.source.middle, wire.target.x, wire.target.middle


def _curve(wire: Wire) -> str:
    x1, y1, x2, y2 = _ends(wire)
    reach = max(30.0, min(90.0, (x2 - x1) / 2))
    colour = HEALTH[wire.state] if wire.state in ("good", "bad", "waiting") else LINE_COLOUR
    dash = ' stroke-dasharray="4 4"' if wire.weak else ""
    way = f"C{x1 + reach:.1f} {y1:.1f} {x2 - reach:.1f} {y2:.1f} {x2 - 6:.1f} {y2:.1f}"
    if wire.lane is not None:
        turn, y = 70.0, wire.lane
        way = (
            f"C{x1 + turn / 2:.1f} {y1:.1f} {x1 + turn / 2:.1f} {y:.1f} {x1 + turn:.1f} {y:.1f}H{x2 - turn:.1f}"
            f"C{x2 - turn / 2:.1f} {y:.1f} {x2 - turn / 2:.1f} {y2:.1f} {x2 - 6:.1f} {y2:.1f}"
        )
    tip = f"M{x2 - 7:.1f} {y2 - 3.5:.1f}L{x2:.1f} {y2:.1f}L{x2 - 7:.1f} {y2 + 3.5:.1f}Z"
    return (
        f'<path d="M{x1:.1f} {y1:.1f}{way}" '
        f'fill="none" stroke="{colour}" stroke-width="1.5" stroke-opacity="0.8"{dash}/>'
        f'<path d="{tip}" fill="{colour}"/>'
    )


def _label(wire: Wire) -> str:
    if not wire.label:
        return ""
    x1, y1, x2, y2 = _ends(wire)
    x, y = x1 + (x2 - x1) * 0.62, y1 + (y2 - y1) * 0.72
    width = 7.0 * len(wire.label) + 10
    return (
        f'<rect x="{x - width / 2:.1f}" y="{y - 9:.1f}" width="{width:.1f}" height="18" rx="9" fill="#ffffff" '
        f'stroke="{LINE_COLOUR}"/>'
        f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" font-size="11" font-weight="600" fill="{INK}">'
        f"{_text(wire.label)}</text>"
    )


def _legend(drawn: Picture) -> Iterable[str]:
    """Only the kinds that are drawn."""
    used = _kinds(drawn.shapes)
    x, y = 36.0, drawn.height - 26
    for kind, words in _LEGEND:
        if kind in used:
            fill, stroke = COLOURS[kind]
            yield f'<rect x="{x:.1f}" y="{y - 9:.1f}" width="14" height="11" rx="3" fill="{fill}" stroke="{stroke}"/>'
            yield f'<text x="{x + 20:.1f}" y="{y:.1f}" font-size="11" fill="{FAINT}">{words}</text>'
            x += 40 + 6.2 * len(words)
    for state, words in _STATES if drawn.shapes else ():
        yield f'<circle cx="{x + 6:.1f}" cy="{y - 4:.1f}" r="4" fill="{HEALTH[state]}"/>'
        yield f'<text x="{x + 16:.1f}" y="{y:.1f}" font-size="11" fill="{FAINT}">{words}</text>'
        x += 34 + 6.2 * len(words)


def _kinds(shapes: Iterable[Box | Area]) -> set[str]:
    found: set[str] = set()
    for each in shapes:
        found.add(each.kind)
        if isinstance(each, Area):
            found |= _kinds(each.boxes)
    return found


def _hint(text: str) -> str:
    return f"<title>{_text(text)}</title>" if text else ""


def _text(text: str) -> str:
    """Escaped, without what XML forbids."""
    return escape("".join(each if each >= " " or each in "\n\t" else " " for each in text), quote=True)
