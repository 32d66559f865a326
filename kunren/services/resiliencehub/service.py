"""All of Resilience Hub: operations, the assessor, and where results of drills are kept.

An assessment reads what is deployed and what drills have measured of it, and touches nothing. It is begun by a row, so
one that a crash interrupted is made after the restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.resiliencehub import estimate, verdict
from kunren.services.resiliencehub.api import ResilienceHubApi
from kunren.services.resiliencehub.discovery import Discovery, Unresolved
from kunren.services.resiliencehub.facts import facts_of
from kunren.services.resiliencehub.model import (
    DRAFT,
    RESOURCES,
    App,
    AppVersion,
    Assessment,
    ComponentFound,
    Disruption,
    DrillResult,
    Policy,
)

RESULTS_MAX = 1000
_DAY_S = 86_400.0
_DRILLS = "drills"


class MeasuredDrill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a drill tells: what it was called, what it broke (Software, Hardware, AZ, Region), of what (ARNs, names),
    and what it measured in AWS seconds; None where it saw no recovery."""

    drill: str
    disruption: Disruption
    resources: tuple[str, ...]
    verdict: bool | None = None
    rto_s: float | None = None
    rpo_s: float | None = None


class ResilienceHubService:
    """`api` answers calls, `run` makes assessments. The kinds of ec2, elbv2, lambda, route53 and globalaccelerator are
    registered before this is built."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        store.register(*RESOURCES)
        self._store, self._clock, self._entropy = store, clock, entropy
        self._discovery = Discovery(store, call)
        self.api = ResilienceHubApi(store, clock, entropy, self._discovery)
        self._controller = Controller(
            "resiliencehub",
            store,
            clock,
            keys=lambda _, key: [f"{key.kind}|{key.account}|{key.region}|{key.id}"] if key.kind in _KINDS else [],
            every=lambda snapshot: [
                *(f"{Assessment.kind}|{each.account}|{each.region}|{each.id}" for each in snapshot.every(Assessment)),
                *(f"{App.kind}|{each.account}|{each.region}|{each.id}" for each in snapshot.every(App)),
            ],
            reconcile=self._reconcile,
            wants=_KINDS.__contains__,
        )

    async def run(self) -> None:
        await self._controller.run()

    def status(self) -> dict[str, Any]:
        return {"apps": len(list(self._store.snapshot().every(App))), "errors": dict(self._controller.last_errors)}

    def results(self) -> list[Mapping[str, Any]]:
        """All that drills measured, in no order."""
        return [_shown(each) for each in self._store.snapshot().every(DrillResult)]

    def measured(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """Keep what a drill measured (a `MeasuredDrill`); assessments from now on show it. Raises ValidationError."""
        result = msgspec.convert(told, MeasuredDrill)
        with self._store.write() as tx:
            held = sorted(tx.list(DrillResult, "", ""), key=lambda each: each.id)
            for old in held[: max(0, len(held) - RESULTS_MAX + 1)]:
                tx.delete(old)
            number = int(held[-1].id) + 1 if held else 1
            kept = DrillResult(
                account="",
                region="",
                id=f"{number:012d}",
                drill=result.drill,
                disruption=result.disruption,
                resources=result.resources,
                verdict=result.verdict,
                rto_s=result.rto_s,
                rpo_s=result.rpo_s,
                at=self._clock.now(),
            )
            tx.put(kept)
        return _shown(kept)

    # -- assessing ---------------------------------------------------------------------------------------------------

    async def _reconcile(self, work: str) -> None:
        kind, account, region, id = work.split("|", 3)
        snapshot = self._store.snapshot()
        if kind == App.kind:
            app = snapshot.get(App, account, region, id)
            if app is not None and app.schedule == "Daily":
                self._daily(work, app)
            return
        assessment = snapshot.get(Assessment, account, region, id)
        if assessment is None or assessment.status not in ("Pending", "InProgress"):
            return
        if assessment.status == "Pending":
            self._change(assessment, status="InProgress")
            return
        await self._assess(assessment)

    async def _assess(self, assessment: Assessment) -> None:
        app = self._store.snapshot().get(App, assessment.account, assessment.region, assessment.app)
        version = next((each for each in app.versions if each.version == assessment.version), None) if app else None
        now = self._clock.now()
        if version is None:
            self._change(assessment, status="Failed", message="The application version is gone.", ended=now)
            return
        try:
            components = await self._components(assessment, version)
        except Unresolved as error:
            self._change(assessment, status="Failed", message=str(error)[:500], ended=now)
            return
        found = replace(assessment, components=tuple(components))
        before = self._before(assessment)
        drifted = verdict.drifts(found, before, assessment.policy)
        self._change(
            assessment,
            status="Success",
            components=found.components,
            drifts=tuple(drifted),
            drift_status="Detected" if drifted else "NotDetected",
            ended=now,
        )

    async def _components(self, assessment: Assessment, version: AppVersion) -> list[ComponentFound]:
        """Raises Unresolved."""
        resources = version.resources
        if version.mappings:
            resolved = await self._discovery.resolve(version.mappings, assessment.account, assessment.region)
            resources = resolved.resources
        snapshot = self._store.snapshot()
        facts = facts_of(snapshot, resources)
        if facts.gone:
            raise Unresolved(f"These resources of the app do not exist: {', '.join(facts.gone)}.")
        results = snapshot.list(DrillResult, "", "")
        return [
            verdict.measured(
                ComponentFound(
                    name=each.name,
                    type=each.type,
                    resources=each.resources,
                    recoveries=estimate.recoveries(each, facts),
                ),
                results,
            )
            for each in facts.components
        ]

    def _before(self, assessment: Assessment) -> Assessment | None:
        """The last assessment of the app that succeeded."""
        held = self._store.snapshot().list(Assessment, assessment.account, assessment.region)
        done = [each for each in held if each.app == assessment.app and each.status == "Success"]
        return max(done, key=lambda each: (each.started, each.id), default=None)

    def _daily(self, work: str, app: App) -> None:
        """Assess what was published last, once a day of AWS time."""
        now = self._clock.now()
        with self._store.write() as tx:
            held = [each for each in tx.list(Assessment, app.account, app.region) if each.app == app.id]
            last = max((each.started for each in held), default=app.created)
            due = min(last + _DAY_S, now + _DAY_S)
            published = [each for each in app.versions if each.version != DRAFT]
            if published and due <= now and not any(each.ended is None for each in held):
                policy = tx.get(Policy, app.account, app.region, app.policy) if app.policy is not None else None
                tx.put(
                    Assessment(
                        account=app.account,
                        region=app.region,
                        id=f"{app.id.rpartition(':app/')[0]}:app-assessment/{self._entropy.uuid()}",
                        name=f"Assessment-report-{app.name}"[:60],
                        app=app.id,
                        version=published[-1].version,
                        version_name=published[-1].name,
                        policy=policy,
                        invoker="System",
                        started=now,
                    )
                )
                due = now + _DAY_S
        self._controller.enqueue_after(max(60.0, due - now), work)

    def _change(self, assessment: Assessment, **changed: Any) -> None:
        with self._store.write() as tx:
            now = tx.get(Assessment, assessment.account, assessment.region, assessment.id)
            if now is not None:
                tx.put(replace(now, **changed))


_KINDS = frozenset({Assessment.kind, App.kind})


def _shown(result: DrillResult) -> Mapping[str, Any]:
    """A drill's result as JSON has it."""
    found: dict[str, Any] = msgspec.to_builtins(result)
    return {key: value for key, value in found.items() if key not in ("account", "region")}
