"""The launcher, started ahead of everything else."""

from __future__ import annotations

import asyncio

from kunren.core.clock import SystemClock
from kunren.settings import Settings
from kunren.world.launcher import launch
from kunren.world.world import World
from kunren.world.worldfile import DEFAULT_WORLD


def test_a_launcher_that_nobody_takes_up_ends_when_our_end_closes(tmp_path):
    launched = launch(tmp_path / "logs" / "world.log")
    launched.connection.close()
    assert launched.process.wait(10) == 0
    assert (tmp_path / "logs" / "world.log").read_text() == ""


def test_a_world_takes_up_the_launcher_that_it_is_given(state):
    async def story() -> None:
        launched = launch(state / "world.log")
        world = World(Settings(state), DEFAULT_WORLD, SystemClock(), launched=launched)
        await world.start()
        (await world.open_socket(await world.ensure_place("tokyo"))).close()
        await world.stop()
        assert launched.process.poll() is not None

    asyncio.run(story())
