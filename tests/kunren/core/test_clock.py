"""Ticks of the clock."""

from __future__ import annotations

import asyncio

from kunren.core.clock import SimClock, ticks


def test_ticks_are_whole_multiples_and_those_missed_are_left_out():
    async def main():
        clock = SimClock(130.0)
        found = ticks(clock, 60)

        async def next_after(seconds):
            waiting = asyncio.ensure_future(anext(found))
            await asyncio.sleep(0)
            clock.advance(seconds - 1)
            await asyncio.sleep(0)
            assert not waiting.done()
            clock.advance(1)
            return await waiting

        assert await next_after(50) == 180.0
        clock.advance(130)  # what is done takes that long
        assert await next_after(50) == 360.0
        await found.aclose()

    asyncio.run(main())
