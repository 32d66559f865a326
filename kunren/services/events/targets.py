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
from kunren.services.events.model import Delivery
from kunren.services.lambda_.policy import policy_of, service_may_invoke

SERVICES = ("lambda", "sqs", "sns", "logs", "events", "ecs", "states", "kinesis")


class Refused(Exception):
    """It can't be delivered, however often it is tried; the text says why."""


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
                raise Refused(f"{due.principal} is not authorized to invoke {arn}")
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
        if (given := due.target.get("EventBridgeParameters")) is not None:  # of a schedule
            entry = {"Source": given["Source"], "DetailType": given["DetailType"], "Detail": due.text}
        else:
            event = _object(due.text)
            entry = {
                "Source": event.get("source", ""),
                "DetailType": event.get("detail-type", ""),
                "Detail": json.dumps(event.get("detail", {})),
                "Resources": event.get("resources", []),
            }
        entry["EventBusName"] = arn.resource.removeprefix("event-bus/")
        answer = await self._call(arn.account, arn.region, "events", "PutEvents", {"Entries": [entry]})
        if answer.get("FailedEntryCount"):
            raise Refused(answer["Entries"][0].get("ErrorMessage", "it was refused"))

    async def _ecs(self, due: Delivery, arn: Arn) -> None:
        given = due.target.get("EcsParameters")
        if not given:
            raise Refused("a cluster as a target needs EcsParameters")
        told = {
            "cluster": str(arn),
            "taskDefinition": given["TaskDefinitionArn"],
            "count": given.get("TaskCount") or 1,
            "startedBy": f"{due.principal.partition('.')[0]}/{due.source.rpartition('/')[2]}"[:36],
        }
        for name, key in _RUN_TASK.items():
            if given.get(name):
                told[key] = given[name]
        if network := (given.get("NetworkConfiguration") or {}).get("awsvpcConfiguration"):
            inner = {name[0].lower() + name[1:]: value for name, value in network.items() if value}
            told["networkConfiguration"] = {"awsvpcConfiguration": inner}
        overrides = _object(due.text)
        if "containerOverrides" in overrides:
            told["overrides"] = overrides
        answer = await self._call(arn.account, arn.region, "ecs", "RunTask", told)
        if failures := answer.get("failures"):
            raise Refused(f"RunTask: {failures[0].get('reason')}")

    async def _states(self, due: Delivery, arn: Arn) -> None:
        told = {"stateMachineArn": str(arn), "input": due.text}
        await self._call(arn.account, arn.region, "stepfunctions", "StartExecution", told)

    async def _kinesis(self, due: Delivery, arn: Arn) -> None:
        given = due.target.get("KinesisParameters") or {}
        key = given.get("PartitionKey") or due.id
        told = {"StreamName": arn.resource.removeprefix("stream/"), "Data": due.text.encode(), "PartitionKey": key}
        await self._call(arn.account, arn.region, "kinesis", "PutRecord", told)

    async def _any(self, due: Delivery, arn: Arn) -> None:
        """Any operation: `arn:aws:scheduler:::aws-sdk:SERVICE:OPERATION` ("Using universal targets")."""
        _, service, operation = (*arn.resource.split(":", 2), "", "")[:3]
        names = {"eventbridge": "events", "sfn": "stepfunctions", "cloudwatchlogs": "logs"}
        told = _object(due.text) if due.text else {}
        name = operation[:1].upper() + operation[1:]
        await self._call(due.account, due.region, names.get(service, service), name, told)


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
    return (error.status >= 500 and error.status != 501) or error.status == 429 or "Throttl" in error.code


def dead_letter(target: Mapping[str, Any]) -> Arn | None:
    told = (target.get("DeadLetterConfig") or {}).get("Arn")
    return parse_arn(told) if told else None
