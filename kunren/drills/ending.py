"""What is said where Kunren ends under a drill."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError

from kunren.drills.access import Access
from kunren.drills.failures import DrillFailed, KunrenEnded


@contextmanager
def while_kunren_runs(access: Access, done: str) -> Iterator[None]:
    """What fails because Kunren has ended while the architecture was `done` (deployed, say) says that, not which
    connection was refused. Raises KunrenEnded."""
    try:
        yield
    except (DrillFailed, BotoCoreError, KeyboardInterrupt) as error:
        if access.management.running():
            raise
        raise KunrenEnded(
            f"Kunren ended while it was {done}; what had been deployed is there when it starts again."
        ) from error
