"""Keeps as many environments of each version as its scaling config says. A level-triggered controller over the configs;
the first environments of a version are the deployer's, since they decide whether it becomes Active."""

from __future__ import annotations

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.clock import Clock
from kunren.dataplane.runtime.runtime import FunctionRuntime
from kunren.services.lambda_.capacity.model import FunctionScaling
from kunren.services.lambda_.capacity.rules import scaling_of
from kunren.services.lambda_.model import FunctionStatus, PublishedVersion


class Fleets:
    """`controller.run` lives until it is cancelled."""

    def __init__(self, store: Store, runtime: FunctionRuntime, clock: Clock) -> None:
        self._store = store
        self._runtime = runtime
        self.controller = Controller(
            "managed-instances",
            store,
            clock,
            keys=lambda snapshot, key: [_work(key)] if key.kind == FunctionScaling.kind else [],
            every=lambda snapshot: [_work(each.key) for each in snapshot.every(FunctionScaling)],
            reconcile=self._reconcile,
            wants=lambda kind: kind == FunctionScaling.kind,
        )

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        snapshot = self._store.snapshot()
        version = snapshot.get(PublishedVersion, account, region, id)
        status = snapshot.get(FunctionStatus, account, region, id)
        deployed = status.deployed if status is not None else None
        fleet = self._runtime.kept(deployed) if deployed is not None else None
        if version is not None and fleet is not None:
            fleet.resize(*scaling_of(snapshot, version))


def applied(
    snapshot: Snapshot, runtime: FunctionRuntime, version: PublishedVersion
) -> tuple[dict[str, int], dict[str, int]]:
    """The scaling that is in effect and, while it is not what was asked for, what was asked for."""
    minimum, maximum = scaling_of(snapshot, version)
    asked = {"MinExecutionEnvironments": minimum}
    if maximum is not None:
        asked["MaxExecutionEnvironments"] = maximum
    status = snapshot.get(FunctionStatus, version.account, version.region, version.id)
    fleet = runtime.kept(status.deployed) if status is not None and status.deployed is not None else None
    running = fleet.running if fleet is not None else 0
    if running >= minimum and (maximum is None or running <= maximum):
        return asked, {}
    return {"MinExecutionEnvironments": running}, asked


def _work(key: Key) -> str:
    return f"{key.account}|{key.region}|{key.id}"
