"""What policies make of a group's capacity: the figures of the user guide's examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.autoscaling import scaling
from kunren.services.autoscaling.model import Policy, Step
from kunren.services.autoscaling.scaling import Capacity

UP = (
    Step(by=0, lower=0, upper=10),
    Step(by=10, lower=10, upper=20),
    Step(by=30, lower=20),
    Step(by=-10, lower=-20, upper=-10),
    Step(by=-30, upper=-20),
    Step(by=0, lower=-10, upper=0),
)


def policy(adjustment="PercentChangeInCapacity", **given):
    return Policy(id="1", type="StepScaling", adjustment=adjustment, **given)


@pytest.mark.parametrize(
    ("by", "base", "changed"), [(10, 4, 1), (30, 4, 1), (25, 51, 12), (-40, 1, -1), (-67, 10, -6), (0, 5, 0)]
)
def test_percents_are_rounded_as_the_user_guide_says(by, base, changed):
    assert scaling.change(policy(), by, base) == changed


def test_a_magnitude_is_the_least_that_percents_change():
    assert scaling.change(policy(magnitude=2), 25, 4) == 2
    assert scaling.change(policy(magnitude=2), -25, 4) == -2


def test_the_example_of_two_steps_while_instances_warm_up():
    """60 percent: 10 grow to 11; 70 percent while the eleventh warms up: by 3 from 10, to 13."""
    assert scaling.step_of(UP, 9).by == 0
    assert scaling.stepped(policy(), scaling.step_of(UP, 10), Capacity(10, 10, 0, 100)) == 11
    assert scaling.stepped(policy(), scaling.step_of(UP, 10), Capacity(11, 10, 0, 100)) == 11
    assert scaling.stepped(policy(), scaling.step_of(UP, 20), Capacity(11, 10, 0, 100)) == 13


def test_nothing_shrinks_while_something_warms_up():
    assert scaling.stepped(policy(), scaling.step_of(UP, -25), Capacity(10, 10, 0, 100)) == 7
    assert scaling.stepped(policy(), scaling.step_of(UP, -25), Capacity(10, 9, 0, 100)) == 10


def test_bounds_belong_to_the_step_that_is_farther_from_zero():
    assert scaling.step_of(UP, 20).by == 30
    assert scaling.step_of(UP, -10).by == -10
    assert scaling.step_of((Step(by=1, lower=0),), -1) is None


def test_steps_neither_overlap_nor_leave_gaps():
    assert scaling.steps_fit(UP) is None
    assert "overlap" in scaling.steps_fit((Step(by=1, lower=0, upper=10), Step(by=2, lower=5)))
    assert "gaps" in scaling.steps_fit((Step(by=1, lower=0, upper=10), Step(by=2, lower=15)))
    assert "upper" in scaling.steps_fit((Step(by=1, lower=0, upper=10),))


def test_tracking_is_proportional_and_shrinks_only_where_it_may():
    held = Capacity(4, 4, 1, 10)
    assert scaling.tracked(75, 50, held, shrinks=False) == 6
    assert scaling.tracked(20, 50, held, shrinks=True) == 2
    assert scaling.tracked(20, 50, held, shrinks=False) == 4


def test_those_that_terminate_are_there_still_where_a_group_shrinks():
    """As the user guide has it of scaling in: what is terminating is part of the current capacity."""
    assert scaling.tracked(50, 100, Capacity(2, 2, 0, 10, leaving=2), shrinks=True) == 2
    assert scaling.tracked(25, 100, Capacity(2, 2, 0, 10, leaving=2), shrinks=True) == 1
    assert scaling.stepped(policy("ChangeInCapacity"), Step(by=-2, upper=0), Capacity(2, 2, 0, 10, leaving=2)) == 2
    assert scaling.stepped(policy("ChangeInCapacity"), Step(by=-3, upper=0), Capacity(2, 2, 0, 10, leaving=2)) == 1


@given(st.floats(0, 1e6), st.floats(0.1, 1e6), st.integers(0, 50), st.integers(0, 50), st.booleans())
def test_capacity_stays_within_the_group(value, target, desired, coming, shrinks):
    held = Capacity(desired, max(0, desired - coming), 0, 50)
    wanted = scaling.tracked(value, target, held, shrinks=shrinks)
    assert 0 <= wanted <= 50
    assert wanted >= desired if value > target or not shrinks else wanted <= desired
