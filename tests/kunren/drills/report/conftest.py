"""A page of a history that was made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kunren.drills.checkers.judge import judge
from kunren.drills.history import NOTE, RECORDS, History, HistoryWriter, read_history
from kunren.drills.report.page import page


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[History], History]:
    """`saved(history)`: the same, read from a file."""

    def save(history: History) -> History:
        writer = HistoryWriter(tmp_path / "made.history")
        for each in history.notes:
            writer.frame(NOTE, msgspec.json.encode(each))
        writer.frame(RECORDS, history.records.tobytes())
        writer.close()
        return read_history(writer.path)

    return save


@pytest.fixture
def report(made: Any, saved: Any) -> Callable[..., tuple[str, Any, History]]:
    """`report(title=...)`: the page, the result and the history of an outage of two seconds."""

    def make(**header: Any) -> tuple[str, Any, History]:
        told = made(objectives={"rto": 1.5, "availability": 0.5}, faults=["<b>a fault</b>"], **header)
        told.every(10, 10_000, lambda at: 3000 <= at < 5000).fault(3000, 8000, name="<b>a fault</b>")
        told.note("picture", 1, svg='<?xml version="1.0"?><svg id="drawn"></svg>')
        told.note("health", 3500, what="target a", before="healthy", now="unhealthy")
        history = saved(told.ended(10_000))
        result = judge(history)
        return page(result, history), result, history

    return make
