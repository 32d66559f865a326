import pytest

from kunren.services.ecs.services.breaker import counted, is_open, threshold

ON = {"enable": True, "rollback": True}


@pytest.mark.parametrize(("desired", "failures"), [(1, 3), (4, 3), (25, 13), (400, 200), (800, 200)])
def test_half_of_the_desired_count_from_three_to_two_hundred(desired, failures):
    """The table of "How the Amazon ECS deployment circuit breaker detects failures"."""
    assert threshold(ON, desired) == failures
    assert not is_open(ON, desired, failures - 1)
    assert is_open(ON, desired, failures)


@pytest.mark.parametrize(
    ("kind", "value", "desired", "failures"),
    [("COUNT", 7, 100, 7), ("UNBOUNDED_PERCENT", 10, 5, 1), ("UNBOUNDED_PERCENT", 100, 500, 500), ("BOUNDED_PERCENT", 10, 5, 3)],
)  # fmt: skip
def test_a_threshold_of_ones_own(kind, value, desired, failures):
    assert threshold({**ON, "thresholdConfiguration": {"type": kind, "value": value}}, desired) == failures


def test_a_breaker_that_is_off_never_opens():
    assert not is_open({"enable": False, "rollback": False}, 1, 1000)


def test_a_healthy_task_resets_the_count_unless_told_otherwise():
    assert counted(ON, 2, more=1, healthy=False) == 3
    assert counted(ON, 2, more=1, healthy=True) == 0
    assert counted({**ON, "resetOnHealthyTask": False}, 2, more=1, healthy=True) == 3
