"""Keeps workers initialised as provisioned concurrency asks: by version, whichever qualifier it was asked for.

A level-triggered controller over functions: one reconcile compares what the configurations of a function add up to for
each of its versions with what the runtime holds. What is allocated is read from the runtime when somebody asks.
"""

from __future__ import annotations

from collections import Counter

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.clock import Clock
from kunren.dataplane.runtime.faults import Reply
from kunren.dataplane.runtime.runtime import FunctionRuntime
from kunren.services.lambda_.errors import ResourceNotFoundException
from kunren.services.lambda_.lookup import find
from kunren.services.lambda_.model import Alias, FunctionStatus, ProvisionedConcurrency
from kunren.services.lambda_.names import FunctionName, function_arn

_KINDS = (ProvisionedConcurrency.kind, Alias.kind, FunctionStatus.kind)


class Provisioner:
    """`controller.run` lives until it is cancelled."""

    def __init__(self, store: Store, runtime: FunctionRuntime, clock: Clock) -> None:
        self._store = store
        self._runtime = runtime
        self.controller = Controller(
            "provisioned-concurrency",
            store,
            clock,
            keys=_work_of,
            every=lambda snapshot: {_work(each.key) for each in snapshot.every(ProvisionedConcurrency)},
            reconcile=self._reconcile,
            parallel=2,
            wants=lambda kind: kind in _KINDS,
        )

    async def _reconcile(self, work: str) -> None:
        account, region, name = work.split("|")
        snapshot = self._store.snapshot()
        wanted: Counter[str] = Counter()
        for config in snapshot.list(ProvisionedConcurrency, account, region):
            if config.function == name:
                wanted[version_of(snapshot, config)] += config.requested
        held = self._runtime.floors(function_arn(account, region, name))
        for version in {*wanted, *held}:
            status = snapshot.get(FunctionStatus, account, region, f"{name}:{version}")
            deployed = status.deployed if status is not None else held.get(version)
            if deployed is not None:
                await self._runtime.provision(deployed, wanted[version])


def version_of(snapshot: Snapshot, config: ProvisionedConcurrency) -> str:
    """The version that its qualifier leads to; "" where that is gone."""
    try:
        return find(snapshot, FunctionName(config.account, config.region, config.function, config.qualifier)).version
    except ResourceNotFoundException:
        return ""


def allocated(snapshot: Snapshot, runtime: FunctionRuntime, config: ProvisionedConcurrency) -> tuple[int, Reply | None]:
    """How many workers are initialised for it, and why no more can be."""
    arn = function_arn(config.account, config.region, config.function)
    count, failure = runtime.provisioned(f"{arn}:{version_of(snapshot, config)}")
    return min(count, config.requested), failure


def _work_of(snapshot: Snapshot, key: Key) -> list[str]:
    return [_work(key)] if key.kind in _KINDS and ":" in key.id else []


def _work(key: Key) -> str:
    return f"{key.account}|{key.region}|{key.id.partition(':')[0]}"
