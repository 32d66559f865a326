"""What an event source is to the poller: where records come from, and what becomes of them afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from kunren.services.lambda_.model import Configured, EventSourceMapping

Record = Mapping[str, Any]
"""One entry of `Records` in the event that the function gets."""


class EventSource(Protocol):
    """One kind of source. Its methods raise the AwsError that the source's own operation raised."""

    async def check(self, mapping: EventSourceMapping, function: Configured) -> None:
        """Refuse a mapping that could not work. Raises InvalidParameterValueException."""
        ...

    async def receive(self, mapping: EventSourceMapping, limit: int, wait_s: int) -> list[Record]:
        """At most `limit` records, after at most `wait_s` seconds of waiting for the first."""
        ...

    def identifier(self, record: Record) -> str:
        """What `batchItemFailures` names the record by."""
        ...

    def filtered(self, record: Record) -> Any:
        """The record as filter patterns see it."""
        ...

    async def done(self, mapping: EventSourceMapping, records: Sequence[Record]) -> None:
        """These are done with. All others stay for another try."""
        ...
