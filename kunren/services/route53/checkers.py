"""Which health checks are probed from where, and what becomes of what is seen: store → probes → HealthCheckStatus.

Every checker of a health check's regions probes on its own, at its own phase, from an address of its own on the
internet, or on a subnet where the check has a health check source. What they see is judged in `health.py`, and written
as observed state when it says something new. Calculated checks follow their children's written state; those on alarms
follow the alarm's metric.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Container, Iterable, Mapping
from typing import Any, Protocol

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.dataplane.dns.stub import Found, Stub
from kunren.dataplane.health import endpoint
from kunren.dataplane.health.endpoint import Endpoint, Finding
from kunren.dataplane.health.prober import Sockets
from kunren.dataplane.health.rounds import Rounds
from kunren.services.recovery_control.model import ON, RoutingControl
from kunren.services.route53 import alarms, health
from kunren.services.route53.alarms import WatchedAlarm
from kunren.services.route53.health import Checker, Opinion
from kunren.services.route53.model import CheckerView, HealthCheck, HealthCheckSource, HealthCheckStatus
from kunren.services.route53.sources import vantages
from kunren.services.route53.store import GLOBAL

log = logging.getLogger(__name__)
_INTERVAL_MAX_S = 30.0
_PROBES, _CALCULATED = "probes", "calculated"
_WANTED = (HealthCheck.kind, HealthCheckStatus.kind, HealthCheckSource.kind, RoutingControl.kind)
CheckKey = tuple[str, str]
"""Account and health check id."""
ProbeKey = tuple[str, str, Checker]


class CheckersWorld(Sockets, Protocol):
    """The part of the world that checkers need."""

    async def ensure_checkers(self, region: str) -> str: ...


class HealthCheckController:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, world: CheckersWorld, call: CallService) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._world = world
        self._call = call
        self._opinions: dict[CheckKey, dict[Checker, Opinion]] = {}
        self._stubs: dict[str, Stub] = {}
        self._rounds: Rounds[Endpoint, Finding] = Rounds(
            clock, entropy, self._probe, self._found, start_within_s=_INTERVAL_MAX_S
        )
        self._last_known: dict[CheckKey, bool] = {}  # of those on alarms
        self._watched: Rounds[WatchedAlarm, str] = Rounds(
            clock, entropy, self._read_alarm, self._alarm_read, start_within_s=0.0
        )
        self.controller = Controller(
            "health-checks",
            store,
            clock,
            keys=self._keys,
            every=lambda _: (_PROBES, _CALCULATED),
            reconcile=self._reconcile,
            wants=lambda kind: kind in _WANTED,
        )

    async def run(self) -> None:
        try:
            await self.controller.run()
        finally:
            await self._rounds.stop()
            await self._watched.stop()
            for stub in self._stubs.values():
                stub.close()

    def status(self) -> dict[str, Any]:
        return {
            "checks": len(self._opinions),
            "probes": len(self._rounds),
            "alarms": len(self._watched),
            "errors": dict(self.controller.last_errors),
        }

    def views(self, account: str, check_id: str) -> list[CheckerView]:
        """What each checker that has looked reports now."""
        opinions = self._opinions.get((account, check_id), {})
        return [health.view_of(checker, opinion) for checker, opinion in opinions.items() if opinion.status]

    def _keys(self, snapshot: Snapshot, key: Key) -> Iterable[str]:
        del snapshot
        return (_CALCULATED,) if key.kind in (HealthCheckStatus.kind, RoutingControl.kind) else (_PROBES, _CALCULATED)

    async def _reconcile(self, work: str) -> None:
        if work == _CALCULATED:
            self._calculate()
            return
        snapshot = self._store.snapshot()
        checks = {(each.account, each.id): each for each in snapshot.every(HealthCheck)}
        for region in sorted({region for each in checks.values() for region, _ in health.checkers_of(each.config)}):
            await self._world.ensure_checkers(region)
        private = {
            key: vantages(snapshot, check.account, check.config.source_id)
            for key, check in checks.items()
            if check.config.source_id is not None
        }
        self._opinions = {key: self._kept(snapshot, check, private.get(key, {})) for key, check in checks.items()}
        probes = {
            (*key, checker): health.endpoint_of(check, checker, private.get(key, {}).get(checker))
            for key, check in checks.items()
            for checker in self._opinions[key]
        }
        self._rounds.set_checks(probes)
        self._close_stubs({each.namespace for each in probes.values()})
        self._watch_alarms(snapshot, checks)
        with self._store.write() as tx:
            for status in snapshot.every(HealthCheckStatus):
                if (status.account, status.id) not in checks:
                    tx.delete(status)
            for check in checks.values():
                if check.config.type in health.ENDPOINT_TYPES:
                    self._write(tx, check)

    def _kept(self, snapshot: Snapshot, check: HealthCheck, private: Iterable[Checker]) -> dict[Checker, Opinion]:
        """The opinions of those who probe: what they think already, or thought before a restart."""
        status = snapshot.get(HealthCheckStatus, check.account, GLOBAL, check.id)
        stored = {(each.region, each.address): each for each in status.checkers} if status is not None else {}
        present = self._opinions.get((check.account, check.id), {})
        kept = {}
        for checker in health.checkers_of(check.config, private):
            view = stored.get(checker)
            kept[checker] = present.get(checker) or (health.opinion_of(view) if view is not None else Opinion())
        return kept

    # -- endpoints ---------------------------------------------------------------------------------------------------

    async def _probe(self, wanted: Endpoint) -> Finding | None:
        return await endpoint.probe(self._world, self._look_up, self._entropy, wanted)

    async def _look_up(self, wanted: Endpoint) -> Found:
        namespace = wanted.namespace
        stub = self._stubs.get(namespace)
        if stub is None:
            stub = self._stubs[namespace] = Stub(
                lambda: self._world.open_socket(namespace, socket.AF_INET, socket.SOCK_DGRAM),
                (wanted.resolver, 53),
                self._entropy,
            )
        return await stub.addresses(wanted.name)

    def _close_stubs(self, used: Container[str]) -> None:
        """A source's namespace ends with it."""
        for namespace in [each for each in self._stubs if each not in used]:
            self._stubs.pop(namespace).close()

    def _found(self, key: ProbeKey, finding: Finding) -> None:
        account, check_id, checker = key
        check = self._store.snapshot().get(HealthCheck, account, GLOBAL, check_id)
        opinions = self._opinions.get((account, check_id), {})
        before = opinions.get(checker)
        if check is None or before is None:
            return
        threshold = check.config.failure_threshold
        assert threshold is not None
        after = opinions[checker] = health.judged(before, finding, threshold, self._clock.now())
        if health.is_news(before, after):
            with self._store.write() as tx:
                self._write(tx, check)

    def _write(self, tx: Tx, check: HealthCheck) -> None:
        """The status of a check on an endpoint as its checkers' opinions have it."""
        opinions = self._opinions[check.account, check.id]
        healthy = health.enough_healthy([each.healthy for each in opinions.values()])
        views = self.views(check.account, check.id)
        self._put(tx, check, health.with_switches(check.config, healthy), views)

    def _put(self, tx: Tx, check: HealthCheck, healthy: bool, views: Iterable[CheckerView] = ()) -> None:
        row = HealthCheckStatus(
            account=check.account, region=GLOBAL, id=check.id, healthy=healthy, checkers=tuple(views)
        )
        if tx.get(HealthCheckStatus, check.account, GLOBAL, check.id) != row:
            tx.put(row)

    # -- alarms ------------------------------------------------------------------------------------------------------

    def _watch_alarms(self, snapshot: Snapshot, checks: Mapping[CheckKey, HealthCheck]) -> None:
        watched, last_known = {}, {}
        for key, check in checks.items():
            alarm, settings = check.config.alarm, check.alarm_settings
            if alarm is None or settings is None:
                continue
            status = snapshot.get(HealthCheckStatus, check.account, GLOBAL, check.id)
            stored = status is None or status.healthy != check.config.inverted
            last_known[key] = self._last_known.get(key, stored)
            if not check.config.disabled:
                watched[key] = WatchedAlarm(check.account, alarm.region, alarm.name, settings)
        self._last_known = last_known
        self._watched.set_checks(watched)
        with self._store.write() as tx:
            for key, healthy in last_known.items():
                self._put(tx, checks[key], health.with_switches(checks[key].config, healthy))

    async def _read_alarm(self, alarm: WatchedAlarm) -> str | None:
        try:
            return await alarms.read_state(self._call, alarm, self._clock.now())
        except AwsError as error:
            log.warning("the alarm %s in %s can't be evaluated: %s", alarm.address, alarm.region, error)
            return None

    def _alarm_read(self, key: CheckKey, state: str) -> None:
        check = self._store.snapshot().get(HealthCheck, key[0], GLOBAL, key[1])
        if check is None or key not in self._last_known:
            return
        healthy = alarms.is_healthy(state, check.config.insufficient_data_status, self._last_known[key])
        if state != alarms.INSUFFICIENT_DATA:
            self._last_known[key] = healthy
        with self._store.write() as tx:
            self._put(tx, check, health.with_switches(check.config, healthy))

    # -- calculated --------------------------------------------------------------------------------------------------

    def _calculate(self) -> None:
        """Calculated checks from their children, which are never calculated themselves; others from their switch."""
        with self._store.write() as tx:
            snapshot = self._store.snapshot()
            for check in snapshot.every(HealthCheck):
                if check.config.type == "RECOVERY_CONTROL":
                    switch = snapshot.get(RoutingControl, check.account, GLOBAL, check.config.routing_control or "")
                    on = switch is not None and switch.state == ON
                    self._put(tx, check, health.with_switches(check.config, on))
                if check.config.type == "CALCULATED":
                    children = (
                        health.is_healthy(snapshot, check.account, each) for each in check.config.children or ()
                    )
                    healthy = health.calculated(check.config, children)
                    self._put(tx, check, health.with_switches(check.config, healthy))
