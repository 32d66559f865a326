"""Asks hooks, and notes what they say: each question and its answer is a row, so that a crash asks none twice that has
been answered, and asks again what was under way."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Store, Tx
from kunren.core.calling import Actor, CallService, Permit, limited
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.cloudformation import guard, hooks
from kunren.services.cloudformation.hooks import Answer, Target
from kunren.services.cloudformation.model import Hook, HookResult, Stack
from kunren.services.cloudformation.responses import HOOK, url

Told = Callable[[Tx, HookResult], None]
"""Notes an event of the stack's."""
POLL_S = 1.0


class Asking:
    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService, permit: Permit | None) -> None:
        self._store, self._clock, self._entropy, self._call, self._permit = store, clock, entropy, call, permit

    def any(self, stack: Stack) -> bool:
        """Whether there are hooks at all where the stack is."""
        return bool(self._store.snapshot().by_id(Hook, stack.account, stack.region))

    async def refusal(self, stack: Stack, target: Target, told: Told, given_up: Callable[[], bool]) -> tuple[bool, str]:
        """Whether any hook was asked, and why what is about to happen may not ("": it may). Nothing is waited for once
        it is `given_up`."""
        held = self._store.snapshot().by_id(Hook, stack.account, stack.region)
        mine = hooks.concerned(held.values(), target, stack.name)
        results = await asyncio.gather(*(self._asked(each, stack, target, told, given_up) for each in mine))
        forbidden = [each.name for each in results if hooks.forbids(each)]
        return bool(mine), hooks.refused(forbidden) if forbidden else ""

    async def _asked(
        self, hook: Hook, stack: Stack, target: Target, told: Told, given_up: Callable[[], bool]
    ) -> HookResult:
        id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{target.token}/{hook.id}"))
        result = self._store.snapshot().get(HookResult, hook.account, hook.region, id)
        if result is None:
            result = HookResult(
                account=hook.account,
                region=hook.region,
                id=id,
                stack=stack.id,
                execution=target.execution or stack.arn,
                name=hook.id,
                arn=hook.arn,
                mode=hook.properties["FailureMode"],
                original=hook.original,
                operation=target.operation,
                target=target.id,
                target_name=target.name,
                action=target.action,
                status=hooks.IN_PROGRESS,
                payload=target.payload,
                secret=self._entropy.hex(32) if target.payload else "",
                at=self._clock.now(),
            )
            with self._store.write() as tx:
                tx.put(result)
                told(tx, result)
        while result.status == hooks.IN_PROGRESS:
            said = await self._answer(hook, result, target, stack)
            if said.status == hooks.IN_PROGRESS and result.invocation < hooks.INVOCATIONS_MAX:
                result = replace(result, invocation=result.invocation + 1, context=said.context)
                with self._store.write() as tx:
                    tx.put(result)
                if await self._paused(said.delay, given_up):
                    continue
                said = Answer(hooks.BROKEN, "The operation was cancelled")
            elif said.status == hooks.IN_PROGRESS:
                said = Answer(hooks.BROKEN, f"The function gave no result in {hooks.INVOCATIONS_MAX} invocations")
            longest = hooks.CLOUD_CONTROL_REASON_MAX if target.execution else hooks.REASON_MAX
            why = hooks.reason(said.status, said.message[:longest], result.mode)
            result = replace(result, status=said.status, reason=why, annotations=said.annotations, payload="")
            with self._store.write() as tx:
                tx.put(result)
                told(tx, result)
        return result

    async def _paused(self, seconds: float, given_up: Callable[[], bool]) -> bool:
        """Whether the hook is to be asked again, once that time is over."""
        until = self._clock.now() + seconds
        while (left := until - self._clock.now()) > 0 and not given_up():
            await self._clock.wall_sleep(min(self._clock.wall_seconds(left), POLL_S))
        return not given_up()

    async def _answer(self, hook: Hook, result: HookResult, target: Target, stack: Stack) -> Answer:
        role = Actor(role=hook.properties["ExecutionRole"], session=hooks.SESSION, service=hooks.PRINCIPAL)
        call = limited(self._call, self._permit, role)
        try:
            async with asyncio.timeout(hooks.CALL_WITHIN_S):
                if "RuleLocation" in hook.properties:
                    return await guard.answer(call, hook, target, stack)
                return await self._of_function(call, hook, result, target, stack)
        except TimeoutError:
            what = "program" if "RuleLocation" in hook.properties else "function"
            return Answer(hooks.BROKEN, f"The {what} did not answer within {hooks.CALL_WITHIN_S:g} seconds")
        except AwsError as error:
            return Answer(hooks.BROKEN, error.message)

    async def _of_function(
        self, call: CallService, hook: Hook, result: HookResult, target: Target, stack: Stack
    ) -> Answer:
        """Raises AwsError."""
        link = url(HOOK, stack.arn, result.id, result.secret) if target.payload else ""
        event: dict[str, Any] = hooks.event(hook, result, target, stack, link)
        given = {"FunctionName": hook.properties["LambdaFunction"], "Payload": json.dumps(event, default=str).encode()}
        return hooks.answer(await call(hook.account, hook.region, "lambda", "Invoke", given))
