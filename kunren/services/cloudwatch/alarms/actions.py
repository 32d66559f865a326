"""Takes the actions that are due, each at least once: topics, functions, instances, scaling policies, EventBridge.

An action is a row from the state change on until it was taken or refused; an alarm's are taken in their order. What
nobody here can do (Systems Manager's, for one) is noted in the history as failed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.arn import Arn, parse_arn
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.cloudwatch.alarms import messages
from kunren.services.cloudwatch.alarms.transitions import note
from kunren.services.cloudwatch.model import ActionDue, Alarm
from kunren.services.lambda_.policy import policy_of, service_may_invoke

log = logging.getLogger(__name__)
TRIED_FOR_S = 600.0
"""AWS time for which an action is tried again where a service fails."""
INVOKER = "lambda.alarms.cloudwatch.amazonaws.com"
EC2 = {
    "stop": "StopInstances",
    "terminate": "TerminateInstances",
    "reboot": "RebootInstances",
    "recover": "RebootInstances",  # the instance goes on, on other hardware
}
_OLD_EC2 = {f"action/actions/AWS_EC2.InstanceId.{name.title()}/1.0": name for name in EC2}


Scale = Callable[[str, str, str, float | None, float | None], Awaitable[None]]
"""Carries out a scaling policy: its ARN, the alarm's name and state, the metric's value and the threshold."""


class Refused(Exception):
    """The action cannot be taken; the text says why."""


class Actions:
    """`run` lives until it is cancelled. `heard` says whether there can be rules of EventBridge."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call
        self.heard: Callable[[], bool] = lambda: True
        self.scale: Scale | None = None
        self.controller = Controller(
            "alarm-actions", store, clock, keys=_keys, every=_every, reconcile=self._take,
            wants=lambda kind: kind == ActionDue.kind,
        )  # fmt: skip

    async def _take(self, work: str) -> None:
        account, region, name = work.split("|", 2)
        for due in self._store.snapshot().list(ActionDue, account, region):
            if due.alarm == name:
                await self._one(due)

    async def _one(self, due: ActionDue) -> None:
        failed = ""
        try:
            await self._do(due)
        except Refused as error:
            failed = str(error)
        except AwsError as error:
            if error.status >= 500 and error.status != 501 and self._clock.now() < due.at + TRIED_FOR_S:
                raise
            failed = f"{error.code}: {error.message}"
        if failed:
            log.info("alarm %s: action %s failed: %s", due.alarm, due.target or "EventBridge", failed)
        with self._store.write() as tx:
            if tx.get(ActionDue, due.account, due.region, due.id) is not None:
                tx.delete(due)
            alarm = tx.get(Alarm, due.account, due.region, due.alarm)
            if due.target and alarm is not None and (failed or not due.repeated):
                self._note(tx, alarm, due, failed)

    def _note(self, tx: Any, alarm: Alarm, due: ActionDue, failed: str) -> None:
        summary = f"Failed to execute action {due.target}" if failed else f"Successfully executed action {due.target}"
        told: dict[str, Any] = {"actionState": "Failed" if failed else "Succeeded"}
        told |= {
            "notificationResource": due.target, "stateUpdateTimestamp": int(due.at * 1000),
            "publishedMessage": messages.sns_message(due.change),
        }  # fmt: skip
        if failed:
            told["error"] = failed
        note(tx, self._entropy, alarm, "Action", summary, told, self._clock.now())

    async def _do(self, due: ActionDue) -> None:
        """Raises Refused, AwsError."""
        if not due.target:
            await self._event(due)
            return
        arn = parse_arn(due.target)
        if arn is None:
            raise Refused("no ARN")
        if arn.service == "sns":
            told = {
                "TopicArn": due.target, "Subject": messages.subject(due.change),
                "Message": json.dumps(messages.sns_message(due.change)),
            }  # fmt: skip
            await self._call(arn.account or due.account, arn.region, "sns", "Publish", told)
        elif arn.service == "lambda":
            await self._invoke(due, arn)
        elif arn.service == "autoscaling":
            await self._scale(due, arn)
        elif (action := _ec2_action(arn)) is not None:
            await self._call(
                due.account, due.region, "ec2", EC2[action], {"InstanceIds": [_instance(due.change["settings"])]}
            )
        else:
            raise Refused(f"Kunren's cloudwatch has no actions of {arn.service} yet")

    async def _event(self, due: ActionDue) -> None:
        if not self.heard():
            return
        entry = {
            "Source": "aws.cloudwatch",
            "DetailType": "CloudWatch Alarm State Change",
            "Detail": json.dumps(messages.detail(due.change)),
            "Resources": [messages.arn_of(due.change)],
            "Time": due.at,
        }
        await self._call(due.account, due.region, "events", "PutEvents", {"Entries": [entry]})

    async def _invoke(self, due: ActionDue, arn: Arn) -> None:
        statements = policy_of(self._store.snapshot(), str(arn))
        source = messages.arn_of(due.change)
        if not service_may_invoke(statements, service=INVOKER, source_arn=source, source_account=due.account):
            raise Refused(f"{INVOKER} is not authorized to invoke {arn}")
        told = {
            "FunctionName": str(arn), "InvocationType": "Event",
            "Payload": json.dumps(messages.lambda_event(due.change)).encode(),
        }  # fmt: skip
        await self._call(arn.account, arn.region, "lambda", "Invoke", told)

    async def _scale(self, due: ActionDue, arn: Arn) -> None:
        parts = dict(each.partition("/")[::2] for each in arn.resource.split(":") if "/" in each)
        if self.scale is None or not {"autoScalingGroupName", "resource"} & parts.keys():
            raise Refused("no scaling policy")
        state, threshold = due.change["new"]["value"], due.change["settings"].get("Threshold")
        await self.scale(str(arn), due.alarm, state, due.change["value"], threshold)


def _ec2_action(arn: Arn) -> str | None:
    """`arn:aws:automate:REGION:ec2:ACTION`, or its older form."""
    if arn.service == "automate":
        return arn.resource if arn.account == "ec2" and arn.resource in EC2 else None
    return _OLD_EC2.get(arn.resource) if arn.service == "swf" else None


def _instance(settings: Mapping[str, Any]) -> str:
    """The instance that the alarm's metric is of. Raises Refused."""
    metrics = [each["MetricStat"]["Metric"] for each in settings.get("Metrics") or () if each.get("MetricStat")]
    for metric in (settings, *metrics):
        for each in metric.get("Dimensions") or ():
            if each["Name"] == "InstanceId":
                return str(each["Value"])
    raise Refused("the alarm's metric has no dimension InstanceId")


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    found = snapshot.by_key(key)
    return (f"{key.account}|{key.region}|{found.alarm}",) if isinstance(found, ActionDue) else ()


def _every(snapshot: Snapshot) -> Iterable[str]:
    return sorted({f"{each.account}|{each.region}|{each.alarm}" for each in snapshot.every(ActionDue)})
