"""Keeps fleets at their capacity: launches what is missing, replaces what is gone, ends what is too much.

A fleet of type `maintain` counts the members that run; one of type `request` what it ever launched, so that it replaces
nobody. Members are written in the transaction that launches them: a crash neither loses one nor launches twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2 import store
from kunren.services.ec2.fleets import capacity, configs, launching, records
from kunren.services.ec2.fleets.balancing import Balancing
from kunren.services.ec2.fleets.launching import Launching, Refused
from kunren.services.ec2.fleets.model import Fleet, FleetRecord, Member, SpotFleet
from kunren.services.ec2.instances import spot
from kunren.services.ec2.instances.errors import PriceTooLow
from kunren.services.ec2.instances.model import Instance, InstanceRun, SpotMarket, SpotRequest

AGAIN_S = 60.0
"""How often (AWS time) a fleet that lacks capacity is looked at besides."""
_TOLD_OF_REQUESTS = ("active", "cancelled", "disabled")


class FleetController:
    """`run` lives until it is cancelled. `heard` says whether EventBridge can have rules."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService, ec2: Any) -> None:
        self._store, self._clock, self._entropy, self._call, self._ec2 = store, clock, entropy, call, ec2
        self.heard: Callable[[], bool] = lambda: True
        self._balancing = Balancing(store, clock, entropy, call)
        kinds = {each.kind for each in (Fleet, SpotFleet, FleetRecord, Instance, InstanceRun, SpotRequest, SpotMarket)}
        self._controller = Controller(
            "fleets", store, clock, keys=_keys, every=_every, reconcile=self.reconcile,
            wants=lambda kind: kind in kinds,
        )  # fmt: skip

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        return {"errors": dict(self._controller.last_errors)}

    async def reconcile(self, work: str) -> None:
        """One look at a fleet; `work` is ACCOUNT|REGION|ID."""
        fleet, now = _fleet(self._store.snapshot(), work), self._clock.now()
        if fleet is None:
            return
        if fleet.state == "deleted":
            if now >= (fleet.deleted_at or 0.0) + records.KEPT_S:
                self._forget(work)
                return
        elif fleet.is_deleted:
            self._end(work, now)
        elif fleet.type != "instant":
            self._follow(work, now)
            if now >= (fleet.request.get("ValidFrom") or 0.0):
                await self._fill(work)
        if (fleet := _fleet(self._store.snapshot(), work)) is None:
            return
        await self._balancing.keep(fleet)
        await self._tell(fleet, now)
        self._look_again(work, now)

    # -- what becomes of its members ---------------------------------------------------------------------------------

    def _follow(self, work: str, now: float) -> None:
        with self._store.write() as tx:
            if (fleet := _fleet(tx, work)) is None:
                return
            changed = self._followed(tx, fleet, now)
            end = fleet.request.get("ValidUntil")
            if end is not None and now >= end and not fleet.is_deleted:
                ends = bool(fleet.request.get("TerminateInstancesWithExpiration"))
                changed = deleted(tx, self._entropy, changed, now, terminates=ends, told="expired")
            if changed != fleet:
                tx.put(changed)

    def _followed(self, tx: Tx, fleet: Fleet, now: float) -> Fleet:
        """The fleet without those that have ended; interruptions and recommendations are noted."""
        members = {}
        for each in fleet.members.values():
            instance = tx.get(Instance, fleet.account, fleet.region, each.id)
            if instance is not None:
                each = self._of_request(tx, fleet, each, instance, now)
            if instance is None or instance.wanted == "terminated":
                records.note(tx, self._entropy, fleet, records.INSTANCE, "terminated", now, instance_id=each.id)
            else:
                members[each.id] = each
        return replace(fleet, members=members)

    def _of_request(self, tx: Tx, fleet: Fleet, each: Member, instance: Instance, now: float) -> Member:
        """What its Spot request tells of a member."""
        if (request := spot.request_of(tx, instance)) is None:
            return each
        where = (tx, self._entropy, fleet)
        if request.state != each.request_state and request.state in _TOLD_OF_REQUESTS:
            text = records.of_request(request.id, each.request_state)
            records.note(*where, records.REQUEST, request.state, now, text, request_id=request.id)
            each = replace(each, request_state=request.state)
        if request.noticed != each.noticed:
            if request.noticed:
                records.note(*where, records.INSTANCE, "termination_notified", now, instance_id=each.id)
            each = replace(each, noticed=request.noticed)
        if capacity.rebalance(fleet) and request.rebalance_at is not None and each.risky_at is None:
            each = replace(each, risky_at=now)
        return each

    # -- capacity ----------------------------------------------------------------------------------------------------

    async def _fill(self, work: str) -> None:
        snapshot = self._store.snapshot()
        asked = _fleet(snapshot, work)
        if asked is None or asked.is_deleted:
            return
        ctx = RequestContext(asked.account, asked.region, "ec2", "CreateFleet", asked.id)
        refused: list[Refused] = []
        trouble: list[tuple[str, str]] = []
        offers: list[launching.Offer] = []
        try:
            if capacity.lacks(snapshot, asked):
                found = configs.candidates(snapshot, ctx, asked)
                offers = await launching.offers(self._ec2, snapshot, ctx, found)
        except AwsError as error:
            trouble = [(_INVALID, error.message)]
        now = self._clock.now()
        with self._store.write() as tx:
            fleet = _fleet(tx, work)
            if fleet is None or (fleet.request, fleet.state) != (asked.request, asked.state):
                return  # changed meanwhile: looked at once more
            fleet = self._active(tx, fleet, now)
            if offers:
                into = Launching(tx, self._ec2, self._entropy, ctx, fleet, now)
                refused = into.fill(offers, capacity.missing_of(tx, fleet))
                fleet = into.fleet
            trouble += [_trouble(each) for each in refused]
            fleet = self._troubled(tx, fleet, trouble, now)
            for each in capacity.ending(tx, fleet, now):
                if (instance := tx.get(Instance, fleet.account, fleet.region, each.id)) is not None:
                    capacity.end_instance(tx, instance, now)
            if fleet != asked:
                tx.put(fleet)

    def _active(self, tx: Tx, fleet: Fleet, now: float) -> Fleet:
        """It is active, or modified, before anything is launched for it."""
        if fleet.state not in ("submitted", "modifying"):
            return fleet
        sub_type = "active" if fleet.state == "submitted" else "modify_succeeded"
        records.note(tx, self._entropy, fleet, records.FLEET, sub_type, now)
        return replace(fleet, state="active")

    def _troubled(self, tx: Tx, fleet: Fleet, trouble: list[tuple[str, str]], now: float) -> Fleet:
        """The fleet with what keeps it from more; each trouble is noted once while it lasts."""
        texts = {text: sub_type for sub_type, text in trouble}
        had = {each["ErrorMessage"] for each in fleet.errors}
        for text in sorted(texts.keys() - had):
            event = records.ERROR if texts[text] == _INVALID else records.INFORMATION
            records.note(tx, self._entropy, fleet, event, texts[text], now, text)
        if texts.keys() == had:
            return fleet
        return replace(fleet, errors=tuple({"ErrorMessage": text} for text in sorted(texts)))

    # -- the end -----------------------------------------------------------------------------------------------------

    def _end(self, work: str, now: float) -> None:
        with self._store.write() as tx:
            if (before := _fleet(tx, work)) is None:
                return
            fleet = self._followed(tx, before, now)
            for each in fleet.members.values() if fleet.terminates else ():
                if (instance := tx.get(Instance, fleet.account, fleet.region, each.id)) is not None:
                    capacity.end_instance(tx, instance, now)
            if not fleet.members:
                fleet = replace(fleet, state="deleted", deleted_at=now)
                records.note(tx, self._entropy, fleet, records.FLEET, "deleted", now)
            if fleet != before:
                tx.put(fleet)

    def _forget(self, work: str) -> None:
        with self._store.write() as tx:
            if (fleet := _fleet(tx, work)) is None:
                return
            for record in tx.list(FleetRecord, fleet.account, fleet.region):
                if record.fleet_id == fleet.id:
                    tx.delete(record)
            store.forget_token(tx, fleet)
            tx.delete(fleet)

    # -- what is told ------------------------------------------------------------------------------------------------

    async def _tell(self, fleet: Fleet, now: float) -> None:
        """Tell EventBridge, and forget what the history does not reach."""
        for record in self._store.snapshot().list(FleetRecord, fleet.account, fleet.region):
            if record.fleet_id != fleet.id:
                continue
            if not record.told:
                if self.heard():
                    entries = {"Entries": [records.entry(record, fleet.is_spot_fleet)]}
                    await self._call(record.account, record.region, "events", "PutEvents", entries)
                with self._store.write() as tx:
                    tx.put(replace(record, told=True))
            elif now >= record.at + records.KEPT_S:
                with self._store.write() as tx:
                    tx.delete(record)

    def _look_again(self, work: str, now: float) -> None:
        """`now` is when it was decided: what has fallen due since then was not seen to."""
        snapshot = self._store.snapshot()
        if (fleet := _fleet(snapshot, work)) is None:
            return
        times = [fleet.request.get("ValidFrom"), fleet.request.get("ValidUntil")]
        if fleet.state == "deleted":
            times = [(fleet.deleted_at or 0.0) + records.KEPT_S]
        delay = capacity.rebalance(fleet).get("TerminationDelay") or 0.0
        times += [each.risky_at + delay for each in fleet.members.values() if each.risky_at is not None]
        due = [each - now for each in times if each is not None and each > now]
        if fleet.state == "active" and fleet.type != "instant" and capacity.lacks(snapshot, fleet):
            due.append(AGAIN_S)
        if due:
            self._controller.enqueue_after(min(due) + 0.01, work)


_INVALID = "spotFleetRequestConfigurationInvalid"


def _trouble(refused: Refused) -> tuple[str, str]:
    """The event's sub-type and its description."""
    each, _, error = refused
    sub_type = "launchSpecUnusable" if isinstance(error, PriceTooLow) else _INVALID
    text = spot.MESSAGES["capacity-not-available"] if error.code == "UnfulfillableCapacity" else error.message
    return sub_type, f"{each.instance_type}, {each.launch.get('ImageId')}, Linux/UNIX: {text}"


def modify(tx: Tx, entropy: Entropy, ctx: RequestContext, fleet: Fleet, now: float) -> None:
    """Have the fleet ask for what it asks now. Raises what `configs.candidates` does."""
    configs.candidates(tx, ctx, fleet)
    records.note(tx, entropy, fleet, records.FLEET, "modify_in_progress", now)
    tx.put(replace(fleet, state="modifying"))


def deleted(tx: Tx, entropy: Entropy, fleet: Fleet, now: float, *, terminates: bool, told: str = "") -> Fleet:
    """The fleet as DeleteFleets leaves it: it launches nothing any more."""
    state = "deleted_terminating" if terminates else "deleted_running"
    records.note(tx, entropy, fleet, records.FLEET, told or state, now)
    return replace(fleet, state=state, terminates=terminates, deleted_at=now)


def _fleet(reader: store.Reader, work: str) -> Fleet | None:
    account, region, id = work.split("|")
    kind = SpotFleet if id.startswith("sfr-") else Fleet
    return reader.get(kind, account, region, id)


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    if key.kind in (Fleet.kind, SpotFleet.kind):
        return (_work(key),)
    if key.kind == SpotMarket.kind:
        return [_work(each.key) for each in _fleets(snapshot) if each.region == key.region]
    found = snapshot.by_key(key)
    if isinstance(found, FleetRecord):
        return (f"{key.account}|{key.region}|{found.fleet_id}",) if not found.told else ()
    id = found.instance_id if isinstance(found, SpotRequest) else key.id
    instance = snapshot.get(Instance, key.account, key.region, id) if id is not None else None
    tags = instance.tags if instance is not None else {}
    named = tags.get("aws:ec2:fleet-id") or tags.get("aws:ec2spot:fleet-request-id")
    return (f"{key.account}|{key.region}|{named}",) if named else ()


def _fleets(snapshot: Snapshot) -> list[Fleet]:
    return [*snapshot.every(Fleet), *snapshot.every(SpotFleet)]


def _every(snapshot: Snapshot) -> Iterable[str]:
    return [_work(each.key) for each in _fleets(snapshot)]


def _work(key: Key) -> str:
    return f"{key.account}|{key.region}|{key.id}"
