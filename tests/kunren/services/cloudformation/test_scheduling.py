"""Order: everything behind what it waits for, and what a failure stops."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from kunren.services.cloudformation.scheduling import heights, in_order, reversed_waits


@st.composite
def graphs(draw):
    size = draw(st.integers(1, 30))
    edges = draw(st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), max_size=60))
    needs = {str(n): set() for n in range(size)}
    for one, two in edges:
        if one < two:
            needs[str(two)].add(str(one))
    return {name: frozenset(each) for name, each in needs.items()}


def went(waits, failing=frozenset(), stop=None):
    done = []

    async def do(name):
        await asyncio.sleep(0)
        done.append(name)
        return name not in failing

    return done, asyncio.run(in_order(waits, do, failed=stop))


@given(graphs())
def test_each_comes_behind_what_it_waits_for(waits):
    done, failed = went(waits)
    assert sorted(done) == sorted(waits) and failed == []
    assert all(done.index(each) < done.index(name) for name, needs in waits.items() for each in needs)
    back, _ = went(reversed_waits(waits))
    assert all(back.index(each) > back.index(name) for name, needs in waits.items() for each in needs)


@given(graphs(), st.data())
def test_nothing_is_done_behind_a_failure_and_all_else_is(waits, data):
    failing = data.draw(st.sets(st.sampled_from(sorted(waits)), min_size=1))
    done, failed = went(waits, failing)

    def behind(name):
        return any(each in failing or behind(each) for each in waits[name])

    assert set(done) == {name for name in waits if not behind(name)}
    assert failed == sorted(failing & set(done))


def test_what_a_long_chain_waits_for_goes_first():
    waits = {"a": frozenset(), "b": frozenset(), "c": frozenset("b"), "d": frozenset("c"), "e": frozenset("a")}
    assert heights({name: set(each) for name, each in waits.items()}, {"a": ["e"], "b": ["c"], "c": ["d"]}) == {
        "a": 1, "b": 2, "c": 1, "d": 0, "e": 0,
    }  # fmt: skip
    assert went(waits)[0][0] == "b"


def test_the_first_failure_may_stop_the_rest():
    told = []
    done, failed = went({"a": frozenset(), "b": frozenset("a"), "c": frozenset("b")}, {"a"}, lambda: told.append(1))
    assert (done, failed, told) == (["a"], ["a"], [1])
