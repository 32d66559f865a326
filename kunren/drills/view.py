"""A drill while it runs: on a terminal one picture that moves, in a pipe one plain line a second."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from kunren.drills.live import Live, Slice

SECOND_NS = 1_000_000_000
WIDTH = 72
_BARS = " ▁▂▃▄▅▆▇█"


def line(at_ns: int, last: Slice) -> str:
    """One second in words."""
    p50, p99 = (percentile(last.took_ms, level) for level in (50, 99))
    return f"{at_ns / 1e9:7.1f} s  {last.sent:6d}/s  {last.ok:6d} ok  {last.bad:6d} bad  p50 {p50}  p99 {p99}"


def percentile(ordered: list[float], level: int) -> str:
    if not ordered:
        return "      –"
    return f"{ordered[min(len(ordered) * level // 100, len(ordered) - 1)]:7.1f} ms"


def event(note: dict[str, Any]) -> str:
    """A note in words."""
    at = f"{note['time_ns'] / 1e9:7.1f} s  "
    match note["note"]:
        case "steady":
            return at + "── steady"
        case "fault":
            return at + f"── {note['name']}: {note['state']}"
        case "health":
            return at + f"   {note['what']}: {note['before'] or 'not there'} → {note['now'] or 'gone'}"
    return at + ("── the end" if not note.get("reason") else f"── ended early: {note['reason']}")


class PlainView:
    """Lines, for a pipe or a log."""

    def __init__(self, out: IO[str], live: Live) -> None:
        self._out, self._live = out, live
        self.clock: Callable[[], int] | None = None
        self._shown_ns = 0

    def say(self, text: str) -> None:
        print(f"... {text}", file=self._out, flush=True)

    def refresh(self) -> None:
        if self.clock is None:
            return
        now = self.clock()
        while self._live.happened:
            print(event(self._live.happened.popleft()), file=self._out, flush=True)
        if now - self._shown_ns >= SECOND_NS:
            self._shown_ns = now
            last = self._live.over(now - 2 * SECOND_NS, now - SECOND_NS)
            if last.sent:
                print(line(now, last), file=self._out, flush=True)

    def end(self) -> None:
        self.refresh()


class TerminalView(PlainView):
    """A picture: what is sent and what fails, second by second, with what happened below."""

    def __init__(self, out: IO[str], name: str, live: Live) -> None:
        super().__init__(out, live)
        from rich.console import Console
        from rich.live import Live as Picture

        self._name = name
        self._said = ""
        self._seconds: deque[Slice] = deque(maxlen=WIDTH)
        self._events: deque[str] = deque(maxlen=12)
        self._picture = Picture(console=Console(file=out), refresh_per_second=8, transient=False)
        self._picture.start()

    def say(self, text: str) -> None:
        self._said = text
        self._draw()

    def refresh(self) -> None:
        if self.clock is None:
            return
        now = self.clock()
        while self._live.happened:
            self._events.append(event(self._live.happened.popleft()))
        while now - self._shown_ns >= 2 * SECOND_NS:
            self._seconds.append(self._live.over(self._shown_ns, self._shown_ns + SECOND_NS))
            self._shown_ns += SECOND_NS
        self._draw()

    def _draw(self) -> None:
        from rich.panel import Panel
        from rich.text import Text

        most = max((each.sent for each in self._seconds), default=1) or 1
        text = Text(self._said + "\n\n", no_wrap=True)
        for label, style, values in (
            ("ok   ", "green", [each.ok for each in self._seconds]),
            ("bad  ", "red", [each.bad for each in self._seconds]),
        ):
            bars = "".join(_BARS[min(-(-value * 8 // most), 8)] for value in values)
            text.append(label).append(bars + "\n", style=style)
        if self._seconds:
            text.append("\n" + line(self._shown_ns, self._seconds[-1]) + "\n", style="bold")
        for each in self._events:
            text.append("\n" + each, style="yellow" if "──" in each else "dim")
        self._picture.update(Panel(text, title=f"drill {self._name}", title_align="left"))

    def end(self) -> None:
        self.refresh()
        self._picture.stop()


@contextmanager
def view_of(out: IO[str], name: str, live: Live) -> Iterator[PlainView]:
    """The view that fits the output, refreshed until the block ends."""
    view = TerminalView(out, name, live) if out.isatty() else PlainView(out, live)
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(0.2):
            view.refresh()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield view
    finally:
        ended.set()
        thread.join(2.0)
        view.end()
