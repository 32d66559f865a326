"""A graph as a tree in text: names first, then what stands before regions, then each VPC with its load balancers, then
what stands outside of VPCs."""

from __future__ import annotations

from kunren.graph.branch import Branch, Line, Span, drawn, state
from kunren.graph.front_text import accelerators, apis, called, distributions, websites
from kunren.graph.index import Index, counted
from kunren.graph.model import Graph, Node

_NOUNS = {
    "workload": "workload ", "nat-gateway": "NAT gateway ", "vpc-endpoint": "endpoint ", "peering": "peering ",
}  # fmt: skip
_FUNCTIONS = ("function", "function-version", "function-alias")


def lines(graph: Graph) -> list[Line]:
    """The whole picture; a graph without nodes says so."""
    index = Index(graph)
    sections = [
        ("DNS", _dns(index)),
        ("Accelerators", accelerators(index)),
        ("Distributions", distributions(index)),
        ("APIs", apis(index)),
        ("Websites", websites(index)),
        ("Health checks", _checks(index)),
        *_vpcs(index),
        ("Outside of VPCs", _outside(index)),
    ]
    made: list[Line] = []
    for title, branches in sections:
        if branches:
            made += [[]] if made else []
            made.append([(title, "strong")])
            made += drawn(branches)
    return made or [[("Nothing is deployed yet.", "faint")]]


def plain(graph: Graph) -> str:
    """The lines without styles, for a pipe."""
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines(graph))


def _dns(index: Index) -> list[Branch]:
    made = []
    for zone in index.kind("hosted-zone"):
        shown = index.shown_records(zone)
        hidden = len(index.inside(zone.id, "record")) - len(shown)
        more = f"  and {counted(hidden, 'other record')}" if hidden else ""
        private = f"  private in {zone.details['private in']}" if "private in" in zone.details else ""
        line = [(zone.name, "strong"), (f"  hosted zone {zone.details['id']}{private}{more}", "faint"), *state(zone)]
        made.append(Branch(line, [_record(index, each) for each in shown]))
    return made


def _record(index: Index, record: Node) -> Branch:
    details = record.details
    line: Line = [(details["type"], ""), (f" {record.name}", "strong")]
    edges = index.backward(record.id, "hosted-zone")
    if "weight" in details:
        share = edges[0][0].label.partition(", ")[2] if edges else ""
        line.append((f"  [{details['set']}: weight {details['weight']}{', ' + share if share else ''}]", ""))
    elif "policy" in details:
        line.append((f"  [{details['set']}: {details['policy']}]", ""))
    line += state(record)
    onward = [each for each in index.onward(record.id) if each[1].kind != "health-check"]
    if onward:
        names = " and ".join(dict.fromkeys(called(node) for _, node in onward))
        how = "alias" if "alias" in details else f"ttl {details['ttl']}"
        return Branch([*line, (f"  {how} → ", "faint"), (names, "")])
    if "alias" in details:
        return Branch([*line, ("  alias → ", "faint"), (details["alias"], ""), ("  ● leads to nothing", "bad")])
    return Branch([*line, (f"  ttl {details['ttl']} → ", "faint"), (details["values"], "")])


def _checks(index: Index) -> list[Branch]:
    made = []
    for check in index.kind("health-check"):
        details = check.details
        switched = "".join(f", {each}" for each in ("inverted", "disabled") if each in details)
        asks = f"  {details['asks']}" if details["asks"] != check.name else ""
        checkers = f"  {details['checkers']}" if "checkers" in details else ""
        line = [(check.name, "strong"), (f"{asks}{switched}", "faint"), *state(check), (checkers, "faint")]
        children = [[(child.name, ""), *state(child)] for _, child in index.onward(check.id, "health-check")]
        made.append(Branch(line, [Branch(each) for each in children]))
    return made


def _vpcs(index: Index) -> list[tuple[str, list[Branch]]]:
    made, seen = [], set[str]()
    for vpc in index.kind("vpc"):
        name = f"{vpc.name} ({vpc.id})" if vpc.name != vpc.id else vpc.id
        title = f"VPC {name}  {vpc.details['cidr']}  {vpc.region}  account {vpc.account}"
        branches = [_balancer(index, each, seen) for each in index.inside(vpc.id, "load-balancer")]
        idle = [each for each in index.inside(vpc.id, "target-group") if not index.backward(each.id, "rule")]
        branches += [_group(index, each, "unused  ", seen) for each in idle]
        branches += _workloads(index, vpc)
        branches += [_way_out(each) for each in index.inside(vpc.id, "vpc-endpoint", "peering")]
        made.append((title, branches or [Branch([("nothing that carries traffic", "faint")])]))
    return made


def _workloads(index: Index, vpc: Node) -> list[Branch]:
    """Subnets with NAT gateways, and workloads that no target group has (the others are drawn as targets)."""
    made = []
    for subnet in index.inside(vpc.id, "subnet"):
        alone = index.inside(subnet.id, "nat-gateway")
        alone += [each for each in index.inside(subnet.id, "workload") if not index.backward(each.id, "target")]
        if alone:
            branch = Branch([("subnet ", "faint"), (subnet.name, ""), _place(subnet)])
            branch.below = [
                Branch(
                    [
                        (_NOUNS[each.kind], "faint"),
                        (each.name, ""),
                        (_at(each), "faint"),
                        *state(each),
                        *_connected(each),
                    ]
                )
                for each in alone
            ]
            made.append(branch)
    return made


def _connected(node: Node) -> Line:
    """The names of Service Connect that lead to it, and those that it is led by."""
    shown = [f"  {told} {node.details[told]}" for told in ("serves", "reaches") if told in node.details]
    return [(each, "faint") for each in shown]


def _at(node: Node) -> str:
    details = node.details
    leaves = f" → {details['public address']}" if node.kind == "nat-gateway" and "public address" in details else ""
    return f"  {details['address']}{leaves}"


def _way_out(node: Node) -> Branch:
    """A VPC endpoint or a peering connection."""
    details = node.details
    leads = f"  {details['type']}" if node.kind == "vpc-endpoint" else f"  → VPC {details['to']}"
    return Branch([(_NOUNS[node.kind], "faint"), (node.name, ""), (leads, "faint"), *state(node)])


def _place(subnet: Node) -> Span:
    return (f"  {subnet.details['zone']}  {subnet.details['cidr']}", "faint")


def _balancer(index: Index, balancer: Node, seen: set[str]) -> Branch:
    details = balancer.details
    branch = Branch(
        [
            ("load balancer ", "faint"),
            (balancer.name, "strong"),
            (f"  {details['type']}, {details['scheme']}", "faint"),
            *state(balancer),
        ]
    )
    branch.below.append(Branch([(f"name {details['dns name']}", "faint")]))
    for edge, node in index.onward(balancer.id, "load-balancer-node"):
        subnet = index.by_id.get(node.within or "")
        where = f"{edge.label}  {subnet.name if subnet else ''}"
        at = node.details["address"]
        shown = f"{node.details['public address']} → {at}" if "public address" in node.details else at
        branch.below.append(Branch([(f"node {where}  ", "faint"), (shown, ""), *state(node)]))
    branch.below += [_listener(index, each, seen) for _, each in index.onward(balancer.id, "listener")]
    return branch


def _listener(index: Index, listener: Node, seen: set[str]) -> Branch:
    details = listener.details
    policy = f"  {details['security policy']}" if "security policy" in details else ""
    branch = Branch([("listener ", "faint"), (listener.name, "strong"), (policy, "faint")])
    for edge, certificate in index.onward(listener.id, "certificate"):
        names = certificate.details["names"] or certificate.id
        branch.below.append(Branch([(f"{edge.label}  ", "faint"), (names, ""), *state(certificate)]))
    branch.below += [_rule(index, each, seen) for _, each in index.onward(listener.id, "rule")]
    return branch


def _rule(index: Index, rule: Node, seen: set[str]) -> Branch:
    details = rule.details
    groups = index.onward(rule.id, "target-group")
    head = f"{details['priority']}  "
    if details["priority"] == "default":
        line: Line = [(head, "strong")]
    else:
        line = [(head, "strong"), (details["conditions"] + "  ", "")]
    if not groups:
        return Branch([*line, ("→ ", "faint"), (details["action"], "")])
    before = details["action"].rpartition(", then ")[0]
    line.append((f"→ {before + ', then ' if before else ''}forward", "faint"))
    branch = Branch(line)
    for edge, group in groups:
        share = edge.label.removeprefix("forward").strip()
        branch.below.append(_group(index, group, f"{share}  " if share else "", seen))
    return branch


def _group(index: Index, group: Node, before: str, seen: set[str]) -> Branch:
    """A target group with its targets, which are drawn once (`seen`)."""
    kind = group.details.get("protocol", group.details["type"])
    line: Line = [(before, "strong"), ("target group ", "faint"), (group.name, ""), (f"  {kind}", "faint")]
    branch = Branch([*line, *state(group)])
    if group.id in seen:
        branch.line.append(("  targets as above", "faint"))
        return branch
    seen.add(group.id)
    for _, target in index.onward(group.id, "target", *_FUNCTIONS):
        if target.kind != "target":
            branch.below.append(_function(target))
            continue
        where = [target.details[key] for key in ("workload", "zone", "reason") if key in target.details]
        branch.below.append(Branch([(target.name, ""), *state(target), ("  " + "  ".join(where), "faint")]))
    return branch


def _outside(index: Index) -> list[Branch]:
    """Functions that no load balancer reaches, and groups of functions that no rule does."""
    groups = [
        each for each in index.kind("target-group") if not each.within and not index.backward(each.id, "rule")
    ]  # fmt: skip
    made = [_group(index, each, "unused  ", set()) for each in groups]
    for each in index.kind("function"):
        inside = index.inside(each.id)
        if not any(index.backward(one.id, "target-group", "behaviour") for one in (each, *inside)):
            made.append(Branch(_function(each).line, [_function(one) for one in inside]))
    return made


def _function(node: Node) -> Branch:
    """A function, one of its versions or aliases."""
    kind = node.kind.rpartition("-")[2]
    leads = f"  → {node.details['versions']}" if "versions" in node.details else ""
    shown: Line = [(f"{kind} ", "faint"), (node.name, "strong"), (leads, "")]
    return Branch([*shown, (f"  {node.details['runtime']}", "faint"), *state(node)])
