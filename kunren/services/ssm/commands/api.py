"""Run Command's operations: scripts that run on managed instances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Store, Tx
from kunren.core.arn import parse_arn
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2.instances.model import Instance
from kunren.services.ssm import errors
from kunren.services.ssm.commands import documents, states, views
from kunren.services.ssm.commands.controller import invocations_of
from kunren.services.ssm.commands.outputs import log_group
from kunren.services.ssm.lists import KEPT_S, invoked, page, youngest_first
from kunren.services.ssm.managed import Managed
from kunren.services.ssm.model import Command, Invocation

Params = dict[str, Any]
_DEFAULT_S = 3600
_LATER = {
    "NotificationConfig": "notifications of commands by SNS",
    "AlarmConfiguration": "alarms of commands",
    "DocumentHash": "checks of documents' hashes",
}


class Commands:
    """Handlers of commands."""

    _store: Store
    _clock: Clock
    _entropy: Entropy
    _call: CallService
    _managed: Managed

    async def send_command(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """SendCommand: the rows are written, the controller does the rest."""
        name = params["DocumentName"].rpartition("document/")[2]
        script = await self._script(ctx, name, params)
        instances = await self._targets(ctx, params)
        concurrency, errors_max = params.get("MaxConcurrency") or "50", params.get("MaxErrors") or "0"
        now = self._clock.now()
        command = Command(
            account=ctx.account, region=ctx.region, id=self._entropy.uuid(), document=name,
            version=params.get("DocumentVersion") or "", step=script.step, lines=script.lines, folder=script.folder,
            comment=params.get("Comment") or "", parameters=params.get("Parameters") or {},
            instance_ids=list(params.get("InstanceIds") or ()), targets=list(params.get("Targets") or ()),
            nodes=[each.id for each in instances],
            requested=now, timeout_s=params.get("TimeoutSeconds") or _DEFAULT_S,
            execution_s=script.timeout_s,
            max_concurrency=concurrency, max_errors=errors_max,
            concurrency=max(1, states.number_of(concurrency, len(instances))),
            errors_max=states.number_of(errors_max, len(instances)),
            bucket=params.get("OutputS3BucketName") or "", prefix=params.get("OutputS3KeyPrefix") or "",
            log_group=log_group(params.get("CloudWatchOutputConfig") or {}, name),
        )  # fmt: skip
        made = [
            Invocation(
                account=ctx.account, region=ctx.region, id=f"{command.id}/{each.id}", command=command.id,
                instance_id=each.id, name=each.tags.get("Name", ""), requested=now,
            )
            for each in instances
        ]  # fmt: skip
        with self._store.write() as tx:
            _forget(tx, ctx, now)
            tx.put(command)
            for one in made:
                tx.put(one)
        return {"Command": views.command(command, made)}

    def get_command_invocation(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """GetCommandInvocation: what came of a command on one instance."""
        id = f"{params['CommandId']}/{params['InstanceId']}"
        found = self._store.snapshot().get(Invocation, ctx.account, ctx.region, id)
        command = self._store.snapshot().get(Command, ctx.account, ctx.region, params["CommandId"])
        if found is None or command is None:
            raise errors.InvocationDoesNotExist("")
        if params.get("PluginName") not in (None, command.step):
            raise errors.InvalidPluginName("")
        return views.details(command, found)

    def list_commands(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """ListCommands: the youngest first."""
        rows = [
            (command, of)
            for command, of in ((each, self._of(each)) for each in self._listed(ctx, params))
            if params.get("InstanceId") in (None, *(each.instance_id for each in of))
            and self._fits(command, states.details_of(command, of), params, stages=True)
        ]
        some, token = page(rows, params, lambda row: youngest_first(row[0].requested, row[0].id))
        return {"Commands": [views.command(*row) for row in some], "NextToken": token}

    def list_command_invocations(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """ListCommandInvocations: the youngest first."""
        rows = [
            (command, each)
            for command in self._listed(ctx, params)
            for each in self._of(command)
            if params.get("InstanceId") in (None, each.instance_id)
            and self._fits(command, each.details, params, stages=False)
        ]
        some, token = page(rows, params, lambda row: youngest_first(row[1].requested, row[1].id))
        full = bool(params.get("Details"))
        return {"CommandInvocations": [views.invocation(*row, full=full) for row in some], "NextToken": token}

    def cancel_command(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """CancelCommand: what waits does not start, what runs is ended."""
        with self._store.write() as tx:
            command = tx.get(Command, ctx.account, ctx.region, params["CommandId"])
            if command is None:
                raise errors.InvalidCommandId("")
            invocations = invocations_of(tx, command)
            wanted = params.get("InstanceIds") or [each.instance_id for each in invocations]
            if unknown := sorted(set(wanted) - {each.instance_id for each in invocations}):
                raise errors.InvalidInstanceId(unknown, ctx.account)
            now = self._clock.now()
            going = [each for each in invocations if not states.ended(each.details)]
            for each in going:
                if each.instance_id in wanted and each.details in states.WAITING:
                    tx.put(replace(each, details=states.CANCELLED, ended=now))
                elif each.instance_id in wanted:
                    tx.put(replace(each, details=states.CANCELLING))
            if going and not params.get("InstanceIds"):
                tx.put(replace(command, cancelled=True))
        return {}

    async def _script(self, ctx: RequestContext, name: str, params: Params) -> documents.Script:
        """What the command runs. Raises InvalidDocument, InvalidDocumentVersion, InvalidOutputFolder,
        InvalidParameters, NotYet."""
        for member, what in _LATER.items():
            if params.get(member):
                raise errors.NotYet(what)
        document = await self._document(ctx, name, params)
        found = documents.script(document, params.get("Parameters") or {})
        if not found.lines:
            raise errors.InvalidParameters("There is no command to run.")
        if bucket := params.get("OutputS3BucketName"):
            try:
                await self._call(ctx.account, ctx.region, "s3", "HeadBucket", {"Bucket": bucket})
            except AwsError as error:
                raise errors.InvalidOutputFolder("") from error
        return found

    async def _document(self, ctx: RequestContext, name: str, params: Params) -> Mapping[str, Any]:
        version = params.get("DocumentVersion")
        if name == documents.SHELL:
            if version not in (None, "$DEFAULT", "$LATEST", "1"):
                raise errors.InvalidDocumentVersion("The document version isn't valid or doesn't exist.")
            return documents.OWN
        owner = parse_arn(params["DocumentName"])
        if owner is not None and owner.account not in ("", ctx.account):
            raise errors.NotYet("documents of other accounts")
        if name.startswith(("AWS-", "AWSFIS-", "AmazonCloudWatch-")):
            raise errors.NotYet(f"commands by the document {name}")
        asked = {"Name": name} if version is None else {"Name": name, "DocumentVersion": version}
        try:
            found = await self._call(ctx.account, ctx.region, "ssm", "GetDocument", asked)
        except AwsError as error:
            raise errors.InvalidDocument(name) from error
        if found.get("DocumentType") != "Command":
            raise errors.InvalidDocument(name, f"Document {name} is no command document.")
        return documents.read(found.get("Content") or "")

    async def _targets(self, ctx: RequestContext, params: Params) -> list[Instance]:
        """The instances that a command goes to. Raises DuplicateInstanceId, InvalidInstanceId, InvalidParameters,
        NotYet."""
        ids, targets = params.get("InstanceIds") or [], params.get("Targets") or []
        if bool(ids) == bool(targets):
            raise errors.InvalidParameters("Specify either InstanceIds or Targets.")
        if len(set(ids)) < len(ids):
            raise errors.DuplicateInstanceId("")
        managed = [each for each, _ in await self._managed.all(ctx.account, ctx.region)]
        known = {each.id for each in managed}
        named = [each for target in targets if _by_id(target) for each in target.get("Values") or ()]
        if unknown := [each for each in [*ids, *named] if each not in known]:
            raise errors.InvalidInstanceId(unknown, ctx.account)
        if ids:
            return [each for each in managed if each.id in ids]
        wanted = [_target(each) for each in targets]
        return [each for each in managed if all(fits(each) for fits in wanted)]

    def _of(self, command: Command) -> list[Invocation]:
        return invocations_of(self._store.snapshot(), command)

    def _listed(self, ctx: RequestContext, params: Params) -> list[Command]:
        """The account's commands, or the one that is asked for. Raises InvalidCommandId."""
        snapshot = self._store.snapshot()
        if (id := params.get("CommandId")) is not None:
            found = snapshot.get(Command, ctx.account, ctx.region, id)
            if found is None:
                raise errors.InvalidCommandId("")
            return [found]
        since = self._clock.now() - KEPT_S
        held = [each for each in snapshot.list(Command, ctx.account, ctx.region) if each.requested >= since]
        return sorted(held, key=lambda each: youngest_first(each.requested, each.id))

    def _fits(self, command: Command, details: str, params: Params, *, stages: bool) -> bool:
        """Raises InvalidFilterKey."""
        for each in params.get("Filters") or ():
            key, value = each["key"], each["value"]
            if key == "ExecutionStage" and not stages:
                raise errors.InvalidFilterKey("")
            if not _passes(command, details, key, value):
                return False
        return True


def _passes(command: Command, details: str, key: str, value: str) -> bool:
    """Raises InvalidFilterKey."""
    if (passes := invoked(key, value)) is not None:
        return passes(command.requested)
    if key == "Status":
        return value in (states.status(details), details.replace(" ", ""))
    if key == "ExecutionStage":
        return value == ("Complete" if states.ended(details) else "Executing")
    return value == command.document


def _by_id(target: Mapping[str, Any]) -> bool:
    return str(target.get("Key", "")).lower() == "instanceids"


def _target(target: Mapping[str, Any]) -> Callable[[Instance], bool]:
    """Which instances a target means. Raises InvalidParameters, NotYet."""
    key, values = target.get("Key") or "", target.get("Values") or []
    if _by_id(target):
        return lambda each: each.id in values
    if key == "tag-key":
        return lambda each: any(name in each.tags for name in values)
    if key.startswith("tag:"):
        return lambda each: each.tags.get(key.removeprefix("tag:")) in values
    if key.startswith("resource-groups:"):
        raise errors.NotYet("resource groups as targets")
    raise errors.InvalidParameters(f"{key} is no key of targets.")


def _forget(tx: Tx, ctx: RequestContext, now: float) -> None:
    """Drop commands that are too old to be shown."""
    for each in list(tx.list(Command, ctx.account, ctx.region)):
        if now - each.requested > KEPT_S:
            for one in invocations_of(tx, each):
                tx.delete(one)
            tx.delete(each)
