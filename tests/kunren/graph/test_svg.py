"""The drawing: nothing overlaps, nothing is lost, any text is safe, large states stay small and quick."""

import time
from xml.etree import ElementTree

import msgspec
import pytest

from kunren.graph.build import architecture
from kunren.graph.layout import picture
from kunren.graph.model import Graph, Node
from kunren.graph.picture import boxes_of
from kunren.graph.svg import svg

NAMESPACE = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(("balancers", "rules", "targets"), [(1, 0, 0), (1, 2, 3), (3, 5, 9), (5, 40, 60)])
def test_no_two_shapes_overlap_and_all_lie_on_the_sheet(shop, balancers, rules, targets):
    drawn = picture(architecture(shop(balancers, rules, targets).store.snapshot()))
    for number, one in enumerate(drawn.shapes):
        assert one.x >= 0 and one.y >= 0
        assert one.x + one.width <= drawn.width and one.y + one.height <= drawn.height
        for other in drawn.shapes[number + 1 :]:
            apart_x = one.x + one.width <= other.x or other.x + other.width <= one.x
            apart_y = one.y + one.height <= other.y + 1e-6 or other.y + other.height <= one.y + 1e-6
            assert apart_x or apart_y


@pytest.mark.parametrize(("balancers", "rules", "targets"), [(1, 2, 3), (3, 40, 60)])
def test_every_resource_is_drawn_or_counted_in_a_fold(shop, balancers, rules, targets):
    graph = architecture(shop(balancers, rules, targets).store.snapshot())
    drawn = picture(graph)
    shown = {id for box in boxes_of(drawn.shapes) for id in box.ids}
    shown |= {id for shape in drawn.shapes for id in shape.ids}
    wanted = ("load-balancer", "listener", "rule", "target-group", "target", "load-balancer-node")
    assert [each.id for each in graph.nodes if each.kind in wanted and each.id not in shown] == []


def test_wires_run_from_left_to_right_and_the_vpc_is_around_all_that_is_in_it(shop):
    drawn = picture(architecture(shop(2).store.snapshot()))
    assert drawn.wires
    for wire in drawn.wires:
        assert wire.source.x + wire.source.width < wire.target.x
    (frame,) = drawn.frames
    for shape in drawn.shapes:
        if shape.kind != "hosted-zone":
            assert frame.x < shape.x and shape.x + shape.width < frame.x + frame.width
            assert frame.y < shape.y and shape.y + shape.height < frame.y + frame.height


def test_the_document_is_svg_with_the_names_and_health_colours(shop):
    root = ElementTree.fromstring(svg(architecture(shop().store.snapshot())))
    texts = {each.text for each in root.iter(f"{NAMESPACE}text")}
    assert {"lb0", "HTTPS :443", "1 host is h0.shop.test", "g0", "10.0.0.100:8000", "Deployed architecture"} <= texts
    colours = [each.get("fill") for each in root.iter(f"{NAMESPACE}circle")]
    assert "#dc2626" in colours and "#16a34a" in colours


def test_markup_and_control_characters_in_names_are_text(shop):
    graph = architecture(shop().store.snapshot())
    nasty = tuple(
        msgspec.structs.replace(each, name='<script>"&\x07') if each.kind == "target-group" else each
        for each in graph.nodes
    )
    root = ElementTree.fromstring(svg(msgspec.structs.replace(graph, nodes=nasty)))
    assert '<script>"& ' in {each.text for each in root.iter(f"{NAMESPACE}text")}
    assert not list(root.iter(f"{NAMESPACE}script"))


def test_nothing_deployed_is_a_sheet_that_says_so():
    assert "nothing is deployed yet" in svg(Graph())


def test_a_node_whose_container_is_missing_is_drawn_all_the_same():
    function = Node(id="f", kind="function", name="f", state="Active", details={"runtime": "python3.13"})
    assert ">f<" in svg(Graph(nodes=(function,)))


def test_fifty_balancers_and_300_rules_of_one_listener_are_drawn_within_a_second(shop):
    many, tall = shop(50, 6, 20).store.snapshot(), shop(1, 300, 100).store.snapshot()
    for snapshot in (many, tall):
        graph = architecture(snapshot)
        start = time.process_time()
        document = svg(graph)
        assert time.process_time() - start < 1
        ElementTree.fromstring(document)
    assert "… and 282 more rules" in document
    assert picture(graph).height < 3000


def test_a_function_with_versions_is_an_area_around_them(shop, with_function):
    store = shop().store
    group = with_function(store)
    drawn = picture(architecture(store.snapshot()))
    (wire,) = [each for each in drawn.wires if each.source.ids == (group,)]
    assert [each.text for each in wire.target.lines] == ["alias live", "version 1 (90 %), version 2 (10 %)"]
