"""What Envoy counted, out of the text of its statistics (`admin.statistics`), and what was added since. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

EVERY_S, LEAST_WALL_S = 60.0, 1.0
"""AWS seconds between two looks, and the least of real ones, however fast the clock."""
CLASSES = ("2xx", "3xx", "4xx", "5xx")
"""Of answers, as Envoy counts them."""
_BUCKET = re.compile(r"B([0-9.e+]+)\([0-9.]+,([0-9.]+)\)")
Stats = dict[str, dict[str, float]]
"""By what is counted (`app/NAME/ID` or a cluster's name): counters by name, and `time<SECONDS` for response times."""
Buckets = dict[str, tuple[str, dict[str, float]]]
"""A cluster's line of buckets as text, and read."""


def parsed(text: str, known: Buckets | None = None) -> Stats:
    """The text of Envoy's `/stats` with cumulative histogram buckets. `known` are the buckets of the last time, which
    spare reading those that are as they were; it becomes those of this time."""
    known = {} if known is None else known
    found: Stats = {}
    for line in text.splitlines():
        name, _, value = line.partition(": ")
        subject, _, counter = name.rpartition(".")
        kind, _, subject = subject.partition(".")
        if kind == "cluster" and subject.endswith(".external"):
            continue
        counters = found.setdefault(subject, {})
        if counter == "upstream_rq_time":
            held = known.get(subject)
            if held is None or held[0] != value:
                told = {f"time<{bound}": float(count) for bound, count in _BUCKET.findall(value)}
                held = known[subject] = (value, told)
            counters |= held[1]
        elif value.isdigit():
            counters[counter] = float(value)
    for gone in known.keys() - found.keys():
        del known[gone]
    return found


def added(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """What each counter grew by; one that shrank began anew. Pure."""
    return {name: value - (held if (held := before.get(name, 0.0)) <= value else 0.0) for name, value in now.items()}


def times(grown: Mapping[str, float]) -> Iterator[tuple[float, float]]:
    """(seconds, how often) of response times, from what cumulative buckets in milliseconds grew by. Pure."""
    below, least = 0.0, 0.0
    for bound, count in sorted((float(name[5:]), count) for name, count in grown.items() if name.startswith("time<")):
        if count > below:
            yield (least + bound) / 2000, count - below
            below = count
        least = bound
