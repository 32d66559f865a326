"""Carries out operations of stack sets: region by region, in each as many accounts at once as the preferences say.

What has become of each target stands in the operation's row, so that a restart goes on with the others; a stack has its
name before it is made. "StackSets concepts", "Stack set operation options", "Grant self-managed
permissions".
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Store
from kunren.core.calling import Actor, CallService, Permit, limited
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.services.cloudformation.acting import SESSION, acting_for
from kunren.services.cloudformation.model import SetOperation, Stack, StackInstance, StackSet

_POLL_S = 0.1
GOOD = {
    "CREATE": ("CREATE_COMPLETE",),
    "UPDATE": ("CREATE_COMPLETE", "UPDATE_COMPLETE"),
    "DELETE": ("DELETE_COMPLETE", ""),
}


def concurrency(preferences: Mapping[str, Any], targets: int) -> tuple[int, int]:
    """How many targets of a region at once, and how many of them may fail. Pure."""
    tolerated = int(preferences.get("FailureToleranceCount", 0))
    if "FailureTolerancePercentage" in preferences:
        tolerated = targets * int(preferences["FailureTolerancePercentage"]) // 100
    at_once = int(preferences.get("MaxConcurrentCount", 1))
    if "MaxConcurrentPercentage" in preferences:
        at_once = max(1, math.floor(targets * int(preferences["MaxConcurrentPercentage"]) / 100))
    if preferences.get("ConcurrencyMode") != "SOFT_FAILURE_TOLERANCE":
        at_once = min(at_once, tolerated + 1)
    return max(1, at_once), tolerated


def executing(owner: StackSet, account: str) -> Actor:
    """In which role a set's stacks of an account are made. Pure."""
    name = owner.execution_role or "AWSCloudFormationStackSetExecutionRole"
    through = owner.admin_role or f"arn:aws:iam::{owner.account}:role/AWSCloudFormationStackSetAdministrationRole"
    return Actor(role=f"arn:aws:iam::{account}:role/{name}", session=SESSION, through=through)


class SetEngine:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, call: CallService, permit: Permit | None) -> None:
        self._store, self._clock, self._call, self._permit = store, clock, call, permit
        self._controller = Controller(
            "stack-sets",
            store,
            clock,
            keys=lambda _, key: [f"{key.account}|{key.region}|{key.id}"],
            every=lambda snapshot: [
                f"{each.account}|{each.region}|{each.id}"
                for each in snapshot.every(SetOperation)
                if each.status in ("RUNNING", "STOPPING")
            ],
            reconcile=self._reconcile,
            wants=lambda kind: kind == SetOperation.kind,
            parallel=100,
        )

    async def run(self) -> None:
        await self._controller.run()

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        operation = self._store.snapshot().get(SetOperation, account, region, id)
        if operation is None or operation.status not in ("RUNNING", "STOPPING"):
            return
        regions = list(dict.fromkeys(target[1] for target in operation.targets))
        order = [each for each in operation.preferences.get("RegionOrder", []) if each in regions]
        regions = order + [each for each in regions if each not in order]
        if operation.preferences.get("RegionConcurrencyType") == "PARALLEL":
            await asyncio.gather(*(self._region(operation, each) for each in regions))
        else:
            for each in regions:
                if not await self._region(operation, each):
                    break
        self._finish(operation)

    async def _region(self, operation: SetOperation, region: str) -> bool:
        """Whether the operation may go on."""
        accounts = [account for account, where in operation.targets if where == region]
        at_once, tolerated = concurrency(operation.preferences, len(accounts))
        free = asyncio.Semaphore(at_once)

        async def one(account: str) -> None:
            async with free:
                now = self._now(operation)
                failed = sum(now.results.get(f"{each}/{region}", ("", ""))[0] == "FAILED" for each in accounts)
                if failed > tolerated or now.status == "STOPPING" or f"{account}/{region}" in now.results:
                    return
                why = await self._target(operation, account, region)
                self._note(operation, f"{account}/{region}", "FAILED" if why else "SUCCEEDED", why or "")

        await asyncio.gather(*(one(each) for each in accounts))
        now = self._now(operation)
        failed = sum(now.results.get(f"{each}/{region}", ("", ""))[0] == "FAILED" for each in accounts)
        return failed <= tolerated and now.status != "STOPPING"

    async def _target(self, operation: SetOperation, account: str, region: str) -> str | None:
        """Bring one stack to what the set says; why it is not."""
        key = (operation.account, operation.region, f"{operation.stack_set}/{account}/{region}")
        instance = self._store.snapshot().get(StackInstance, *key)
        if instance is None:
            return None
        self._instance(instance, detail="RUNNING", operation=operation.id.rpartition("/")[2])
        if operation.action == "DELETE" and operation.retain:
            with self._store.write() as tx:
                tx.delete(instance)
            return None
        owner = self._store.snapshot().get(StackSet, operation.account, operation.region, operation.stack_set)
        assert owner is not None
        actor = executing(owner, account)
        call = limited(self._call, self._permit, actor)
        with acting_for(actor):
            if operation.action == "DETECT_DRIFT":
                return await self._looked_at(call, account, region, instance)
            try:
                await self._ask(call, operation, owner, instance)
                status, reason = await self._outcome(account, region, instance)
            except AwsError as error:
                status, reason = "FAILED", error.message
        good = status in GOOD[operation.action]
        if good and operation.action == "DELETE":
            with self._store.write() as tx:
                tx.delete(instance)
        else:
            stands = "CURRENT" if good else "INOPERABLE" if status == "DELETE_FAILED" else "OUTDATED"
            self._instance(
                instance, status=stands, drift="NOT_CHECKED", detail="SUCCEEDED" if good else "FAILED", reason=reason
            )
        return None if good else reason or f"The stack is in {status}"

    async def _looked_at(self, call: CallService, account: str, region: str, instance: StackInstance) -> str | None:
        """Why the stack's drift is not known."""
        try:
            about = {"StackName": instance.stack_arn}
            begun = await call(account, region, "cloudformation", "DetectStackDrift", about)
            told = await call(account, region, "cloudformation", "DescribeStackDriftDetectionStatus", begun)
        except AwsError as error:
            self._instance(instance, detail="FAILED")
            return error.message
        self._instance(instance, drift=told["StackDriftStatus"], drift_checked=self._clock.now(), detail="SUCCEEDED")
        return None

    async def _ask(self, call: CallService, operation: SetOperation, owner: StackSet, instance: StackInstance) -> None:
        account, region = instance.target_account, instance.target_region
        if operation.action == "DELETE":
            await call(account, region, "cloudformation", "DeleteStack", {"StackName": instance.stack_name})
            return
        held = self._stack(account, region, instance.stack_name)
        params = {
            "StackName": instance.stack_name,
            "TemplateBody": owner.template,
            "Capabilities": list(owner.capabilities),
            "Tags": [{"Key": key, "Value": value} for key, value in owner.tags.items()],
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in {**owner.parameters, **instance.overrides}.items()
            ],
            "ClientRequestToken": operation.id.rpartition("/")[2],
        }
        if held is not None and held.token == params["ClientRequestToken"]:
            return  # asked before a restart
        if held is not None and held.status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED"):
            await call(account, region, "cloudformation", "DeleteStack", {"StackName": instance.stack_name})
            await self._outcome(account, region, instance)
            held = None
        try:
            verb = "UpdateStack" if held is not None else "CreateStack"
            await call(account, region, "cloudformation", verb, params)
        except AwsError as error:
            if error.message != "No updates are to be performed.":
                raise

    async def _outcome(self, account: str, region: str, instance: StackInstance) -> tuple[str, str]:
        """Wait until the stack's operation is over."""
        found = self._stack(account, region, instance.stack_name)
        if found is not None:
            self._instance(instance, stack_arn=found.arn)
        while found is not None:
            now = self._store.snapshot().get(Stack, account, region, found.id)
            if now is None or not now.status.endswith("_IN_PROGRESS"):
                return (now.status, now.reason) if now is not None else ("", "")
            await self._clock.wall_sleep(_POLL_S)
        return "", ""

    def _stack(self, account: str, region: str, name: str) -> Stack | None:
        held = self._store.snapshot().list(Stack, account, region)
        return next((each for each in held if each.name == name and each.status != "DELETE_COMPLETE"), None)

    # -- writing -----------------------------------------------------------------------------------------------------

    def _now(self, operation: SetOperation) -> SetOperation:
        return self._store.snapshot().get(SetOperation, operation.account, operation.region, operation.id) or operation

    def _note(self, operation: SetOperation, target: str, status: str, reason: str) -> None:
        with self._store.write() as tx:
            now = tx.get(SetOperation, operation.account, operation.region, operation.id) or operation
            tx.put(replace(now, results={**now.results, target: (status, reason)}))

    def _instance(self, instance: StackInstance, **changed: Any) -> None:
        with self._store.write() as tx:
            now = tx.get(StackInstance, instance.account, instance.region, instance.id)
            if now is not None:
                tx.put(replace(now, **changed))

    def _finish(self, operation: SetOperation) -> None:
        now = self._now(operation)
        results = dict(now.results)
        for account, region in now.targets:
            if f"{account}/{region}" not in results:
                results[f"{account}/{region}"] = ("CANCELLED", "Cancelled since failure tolerance has exceeded")
                instance = f"{now.stack_set}/{account}/{region}"
                found = self._store.snapshot().get(StackInstance, now.account, now.region, instance)
                if found is not None:
                    self._instance(found, detail="CANCELLED")
        regions = {region for _, region in now.targets}
        lost = any(
            sum(results[f"{account}/{where}"][0] == "FAILED" for account, where in now.targets if where == region)
            > concurrency(now.preferences, sum(where == region for _, where in now.targets))[1]
            for region in regions
        )
        status = "STOPPED" if now.status == "STOPPING" else "FAILED" if lost else "SUCCEEDED"
        with self._store.write() as tx:
            tx.put(replace(now, status=status, results=results, ended=self._clock.now()))
