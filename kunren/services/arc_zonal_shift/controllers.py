"""Time for zonal shifts: they expire, practice runs end by alarms or by time and come every week, and a zone that is
dark for some minutes is shifted away from by AWS itself.

What AWS sees of its own zones is what `kunren.services.faults` has broken of them.
"""

from __future__ import annotations

import logging
from typing import Any

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.arc_zonal_shift import shifts
from kunren.services.arc_zonal_shift.api import WEEK_S, ArcZonalShiftApi
from kunren.services.arc_zonal_shift.model import (
    AWS,
    FIS_EXPERIMENT,
    PRACTICE_RUN,
    RESOURCES,
    Autoshift,
    Configuration,
    ZonalShift,
)
from kunren.services.ec2.zones import zones_of
from kunren.services.elbv2.model import LoadBalancer
from kunren.services.faults.effects import faults
from kunren.services.faults.model import Fault
from kunren.world.spec import WorldSpec

log = logging.getLogger(__name__)
AUTOSHIFT_AFTER_S = 120.0
"""How long a zone is dark until AWS shifts away from it; AWS states no figure."""
ALARMS_EVERY_S = 30.0
_AUTOSHIFTS = "autoshifts"
_KINDS = frozenset((ZonalShift.kind, Configuration.kind, Fault.kind))


class ZonalShiftService:
    """`api` answers calls; `run` lives until it is cancelled. The ec2, elbv2 and faults kinds are registered before."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec, call: CallService) -> None:
        store.register(*RESOURCES)
        self.api = ArcZonalShiftApi(store, clock, entropy, call)
        self._store, self._clock, self._entropy, self._spec = store, clock, entropy, spec
        self._controller = Controller(
            "zonal-shift",
            store,
            clock,
            keys=lambda _, key: [_work(key)] if key.kind in _KINDS else [],
            every=self._every,
            reconcile=self._reconcile,
            wants=_KINDS.__contains__,
        )

    async def run(self) -> None:
        now = self._clock.now()
        with self._store.write() as tx:  # AWS time may be earlier than before the restart
            for each in [each for each in tx.every(ZonalShift) if each.status == "ACTIVE"]:
                if each.expires > now + each.lasts_s:
                    tx.put(replace(each, expires=now + each.lasts_s))
        await self._controller.run()

    def status(self) -> dict[str, Any]:
        active = sum(each.status == "ACTIVE" for each in self._store.snapshot().every(ZonalShift))
        return {"shifts_active": active, "errors": dict(self._controller.last_errors)}

    def _every(self, snapshot: Snapshot) -> list[str]:
        active = [_work(each.key) for each in snapshot.every(ZonalShift) if each.status == "ACTIVE"]
        return [_AUTOSHIFTS, *active, *(_work(each.key) for each in snapshot.every(Configuration))]

    async def _reconcile(self, work: str) -> None:
        if work == _AUTOSHIFTS:
            self._autoshifts()
            return
        kind, account, region, id = work.split("|", 3)
        snapshot = self._store.snapshot()
        if kind == ZonalShift.kind:
            shift = snapshot.get(ZonalShift, account, region, id)
            if shift is not None and shift.status == "ACTIVE":
                await self._watch(work, shift)
            return
        settings = snapshot.get(Configuration, account, region, id)
        if settings is not None and settings.next_run is not None:
            await self._practise(work, settings)

    async def _watch(self, work: str, shift: ZonalShift) -> None:
        """End a shift whose time is over, or a practice run that does harm. An experiment ends its own."""
        if shift.type == FIS_EXPERIMENT:
            return
        now = self._clock.now()
        outcome = await self._outcome(shift) if shift.type == PRACTICE_RUN else None
        over = shift.expires <= now or outcome in ("FAILED", "INTERRUPTED")
        if not over:
            left = shift.expires - now
            self._controller.enqueue_after(min(left, ALARMS_EVERY_S) if shift.type == PRACTICE_RUN else left, work)
            return
        with self._store.write() as tx:
            held = tx.get(ZonalShift, shift.account, shift.region, shift.id)
            if held is not None and held.status == "ACTIVE" and held.expires == shift.expires:
                early = outcome == "INTERRUPTED" and held.expires > now
                shifts.end(tx, held, "CANCELED" if early else "EXPIRED", now, outcome)

    async def _outcome(self, shift: ZonalShift) -> str:
        """What a practice run comes to if it ends now: INTERRUPTED where nobody can tell, since its configuration or an
        alarm of it is gone."""
        settings = self._store.snapshot().get(Configuration, shift.account, shift.region, shift.resource)
        if settings is None or settings.practice is None:
            return "INTERRUPTED"
        states = [await self.api.state(each) for each in settings.practice["outcomeAlarms"]]
        if "ALARM" in states:
            return "FAILED"
        return "INTERRUPTED" if None in states else "SUCCEEDED"

    async def _practise(self, work: str, settings: Configuration) -> None:
        """The weekly practice run, where it is due and can be."""
        now = self._clock.now()
        assert settings.next_run is not None
        if (left := min(settings.next_run - now, float(WEEK_S))) > 0:
            self._controller.enqueue_after(left, work)
            return
        balancer = self._store.snapshot().get(LoadBalancer, settings.account, settings.region, settings.id)
        with self._store.write() as tx:
            later = now + (WEEK_S if balancer is not None else 10 * WEEK_S)
            tx.put(replace(settings, next_run=later))
        if balancer is None or not shifts.is_managed(balancer):
            return
        zone = self._entropy.choice(sorted(shifts.zone_ids(self._store.snapshot(), balancer)))
        wanted = {"resourceIdentifier": balancer.id, "awayFrom": zone, "comment": "Practice run by AWS"}
        ctx = RequestContext(settings.account, settings.region, "arc-zonal-shift", "StartPracticeRun", "weekly")
        try:
            await self.api.start_practice_run(ctx, wanted)
        except AwsError as error:
            log.info("no practice run for %s: %s", balancer.id, error)

    def _autoshifts(self) -> None:
        """Shift away from zones that are dark, and back when they no longer are."""
        now = self._clock.now()
        snapshot = self._store.snapshot()
        dark = {each.name: each.since for each in faults(snapshot) if each.what == "zone" and each.loss >= 1}
        waiting = [AUTOSHIFT_AFTER_S - (now - since) for since in dark.values() if now - since < AUTOSHIFT_AFTER_S]
        wanted = {name for name, since in dark.items() if now - since >= AUTOSHIFT_AFTER_S}
        with self._store.write() as tx:
            for region in self._spec.regions:
                for zone in zones_of(region):
                    held = [each for each in tx.list(Autoshift, AWS, region.name) if each.away_from == zone.id]
                    active = next((each for each in held if each.ended is None), None)
                    if zone.name in wanted and active is None:
                        id = f"{zone.id} {now:.3f}"
                        tx.put(Autoshift(account=AWS, region=region.name, id=id, away_from=zone.id, started=now))
                    elif zone.name not in wanted and active is not None:
                        tx.put(replace(active, ended=now))
        if waiting:
            self._controller.enqueue_after(min(min(waiting), AUTOSHIFT_AFTER_S), _AUTOSHIFTS)


def _work(key: Key) -> str:
    return _AUTOSHIFTS if key.kind == Fault.kind else f"{key.kind}|{key.account}|{key.region}|{key.id}"
