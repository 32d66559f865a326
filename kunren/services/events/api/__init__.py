"""events' operations, one method each (see the files beside this one)."""

from __future__ import annotations

from typing import ClassVar

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.events.api.archives import ArchiveOperations
from kunren.services.events.api.buses import BusOperations
from kunren.services.events.api.rules import RuleOperations


class EventsApi(RuleOperations, BusOperations, ArchiveOperations):
    """Constructed once its resources are registered (`EventsService` does both)."""

    service: ClassVar[str] = "events"

    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        self._store, self._clock, self._entropy = store, clock, entropy
