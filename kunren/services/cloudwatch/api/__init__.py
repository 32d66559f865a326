"""cloudwatch's operations, one method each (see the files beside this one)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.cloudwatch.api.alarms import AlarmOperations
from kunren.services.cloudwatch.api.dashboards import DashboardOperations
from kunren.services.cloudwatch.api.describing import DescribingOperations
from kunren.services.cloudwatch.api.metrics import MetricOperations
from kunren.services.cloudwatch.metrics.storage import Storage


class CloudWatchApi(MetricOperations, AlarmOperations, DescribingOperations, DashboardOperations):
    """Constructed once its resources are registered (`CloudWatchService` does both)."""

    service: ClassVar[str] = "cloudwatch"

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, storage: Callable[[], Storage],
        collected: Callable[[], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._store, self._clock, self._entropy = store, clock, entropy
        self._storage, self._collected = storage, collected
