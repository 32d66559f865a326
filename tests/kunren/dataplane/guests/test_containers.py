"""Guests that share a root: what each changes is its own, by an overlay or by a copy, and stays when it starts again."""

from __future__ import annotations

import asyncio
import os

import pytest

from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SystemClock
from kunren.dataplane.guests import disk
from kunren.dataplane.guests.guests import Guests, GuestSpec
from kunren.settings import Settings
from kunren.world.cgroups import Cgroups
from kunren.world.world import World
from kunren.world.worldfile import DEFAULT_WORLD

SCRIPT = (
    "cat /opt/shared /opt/own 2>&1; ls /opt; pwd; echo mine > /opt/own; echo changed > /opt/shared; rm -f /opt/gone"
)


def test_guests_share_a_root_and_keep_what_they_change_to_themselves(tmp_path):
    shared = tmp_path / "a root, shared:here"  # mount options have commas and colons of their own
    disk.make(shared)
    for name in ("shared", "gone"):
        (shared / "opt" / name).write_text(f"{name}\n")

    async def told(guests, namespace, own):
        spec = GuestSpec(
            "g", namespace, own, "container", own.with_suffix(".log"), argv=("/bin/sh", "-c", SCRIPT), cwd="/new/folder",
            lower=shared,
        )  # fmt: skip
        spec.console.write_text("")
        assert await (await guests.start(spec)).wait() == 0
        return spec.console.read_text().replace("cat: /opt/own: No such file or directory\n", "").split()

    async def run():
        clock = SystemClock()
        ca = CertificateAuthority.open(tmp_path / "ca", clock)
        world = World(Settings(tmp_path / "state"), DEFAULT_WORLD, clock)
        (tmp_path / "state").mkdir()
        await world.start()
        groups = Cgroups(f"kunren-test-guests-{os.getpid()}")
        try:
            namespace = await world.ensure_place("tokyo")
            overlaid, copied = (Guests(world, groups, ca.bundle_path) for _ in range(2))
            copied._overlays = False
            for guests, name in ((overlaid, "one"), (overlaid, "other"), (copied, "copy")):
                own = tmp_path / name
                assert await told(guests, namespace, own) == ["shared", "gone", "shared", "/new/folder"]
                assert await told(guests, namespace, own) == ["changed", "mine", "own", "shared", "/new/folder"]
                disk.remove(own)
                assert not own.exists()
            return overlaid._overlays
        finally:
            await world.stop()
            groups.end()

    if not asyncio.run(run()):
        pytest.skip("this machine has no overlays for users; copies were made")
    assert (shared / "opt" / "shared").read_text() == "shared\n"
    assert sorted(each.name for each in (shared / "opt").iterdir()) == ["gone", "shared"]
