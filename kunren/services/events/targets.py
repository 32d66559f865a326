"""Gives a target its input, by the target's own operations. Also for EventBridge Scheduler."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from kunren.control.store import Store
from kunren.core.arn import Arn, parse_arn
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.events.model import DEFAULT, Bus, Delivery
from kunren.services.events.publishing import publish
from kunren.services.lambda_.policy import policy_of, service_may_invoke

SERVICES = ("lambda", "sqs", "sns", "logs", "events", "ecs", "states", "kinesis")


class Refused(Exception):
    """It can't be delivered, however often it is tried; the text says why, `code` is the dead letter's."""

    def __init__(self, why: str, code: str = "NO_RESOURCE") -> None:
        super().__init__(why)
        self.code = code


def is_reached(arn: Arn) -> bool:
    """Whether Kunren has that kind of target."""
    if arn.service == "events":
        return arn.resource.startswith("event-bus/")
    return arn.service in SERVICES or (arn.service == "scheduler" and arn.resource.startswith("aws-sdk:"))


class Targets:
    """`deliver` raises Refused, and AwsError as the target's service does."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call
        self._ways: dict[str, Callable[[Delivery, Arn], Awaitable[None]]] = {
            "lambda": self._lambda,
            "sqs": self._sqs,
            "sns": self._sns,
            "logs": self._logs,
            "events": self._events,
            "ecs": self._ecs,
            "states": self._states,
            "kinesis": self._kinesis,
            "scheduler": self._any,
        }

    async def deliver(self, due: Delivery) -> None:
        arn = parse_arn(due.target["Arn"])
        if arn is None or not is_reached(arn):
            raise Refused(f"Kunren's events has no targets like {due.target['Arn']} yet")
        await self._ways[arn.service](due, arn)

    async def send_to_queue(self, arn: Arn, text: str, **more: Any) -> None:
        url = f"https://sqs.{arn.region}.amazonaws.com/{arn.account}/{arn.resource}"
        told = {"QueueUrl": url, "MessageBody": text, **more}
        await self._call(arn.account, arn.region, "sqs", "SendMessage", told)

    async def _lambda(self, due: Delivery, arn: Arn) -> None:
        if due.principal == "events.amazonaws.com":  # a schedule acts with its role
            statements = policy_of(self._store.snapshot(), str(arn))
            if not service_may_invoke(
                statements, service=due.principal, source_arn=due.source, source_account=due.account
            ):
                raise Refused(f"{due.principal} is not authorized to invoke {arn}", "NO_PERMISSIONS")
        told = {"FunctionName": str(arn), "InvocationType": "Event", "Payload": due.text.encode()}
        await self._call(arn.account, arn.region, "lambda", "Invoke", told)

    async def _sqs(self, due: Delivery, arn: Arn) -> None:
        group = (due.target.get("SqsParameters") or {}).get("MessageGroupId")
        more = {"MessageGroupId": group} if group else {}
        if group:
            more["MessageDeduplicationId"] = due.id
        await self.send_to_queue(arn, due.text, **more)

    async def _sns(self, due: Delivery, arn: Arn) -> None:
        await self._call(arn.account, arn.region, "sns", "Publish", {"TopicArn": str(arn), "Message": due.text})

    async def _logs(self, due: Delivery, arn: Arn) -> None:
        group = arn.resource.removeprefix("log-group:").removesuffix(":*")
        stream = self._entropy.uuid()
        where = {"logGroupName": group, "logStreamName": stream}
        await self._call(arn.account, arn.region, "logs", "CreateLogStream", where)
        line = {"timestamp": int(self._clock.now() * 1000), "message": due.text}
        await self._call(arn.account, arn.region, "logs", "PutLogEvents", {**where, "logEvents": [line]})

    async def _events(self, due: Delivery, arn: Arn) -> None:
        if (given := due.target.get("EventBridgeParameters")) is None:
            self._forward(due, arn)
            return
        entry = {"Source": given["Source"], "DetailType": given["DetailType"], "Detail": due.text}  # of a schedule
        entry["EventBusName"] = arn.resource.removeprefix("event-bus/")
        answer = await self._call(arn.account, arn.region, "events", "PutEvents", {"Entries": [entry]})
        if answer.get("FailedEntryCount"):
            raise Refused(answer["Entries"][0].get("ErrorMessage", "it was refused"))

    def _forward(self, due: Delivery, arn: Arn) -> None:
        """The event itself, with its id, time and account, to another bus, but no further ("Sending and receiving
        events between event buses"): so two buses that send to each other do not do it for ever."""
        if due.forwarded:
            raise Refused("what came from another bus goes to no third one", "THIRD_ACCOUNT_HOP_DETECTED")
        event, bus = _object(due.text), arn.resource.removeprefix("event-bus/")
        if not {"id", "source", "detail-type", "detail"} <= event.keys():
            raise Refused("what a bus is to get is no event", "INVALID_PARAMETER")
        with self._store.write() as tx:
            if bus != DEFAULT and tx.get(Bus, arn.account, arn.region, bus) is None:
                raise Refused(f"Event bus {bus} does not exist.")
            publish(tx, self._entropy, arn.account, arn.region, bus, event, self._clock.now(), forwarded=True)

    async def _ecs(self, due: Delivery, arn: Arn) -> None:
        given = due.target.get("EcsParameters")
        if not given:
            raise Refused("a cluster as a target needs EcsParameters")
        told = {
            "cluster": str(arn),
            "taskDefinition": given["TaskDefinitionArn"],
            "count": given.get("TaskCount") or 1,
            "startedBy": f"{_STARTED_BY[due.principal]}/{due.source.rpartition('/')[2]}"[:128],
        }
        for name, key in _RUN_TASK.items():
            if given.get(name):
                told[key] = given[name]
        if network := (given.get("NetworkConfiguration") or {}).get("awsvpcConfiguration"):
            inner = {name[0].lower() + name[1:]: value for name, value in network.items() if value}
            told["networkConfiguration"] = {"awsvpcConfiguration": inner}
        if tags := given.get("Tags"):
            told["tags"] = [{name.lower(): value for name, value in each.items()} for each in tags]
        overrides = _object(due.text)
        if "detail-type" not in overrides:  # an event is none
            told["overrides"] = {name: each for name, each in overrides.items() if name in _OVERRIDES}
        answer = await self._call(arn.account, arn.region, "ecs", "RunTask", told)
        if failures := answer.get("failures"):
            raise Refused(f"RunTask: {failures[0].get('reason')}")

    async def _states(self, due: Delivery, arn: Arn) -> None:
        told = {"stateMachineArn": str(arn), "input": due.text}
        await self._call(arn.account, arn.region, "stepfunctions", "StartExecution", told)

    async def _kinesis(self, due: Delivery, arn: Arn) -> None:
        given = due.target.get("KinesisParameters") or {}
        key = given.get("PartitionKey") or due.id  # of a rule: `publishing` has found it
        told = {"StreamName": arn.resource.removeprefix("stream/"), "Data": due.text.encode(), "PartitionKey": key}
        await self._call(arn.account, arn.region, "kinesis", "PutRecord", told)

    async def _any(self, due: Delivery, arn: Arn) -> None:
        """Any operation: `arn:aws:scheduler:::aws-sdk:SERVICE:OPERATION` ("Using universal targets")."""
        _, service, operation = (*arn.resource.split(":", 2), "", "")[:3]
        names = {"eventbridge": "events", "sfn": "stepfunctions", "cloudwatchlogs": "logs"}
        told = _object(due.text) if due.text else {}
        name = operation[:1].upper() + operation[1:]
        await self._call(due.account, due.region, names.get(service, service), name, told)


_STARTED_BY = {"events.amazonaws.com": "events-rule", "scheduler.amazonaws.com": "chronos-schedule"}
_OVERRIDES = frozenset(
    {"containerOverrides", "cpu", "memory", "taskRoleArn", "executionRoleArn", "ephemeralStorage",
     "inferenceAcceleratorOverrides"}
)  # fmt: skip
_RUN_TASK = {
    "LaunchType": "launchType", "Group": "group", "PlatformVersion": "platformVersion",
    "CapacityProviderStrategy": "capacityProviderStrategy", "EnableECSManagedTags": "enableECSManagedTags",
    "EnableExecuteCommand": "enableExecuteCommand", "PropagateTags": "propagateTags", "ReferenceId": "referenceId",
    "PlacementConstraints": "placementConstraints", "PlacementStrategy": "placementStrategy",
}  # fmt: skip


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def says_again(error: AwsError) -> bool:
    """Whether it is worth another try: the service failed, or had too much to do."""
    busy = "Throttl" in error.code or error.code == "ProvisionedThroughputExceededException"
    return (error.status >= 500 and error.status != 501) or error.status == 429 or busy


def dead_letter(target: Mapping[str, Any]) -> Arn | None:
    told = (target.get("DeadLetterConfig") or {}).get("Arn")
    return parse_arn(told) if told else None
