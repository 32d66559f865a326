"""A guest whose file system can't be mounted leaves nothing behind."""

import asyncio
import os
from pathlib import Path

import pytest

from kunren.dataplane.guests.guests import Guests, GuestSpec


class Held:
    """A control group, and the tree of it."""

    tree = Path("/")

    def __init__(self, descriptor):
        self.descriptor, self.discarded = descriptor, []

    def make(self, *_):
        return self

    def open(self):
        return [self.descriptor]

    def discard(self, group):
        self.discarded.append(group)


class Untouched:
    async def spawn(self, wanted):
        raise AssertionError("nothing is to be started")


class Refused:
    path = Path("/nowhere")

    def mount(self):
        raise OSError(28, "No space left on device")


def test_its_control_group_is_let_go_of():
    groups = Held(os.open("/dev/null", os.O_RDONLY))
    spec = GuestSpec("g", "ns", Path("/own"), "h", argv=("/x",), disk=Refused())
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(Guests(Untouched(), groups, Path("/bundle")).start(spec))
    assert groups.discarded == [groups]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(groups.descriptor)
