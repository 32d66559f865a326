"""What stands before regions and beside VPCs, as trees in text: accelerators, distributions, APIs."""

from __future__ import annotations

from kunren.graph.branch import Branch, Line, state
from kunren.graph.index import Index
from kunren.graph.model import Edge, Node

_KINDS = {
    "load-balancer": "load balancer ", "workload": "workload ", "record": "record ", "accelerator": "accelerator ",
    "distribution": "distribution ", "edge-function": "CloudFront Function ", "function-version": "Lambda function ",
    "function": "Lambda function ", "function-alias": "Lambda function ", "api": "API ", "api-domain": "domain name ",
    "listener": "listener ", "website": "website of bucket ",
}  # fmt: skip


def called(node: Node) -> str:
    """A node's name with what it is."""
    return _KINDS.get(node.kind, "") + node.name


def accelerators(index: Index) -> list[Branch]:
    return [_accelerator(index, each) for each in index.kind("accelerator")]


def _accelerator(index: Index, node: Node) -> Branch:
    details = node.details
    off = "  disabled" if "disabled" in details else ""
    line: Line = [(node.name, "strong"), (f"  {details['addresses']}{off}", "faint"), *state(node)]
    branch = Branch(line, [Branch([(f"name {details['dns name']}", "faint")])])
    for listener in index.inside(node.id, "accelerator-listener"):
        affinity = "  by source address" if listener.details["affinity"] != "none" else ""
        below = [_group(index, each) for each in index.inside(listener.id, "endpoint-group")]
        branch.below.append(
            Branch([("listener ", "faint"), (listener.name, "strong"), (affinity, "faint")], below)
        )  # fmt: skip
    return branch


def _group(index: Index, node: Node) -> Branch:
    details = node.details
    shown = f"  dial {details['dial']}" if "dial" in details else f"  destinations {details['destination ports']}"
    line: Line = [("endpoint group ", "faint"), (node.name, "strong"), (shown, ""), *state(node)]
    if "port overrides" in details:
        line.append((f"  ports {details['port overrides']}", "faint"))
    below = [
        Branch([(told_of(each) + "  ", ""), *_onward(index, each), *state(each)])
        for each in index.inside(node.id, "endpoint")
    ]
    return Branch(line, below)


def told_of(endpoint: Node) -> str:
    """What an endpoint gets: its weight, or a subnet's ports."""
    details = endpoint.details
    if "ports" in details:
        return f"ports {details['ports']}"
    return f"weight {details['weight']} ({details['share of the group']})"


def _onward(index: Index, node: Node) -> Line:
    """What a node leads to, or its own name where nothing is known."""
    onward = [called(each) for _, each in index.onward(node.id)]
    return [("→ ", "faint"), (" and ".join(dict.fromkeys(onward)) or node.name, "")]


def distributions(index: Index) -> list[Branch]:
    return [_distribution(index, each) for each in index.kind("distribution")]


def websites(index: Index) -> list[Branch]:
    return [
        Branch([(each.name, "strong"), (f"  {each.details['does']}", ""), (f"  in {each.region}", "faint")])
        for each in index.kind("website")
    ]


def _distribution(index: Index, node: Node) -> Branch:
    details = node.details
    off = "  disabled" if "disabled" in details else ""
    line: Line = [(node.name, "strong"), (f"  {details['aliases'] or details['domain name']}{off}", "faint")]
    branch = Branch([*line, *state(node)], [Branch([(f"name {details['domain name']}", "faint")])])
    for edge, certificate in index.onward(node.id, "certificate"):
        names = certificate.details["names"] or certificate.id
        branch.below.append(Branch([(f"{edge.label}  ", "faint"), (names, ""), *state(certificate)]))
    branch.below += [_behaviour(index, each) for each in index.inside(node.id, "behaviour")]
    for group in index.inside(node.id, "origin-group"):
        members = " then ".join(each.name for _, each in index.onward(group.id, "origin"))
        on = f"  fails over on {group.details['fails over on']}"
        branch.below.append(
            Branch([("origin group ", "faint"), (group.name, "strong"), (f"  {members}", ""), (on, "faint")])
        )
    branch.below += [_origin(index, each) for each in index.inside(node.id, "origin")]
    return branch


def _behaviour(index: Index, node: Node) -> Branch:
    onward = index.onward(node.id)
    line: Line = [
        ("behaviour ", "faint"),
        (node.name, "strong"),
        (f"  {node.details['viewers']}", "faint"),
        ("  → ", "faint"),
    ]
    line += [(each.name, "") for _, each in onward if each.kind in ("origin", "origin-group")]
    below = [Branch([(f"cache {node.details['cache']}", "faint")])]
    return Branch(line, below + [_function(*each) for each in onward if each[1].kind not in ("origin", "origin-group")])


def _function(edge: Edge, node: Node) -> Branch:
    return Branch([(f"{edge.label}  ", "faint"), (called(node), ""), *state(node)])


def _origin(index: Index, node: Node) -> Branch:
    details = node.details
    shown = f"  {details['protocol']} {details['domain name']}{details.get('path', '')}"
    line: Line = [("origin ", "faint"), (node.name, "strong"), (shown, "faint")]
    return Branch(line + ([("  ", ""), *_onward(index, node)] if index.onward(node.id) else []))


def apis(index: Index) -> list[Branch]:
    """APIs with their routes, and the domain names that lead to them."""
    return [_api(index, each) for each in index.kind("api")] + [
        _domain(index, each) for each in index.kind("api-domain")
    ]


def _api(index: Index, node: Node) -> Branch:
    line: Line = [("API ", "faint"), (node.name, "strong"), (f"  {node.details['domain name']}", "faint"), *state(node)]
    return Branch(line, [_route(index, each) for each in index.inside(node.id, "api-route")])


def _route(index: Index, node: Node) -> Branch:
    told = "" if node.details["authorization"] == "NONE" else f"  {node.details['authorization']}"
    onward = index.onward(node.id)
    line: Line = [(node.name, "strong"), (told, "faint"), ("  ", "")]
    if not onward:
        return Branch([*line, ("→ ", "faint"), (node.details["asks"] or "nothing", "")])
    return Branch([*line, *_onward(index, node), *state(onward[0][1])])


def _domain(index: Index, node: Node) -> Branch:
    line: Line = [("domain name ", "faint"), (node.name, "strong"), (f"  {node.details['domain name']}", "faint")]
    branch = Branch([*line, *state(node)])
    for edge, onward in index.onward(node.id):
        if onward.kind == "certificate":
            names = onward.details["names"] or onward.id
            branch.below.append(Branch([("certificate  ", "faint"), (names, ""), *state(onward)]))
        else:
            branch.below.append(Branch([(f"{edge.label}  → ", "faint"), (called(onward), "")]))
    return branch
