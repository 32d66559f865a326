from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kunren.drills.checkers.operations import operations_of
from kunren.drills.checkers.writes import fate, seen_records
from kunren.drills.history import Event


def judged(made, count, seen, *, fault_s=None, unknown=()):
    history = made()
    for number in range(count):
        history.operation(number, number * 100, 0, Event.UNKNOWN if number in unknown else Event.OK)
    told = history.seen(*seen).history()
    return fate(operations_of(told), seen_records(told.records, {1}), fault_s)


def test_the_recovery_point_is_the_last_write_before_which_nothing_is_lost(made):
    found = judged(made, 10, [0, 1, 2, 3, 4], fault_s=0.9)
    assert (found.acknowledged, found.lost, found.rpo_s) == (10, 5, 0.5)
    assert judged(made, 10, range(10), fault_s=0.5).rpo_s == 0.0
    # a hole counts from the hole on, not from the last that survived
    assert judged(made, 10, [0, 1, 3, 4, 5, 6, 7, 8, 9], fault_s=1.0).rpo_s == 0.9


def test_a_write_that_was_not_acknowledged_may_be_there_or_not(made):
    assert judged(made, 10, range(9), unknown=(9,)).lost == 0
    assert judged(made, 10, range(10), unknown=(9,)).lost == 0


def test_what_came_twice_or_late_is_counted(made):
    found = judged(made, 5, [0, 2, 1, 3, 3, 4])
    assert (found.lost, found.duplicated, found.reordered) == (0, 1, 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 30), max_size=60), st.integers(0, 31))
def test_the_counts_are_what_their_definitions_say(made, seen, count):
    found = judged(made, count, seen)
    assert found.lost == len(set(range(count)) - set(seen))
    assert found.duplicated == sum(seen.count(each) > 1 for each in set(seen))
    firsts = list(dict.fromkeys(seen))
    assert found.reordered == sum(any(before > each for before in firsts[:at]) for at, each in enumerate(firsts))
    assert found.rpo_s == 0 or found.lost
