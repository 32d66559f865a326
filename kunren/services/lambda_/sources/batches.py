"""Batches of records: the event that they become, how large it may be, which of them failed. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from kunren.services.lambda_.invoker import InvokeResult
from kunren.services.lambda_.sources.interface import Record

EVENT_BYTES_MAX = 6 * 1024 * 1024
"""What a synchronous invocation takes (developer guide, "Lambda quotas")."""
_ENVELOPE_BYTES = len(b'{"Records":[]}')


def event(records: Sequence[Record]) -> bytes:
    """What the function gets."""
    return b'{"Records":[' + b",".join(_encoded(each) for each in records) + b"]}"


def _encoded(record: Record) -> bytes:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def cut(records: Sequence[Record], limit: int = EVENT_BYTES_MAX) -> Iterator[list[Record]]:
    """The records in their order, in as many batches as their events need to stay within `limit` bytes. One that
    alone is larger is a batch of its own: the invocation will refuse it."""
    batch: list[Record] = []
    size = _ENVELOPE_BYTES
    for record in records:
        more = len(_encoded(record)) + 1
        if batch and size + more - 1 > limit:
            yield batch
            batch, size = [], _ENVELOPE_BYTES
        batch.append(record)
        size += more
    if batch:
        yield batch


def failures(result: InvokeResult, identifiers: Sequence[str], *, partial: bool) -> set[str]:
    """Which records of a batch failed. With ReportBatchItemFailures the function says so; an answer that makes no
    sense, or names what was not in the batch, fails all of them."""
    everything = set(identifiers)
    if result.function_error is not None:
        return everything
    if not partial:
        return set()
    try:
        told = json.loads(result.payload or b"null")
        items = (told or {}).get("batchItemFailures") or []
        named = {each["itemIdentifier"] for each in items}
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return everything
    return named if named <= everything else everything
