"""Checks by key, each made again and again at its interval. Refuses to know what is asked and what becomes of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from kunren.core.clock import Clock
from kunren.core.entropy import Entropy


class Repeated(Protocol):
    """What is checked. `interval_s` is AWS time, from the beginning of one check to the beginning of the next."""

    @property
    def address(self) -> str: ...
    @property
    def interval_s(self) -> float: ...


log = logging.getLogger(__name__)
Checked = TypeVar("Checked", bound=Repeated)
Seen = TypeVar("Seen")


class Rounds(Generic[Checked, Seen]):
    """`report` is called with the key and the outcome of each probe, unless it could not be tried (None). A new check
    begins at a random moment within `start_within_s` of AWS time, and no later than one interval."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        probe: Callable[[Checked], Awaitable[Seen | None]],
        report: Callable[[Any, Seen], None],
        *,
        start_within_s: float,
    ) -> None:
        self._clock = clock
        self._entropy = entropy
        self._probe = probe
        self._report = report
        self._start_within_s = start_within_s
        self._running: dict[Any, tuple[Checked, asyncio.Task[None]]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def set_checks(self, checks: Mapping[Any, Checked]) -> None:
        """Run exactly these: new ones begin, others end, changed ones begin anew."""
        running = self._running.items()
        for key in [key for key, (check, _) in running if (new := checks.get(key)) is not check and new != check]:
            self._running.pop(key)[1].cancel()
        for key, check in checks.items():
            if key not in self._running:
                task = asyncio.get_running_loop().create_task(self._run(key, check), name=f"probe:{check.address}")
                self._running[key] = (check, task)

    async def stop(self) -> None:
        tasks = [task for _, task in self._running.values()]
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: Any, check: Checked) -> None:
        await self._clock.sleep(self._entropy.uniform(0, min(self._start_within_s, check.interval_s)))
        while True:
            began = self._clock.now()
            try:
                outcome = await self._probe(check)
                if outcome is not None:
                    self._report(key, outcome)
            except Exception:  # one bad answer must not end the checks
                log.exception("the check of %s failed by a mistake of ours", check.address)
            await self._clock.sleep(max(0.0, began + check.interval_s - self._clock.now()))
