"""Fulfils Spot requests and interrupts their instances: by price, by capacity, or because somebody decided so.

What is due is decided from rows and the time; a timer only looks again. So a notice that was given before a crash holds
after it, and an interruption that fell due meanwhile is made up for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2.instances import events, spot
from kunren.services.ec2.instances.errors import InsufficientInstanceCapacity, PriceTooLow
from kunren.services.ec2.instances.launcher import Launcher
from kunren.services.ec2.instances.model import Instance, InstanceRun, SpotMarket, SpotRequest
from kunren.services.ec2.instances.spot import coded
from kunren.services.ec2.instances.states import started, state
from kunren.services.ec2.instances.types import all_types

log = logging.getLogger(__name__)
AGAIN_S = 60.0
"""How often (AWS time) a request that waits for capacity or price is looked at besides."""


class SpotController:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, launcher: Launcher) -> None:
        self._store, self._clock, self._entropy, self._launcher = store, clock, entropy, launcher
        kinds = (SpotRequest.kind, SpotMarket.kind, Instance.kind, InstanceRun.kind)
        self._controller = Controller(
            "spot", store, clock, keys=_keys, every=_every, reconcile=self._reconcile, wants=lambda kind: kind in kinds,
            parallel=1,
        )  # fmt: skip

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        return {"errors": dict(self._controller.last_errors)}

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        snapshot, now = self._store.snapshot(), self._clock.now()
        request = snapshot.get(SpotRequest, account, region, id)
        if request is None or request.state not in ("open", "active", "disabled", "cancelled"):
            return
        instance = snapshot.get(Instance, account, region, request.instance_id) if request.instance_id else None
        if request.instance_id is not None:
            self._follow(request, instance, now)
        elif request.state == "open":
            await self._fulfil(request, now)
        self._look_again(work, now)

    # -- fulfilment --------------------------------------------------------------------------------------------------

    async def _fulfil(self, request: SpotRequest, now: float) -> None:
        if request.valid_until is not None and now >= request.valid_until:
            self._put(request, coded(request, now, "schedule-expired", state="closed"))
            return
        ctx = RequestContext(request.account, request.region, "ec2", "RequestSpotInstances", request.id)
        try:
            resolved = await self._launcher.resolve(self._store.snapshot(), ctx, request.launch)
            with self._store.write() as tx:
                found = tx.get(SpotRequest, request.account, request.region, request.id)
                if found is None or found.state != "open":
                    return
                made = launch_spot(tx, self._launcher, ctx, found, resolved, now)
                tx.put(coded(found, now, "fulfilled", state="active", instance_id=made.id, zone=made.availability_zone))
        except PriceTooLow:
            self._put(request, coded(request, now, "price-too-low"))
        except InsufficientInstanceCapacity:
            self._put(request, coded(request, now, "capacity-not-available"))
        except AwsError as error:
            failed = replace(request, state="failed", code="bad-parameters", message=error.message, updated_at=now)
            self._put(request, failed)

    # -- what becomes of a fulfilled one -----------------------------------------------------------------------------

    def _follow(self, request: SpotRequest, instance: Instance | None, now: float) -> None:
        with self._store.write() as tx:
            found = tx.get(SpotRequest, request.account, request.region, request.id)
            instance = tx.get(Instance, request.account, request.region, request.instance_id or "")
            if found is None:
                return
            changed = self._followed(tx, found, instance, now)
            if changed != found:
                tx.put(changed)

    def _followed(self, tx: Tx, request: SpotRequest, instance: Instance | None, now: float) -> SpotRequest:
        if instance is None or instance.wanted == "terminated":
            return _gone(request, now)
        if instance.wanted == "stopped":
            return self._while_stopped(tx, request, instance, now)
        if request.state == "disabled":
            request = coded(request, now, "fulfilled", state="active")
        if request.interrupt_at is None and (cause := _cause(tx, request, instance)):
            request = spot.interrupted(request, now, cause)
        if request.rebalance_at is not None and not request.rebalance_told:
            events.note(tx, self._entropy, instance, "EC2 Instance Rebalance Recommendation", {}, now)
            request = replace(request, rebalance_told=True)
        if request.notice_at is not None and not request.noticed and now >= request.notice_at:
            request = spot.noticed(tx, self._entropy, request, instance, now)
        if request.interrupt_at is not None and now >= request.interrupt_at:
            tx.put(spot.taken(instance, request.behavior))
            kind = "terminated" if request.behavior == "terminate" else "stopped"
            code = f"instance-{kind}-{request.cause}"
            if kind == "terminated":
                return _gone(coded(request, now, code), now, code)
            return coded(request, now, code, state="open", **_CLEARED)
        return request

    def _while_stopped(self, tx: Tx, request: SpotRequest, instance: Instance, now: float) -> SpotRequest:
        """By an interruption: started once price and capacity allow. By its user: disabled until started."""
        if request.state == "active":
            return coded(request, now, "instance-stopped-by-user", state="disabled")
        ready = request.state == "open" and state(tx, instance) == "stopped" and not _cause(tx, request, instance)
        kind = all_types()[instance.instance_type]
        if ready and self._launcher.room(tx, kind, instance.availability_zone, 1) >= 1:
            tx.put(started(instance, "stopped", now))
            return coded(request, now, "fulfilled", state="active")
        return request

    def _look_again(self, work: str, now: float) -> None:
        """`now` is when it was decided: what has fallen due since then was not seen to."""
        account, region, id = work.split("|")
        request = self._store.snapshot().get(SpotRequest, account, region, id)
        if request is None or request.state not in ("open", "active"):
            return
        times = [request.interrupt_at, None if request.noticed else request.notice_at, request.valid_until]
        due = [each - now for each in times if each is not None and each > now]
        if request.state == "open":
            due.append(AGAIN_S)
        if due:
            self._controller.enqueue_after(min(due), work)

    def _put(self, before: SpotRequest, changed: SpotRequest) -> None:
        """Write it where something but the time of the look is different."""
        if (before.state, before.code) == (changed.state, changed.code):
            return
        with self._store.write() as tx:
            found = tx.get(SpotRequest, before.account, before.region, before.id)
            if found == before:
                tx.put(changed)


_CLEARED: dict[str, Any] = {
    "notice_at": None, "interrupt_at": None, "noticed": False, "rebalance_at": None, "rebalance_told": False,
}  # fmt: skip


def launch_spot(
    tx: Tx, launcher: Launcher, ctx: RequestContext, request: SpotRequest, resolved: Any, now: float, **more: Any
) -> Instance:
    """The request's instance. Raises PriceTooLow, InsufficientInstanceCapacity."""
    made = launcher.launch(
        tx, ctx, {**request.launch, "MinCount": 1, "MaxCount": 1}, resolved, now, lifecycle="spot",
        spot_request_id=request.id, **more,
    )[0]  # fmt: skip
    found = spot.market(tx, request.region, made.availability_zone, made.instance_type)
    if request.price < spot.price_now(found):
        raise PriceTooLow(request.price, spot.price_now(found))
    if found.capacity is not None and spot.held(tx, made.availability_zone, made.instance_type) > found.capacity:
        raise InsufficientInstanceCapacity(made.instance_type, made.availability_zone, ())
    return made


def _cause(tx: Tx, request: SpotRequest, instance: Instance) -> str:
    """Why the instance can't run any longer, or not yet again; "" where it can."""
    found = spot.market(tx, instance.region, instance.availability_zone, instance.instance_type)
    if request.price < spot.price_now(found):
        return "by-price"
    if found.capacity is None:
        return ""
    sharing = spot.sharing(tx, instance.availability_zone, instance.instance_type)
    sharing.sort(key=lambda each: (each.launched_at, each.id))
    ahead = [each.id for each in sharing[: found.capacity]]
    if instance.wanted == "running":
        return "" if instance.id in ahead else "no-capacity"
    return "" if len(sharing) < found.capacity else "no-capacity"


def _gone(request: SpotRequest, now: float, code: str = "instance-terminated-by-user") -> SpotRequest:
    """The instance is terminated: a one-time request is closed, a persistent one opens again unless it is cancelled."""
    if request.state == "cancelled":
        return request if request.code == code else coded(request, now, code)
    if request.persistent:
        return coded(request, now, "pending-evaluation", state="open", instance_id=None, zone=None, **_CLEARED)
    return coded(request, now, code, state="closed")


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    if key.kind == SpotRequest.kind:
        return (_work(key),)
    if key.kind == SpotMarket.kind:
        return [_work(each.key) for each in snapshot.every(SpotRequest) if each.region == key.region]
    instance = snapshot.get(Instance, key.account, key.region, key.id)
    if instance is None or instance.spot_request_id is None:
        return ()
    return (f"{key.account}|{key.region}|{instance.spot_request_id}",)


def _every(snapshot: Snapshot) -> Iterable[str]:
    return [_work(each.key) for each in snapshot.every(SpotRequest)]


def _work(key: Key) -> str:
    return f"{key.account}|{key.region}|{key.id}"
