"""What a guest left on its disk, or has for a working directory, leads its next start nowhere outside."""

import asyncio
import os

from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SystemClock
from kunren.dataplane.guests import disk
from kunren.dataplane.guests.guests import Guests, GuestSpec
from kunren.settings import Settings
from kunren.world.cgroups import Cgroups
from kunren.world.world import World
from kunren.world.worldfile import DEFAULT_WORLD

DESCRIPTORS = range(3, 40)  # one of them is the machine's "/" while a guest's root is made


def test_descriptors_of_the_agent_lead_no_guest_out(tmp_path):
    disk.make(root := tmp_path / "root")
    (outside := tmp_path / "outside").mkdir()
    (state := tmp_path / "state").mkdir()

    async def start(guests, namespace, **how):
        spec = GuestSpec("g", namespace, root, "guest", tmp_path / "log", argv=("/bin/true",), **how)
        try:
            return await (await guests.start(spec)).wait()
        except OSError as error:  # there is no such descriptor, or it is of no folder
            return error.errno

    async def run():
        clock = SystemClock()
        ca = CertificateAuthority.open(tmp_path / "ca", clock)
        world = World(Settings(state), DEFAULT_WORLD, clock)
        await world.start()
        groups = Cgroups(f"kunren-test-ways-{os.getpid()}")
        try:
            namespace = await world.ensure_place("tokyo")
            guests = Guests(world, groups, ca.bundle_path)
            assert await start(guests, namespace) == 0
            for number in DESCRIPTORS:
                way = f"/proc/self/fd/{number}{outside}"
                (root / "opt" / str(number)).symlink_to(way)
                await start(guests, namespace, cwd=f"{way}/cwd", binds={f"/opt/{number}/bind": str(state)})
                await start(guests, namespace, cwd=f"{way}/cwd")
        finally:
            await world.stop()
            groups.end()

    (tmp_path / "log").touch()
    asyncio.run(run())
    assert list(outside.iterdir()) == []
