"""What accelerators, distributions, APIs and websites look like: areas around groups, behaviours and routes."""

from __future__ import annotations

from kunren.graph.front_text import told_of
from kunren.graph.index import Index
from kunren.graph.model import Node, health
from kunren.graph.picture import Area, Box, Text
from kunren.graph.shapes import box, fitted, folded, hint

WIDTH = 250.0
BEHAVIOURS_MAX = 12


def front(index: Index, node: Node) -> Area:
    kinds = {"accelerator": accelerator, "distribution": distribution, "api": api, "website": website}
    return kinds[node.kind](index, node)


def website(index: Index, node: Node) -> Area:
    return _area(node, node.name, "website · " + node.details["does"], [])


def accelerator(index: Index, node: Node) -> Area:
    listeners: list[Box | Area] = []
    for listener in index.inside(node.id, "accelerator-listener"):
        groups: list[Box | Area] = [_group(index, each) for each in index.inside(listener.id, "endpoint-group")]
        listeners.append(Area("listener", [Text(listener.name, "title")], groups, (listener.id,), hint=hint(listener)))
    return _area(node, node.name, "accelerator · " + node.details["addresses"], listeners)


def _group(index: Index, node: Node) -> Area:
    boxes: list[Box | Area] = [
        box(each, "endpoint", WIDTH, [(each.name, "plain"), (told_of(each), "faint")])
        for each in index.inside(node.id, "endpoint")
    ]
    dial = f" · dial {node.details['dial']}" if "dial" in node.details else ""
    heading = Text(node.name + dial, "faint", health(node.state))
    return Area("endpoint-group", [heading], boxes, (node.id,), health(node.state), hint(node))


def distribution(index: Index, node: Node) -> Area:
    behaviours = index.inside(node.id, "behaviour")
    shown = behaviours if len(behaviours) <= BEHAVIOURS_MAX else [*behaviours[: BEHAVIOURS_MAX - 2], behaviours[-1]]
    boxes: list[Box | Area] = [_behaviour(index, each) for each in shown]
    if hidden := [each for each in behaviours if each not in shown]:
        boxes.insert(-1, folded(hidden, "behaviour", WIDTH, "behaviours"))
    for each in index.inside(node.id, "origin-group"):
        members = " then ".join(member.name for _, member in index.onward(each.id, "origin"))
        boxes.append(box(each, "origin", WIDTH, [(f"group {each.name}", "plain"), (members, "faint")]))
    for each in index.inside(node.id, "origin"):
        asked = f"{each.details['domain name']}{each.details.get('path', '')}"
        boxes.append(box(each, "origin", WIDTH, [(f"origin {each.name}", "plain"), (asked, "faint")]))
    return _area(node, node.name, "distribution · " + (node.details["aliases"] or node.details["domain name"]), boxes)


def api(index: Index, node: Node) -> Area:
    """With the domain names that lead to it, which have no place of their own."""
    routes = index.inside(node.id, "api-route")
    shown = routes if len(routes) <= BEHAVIOURS_MAX else routes[: BEHAVIOURS_MAX - 1]
    boxes: list[Box | Area] = [_route(index, each) for each in shown]
    if hidden := routes[len(shown) :]:
        boxes.append(folded(hidden, "behaviour", WIDTH, "routes"))
    domains = [each for _, each in index.backward(node.id, "api-domain")]
    names = ", ".join(dict.fromkeys(each.name for each in domains)) or node.details["domain name"]
    area = _area(node, node.name, f"API · {names}", boxes)
    area.ids = (node.id, *dict.fromkeys(each.id for each in domains))
    return area


def _route(index: Index, node: Node) -> Box:
    onward = [each.name for _, each in index.onward(node.id)]
    to = onward[0] if onward else node.details["asks"] or "nothing"
    return box(node, "behaviour", WIDTH, [(node.name, "plain"), (f"→ {to}", "faint")])


def _behaviour(index: Index, node: Node) -> Box:
    onward = index.onward(node.id)
    to = next((each.name for _, each in onward if each.kind in ("origin", "origin-group")), "?")
    functions = [each for _, each in onward if each.kind == "edge-function"]
    lines = [(f"{node.name} → {to}", "plain"), (" · ".join(each.name for each in functions), "faint")]
    made = box(node, "behaviour", WIDTH, lines)
    made.ids = (node.id, *(each.id for each in functions))
    return made


def _area(node: Node, name: str, second: str, boxes: list[Box | Area]) -> Area:
    width = WIDTH + 20
    heading = [
        Text(fitted(name, width, 7.0), "title", health(node.state)), Text(fitted(second, width, 5.7), "faint")
    ]  # fmt: skip
    return Area("front", heading, boxes, (node.id,), health(node.state), hint(node))
