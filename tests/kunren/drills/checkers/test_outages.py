import math

import numpy
from hypothesis import given
from hypothesis import strategies as st

from kunren.drills.checkers.operations import Operations, operations_of
from kunren.drills.checkers.outages import Standing, outages, recovery
from kunren.drills.history import Event


def operations(starts, good, took=0.01):
    count = len(starts)
    outcome = numpy.where(good, Event.OK, Event.FAIL)
    start = numpy.array(starts, dtype=float)
    zeros = numpy.zeros(count)
    return Operations(zeros, numpy.arange(count), start, start + took, outcome, zeros, zeros)


def test_the_recovery_time_is_from_the_fault_to_the_first_answer_after_the_last_error():
    starts = [each / 10 for each in range(100)]
    chosen = operations(starts, [not 3.0 < each < 5.0 for each in starts])
    found = recovery(chosen, Standing("fault", 2.95), 1.0, 1.0, 10.0)
    assert math.isclose(found.rto_s, 5.01 - 2.95, abs_tol=1e-9)


def test_errors_that_come_back_within_the_steady_time_are_one_outage():
    starts = [each / 10 for each in range(100)]
    chosen = operations(starts, [each not in (3.0, 3.5, 6.0) for each in starts])
    assert [(each.start_s, each.last_bad_s) for each in outages(chosen, 1.0, 1.0, 10.0)] == [(3.0, 3.5), (6.0, 6.0)]
    assert [(each.start_s, each.last_bad_s) for each in outages(chosen, 3.0, 1.0, 10.0)] == [(3.0, 6.0)]


def test_an_outage_that_begins_when_the_fault_is_healed_is_not_the_faults():
    starts = [each / 10 for each in range(100)]
    chosen = operations(starts, [not (2.0 <= each < 3.0 or 6.0 <= each < 7.0) for each in starts])
    assert math.isclose(recovery(chosen, Standing("fault", 2.0, 5.9), 1.0, 1.0, 10.0).rto_s, 1.01)
    assert math.isclose(recovery(chosen, Standing("fault", 2.0, 6.5), 1.0, 1.0, 10.0).rto_s, 5.01)


def test_an_operation_under_way_when_the_fault_comes_counts():
    chosen = operations([0.0, 1.0, 2.0, 3.0], [True, False, True, True], took=0.5)
    assert math.isclose(recovery(chosen, Standing("fault", 1.2), 0.5, 1.0, 4.0).rto_s, 2.5 - 1.2)


def test_no_error_is_no_outage_and_one_that_lasts_has_no_end():
    starts = [each / 10 for each in range(100)]
    assert recovery(operations(starts, [True] * 100), Standing("fault", 2.0), 1.0, 1.0, 10.0).rto_s == 0.0
    lasting = recovery(operations(starts, [each < 3 for each in starts]), Standing("fault", 2.0), 1.0, 1.0, 10.0)
    assert lasting.rto_s is None
    assert lasting.watched_s == 8.0


def test_where_nobody_asks_after_the_fault_nothing_is_known():
    chosen = operations([0.0, 1.0, 2.0], [True] * 3, took=0.5)
    for fault_s in (2.2, 5.0):
        found = recovery(chosen, Standing("fault", fault_s), 1.0, 1.0, 10.0)
        assert (found.rto_s, found.idle) == (None, True)
    hung = operations([0.0, 1.0, 2.0], [True, True, False], took=0.5)
    found = recovery(hung, Standing("fault", 2.2), 1.0, 1.0, 10.0)
    assert (found.rto_s, found.idle) == (None, False)


def test_the_end_needs_a_steady_time_that_was_watched():
    starts = [each / 10 for each in range(100)]
    chosen = operations(starts, [each != 9.5 for each in starts])
    assert recovery(chosen, Standing("fault", 2.0), 1.0, 1.0, 10.0).rto_s is None


def test_a_success_share_forgives_a_stray_error_but_no_outage():
    starts = [each / 100 for each in range(1000)]
    stray = operations(starts, [each != 5.0 for each in starts])
    assert outages(stray, 1.0, 0.98, 10.0) == []
    outage = operations(starts, [not 5.0 <= each < 6.0 for each in starts])
    (found,) = outages(outage, 1.0, 0.98, 10.0)
    assert 4.9 < found.start_s < 5.1
    assert 5.9 < found.last_bad_s < 6.1


def naive(starts, good, fault_s, steady_s, until_s):
    """The definition, word by word, for healed never and 100 %."""
    bad = [start for start, fine in zip(starts, good, strict=True) if not fine and start + 0.01 >= fault_s]
    if not bad:
        return 0.0 if max(starts) >= fault_s else None
    after = [start + 0.01 for start, fine in zip(starts, good, strict=True) if fine and start > bad[-1]]
    if until_s - bad[-1] < steady_s or not after:
        return None
    return max(min(after) - fault_s, 0.0)


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.floats(0, 5), st.floats(0.05, 2))
def test_the_recovery_time_is_what_its_definition_says(good, fault_s, steady_s):
    starts = [each / 10 for each in range(len(good))]
    until_s = len(good) / 10
    found = recovery(operations(starts, good), Standing("fault", fault_s), steady_s, 1.0, until_s)
    wanted = naive(starts, good, fault_s, steady_s, until_s)
    assert (found.rto_s is None) == (wanted is None)
    assert wanted is None or math.isclose(found.rto_s, wanted, abs_tol=1e-9)


def test_an_operation_of_which_nothing_was_heard_is_unknown(made):
    found = operations_of(made().operation(0, 10).operation(1, 20, None).history())
    assert found.outcome.tolist() == [Event.OK, Event.UNKNOWN]
    assert found.end.tolist() == [0.011, math.inf]
