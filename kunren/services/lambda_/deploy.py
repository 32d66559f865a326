"""Brings functions to the runtime: unpacks their code, checks that this machine can run them, says so as status.

A level-triggered controller over function rows: it compares what is deployed with the row, and what it finds decides
`State` and `LastUpdateStatus`. What can be mended by waiting (a namespace that is not there yet, a full disk) is
retried; what can't (no interpreter, a damaged package) is a Failed state with AWS's reason code.
"""

from __future__ import annotations

import asyncio
import logging
import zipfile

import msgspec

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.clock import Clock
from kunren.dataplane.runtime.interpreters import RuntimeUnavailable
from kunren.dataplane.runtime.runtime import FunctionRuntime
from kunren.dataplane.runtime.version import FunctionVersion
from kunren.services.lambda_.code import CodeStore
from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.model import LATEST, Function, FunctionStatus
from kunren.services.lambda_.names import function_arn

log = logging.getLogger(__name__)


class Deployer:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, runtime: FunctionRuntime, code: CodeStore, clock: Clock) -> None:
        self._store = store
        self._runtime = runtime
        self._code = code
        self.controller = Controller(
            "lambda",
            store,
            clock,
            keys=_work_of,
            every=_all_work,
            reconcile=self._reconcile,
            parallel=4,
            wants=lambda kind: kind == Function.kind,
        )

    async def run(self) -> None:
        used = {each.code.sha256 for each in self._store.snapshot().every(Function)}
        await asyncio.to_thread(self._code.discard_except, used)
        await self.controller.run()

    async def _reconcile(self, work: str) -> None:
        account, region, name = work.split("|")
        snapshot = self._store.snapshot()
        function = snapshot.get(Function, account, region, name)
        status = snapshot.get(FunctionStatus, account, region, name)
        if function is None:
            self._runtime.retire(function_arn(account, region, name))
            if status is not None:
                with self._store.write() as tx:
                    tx.delete(status)
            return
        if status is not None and status.update_id == function.update_id:
            return
        deployed, reason, code = await self._deploy(function)
        with self._store.write() as tx:
            now = tx.get(Function, account, region, name)
            if now is None or now.update_id != function.update_id:
                return  # changed meanwhile: its key is queued again
            if deployed is None:
                before = status.deployed if status is not None else None
                failed = FunctionStatus(
                    account=account,
                    region=region,
                    id=name,
                    update_id=function.update_id,
                    deployed=before,
                    reason=reason,
                    reason_code=code,
                )
                tx.put(failed)
                return
            tx.put(
                FunctionStatus(account=account, region=region, id=name, update_id=function.update_id, deployed=deployed)
            )
            if now.deployed_update_id != function.update_id:
                tx.put(msgspec.structs.replace(now, deployed_update_id=function.update_id))
        self._runtime.replace(deployed)

    async def _deploy(self, function: Function) -> tuple[FunctionVersion | None, str, str]:
        """The version as the runtime can run it, or None, the reason and its code."""
        try:
            folder = await asyncio.to_thread(self._code.unpack, function.code.sha256)
        except (InvalidParameterValueException, zipfile.BadZipFile, FileNotFoundError) as error:
            log.error("the package of function %s cannot be unpacked: %r", function.id, error)
            return None, "The function's deployment package cannot be unpacked.", "InvalidZipFileException"
        version = FunctionVersion(
            account=function.account,
            region=function.region,
            name=function.id,
            arn=function.arn,
            version=LATEST,
            runtime=function.runtime,
            handler=function.handler,
            memory_mb=function.memory_size,
            timeout_s=function.timeout,
            code_dir=str(folder),
            revision=function.update_id,
            environment=function.environment or {},
            log_group=function.log_group,
        )
        try:
            await self._runtime.prepare(version)
        except RuntimeUnavailable as error:
            return None, str(error), "InvalidRuntime"
        return version, "", ""


def _work_of(snapshot: Snapshot, key: Key) -> list[str]:
    return [f"{key.account}|{key.region}|{key.id}"] if key.kind == Function.kind else []


def _all_work(snapshot: Snapshot) -> list[str]:
    return [f"{each.account}|{each.region}|{each.id}" for each in snapshot.every(Function)]
