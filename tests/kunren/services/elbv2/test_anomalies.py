"""Which targets stand out by their errors, and what that does to their weights."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.envoy.admin import Counted, parsed
from kunren.services.elbv2.anomalies import Counts, anomalous, next_weight

counts = st.tuples(st.integers(0, 1000), st.integers(0, 1000)).map(lambda each: Counts(max(each), min(each)))


def test_one_that_errs_among_three_stands_out():
    assert anomalous({"a": Counts(100, 0), "b": Counts(100, 1), "c": Counts(100, 40)}) == {"c"}
    assert anomalous({"a": Counts(100, 0), "b": Counts(100, 0), "c": Counts(100, 9)}) == frozenset()


def test_two_targets_cannot_be_compared_and_few_requests_say_nothing():
    assert anomalous({"a": Counts(100, 0), "b": Counts(100, 90)}) == frozenset()
    assert anomalous({"a": Counts(100, 0), "b": Counts(100, 0), "c": Counts(4, 4)}) == frozenset()


def test_when_all_err_none_stands_out():
    assert anomalous(dict.fromkeys("abc", Counts(100, 60))) == frozenset()


@given(st.dictionaries(st.integers(), counts, max_size=8))
def test_never_more_than_half_of_the_targets_stand_out(given_counts):
    assert len(anomalous(given_counts)) <= len(given_counts) / 2


def test_weight_falls_to_a_hundredth_and_comes_back_step_by_step():
    weights = [100]
    while weights[-1] > 1:
        weights.append(next_weight(weights[-1], True))
    assert weights == [100, 50, 25, 12, 6, 3, 1]
    assert next_weight(1, True) == 1
    while weights[-1] < 100:
        weights.append(next_weight(weights[-1], False))
    assert weights[6:] == [1, 2, 4, 7, 11, 17, 26, 40, 61, 92, 100]


@given(counts, counts)
def test_the_difference_of_totals_is_what_came_between(before, more):
    assert (before + more).since(before) == more


def test_a_total_that_shrank_began_anew():
    assert Counts(3, 1).since(Counts(100, 0)) == Counts(3, 1)


def test_envoys_clusters_are_read():
    body = b"""{"cluster_statuses": [{"name": "web/1/zone/app/2", "added_via_api": true, "host_statuses": [
      {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 80}}, "weight": 1, "health_status": {},
       "stats": [{"name": "cx_connect_fail", "value": "2"}, {"name": "rq_success", "value": "5"},
                 {"name": "rq_error", "value": "3"}, {"name": "cx_active", "type": "GAUGE"}]}]},
      {"name": "web/functions", "host_statuses": [{"address": {"pipe": {"path": "/x"}}, "stats": []}]}]}"""
    assert list(parsed(body)) == [
        Counted("web/1/zone/app/2", "10.0.0.1", 80, 10, 5),
        Counted("web/functions", "", 0, 0, 0),
    ]
