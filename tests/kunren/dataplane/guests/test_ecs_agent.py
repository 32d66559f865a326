"""What the ECS agent understands of its configuration."""

import pytest

from kunren.dataplane.guests.ecs_agent import stop_timeout_ms


@pytest.mark.parametrize(
    ("told", "milliseconds"),
    [("10s", 10_000), ("1m30s", 90_000), ("1.5h", 5_400_000), ("2m", 120_000), ("500ms", 0), ("10", 0), ("", 0),
     ("soon", 0), ("-5s", 0)],
)  # fmt: skip
def test_a_stop_timeout_is_a_duration_of_a_second_or_more(told, milliseconds):
    assert stop_timeout_ms(told) == milliseconds
