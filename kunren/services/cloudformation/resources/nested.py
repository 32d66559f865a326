"""Nested stacks: AWS::CloudFormation::Stack."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.errors import AwsError
from kunren.services.cloudformation.acting import acting_for
from kunren.services.cloudformation.model import Revision, Stack, in_update
from kunren.services.cloudformation.resources.kind import Kind, pairs
from kunren.services.cloudformation.resources.own import texts
from kunren.services.cloudformation.work import Failed, Work


class NestedStack(Kind):
    """`AWS::CloudFormation::Stack`: a stack of its own, with this one as its parent, whose permissions it has. Which of
    its revisions is in force is kept with the attributes, for the way back."""

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
        with acting_for(work.stack.actor):
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
        if "Revision" in work.back_to:
            return await self._bring_back(work, work.back_to["Revision"])
        try:
            with acting_for(work.stack.actor):
                await work.write("cloudformation", "UpdateStack", {"StackName": work.physical, **self._params(work)})
        except AwsError as error:
            if "No updates are to be performed" not in error.message:
                raise
            return await self._complete(work, "")
        return await self._complete(work, "UPDATE_COMPLETE")

    async def _bring_back(self, work: Work, number: int) -> None:
        """On the parent's way back: deploy again what was in force, whatever its template's file says by now."""
        child = self._child(work)
        if child is not None and child.deployed != number:
            revision = work.store.snapshot().get(Revision, work.account, work.region, f"{child.id}/{number}")
            if revision is None:
                raise Failed(f"Embedded stack {work.physical} has no template from before the update")
            work.records.begin_update(child, revision, {})
        await self._complete(work, "")

    async def delete(self, work: Work) -> None:
        await self._at_rest(work)
        with acting_for(work.stack.actor):
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

    def _child(self, work: Work) -> Stack | None:
        return work.store.snapshot().get(Stack, work.account, work.region, work.physical.rpartition("/")[2])

    async def _status(self, work: Work) -> tuple[str, str]:
        child = self._child(work)
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
        child = self._child(work)
        assert child is not None
        outputs = {f"Outputs.{each['OutputKey']}": each["OutputValue"] for each in child.outputs}
        work.attributes = {**outputs, "Revision": child.deployed}

    def _params(self, work: Work) -> dict[str, Any]:
        given = work.get("Parameters") or {}
        shown = [
            {
                "ParameterKey": key,
                "ParameterValue": ",".join(map(str, value)) if isinstance(value, list) else str(texts(value)),
            }
            for key, value in given.items()
        ]
        capabilities = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]  # the parent's were checked
        return {
            "TemplateURL": work.properties["TemplateURL"],
            "Parameters": shown,
            "Tags": pairs(work.tags),
            "Capabilities": capabilities,
        }


KINDS: tuple[Kind, ...] = (NestedStack(),)
