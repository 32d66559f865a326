"""Evaluates alarms by the clock: metric alarms each minute, those of high resolution every ten seconds, composite ones
whenever one that they name changes.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.clock import Clock, ticks
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.cloudwatch.alarms import reasons, rules
from kunren.services.cloudwatch.alarms.transitions import change_state, is_scaling, repeat_scaling, state_of
from kunren.services.cloudwatch.alarms.watch import Datapoint, Verdict, judged, needed, times
from kunren.services.cloudwatch.metrics.storage import Storage
from kunren.services.cloudwatch.model import ACTIONS, ALARM, COMPOSITE, METRIC, OK, Alarm, AlarmState
from kunren.services.cloudwatch.reading import Queries, Result

log = logging.getLogger(__name__)
TICK_S, MINUTE_S = 10.0, 60.0
_AT_ONCE = 20


def queries_of(alarm: Alarm) -> Queries:
    """What a metric alarm reads. Raises ValidationError."""
    settings = alarm.settings
    asked = settings.get("Metrics")
    if not asked:
        metric = {key: settings[key] for key in ("Namespace", "MetricName", "Dimensions") if settings.get(key)}
        stat = {
            "Metric": metric, "Period": settings["Period"],
            "Stat": settings.get("Statistic") or settings["ExtendedStatistic"],
        }  # fmt: skip
        if settings.get("Unit"):
            stat["Unit"] = settings["Unit"]
        asked = [{"Id": "m1", "MetricStat": stat}]
    return Queries(alarm.account, alarm.region, asked)


class Evaluator:
    """`run` lives until it is cancelled; `collected` is awaited before each round: all metrics are there then."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, storage: Callable[[], Storage],
        collected: Callable[[], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._store, self._clock, self._entropy = store, clock, entropy
        self._storage, self._collected = storage, collected
        self._minute = -1.0
        self.composites = Controller(
            "composite-alarms", store, clock, keys=_composites, every=_every_composite, reconcile=self._composite,
            wants=lambda kind: kind in (Alarm.kind, AlarmState.kind),
        )  # fmt: skip

    async def run(self) -> None:
        async for _ in ticks(self._clock, TICK_S):
            try:
                await self.round(self._clock.now())
            except Exception:
                log.exception("alarms could not be evaluated")

    async def round(self, now: float) -> None:
        """Evaluate what is due now."""
        minute = now // MINUTE_S
        full, self._minute = minute != self._minute, minute
        snapshot = self._store.snapshot()
        due = [each for each in snapshot.every(Alarm) if each.type == METRIC and self._is_due(snapshot, each, full)]
        if not due:
            return
        await self._collected()
        for number, alarm in enumerate(due, 1):
            if self._store.snapshot().get(Alarm, alarm.account, alarm.region, alarm.id) == alarm:
                self._evaluate_safely(alarm, now)
            if number % _AT_ONCE == 0:
                await self._clock.wall_sleep(0)

    def _is_due(self, snapshot: Snapshot, alarm: Alarm, full: bool) -> bool:
        if full or (alarm.settings.get("Period") or MINUTE_S) < MINUTE_S:
            return True
        if any((each.get("MetricStat") or {}).get("Period", MINUTE_S) < MINUTE_S
               for each in alarm.settings.get("Metrics") or ()):  # fmt: skip
            return True
        return not state_of(snapshot, alarm).evaluated

    def _evaluate_safely(self, alarm: Alarm, now: float) -> None:
        try:
            self._evaluate(alarm, now)
        except Exception:  # of one alarm; the others are evaluated all the same
            log.exception("alarm %s could not be evaluated", alarm.arn)

    def _evaluate(self, alarm: Alarm, now: float) -> None:
        try:
            queries = queries_of(alarm)
            period = queries.period()
            found = self._retrieved(alarm, queries, period, now)
        except AwsError as error:
            log.warning("alarm %s could not be evaluated: %s", alarm.arn, error.message)
            return
        verdict = judged(alarm.settings, found)
        value = next((each.value for each in verdict.evaluated if each.value is not None), None)
        with self._store.write() as tx:
            old = state_of(tx, alarm)
            if verdict.state is None or verdict.state == old.value:
                if not old.evaluated:
                    tx.put(replace(old, evaluated=True, **self._reasons(alarm, verdict, period, now)))
                elif self._minute * MINUTE_S > old.updated_at and _scales(alarm, old):
                    repeat_scaling(tx, self._entropy, alarm, old, now, value)
                return
            new = replace(
                old, value=verdict.state, updated_at=now, transitioned_at=now, evaluated=True,
                **self._reasons(alarm, verdict, period, now),
            )  # fmt: skip
            change_state(tx, self._entropy, alarm, new, value=value)

    def _reasons(self, alarm: Alarm, verdict: Verdict, period: int, now: float) -> dict[str, str]:
        if verdict.state is None:
            return {}
        return {
            "reason": reasons.reason(alarm.settings, verdict),
            "reason_data": reasons.reason_data(alarm.settings, verdict, period, now),
        }

    def _retrieved(self, alarm: Alarm, queries: Queries, period: int, now: float) -> list[Datapoint]:
        """The datapoints that are looked at, the newest first."""
        at = times(period, needed(alarm.settings)[1], now)
        results: list[Result] = queries.results(self._storage(), at[-1], at[0] + period, now)
        if not results:
            return [Datapoint(each, None) for each in at]
        points, counts = results[0].points, results[0].counts
        return [Datapoint(each, points.get(each), counts.get(each)) for each in at]

    async def _composite(self, work: str) -> None:
        account, region, name = work.split("|", 2)
        with self._store.write() as tx:
            alarm = tx.get(Alarm, account, region, name)
            if alarm is None or alarm.type != COMPOSITE:
                return
            named: list[AlarmState] = []

            def is_in(other: str) -> str | None:
                found = tx.get(Alarm, account, region, rules.name_of(other))
                if found is None:
                    return None
                named.append(state_of(tx, found))
                return named[-1].value

            old = state_of(tx, alarm)
            value = ALARM if rules.holds(rules.parse(alarm.settings["AlarmRule"]), is_in) else OK
            if value == old.value:
                return
            now = self._clock.now()
            triggering = [
                (f"arn:aws:cloudwatch:{region}:{account}:alarm:{each.id}", each.value, each.transitioned_at)
                for each in sorted(named, key=lambda each: -each.transitioned_at)
            ]
            text = reasons.composite_reason(alarm.arn, triggering if old.evaluated else [], value)
            new = replace(
                old, value=value, updated_at=now, transitioned_at=now, evaluated=True, reason=text,
                reason_data=reasons.composite_data(triggering),
            )  # fmt: skip
            change_state(tx, self._entropy, alarm, new)


def _scales(alarm: Alarm, state: AlarmState) -> bool:
    return any(map(is_scaling, alarm.settings.get(ACTIONS[state.value]) or ()))


def _composites(snapshot: Snapshot, key: Key) -> Iterable[str]:
    for each in snapshot.by_id(Alarm, key.account, key.region).values():
        if each.type == COMPOSITE:
            yield f"{each.account}|{each.region}|{each.id}"


def _every_composite(snapshot: Snapshot) -> Iterable[str]:
    return [f"{each.account}|{each.region}|{each.id}" for each in snapshot.every(Alarm) if each.type == COMPOSITE]
