"""A guest that can't be frozen whole runs on."""

import asyncio

import pytest

from kunren.core.clock import SimClock
from kunren.dataplane.guests.guests import RunningGuest


class Group:
    def __init__(self, *answers):
        self.answers, self.thawed = iter(answers), 0

    def frozen(self):
        if isinstance(told := next(self.answers, False), OSError):
            raise told
        return told

    def thaw(self):
        self.thawed += 1


@pytest.mark.parametrize(
    ("answers", "frozen", "thawed"),
    [([False, True], True, 0), ([False, PermissionError(1, "Operation not permitted")], False, 1), ([], False, 1)],
)
def test_it_is_frozen_whole_or_not_at_all(answers, frozen, thawed):
    group = Group(*answers)
    clock = SimClock()

    async def tried():
        freezing = asyncio.create_task(RunningGuest(None, group, None).freeze(clock))
        while not freezing.done():
            await asyncio.sleep(0)
            clock.advance(1.0)
        return await freezing

    assert (asyncio.run(tried()), group.thawed) == (frozen, thawed)
