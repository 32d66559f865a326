"""AWS time never goes back at a restart."""

import asyncio
import json

import pytest

from kunren.core.clock import SystemClock
from kunren.core.timekeeping import ahead_at_start, keep_time


def noted(clock, path):
    async def run():
        keeping = asyncio.ensure_future(keep_time(clock, path))
        await asyncio.sleep(0.05)
        keeping.cancel()

    asyncio.run(run())


def test_a_fast_clock_goes_on_a_second_farther_than_was_noted(tmp_path):
    path = tmp_path / "time.json"
    assert ahead_at_start(path) == 0.0
    first = SystemClock(60, ahead=1000)
    noted(first, path)
    said = json.loads(path.read_bytes())
    assert 1000 <= said["seconds"] < 1100
    assert ahead_at_start(path) == said["seconds"] + 59
    slow = SystemClock(1, ahead_at_start(path))
    assert slow.now() > first.now() - 60
    noted(slow, path)  # real time has not caught up, so it is still noted
    assert json.loads(path.read_bytes())["speed"] == 1
    assert ahead_at_start(path) == pytest.approx(said["seconds"] + 59, abs=0.1)


def test_a_clock_that_keeps_real_time_writes_nothing(tmp_path):
    noted(SystemClock(), tmp_path / "time.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", '{"seconds": "x", "speed": 1}', "[]"])
def test_a_note_that_cannot_be_read_is_none(tmp_path, text, caplog):
    (tmp_path / "time.json").write_text(text)
    assert ahead_at_start(tmp_path / "time.json") == 0.0
    assert "AWS time begins at real time" in caplog.text
