"""AWS time goes on where it was: a clock that runs faster than real time is ahead of it when Kunren ends, and what was
made then must not lie in the future after the next start.

While AWS time is ahead, a small file says by how much. It is written anew every second, so `kill -9` costs nothing:
the next start begins a second farther on than the file says.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from kunren.core.clock import Clock

log = logging.getLogger(__name__)
EVERY_S = 1.0
"""Real seconds between two notes."""
_SELDOM_S = 3600.0


class Ahead(msgspec.Struct, frozen=True):
    """How many seconds AWS time was ahead of real time, and how many times as fast it passed."""

    seconds: float
    speed: float


def ahead_at_start(path: Path) -> float:
    """By how many seconds AWS time is to be ahead of real time at first; 0.0 where it never was."""
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Ahead)
    except FileNotFoundError:
        return 0.0
    except (OSError, msgspec.DecodeError) as error:
        log.warning("AWS time begins at real time, since %s can't be read: %s", path, error)
        return 0.0
    return kept.seconds + max(0.0, kept.speed - 1) * EVERY_S


async def keep_time(clock: Clock, path: Path) -> None:
    """Note every second how far ahead AWS time is, as long as it is. Runs until it is cancelled."""
    while True:
        seconds = clock.now() - clock.wall()
        ahead = seconds > EVERY_S or clock.speed > 1
        if ahead:
            try:
                _write(path, Ahead(seconds, clock.speed))
            except OSError as error:
                log.warning("how far AWS time is ahead can't be noted: %s", error)
        await clock.wall_sleep(EVERY_S if ahead else _SELDOM_S)


def _write(path: Path, ahead: Ahead) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(ahead))
    new.replace(path)
