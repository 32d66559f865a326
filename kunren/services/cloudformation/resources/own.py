"""CloudFormation's own types: custom resources, wait conditions. Nested stacks are in `nested.py`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.macros import MACRO, macro_named
from kunren.services.cloudformation.model import Response, StackResource
from kunren.services.cloudformation.resources.kind import Kind
from kunren.services.cloudformation.responses import CUSTOM, WAIT, url
from kunren.services.cloudformation.work import AlreadyThere, Failed, Work

SERVICE_TIMEOUT_S = 3600


_TOKEN = re.compile(r"arn:[a-z-]+:(?:lambda|sns):[a-z0-9-]+:\d{12}:.+")


def texts(value: Any) -> Any:
    """Custom resources get every scalar as a text."""
    if isinstance(value, dict):
        return {key: texts(each) for key, each in value.items()}
    if isinstance(value, list):
        return [texts(each) for each in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None or isinstance(value, str) else str(value)


class CustomResource(Kind):
    """`AWS::CloudFormation::CustomResource` and `Custom::…`: a function or topic does the work, and tells by a URL."""

    type = "AWS::CloudFormation::CustomResource"
    properties = None

    def has_attribute(self, name: str) -> bool:
        return True

    async def create(self, work: Work) -> None:
        work.known(work.name(128))
        await self._ask(work, "Create")

    async def update(self, work: Work) -> None:
        await self._ask(work, "Update")

    async def delete(self, work: Work) -> None:
        await self._ask(work, "Delete")

    async def _ask(self, work: Work, request: str) -> None:
        to = work.get("ServiceToken")
        if not isinstance(to, str) or not to:
            raise Failed("Invalid template: ServiceToken is required for a custom resource")
        if not _TOKEN.fullmatch(to):
            raise Failed("Invalid service token.")
        event: dict[str, Any] = {
            "RequestType": request,
            "ServiceToken": to,
            "ResponseURL": url(CUSTOM, work.stack.arn, work.logical, work.token),
            "StackId": work.stack.arn,
            "RequestId": work.token,
            "LogicalResourceId": work.logical,
            "ResourceType": work.type,
            "ResourceProperties": texts(work.properties),
        }
        if request != "Create":
            event["PhysicalResourceId"] = work.physical
        if request == "Update":
            event["OldResourceProperties"] = texts(work.before)
        if ":sns:" in to:
            await work.write(
                "sns",
                "Publish",
                {"TopicArn": to, "Subject": "AWS CloudFormation custom resource request", "Message": json.dumps(event)},
            )
        else:
            await work.write(
                "lambda",
                "Invoke",
                {"FunctionName": to, "InvocationType": "Event", "Payload": json.dumps(event).encode()},
            )
        self._take(work, await self._answer(work), request)

    async def _answer(self, work: Work) -> dict[str, Any]:
        assert work.row.attempt is not None
        until = work.row.attempt.began + float(work.get("ServiceTimeout", SERVICE_TIMEOUT_S))

        async def answered() -> dict[str, Any] | None:
            found = work.store.snapshot().get(Response, work.account, work.region, work.token)
            if found is not None:
                try:
                    answer = json.loads(found.body)
                except ValueError:
                    answer = None
                if not isinstance(answer, dict):
                    raise Failed("Invalid response object: it must be a JSON object")
                return answer
            if work.clock.now() > until:
                raise Failed(
                    "CloudFormation did not receive a response from your Custom Resource. Please "
                    f"check your logs for requestId [{work.token}]. If you are using the Python "
                    "cfn-response module, you may need to update your Lambda function code so that "
                    "CloudFormation can attach the updated version."
                )
            return None

        return await work.until(answered)

    def _take(self, work: Work, answer: Mapping[str, Any], request: str) -> None:
        if answer.get("Status") != "SUCCESS":
            if isinstance(answer.get("PhysicalResourceId"), str) and request == "Create":
                work.known(answer["PhysicalResourceId"])
            why = answer.get("Reason", "")
            raise Failed(
                f"Received response status [{answer.get('Status')}] from custom resource. Message "
                f"returned: {why} (RequestId: {work.token})"
            )
        physical = answer.get("PhysicalResourceId") or work.physical
        if not isinstance(physical, str) or len(physical) > 1024:
            raise Failed("Invalid PhysicalResourceId")
        if request != "Delete":
            work.physical = physical
            data = answer.get("Data") or {}
            work.attributes = _flat(data) if isinstance(data, dict) else {}


def _flat(data: Mapping[str, Any], at: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        found[at + key] = value
        if isinstance(value, dict):
            found |= _flat(value, f"{at}{key}.")
    return found


class WaitConditionHandle(Kind):
    """Ref gives a URL to signal at."""

    type = "AWS::CloudFormation::WaitConditionHandle"

    async def create(self, work: Work) -> None:
        work.known(url(WAIT, work.stack.arn, work.logical, work.token))

    async def update(self, work: Work) -> None:
        return

    async def delete(self, work: Work) -> None:
        return


def _signal(body: str) -> dict[str, Any]:
    """What a handle's URL was sent; what is no JSON object fails the condition."""
    try:
        found = json.loads(body)
    except (RecursionError, ValueError):
        found = None
    return found if isinstance(found, dict) else {"Status": "FAILURE", "Reason": "the signal is no JSON object"}


class WaitCondition(Kind):
    """Complete when so many signals came to its handle's URL."""

    type = "AWS::CloudFormation::WaitCondition"
    properties = frozenset({"Count", "Handle", "Timeout"})
    attributes = frozenset({"Data"})

    async def create(self, work: Work) -> None:
        assert work.row.attempt is not None
        handle, timeout = work.get("Handle"), work.get("Timeout")
        if not handle and work.row.attempt.creation_policy:
            work.known(work.name(128))  # it waits for signals
            work.attributes = {"Data": "{}"}
            return
        if not handle or timeout is None:
            raise Failed("WaitCondition needs Handle and Timeout")
        work.known(work.name(128))
        try:
            until, count = work.row.attempt.began + float(timeout), int(work.get("Count", 1))
        except (TypeError, ValueError):
            raise Failed("WaitCondition needs numbers for Timeout and Count") from None
        token = handle.partition("?")[0].rpartition("%7C")[2]

        async def signalled() -> dict[str, Any] | None:
            found = work.store.snapshot().by_id(Response, work.account, work.region)
            signals = [_signal(each.body) for id, each in found.items() if id.startswith(f"{token}/")]
            for each in signals:
                if each.get("Status") != "SUCCESS":
                    raise Failed(
                        f"WaitCondition received failed message: '{each.get('Reason', '')}' for "
                        f"uniqueId: {each.get('UniqueId', '')}"
                    )
            if len(signals) >= count:
                return {str(each.get("UniqueId", "")): each.get("Data", "") for each in signals}
            if work.clock.now() > until:
                raise Failed(f"WaitCondition timed out. Received {len(signals)} conditions when expecting {count}")
            return None

        work.attributes = {"Data": json.dumps(await work.until(signalled))}

    async def update(self, work: Work) -> None:
        raise Failed("Update to resource type AWS::CloudFormation::WaitCondition is not supported.")

    async def delete(self, work: Work) -> None:
        return


class CdkMetadata(Kind):
    """Which constructs a CDK app was made of: it stands in the stack, and stands for nothing."""

    type = "AWS::CDK::Metadata"
    properties = None

    async def create(self, work: Work) -> None:
        work.known(work.name(128))

    async def update(self, work: Work) -> None:
        return

    async def delete(self, work: Work) -> None:
        return


class Macro(Kind):
    """Templates find it by its name (`macros.py`)."""

    type = MACRO
    properties = frozenset({"Description", "FunctionName", "Name"})

    async def create(self, work: Work) -> None:
        name = work.properties["Name"]
        held = work.store.snapshot().list(StackResource, work.account, work.region)
        if any(macro_named(each, name) and each.id != work.row.id for each in held):
            raise AlreadyThere(f"Resource of type '{MACRO}' with identifier '{name}' already exists.")
        work.known(name)

    async def update(self, work: Work) -> None:
        return

    async def delete(self, work: Work) -> None:
        return


KINDS: tuple[Kind, ...] = (CustomResource(), WaitConditionHandle(), WaitCondition(), CdkMetadata(), Macro())
