"""What is there of the writes at the end: a URL, a query or a queue that is asked for their names."""

from __future__ import annotations

import urllib.request

from kunren.drills.load.messages import READ_MARK, received
from kunren.drills.load.postgres import rows_of

TIMEOUT_S = 10.0
SQL_SCHEMES = ("postgresql://", "postgres://")


def read_back(where: str) -> str:
    """A text with the names of all writes that are there, in their order. `where` is a URL, `sqs REGION QUEUE_URL`, or
    `postgresql://... QUERY`. Raises OSError or ValueError."""
    if where.startswith(READ_MARK):
        region, queue = where.removeprefix(READ_MARK).split(" ", 1)
        return " ".join(received(queue, region))
    if where.startswith(SQL_SCHEMES):
        url, statement = where.split(" ", 1)
        return " ".join(column for row in rows_of(url, statement, TIMEOUT_S) for column in row.columns)
    with urllib.request.urlopen(where, timeout=TIMEOUT_S) as answer:
        return str(answer.read().decode(errors="replace"))
