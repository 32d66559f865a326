"""When schedules are due."""

from kunren.services.scheduler.model import Schedule
from kunren.services.scheduler.service import next_after


def made(expression):
    return Schedule(
        account="0", region="us-east-1", id="default/a", group="default", name="a", expression=expression, window={},
        target={}, created_at=0, modified_at=1_000, since=0,
    )  # fmt: skip


def test_what_happens_once_is_due_until_it_is_done():
    assert next_after(made("at(1970-01-01T01:00:00)"), 9_000) == 3_600  # it came due while nobody ran


def test_what_was_over_when_it_was_told_is_never_due():
    assert next_after(made("at(1970-01-01T00:10:00)"), 0) is None
