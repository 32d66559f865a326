"""Lifecycle hooks: who is told, and when an instance that waits goes on. "Amazon EC2 Auto Scaling lifecycle hooks" in
the user guide."""

from __future__ import annotations

import json
import logging
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock, iso_utc
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.autoscaling import views
from kunren.services.autoscaling.model import LAUNCHING, Activity, Group, Hook, Member, Waiting

log = logging.getLogger(__name__)


class Hooks:
    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call

    def of(self, group: Group, transition: str, now: float) -> dict[str, Waiting]:
        """What an instance waits for from now on, at that transition."""
        return {
            name: Waiting(token=self._entropy.uuid(), until=now + hook.timeout_s)
            for name, hook in group.hooks.items()
            if hook.transition == transition
        }

    async def results(self, group: Group, member: Member, now: float) -> list[str]:
        """CONTINUE or ABANDON of every hook that the member waits for, "" while nobody has said; each is told first."""
        found = []
        for name, waiting in member.hooks.items():
            hook = group.hooks.get(name)
            if not waiting.told and hook is not None:
                await self._send(group, member, name, hook, waiting)
                self._note_told(group, member, name)
            timed_out = now >= waiting.until or hook is None
            found.append(waiting.result or ((hook.default_result if hook else "CONTINUE") if timed_out else ""))
        return found

    def _note_told(self, group: Group, member: Member, name: str) -> None:
        with self._store.write() as tx:
            found = tx.get(Group, group.account, group.region, group.id)
            current = found.members.get(member.id) if found is not None else None
            if found is None or current is None or current.state != member.state or name not in current.hooks:
                return
            told = replace(current, hooks={**current.hooks, name: replace(current.hooks[name], told=True)})
            tx.put(replace(found, members={**found.members, member.id: told}))

    async def _send(self, group: Group, member: Member, name: str, hook: Hook, waiting: Waiting) -> None:
        activity = self._store.snapshot().get(Activity, group.account, group.region, member.activity)
        launching = hook.transition == LAUNCHING
        detail: dict[str, Any] = {
            "LifecycleActionToken": waiting.token,
            "AutoScalingGroupName": group.id,
            "LifecycleHookName": name,
            "EC2InstanceId": member.id,
            "LifecycleTransition": hook.transition,
            **({"NotificationMetadata": hook.metadata} if hook.metadata else {}),
            "Origin": activity.origin if activity is not None else "EC2" if launching else "AutoScalingGroup",
            "Destination": activity.destination if activity is not None else "AutoScalingGroup" if launching else "EC2",
        }
        kind, now = "launch" if launching else "terminate", self._clock.now()
        entry = {
            "Source": "aws.autoscaling", "DetailType": f"EC2 Instance-{kind} Lifecycle Action",
            "Detail": json.dumps(detail), "Resources": [views.group_arn(group)], "Time": now,
        }  # fmt: skip
        message = json.dumps(
            {**detail, "Service": "AWS Auto Scaling", "Time": iso_utc(now), "AccountId": group.account}
        )
        try:
            await self._call(group.account, group.region, "events", "PutEvents", {"Entries": [entry]})
            if hook.target and ":sqs:" in hook.target:
                account, queue = hook.target.split(":")[4:6]
                named = {"QueueName": queue, "QueueOwnerAWSAccountId": account}
                url = (await self._call(group.account, group.region, "sqs", "GetQueueUrl", named))["QueueUrl"]
                params = {"QueueUrl": url, "MessageBody": message}
                await self._call(group.account, group.region, "sqs", "SendMessage", params)
            elif hook.target:
                params = {"TopicArn": hook.target, "Message": message}
                await self._call(group.account, group.region, "sns", "Publish", params)
        except AwsError as error:
            log.warning("the lifecycle hook of %s could not be told: %s", group.id, error)
