"""A Kunren that is killed (SIGKILL), and what must hold of it then."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

from benchmarks.instance import Instance
from benchmarks.leftovers import Footprint

LONGEST_S = 300.0


class Problem(Exception):
    """Something that must not be."""


def drawn_seed() -> int:
    """The chance of the moments: KUNREN_SEED, or another one each time."""
    return int(os.environ.get("KUNREN_SEED") or random.randrange(1 << 32))


def until(problem: Callable[[], str], within_s: float = LONGEST_S) -> None:
    """Wait until there is none. Raises Problem."""
    ending = time.monotonic() + within_s
    while text := problem():
        if time.monotonic() > ending:
            raise Problem(f"after {within_s:.0f} s: {text}")
        time.sleep(0.1)


def kill(kunren: Instance) -> None:
    """At once, and look that nothing runs on. Its control groups and its run folder are the next start's."""
    footprint = Footprint(kunren.state, kunren.pid)
    os.kill(kunren.pid, signal.SIGKILL)
    if running := footprint.left(after_a_kill=True):
        raise Problem("after a kill: " + "; ".join(running))


def down(kunren: Instance) -> None:
    """Down, which must leave nothing on the machine, and up again, to be ended as others are. Raises Problem."""
    footprint = Footprint(kunren.state, kunren.pid)
    kunren.down()
    left = footprint.left()
    kunren.up()
    if left:
        raise Problem("left behind: " + "; ".join(left))
