"""CloudFormation's own types: nested stacks, custom resources, wait conditions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.core.errors import AwsError
from kunren.services.cloudformation.model import Response, Stack, in_update
from kunren.services.cloudformation.resources.kind import Kind
from kunren.services.cloudformation.responses import CUSTOM, WAIT, url
from kunren.services.cloudformation.work import Failed, Work

SERVICE_TIMEOUT_S = 3600


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


class WaitCondition(Kind):
    """Complete when so many signals came to its handle's URL."""

    type = "AWS::CloudFormation::WaitCondition"
    properties = frozenset({"Count", "Handle", "Timeout"})
    attributes = frozenset({"Data"})

    async def create(self, work: Work) -> None:
        handle, timeout = work.get("Handle"), work.get("Timeout")
        if not handle or timeout is None:
            raise Failed("WaitCondition needs Handle and Timeout")
        work.known(work.name(128))
        assert work.row.attempt is not None
        until, count = work.row.attempt.began + float(timeout), int(work.get("Count", 1))
        token = handle.partition("?")[0].rpartition("%7C")[2]

        async def signalled() -> dict[str, Any] | None:
            found = work.store.snapshot().by_id(Response, work.account, work.region)
            signals = [json.loads(each.body) for id, each in found.items() if id.startswith(f"{token}/")]
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


class NestedStack(Kind):
    """`AWS::CloudFormation::Stack`: a stack of its own, with this one as its parent."""

    type = "AWS::CloudFormation::Stack"
    properties = frozenset({"NotificationARNs", "Parameters", "Tags", "TemplateURL", "TimeoutInMinutes"})
    always_updates = True  # its template's file

    def has_attribute(self, name: str) -> bool:
        return name.startswith("Outputs.")

    async def create(self, work: Work) -> None:
        params = {
            "StackName": work.name(128),
            "DisableRollback": False,
            **self._params(work),
            **work.pick("TimeoutInMinutes"),
        }
        id = await work.write("cloudformation", "CreateStack", params, "StackId", physical=True)
        if id is None:  # made before a restart
            shown = await work.read("cloudformation", "DescribeStacks", {"StackName": params["StackName"]})
            work.known(shown["Stacks"][0]["StackId"])
        with work.store.write() as tx:
            child = tx.get(Stack, work.account, work.region, work.physical.rpartition("/")[2])
            if child is not None:
                tx.put(replace(child, parent=work.stack.arn, root=work.stack.root or work.stack.arn))
        await self._complete(work, "CREATE_COMPLETE")

    async def update(self, work: Work) -> None:
        await self._at_rest(work)
        try:
            await work.write("cloudformation", "UpdateStack", {"StackName": work.physical, **self._params(work)})
        except AwsError as error:
            if "No updates are to be performed" not in error.message:
                raise
            return await self._complete(work, "")
        return await self._complete(work, "UPDATE_COMPLETE")

    async def delete(self, work: Work) -> None:
        await self._at_rest(work)
        await work.write("cloudformation", "DeleteStack", {"StackName": work.physical})

        async def gone() -> bool | None:
            status, reason = await self._status(work)
            if status == "DELETE_FAILED":
                raise Failed(f"Embedded stack {work.physical} was not successfully deleted: {reason}")
            return True if status in ("", "DELETE_COMPLETE") else None

        await work.until(gone)

    async def _at_rest(self, work: Work) -> None:
        """An update that its parent gave up comes to its end first."""

        async def rests() -> bool | None:
            return None if in_update((await self._status(work))[0]) else True

        await work.until(rests)

    async def _status(self, work: Work) -> tuple[str, str]:
        child = work.store.snapshot().get(Stack, work.account, work.region, work.physical.rpartition("/")[2])
        return (child.status, child.reason) if child is not None else ("", "")

    async def _complete(self, work: Work, wanted: str) -> None:
        async def done() -> bool | None:
            status, reason = await self._status(work)
            if status.endswith("_IN_PROGRESS"):
                return None
            if wanted and status != wanted:
                verb = "created" if wanted.startswith("CREATE") else "updated"
                raise Failed(f"Embedded stack {work.physical} was not successfully {verb}: {reason}")
            return True

        await work.until(done)
        child = work.store.snapshot().get(Stack, work.account, work.region, work.physical.rpartition("/")[2])
        assert child is not None
        work.attributes = {f"Outputs.{each['OutputKey']}": each["OutputValue"] for each in child.outputs}

    def _params(self, work: Work) -> dict[str, Any]:
        given = work.get("Parameters") or {}
        shown = [
            {
                "ParameterKey": key,
                "ParameterValue": ",".join(map(str, value)) if isinstance(value, list) else str(texts(value)),
            }
            for key, value in given.items()
        ]
        tags = [{"Key": key, "Value": value} for key, value in work.tags.items()]
        capabilities = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]  # the parent's were checked
        return {
            "TemplateURL": work.properties["TemplateURL"],
            "Parameters": shown,
            "Tags": tags,
            "Capabilities": capabilities,
        }


KINDS: tuple[Kind, ...] = (CustomResource(), WaitConditionHandle(), WaitCondition(), NestedStack())
