"""As many at once as the minimum leaves, and the verdict that AWS's pages give for their examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kunren.services.codedeploy.platforms.scheduling import limits, ordered, plan, zonal
from kunren.services.codedeploy.predefined import configs


def carried_out(config, minimum, count, failing):
    """The largest number at once, the verdict, and how many were never begun."""
    states = {f"i-{number:02}": "Pending" for number in range(count)}
    allowed, most = limits(config, minimum, count), 0
    while True:
        begin, verdict = plan(states, list(states), allowed)
        if verdict is not None:
            return most, verdict, sum(each == "Pending" for each in states.values())
        states.update(dict.fromkeys(begin, "InProgress"))
        busy = [each for each in states if states[each] == "InProgress"]
        most = max(most, len(busy))
        states[busy[0]] = "Failed" if int(busy[0][2:]) in failing else "Succeeded"


@pytest.mark.parametrize(
    ("name", "count", "failing", "found"),
    [
        ("AllAtOnce", 9, set(range(8)), (9, True, 0)),
        ("AllAtOnce", 9, set(range(9)), (9, False, 0)),
        ("HalfAtATime", 9, set(), (4, True, 0)),
        ("HalfAtATime", 9, {0, 1, 2, 3}, (4, False, 5)),
        ("HalfAtATime", 9, {5, 6, 7, 8}, (4, True, 0)),
        ("OneAtATime", 9, {0}, (1, False, 8)),
        ("OneAtATime", 9, {8}, (1, True, 0)),
        ("OneAtATime", 1, set(), (1, True, 0)),
        ("OneAtATime", 1, {0}, (1, False, 0)),
        ("HalfAtATime", 1, set(), (1, True, 0)),
    ],
)
def test_predefined_configurations(name, count, failing, found):
    config = configs("", "")[f"CodeDeployDefault.{name}"]
    assert carried_out(config.id, config.minimum, count, failing) == found


def test_the_examples_of_a_group_of_ten():
    assert limits("own", {"type": "FLEET_PERCENT", "value": 95}, 10).out == 0
    assert carried_out("own", {"type": "HOST_COUNT", "value": 9}, 10, {3}) == (1, False, 6)
    assert carried_out("own", {"type": "HOST_COUNT", "value": 8}, 10, {3, 4}) == (2, False, 5)
    assert carried_out("own", {"type": "HOST_COUNT", "value": 8}, 10, {3, 9}) == (2, True, 0)
    assert carried_out("own", {"type": "HOST_COUNT", "value": 0}, 10, set(range(10))) == (10, False, 0)


@given(some.integers(1, 12), some.integers(0, 11), some.sets(some.integers(0, 11)))
def test_the_minimum_stays_healthy(count, minimum, failing):
    if minimum >= count:
        return
    most, verdict, left = carried_out("own", {"type": "HOST_COUNT", "value": minimum}, count, failing)
    assert most <= count - minimum
    failed = len([each for each in failing if each < count - left])
    assert failed <= count - minimum
    assert verdict == (count - failed - left >= max(minimum, 1) and not left)


def test_those_that_failed_come_first():
    health = {"i-a": "new", "i-b": "old", "i-d": ""}
    assert ordered(["i-a", "i-b", "i-c", "i-d"], health, "new") == ["i-d", "i-c", "i-b", "i-a"]


def test_zones_come_one_after_the_other_each_a_while_behind_the_last():
    config = {
        "firstZoneMonitorDurationInSeconds": 600, "monitorDurationInSeconds": 60,
        "minimumHealthyHostsPerZone": {"type": "HOST_COUNT", "value": 1},
    }  # fmt: skip
    zones = {"i-1": "b", "i-2": "a", "i-3": "a", "i-4": "c"}
    states, ended, order = dict.fromkeys(zones, "Pending"), {}, sorted(zones)
    assert zonal(config, states, zones, ended, order, 4, 0.0) == (("i-2",), 0.0)
    states["i-2"] = "InProgress"
    assert zonal(config, states, zones, ended, order, 3, 0.0) == ((), 0.0)  # one of two in the zone at a time
    states.update({"i-2": "Succeeded", "i-3": "Succeeded"})
    ended.update({"i-2": 10.0, "i-3": 20.0})
    assert zonal(config, states, zones, ended, order, 4, 100.0) == ((), 520.0)
    assert zonal(config, states, zones, ended, order, 4, 620.0) == (("i-1",), 0.0)
    assert zonal(config, states, zones, ended, order, 0, 620.0) == ((), 0.0)
    states["i-1"], ended["i-1"] = "Succeeded", 700.0
    assert zonal(config, states, zones, ended, order, 4, 701.0) == ((), 59.0)
    assert zonal(config, states, zones, ended, order, 4, 760.0) == (("i-4",), 0.0)
    states["i-4"] = "Succeeded"
    assert zonal(config, states, zones, ended, order, 4, 800.0) == ((), 0.0)
