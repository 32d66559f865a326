"""How many instances tasks need."""

import pytest

from kunren.services.ecs.capacity import demand

LARGE = (2048, 4096)


@pytest.mark.parametrize(
    ("waiting", "more"),
    [
        ([], 0),
        ([(1024, 1024)], 1),
        ([(1024, 1024)] * 5, 3),
        ([(1024, 1024)] * 5 + [(256, 3000)] * 4, 4),
        ([(4096, 1024)], 0),
        ([(0, 512)] * 9, 2),
    ],
)
def test_the_largest_group_of_like_tasks_counts(waiting, more):
    assert demand.needed(waiting, LARGE, 1, 10_000) == more


def test_steps_bound_it():
    assert demand.needed([(1024, 1024)] * 40, LARGE, 1, 5) == 5
    assert demand.needed([(1024, 1024)], LARGE, 3, 5) == 3
    assert demand.needed([], LARGE, 3, 5) == 0


@pytest.mark.parametrize(
    ("used", "more", "there", "percent"),
    [(0, 0, 0, 100), (0, 3, 0, 200), (2, 2, 2, 200), (1, 0, 2, 50), (2, 0, 2, 100)],
)
def test_the_reservation(used, more, there, percent):
    assert demand.reservation(used, more, there) == percent
