"""Which pools instances come from."""

import math

from hypothesis import given
from hypothesis import strategies as st

from kunren.services.ec2.instances import allocation
from kunren.services.ec2.instances.allocation import Pool

STRATEGIES = (
    "lowest-price", "diversified", "capacity-optimized", "capacity-optimized-prioritized", "price-capacity-optimized",
    "prioritized",
)  # fmt: skip
INF = math.inf


def counts(strategy, pools, missing, held=None, **more):
    return allocation.allocated(strategy, pools, missing, held or [0.0] * len(pools), **more)


def test_each_strategy_takes_its_pool():
    pools = [Pool(3, 5, 0), Pool(1, 2, 1), Pool(2, INF, 2)]
    assert counts("lowest-price", pools, 4) == [0, 2, 2]
    assert counts("prioritized", pools, 6) == [5, 1, 0]
    assert counts("capacity-optimized", pools, 4) == [0, 0, 4]
    assert counts("price-capacity-optimized", pools, 1) == [0, 1, 0]
    assert counts("diversified", pools, 6) == [2, 2, 2]
    assert counts("diversified", pools, 2, [4.0, 0.0, 4.0]) == [0, 2, 0]
    assert counts("lowest-price", pools, 5, spread=2) == [1, 2, 2]


def test_weights_count_units_and_the_last_instance_may_bring_more():
    """ "Use instance weighting": a target of 20 with instances of 6 units is 4 of them."""
    assert counts("lowest-price", [Pool(0.01, INF, weight=6)], 20) == [4]
    assert counts("lowest-price", [Pool(0.05, INF, weight=2), Pool(0.04, 1, weight=8)], 10) == [1, 1]


def test_money_bounds_what_is_launched():
    assert counts("lowest-price", [Pool(0.1, INF, weight=2)], 10, money=0.5) == [2]


def test_pools_of_one_source_share_its_room():
    pools = [Pool(1, 3, source="a"), Pool(2, 3, source="a"), Pool(3, 3, source="b")]
    assert counts("lowest-price", pools, 5) == [3, 0, 2]


def test_many_pools_and_instances_take_no_time():
    pools = [Pool(0.01 * number, 10_000, source=str(number)) for number in range(1, 751)]
    assert counts("diversified", pools, 10_000) == [14] * 250 + [13] * 500
    assert counts("lowest-price", pools, 10_000, spread=2)[:3] == [5000, 5000, 0]
    assert counts("lowest-price", pools, 2e9)[:2] == [10_000, 10_000]


def test_one_group_of_pools_takes_all():
    pools = [Pool(1, 2), Pool(1, 2), Pool(2, 9)]
    assert allocation.alike({"a": [0, 1], "b": [2]}, "lowest-price", pools, 3, [0, 0, 0]) == [2, 1, 0]
    assert allocation.alike({"a": [0], "b": [1], "c": [2]}, "lowest-price", pools, 3, [0, 0, 0]) == [0, 0, 3]
    assert allocation.alike({"a": [0]}, "lowest-price", [Pool(1, 0)], 3, [0]) == [0]


pool = st.builds(
    Pool,
    cost=st.floats(0.01, 5),
    room=st.integers(0, 6) | st.just(INF),
    priority=st.integers(0, 3),
    weight=st.sampled_from([0.5, 1.0, 2.0, 3.0]),
)


@given(st.sampled_from(STRATEGIES), st.lists(pool, min_size=1, max_size=5), st.integers(0, 20), st.integers(1, 3))
def test_what_there_is_room_for_is_filled_and_no_more(strategy, pools, missing, spread):
    found = counts(strategy, pools, missing, spread=spread)
    assert all(count <= each.room for count, each in zip(found, pools, strict=True))
    brought = allocation.units(pools, found)
    if brought < missing:
        assert all(count == each.room for count, each in zip(found, pools, strict=True))
    else:
        assert brought < missing + max(each.weight for each in pools)


@given(st.sampled_from(STRATEGIES), st.lists(pool, min_size=1, max_size=5), st.integers(0, 9), st.floats(0, 20))
def test_no_more_is_spent_than_allowed(strategy, pools, missing, money):
    found = counts(strategy, pools, missing, money=money)
    spent = sum(each.cost * each.weight * count for each, count in zip(pools, found, strict=True))
    assert spent <= money + 1e-6
