"""Metrics of functions, for CloudWatch: counted at each invocation (`kunren.core.counted_metrics`).

"Types of metrics for Lambda functions" in the developer guide: namespace AWS/Lambda, of a function, of the version or
alias that was asked for, and of all functions together. A duration is what the invocation took, with the start of its
environment where there was one.
"""

from __future__ import annotations

from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.counted_metrics import CountedMetrics, Dimensions
from kunren.services.lambda_.names import FunctionName


class FunctionMetrics:
    """`began` before each invocation, then `throttled` or `ended`. `before` delivers."""

    def __init__(self, clock: Clock, call: CallService) -> None:
        self._clock = clock
        self._counted = CountedMetrics("AWS/Lambda", call)
        self._running: dict[str, int] = {}
        self.before = self._counted.before

    def began(self, name: FunctionName) -> float:
        """Returns what `ended` wants to know."""
        running = self._running[name.arn] = self._running.get(name.arn, 0) + 1
        whole = sum(self._running.values())
        now = self._clock.now()
        of_function: Dimensions = (("FunctionName", name.name),)
        for dimensions, value in ((of_function, running), ((), whole)):
            self._counted.add(name.account, name.region, dimensions, "ConcurrentExecutions", "Count", float(value), now)
        return self._clock.monotonic()

    def throttled(self, name: FunctionName) -> None:
        """It was not run, for want of concurrency."""
        self._left(name)
        for dimensions in _dimensions(name):
            self._tell(name, dimensions, "Throttles", 1.0)

    def ended(self, name: FunctionName, began: float, failed: bool) -> None:
        self._left(name)
        duration = round((self._clock.monotonic() - began) * 1000, 2)
        for dimensions in _dimensions(name):
            self._tell(name, dimensions, "Invocations", 1.0)
            self._tell(name, dimensions, "Errors", float(failed))
            self._tell(name, dimensions, "Throttles", 0.0)
            self._tell(name, dimensions, "Duration", duration, "Milliseconds")

    def never_ran(self, name: FunctionName) -> None:
        """Something of ours failed, or nobody waits any more."""
        self._left(name)

    def _left(self, name: FunctionName) -> None:
        running = self._running.get(name.arn, 0) - 1
        if running > 0:
            self._running[name.arn] = running
        else:
            self._running.pop(name.arn, None)

    def _tell(self, name: FunctionName, dimensions: Dimensions, metric: str, value: float, unit: str = "Count") -> None:
        self._counted.add(name.account, name.region, dimensions, metric, unit, value, self._clock.now())


def _dimensions(name: FunctionName) -> tuple[Dimensions, ...]:
    of_function = ("FunctionName", name.name)
    if not name.qualifier:
        return ((), (of_function,))
    return ((), (of_function,), (of_function, ("Resource", f"{name.name}:{name.qualifier}")))
