"""Where everything stands: columns from DNS name to target, rows by what leads where. Pure.

The columns are zones (with their records), accelerators and distributions, load balancers (with their nodes), listeners
(with their rules), target groups, targets (in their subnets), and to the right of the VPCs groups of functions and
functions. VPCs are bands, one below the other. In a column, shapes keep the order in which their predecessors reach
them and stand as near to those as they can (`picture.spread`), so wires stay short and cross little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from kunren.graph import shapes
from kunren.graph.front_shapes import front
from kunren.graph.index import Index, counted
from kunren.graph.model import BAD, Graph, Node, health
from kunren.graph.picture import Area, Box, Frame, Picture, Wire, boxes_of, lane, spread

Shape = Box | Area
MARGIN, TOP, COLUMN_GAP, BAND_GAP, FRAME, FRAME_TOP = 36.0, 92.0, 86.0, 46.0, 22.0, 40.0
ZONES_MAX = 24
ZONE, FRONT, BALANCER, LISTENER, GROUP, TARGET, FUNCTION_GROUP, FUNCTION = range(8)
GAPS = {
    ZONE: 14.0,
    FRONT: 22.0,
    BALANCER: 26.0,
    LISTENER: 22.0,
    GROUP: 16.0,
    TARGET: 16.0,
    FUNCTION_GROUP: 18.0,
    FUNCTION: 18.0,
}


class Layout:
    """Shapes by column, found by the id of what they show."""

    def __init__(self, graph: Graph) -> None:
        self.index = Index(graph)
        self.columns: dict[int, list[Shape]] = {column: [] for column in GAPS}
        self.shape: dict[str, Shape] = {}
        self.bands: list[tuple[Node, list[Shape]]] = []

    def picture(self) -> Picture:
        top = TOP
        for vpc in self.index.kind("vpc"):
            top = self._band(vpc, top)
        self._outside(top)
        self._fronts()
        self._zones()
        return self._assembled()

    # -- rows --------------------------------------------------------------------------------------------------------

    def _band(self, vpc: Node, top: float) -> float:
        """Lay out one VPC from that height on; the height where the next may begin."""
        index, inside = self.index, self.index.inside(vpc.id)
        balancers = sorted((each for each in inside if each.kind == "load-balancer"), key=self._first_name)
        below = top + FRAME_TOP
        listeners: list[Shape] = []
        columns: dict[int, list[Shape]] = {BALANCER: [], GROUP: [], TARGET: []}
        for balancer in balancers:
            own: list[Shape] = [shapes.listener(index, each) for _, each in index.onward(balancer.id, "listener")]
            head = shapes.balancer(index, balancer)
            height = sum(each.height for each in own) + GAPS[LISTENER] * max(0, len(own) - 1)
            start = below + max(0.0, (head.height - height) / 2)
            for each in own:
                _put(each, start)
                start += each.height + GAPS[LISTENER]
            _put(head, below + max(0.0, (height - head.height) / 2))
            listeners += own
            columns[BALANCER].append(head)
            below += max(head.height, height) + GAPS[BALANCER]
        self._note(listeners, columns[BALANCER])
        groups = [each for each in inside if each.kind == "target-group"]
        columns[GROUP] = self._follow(groups, shapes.group, GROUP)
        columns[TARGET] = self._targets(groups, vpc)
        everything = [*listeners, *columns[BALANCER], *columns[GROUP], *columns[TARGET]]
        if not everything:
            return top
        lift = top + FRAME_TOP - min(each.y for each in everything)
        for each in everything:
            _put(each, each.y + lift)
        self.columns[LISTENER] += listeners
        for column, found in columns.items():
            self.columns[column] += found
        self.bands.append((vpc, everything))
        return max(each.y + each.height for each in everything) + FRAME + BAND_GAP

    def _first_name(self, balancer: Node) -> tuple[str, str]:
        """Load balancers stand in the order of the names that lead to them."""
        return min((node.name for _, node in self.index.backward(balancer.id, "record")), default="~"), balancer.name

    def _follow(self, nodes: Sequence[Node], make: Callable[[Node], Shape], column: int) -> list[Shape]:
        """Shapes for these nodes, beside what leads to them."""
        placed = [
            (self._beside((node.id, *(each.id for each in self.index.inside(node.id)))), make(node)) for node in nodes
        ]
        placed.sort(key=lambda each: each[0])
        made = [shape for _, shape in placed]
        _spread([wanted for wanted, _ in placed], made, GAPS[column])
        self._note(made)
        return made

    def _beside(self, ids: Iterable[str]) -> float:
        """The mean height of what leads to these nodes; below everything where nothing does."""
        found = [
            self.shape[edge.source].middle
            for id in ids
            for edge, _ in self.index.backward(id)
            if edge.source in self.shape
        ]
        if found:
            return sum(found) / len(found)
        return max((each.y + each.height for each in self.shape.values()), default=TOP)

    def _targets(self, groups: Sequence[Node], vpc: Node) -> list[Shape]:
        by_subnet: dict[str | None, list[Node]] = {}
        targets = {node.id: node for each in groups for _, node in self.index.onward(each.id, "target")}
        for node in sorted(targets.values(), key=lambda each: (self._beside((each.id,)), each.name)):
            within = node.within if node.within != vpc.id else None
            by_subnet.setdefault(within, []).append(node)
        made: list[tuple[float, Shape]] = []
        for subnet, nodes in by_subnet.items():
            made.append((self._beside(each.id for each in nodes), shapes.targets(self.index, subnet, nodes)))
        for subnet_node in self.index.inside(vpc.id, "subnet"):
            alone = [
                each for each in self.index.inside(subnet_node.id, "nat-gateway", "workload")
                if not self.index.backward(each.id, "target")
            ]  # fmt: skip
            if alone:
                area = by_subnet.get(subnet_node.id) and next(
                    shape for _, shape in made if isinstance(shape, Area) and shape.ids == (subnet_node.id,)
                )
                if not isinstance(area, Area):
                    area = shapes.targets(self.index, subnet_node.id, ())
                    made.append((self._beside(each.id for each in alone), area))
                area.boxes += [shapes.workload(each) for each in alone]
        made.sort(key=lambda each: each[0])
        if ways_out := self.index.inside(vpc.id, "vpc-endpoint", "peering"):
            last = made[-1][0] if made else 0.0
            made.append((last, shapes.ways_out(ways_out)))
        found = [shape for _, shape in made]
        _spread([wanted for wanted, _ in made], found, GAPS[TARGET])
        self._note(found)
        return found

    def _outside(self, top: float) -> None:
        groups = [each for each in self.index.kind("target-group") if not each.within]
        self.columns[FUNCTION_GROUP] = self._follow(groups, shapes.group, FUNCTION_GROUP)
        self.columns[FUNCTION] = self._follow(
            self.index.kind("function"), lambda each: shapes.function(self.index, each), FUNCTION
        )
        del top

    def _fronts(self) -> None:
        """Accelerators, distributions, APIs and websites stand beside what they lead to."""
        made: list[tuple[float, Shape]] = []
        fronts = ("accelerator", "distribution", "api", "website")
        for node in [each for kind in fronts for each in self.index.kind(kind)]:
            area = front(self.index, node)
            ids = {id for box in boxes_of([area]) for id in box.ids}
            leads = [
                self.shape[end.id].middle for id in ids for _, end in self.index.onward(id) if end.id in self.shape
            ]
            wanted = sum(leads) / len(leads) if leads else max((each[0] for each in made), default=TOP)
            made.append((wanted, area))
        made.sort(key=lambda each: each[0])
        found = [shape for _, shape in made]
        _spread([wanted for wanted, _ in made], found, GAPS[FRONT])
        self._note(found)
        self.columns[FRONT] = found

    def _zones(self) -> None:
        """Zones stand beside what their records lead to; of many that lead to the same, some are folded."""
        zones: dict[tuple[str, ...], list[Node]] = {}
        for each in self.index.kind("hosted-zone"):
            records = self.index.shown_records(each)
            leads = {node.id for record in records for _, node in self.index.onward(record.id) if node.id in self.shape}
            zones.setdefault(tuple(sorted(leads)), []).append(each)
        made: list[tuple[float, Shape]] = []
        for leads_to, nodes in zones.items():
            wanted = [self.shape[id].middle for id in leads_to]
            middle = sum(wanted) / len(wanted) if wanted else max((each[0] for each in made), default=TOP)
            fits = len(nodes) <= ZONES_MAX
            shown = nodes if fits else nodes[: ZONES_MAX - 1]
            made += [(middle, shapes.zone(self.index, each)) for each in shown]
            if not fits:
                made.append((middle, self._more_zones(nodes[ZONES_MAX - 1 :])))
        made.sort(key=lambda each: each[0])
        found = [shape for _, shape in made]
        _spread([wanted for wanted, _ in made], found, GAPS[ZONE])
        self._note(found)
        self.columns[ZONE] = found

    def _more_zones(self, nodes: Sequence[Node]) -> Area:
        area = shapes.more_zones(nodes)
        box = area.boxes[0]
        assert isinstance(box, Box)
        box.ids = tuple(record.id for each in nodes for record in self.index.shown_records(each))
        return area

    def _note(self, *columns: Sequence[Shape]) -> None:
        for shape in (each for column in columns for each in column):
            for id in shape.ids if not (isinstance(shape, Area) and shape.kind == "subnet") else ():
                self.shape[id] = shape
            if isinstance(shape, Area):
                self._note(shape.boxes)

    # -- columns -----------------------------------------------------------------------------------------------------

    def _assembled(self) -> Picture:
        index = self.index
        picture = Picture(title="Deployed architecture", subtitle=_summary(index))
        everything = [shape for column in self.columns.values() for shape in column]
        lift = TOP - min((each.y for each in everything), default=TOP)
        lift = max(lift, TOP + FRAME_TOP - min((s.y for _, band in self.bands for s in band), default=TOP + FRAME_TOP))
        x = MARGIN
        for column, found in self.columns.items():
            x += FRAME if column == BALANCER and found else 0.0
            for shape in found:
                _put(shape, shape.y + lift, x)
            x += max(each.width for each in found) + COLUMN_GAP if found else 0.0
        for vpc, band in self.bands:
            left, right = min(each.x for each in band) - FRAME, max(each.x + each.width for each in band) + FRAME
            top, bottom = min(each.y for each in band) - FRAME_TOP, max(each.y + each.height for each in band) + FRAME
            name = vpc.name if vpc.name == vpc.id else f"{vpc.name} ({vpc.id})"
            note = f"{vpc.details['cidr']} · {vpc.region} · account {vpc.account}"
            picture.frames.append(Frame("vpc", f"VPC {name}", note, left, top, right - left, bottom - top))
        picture.shapes = everything
        picture.wires = list(self._wires())
        bottoms = [each.y + each.height for each in everything] + [each.y + each.height for each in picture.frames]
        rights = [each.x + each.width for each in [*everything, *picture.frames]]
        picture.width = max([*rights, 640.0]) + MARGIN
        picture.height = max([*bottoms, 160.0]) + 64
        return picture

    def _wires(self) -> Iterable[Wire]:
        """One wire for each pair of shapes that an edge joins (folds join many edges in one)."""
        drawn: set[tuple[int, int]] = set()
        stood = [shape for column in self.columns.values() for shape in column]
        for edge in self.index.graph.edges:
            source, target = self.shape.get(edge.source), self.shape.get(edge.target)
            inner = source is None or target is None or source is target
            if inner or source is None or target is None or (id(source), id(target)) in drawn:
                continue
            if target.kind in ("record", "rule", "certificate", "load-balancer-node") and source.kind != "record":
                continue  # drawn inside
            if target.x < source.x + source.width:
                continue  # within it, or a record that leads to another one: its text says so
            drawn.add((id(source), id(target)))
            state = health(self.index.by_id[edge.target].state)
            label = edge.label.removeprefix("forward").strip() if edge.weight is not None else ""
            ends = target.kind in ("target", "function", "function-version")
            wire = Wire(source, target, label, state if ends else "", weak=edge.weight == 0 or (ends and state == BAD))
            between = [each for each in stood if source.x + source.width < each.x < target.x - each.width]
            wire.lane = lane((source.middle + target.middle) / 2, between) if between else None
            yield wire


def _put(shape: Shape, y: float, x: float | None = None) -> None:
    if isinstance(shape, Area):
        shape.place(shape.x if x is None else x, y)
    else:
        shape.x, shape.y = shape.x if x is None else x, y


def _spread(wanted: Sequence[float], found: Sequence[Shape], gap: float) -> None:
    for shape, top in zip(found, spread(wanted, [each.height for each in found], gap), strict=True):
        _put(shape, top)


def _summary(index: Index) -> str:
    kinds = (
        ("hosted-zone", "hosted zone"), ("accelerator", "accelerator"), ("distribution", "distribution"),
        ("api", "API"), ("website", "website"),
        ("load-balancer", "load balancer"), ("listener", "listener"), ("rule", "rule"),
        ("target-group", "target group"), ("target", "target"), ("function", "function"),
    )  # fmt: skip
    counts = [counted(len(found), noun) for kind, noun in kinds if (found := index.kind(kind))]
    return " · ".join(counts) or "nothing is deployed yet"


def picture(graph: Graph) -> Picture:
    """The drawing of a graph."""
    return Layout(graph).picture()
