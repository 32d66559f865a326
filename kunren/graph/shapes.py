"""What each part of the architecture looks like: graph nodes to boxes and areas, folded where there are too many.

Sizes follow from the text. Where the lines go, and where everything stands, is `layout.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from kunren.graph.index import Index
from kunren.graph.model import BAD, Node, health
from kunren.graph.picture import Area, Box, Text

WIDTHS = {"record": 232.0, "load-balancer-node": 238.0, "rule": 350.0, "certificate": 350.0, "target": 216.0}
RULES_MAX, RECORDS_MAX, TARGETS_MAX, CERTIFICATES_MAX, VERSIONS_MAX = 20, 12, 24, 4, 6
_CHARACTERS = {"title": 7.0, "plain": 6.3, "faint": 5.7}  # an average one's width


def fitted(text: str, width: float, character: float = 6.3) -> str:
    """The text, cut with an ellipsis where it would not fit."""
    room = max(4, int((width - 26) / character))
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"


def box(node: Node, kind: str, width: float, lines: Sequence[tuple[str, str]], *, dot: bool = True) -> Box:
    """A box for one node; `lines` are (text, style), the first with the state's dot."""
    made = [Text(fitted(text, width, _CHARACTERS[style]), style) for text, style in lines if text]
    made[0].state = health(node.state) if node.state and dot else ""
    return Box((node.id,), kind, made, width, state=health(node.state), hint=hint(node))


def hint(node: Node) -> str:
    """Everything about a node, for a pointer that rests on it."""
    rows = [f"{node.kind.replace('-', ' ')} {node.name}", *([node.state] if node.state else [])]
    rows += [f"{key}: {value}" for key, value in node.details.items()]
    return "\n".join([*rows, *([node.arn] if node.arn else [])])


def folded(nodes: Sequence[Node], kind: str, width: float, noun: str) -> Box:
    """One box in place of many; unhealthy ones are counted, for they are what somebody looks for."""
    bad = sum(health(each.state) == BAD for each in nodes)
    lines = [Text(f"… and {len(nodes)} more {noun}", "faint", BAD if bad else "")]
    if bad:
        lines.append(Text(f"{bad} of them unhealthy", "faint"))
    return Box(tuple(each.id for each in nodes), kind, lines, width)


# -- DNS -------------------------------------------------------------------------------------------------------------


def zone(index: Index, node: Node) -> Area:
    records = index.shown_records(node)
    boxes: list[Box | Area] = [record(index, each) for each in records[:RECORDS_MAX]]
    if len(records) > RECORDS_MAX:
        boxes.append(folded(records[RECORDS_MAX:], "record", WIDTHS["record"], "records"))
    width = WIDTHS["record"] + 8
    heading = [Text(fitted(node.name, width, 7.0), "title", health(node.state))]
    return Area("hosted-zone", heading, boxes, (node.id,), health(node.state), hint(node))


def record(index: Index, node: Node) -> Box:
    details = node.details
    second = "" if "alias" in details else details["values"]
    if "weight" in details:
        share = next((edge.label.partition(", ")[2] for edge, _ in index.backward(node.id, "hosted-zone")), "")
        second = " · ".join(filter(None, (details["set"], f"weight {details['weight']} ({share})", second)))
    elif "policy" in details:
        second = " · ".join(filter(None, (details["policy"], second)))
    first = f"{details['type']}  {node.name}"
    return box(node, "record", WIDTHS["record"], [(first, "plain"), (second, "faint")])


def more_zones(nodes: Sequence[Node]) -> Area:
    made = folded(nodes, "record", WIDTHS["record"], "hosted zones")
    return Area("hosted-zone", [Text(f"{len(nodes)} more zones", "title")], [made], made.ids)


# -- load balancers --------------------------------------------------------------------------------------------------


def balancer(index: Index, node: Node) -> Area:
    inner: list[Box | Area] = []
    for edge, each in index.onward(node.id, "load-balancer-node"):
        subnet = index.by_id.get(each.within or "")
        at = each.details["address"]
        shown = f"{each.details['public address']} → {at}" if "public address" in each.details else at
        chip = box(each, "load-balancer-node", WIDTHS["load-balancer-node"], [(shown, "plain")])
        heading = Text(f"{edge.label} · {subnet.name if subnet else '?'}", "faint")
        inner.append(Area("subnet", [heading], [chip], (each.within or "",), hint=hint(subnet) if subnet else ""))
    kind = {"application": "Application Load Balancer", "network": "Network Load Balancer"}
    second = f"{kind.get(node.details['type'], node.details['type'])} · {node.details['scheme']}"
    heading_lines = [Text(fitted(node.name, 250, 7.0), "title", health(node.state)), Text(second, "faint")]
    return Area("load-balancer", heading_lines, inner, (node.id,), health(node.state), hint(node))


def listener(index: Index, node: Node) -> Area:
    boxes: list[Box | Area] = []
    certificates = index.onward(node.id, "certificate")
    for edge, each in certificates[:CERTIFICATES_MAX]:
        names = each.details["names"].split(", ")
        more = f" +{len(names) - 1}" if len(names) > 1 else ""
        which = "default" if edge.label.startswith("default") else "SNI"
        boxes.append(box(each, "certificate", WIDTHS["certificate"], [(f"TLS {which}: {each.name}{more}", "plain")]))
    if len(certificates) > CERTIFICATES_MAX:
        rest = [each for _, each in certificates[CERTIFICATES_MAX:]]
        boxes.append(folded(rest, "certificate", WIDTHS["certificate"], "certificates"))
    boxes += _rules([each for _, each in index.onward(node.id, "rule")])
    return Area("listener", [Text(node.name, "title")], boxes, (node.id,), hint=hint(node))


def _rules(rules: list[Node]) -> list[Box | Area]:
    """All rules, or the first ones, a fold, and the default rule."""
    if len(rules) <= RULES_MAX:
        return [rule(each) for each in rules]
    shown, rest, default = rules[: RULES_MAX - 2], rules[RULES_MAX - 2 : -1], rules[-1]
    return [*map(rule, shown), folded(rest, "rule", WIDTHS["rule"], "rules"), rule(default)]


def rule(node: Node) -> Box:
    details = node.details
    asks = "default" if details["priority"] == "default" else f"{details['priority']} {details['conditions']}"
    does = details["action"] if not details["action"].endswith("forward") else ""
    return box(node, "rule", WIDTHS["rule"], [(asks, "plain"), (f"→ {does}" if does else "", "faint")])


# -- behind them -----------------------------------------------------------------------------------------------------


def group(node: Node) -> Box:
    details = node.details
    kind = details.get("protocol", details["type"])
    state = details["healthy"] if node.state not in ("empty", "unused") else node.state
    return box(
        node, "target-group", 186.0, [(node.name, "title"), (f"target group · {kind}", "faint"), (state, "faint")]
    )


def target(node: Node) -> Box:
    details = node.details
    reason = details.get("reason", "").partition(":")[0].partition(".")[2]
    second = " · ".join(each for each in (node.state, details.get("workload", ""), reason) if each)
    return box(node, "target", WIDTHS["target"], [(node.name, "plain"), (second, "faint")])


def targets(index: Index, subnet: str | None, nodes: Sequence[Node]) -> Area:
    """The targets in one subnet (None: outside of all)."""
    boxes: list[Box | Area] = [target(each) for each in nodes[:TARGETS_MAX]]
    if len(nodes) > TARGETS_MAX:
        boxes.append(folded(nodes[TARGETS_MAX:], "target", WIDTHS["target"], "targets"))
    known = index.by_id.get(subnet or "")
    if known is None or known.kind != "subnet":
        return Area("subnet", [Text("other addresses", "faint")], boxes)
    heading = [Text(fitted(f"{known.details['zone']} · {known.name}", WIDTHS["target"] + 16), "faint")]
    return Area("subnet", heading, boxes, (known.id,), hint=hint(known))


def function(index: Index, node: Node) -> Box | Area:
    """A box, or where it has versions or aliases an area around them."""
    lines = [(node.name, "title"), ("Lambda function", "faint"), (node.details["runtime"], "faint")]
    inside = index.inside(node.id, "function-alias") + index.inside(node.id, "function-version")[::-1]  # newest first
    if not inside:
        return box(node, "function", 190.0, lines)
    boxes: list[Box | Area] = [_qualified(each) for each in inside[:VERSIONS_MAX]]
    if len(inside) > VERSIONS_MAX:
        boxes.append(folded(inside[VERSIONS_MAX:], "function-version", 226.0, "versions and aliases"))
    head = box(node, "function", 246.0, lines)
    return Area("function", head.lines, boxes, (node.id,), head.state, head.hint)


def _qualified(node: Node) -> Box:
    name = node.name.partition(":")[2]
    kind = "alias" if node.kind == "function-alias" else "version"
    return box(
        node, "function-version", 226.0, [(f"{kind} {name}", "plain"), (node.details.get("versions", ""), "faint")]
    )


def workload(node: Node) -> Box:
    """A workload, or a NAT gateway."""
    second = " · ".join((["NAT gateway"] if node.kind == "nat-gateway" else []) + [node.details["address"]])
    return box(node, "target", WIDTHS["target"], [(node.name, "plain"), (second, "faint")])


def ways_out(nodes: Sequence[Node]) -> Area:
    """The VPC endpoints and peering connections of a VPC."""
    boxes: list[Box | Area] = []
    for node in nodes:
        what = f"{node.details['type']} endpoint" if node.kind == "vpc-endpoint" else f"peering → {node.details['to']}"
        boxes.append(box(node, "target", WIDTHS["target"], [(node.name, "plain"), (what, "faint")]))
    return Area("subnet", [Text("endpoints and peering", "faint")], boxes)
