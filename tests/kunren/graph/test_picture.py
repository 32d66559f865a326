"""Standing near to where one is wanted, without overlapping; lines that pass between shapes."""

from hypothesis import given
from hypothesis import strategies as st

from kunren.graph.picture import Area, Box, Text, lane, spread

HEIGHTS = st.lists(st.tuples(st.floats(-1000, 1000), st.floats(1, 100)), min_size=1, max_size=30)


@given(HEIGHTS)
def test_shapes_keep_their_order_and_distance(shapes):
    shapes.sort()
    heights = [height for _, height in shapes]
    tops = spread([wanted for wanted, _ in shapes], heights, 10)
    for (top, height), below in zip(zip(tops, heights, strict=True), tops[1:], strict=False):
        assert below >= top + height + 10 - 1e-6


@given(HEIGHTS)
def test_shapes_with_room_stand_exactly_where_they_are_wanted(shapes):
    wanted = [number * 500.0 for number in range(len(shapes))]
    heights = [height for _, height in shapes]
    tops = spread(wanted, heights, 10)
    assert [round(top + height / 2, 6) for top, height in zip(tops, heights, strict=True)] == wanted


def test_neighbours_that_want_the_same_place_share_the_way_around_it():
    assert spread([100, 100], [20, 20], 10) == [75, 105]


@given(st.floats(-200, 400), st.lists(st.floats(-200, 400), max_size=8))
def test_a_lane_passes_every_obstacle(wanted, tops):
    obstacles = [Box((), "target", [Text("x")], 100, y=top) for top in tops]
    found = lane(wanted, obstacles)
    y = wanted if found is None else found
    assert all(not each.y - 9 < y < each.y + each.height + 9 for each in obstacles)


def test_what_is_in_an_area_lies_inside_of_it():
    boxes = [Box((), "rule", [Text("one"), Text("two")], 100), Box((), "rule", [Text("three")], 120)]
    area = Area("listener", [Text("HTTP :80", "title")], list(boxes))
    area.place(50, 60)
    for box in boxes:
        assert area.x < box.x and box.x + box.width < area.x + area.width
        assert area.y < box.y and box.y + box.height < area.y + area.height
    assert boxes[0].y + boxes[0].height < boxes[1].y
