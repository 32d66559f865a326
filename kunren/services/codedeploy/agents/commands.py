"""Who agents talk to: they ask for commands, each a lifecycle event of an instance, and say what came of them.

`codedeploy-commands.REGION.amazonaws.com`, JSON 1.1 with the names that AWS's agent uses. A poll waits until there is a
command. An agent does one thing at a time, so one that polls while its command is under way has lost it, and gets it
again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Key, Store
from kunren.core.arn import Arn, parse_arn
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.core.fronts import FrontAccess, FrontAnswer, FrontRequest
from kunren.services.codedeploy.agents.door import COMMANDS
from kunren.services.codedeploy.model import Deployment, Group, Target
from kunren.services.codedeploy.platforms.base import with_event
from kunren.services.codedeploy.platforms.scheduling import fatal, held
from kunren.services.ec2.instances.model import Instance

log = logging.getLogger(__name__)
_TARGET = "CodeDeployCommandService_v20141006."
POLL_S = 20.0
"""Real seconds that a poll waits for a command."""
OF_DAEMON = ("BlockTraffic", "AllowTraffic")
"""Lifecycle events that are no agent's."""
_CODES = ("Success", "ScriptMissing", "ScriptNotExecutable", "ScriptTimedOut", "ScriptFailed", "UnknownError")
_TAIL = 2048


class _Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class CommandService:
    """`access` verifies signatures, in strict mode."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._waiting: dict[tuple[str, str, str], asyncio.Event] = {}
        self.access: FrontAccess | None = None
        store.subscribe(self._changed, lambda kind: kind == Target.kind)

    def _changed(self, keys: frozenset[Key]) -> None:
        for key in keys if self._waiting else ():
            if (woken := self._waiting.get((key.account, key.region, key.id.partition("/")[2]))) is not None:
                woken.set()

    async def answer(self, request: FrontRequest) -> FrontAnswer:
        try:
            host = await self._host(request)
            given = json.loads(request.body or b"{}")
            operation = request.headers.get("x-amz-target", "").removeprefix(_TARGET)
            return _json(200, await self._do(operation, host, given))
        except _Refused as error:
            return _json(400, {"__type": error.code, "message": str(error)})
        except AwsError as error:
            return _json(error.status, {"__type": error.code, "message": error.message})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return _json(400, {"__type": "ValidationException", "message": f"{type(error).__name__}: {error}"})

    async def _host(self, request: FrontRequest) -> Arn:
        """The instance that asks, as it says; in strict mode its credentials prove it, whose session has its id for a
        name. Raises _Refused, AwsError."""
        found = COMMANDS.fullmatch(request.host)
        if request.signed is None or found is None:
            raise _Refused("MissingAuthenticationTokenException", "Missing Authentication Token")
        account, session = request.signed.account, None
        if self.access is not None:
            caller = await self.access.caller(request, "codedeploy-commands", found[1])
            if caller is None:
                raise _Refused("MissingAuthenticationTokenException", "Missing Authentication Token")
            account, session = caller.account, caller.arn.rpartition("/")[2]
        named = str(json.loads(request.body or b"{}").get("HostIdentifier"))
        host = parse_arn(named)
        instance = host and self._store.snapshot().get(
            Instance, account, found[1], host.resource.removeprefix("instance/")
        )
        if host is None or host.account != account or host.region != found[1] or instance is None:
            raise _Refused("AccessDeniedException", f"{named} is no instance of the account {account} in {found[1]}")
        if session not in (None, instance.id):
            raise _Refused("AccessDeniedException", f"The credentials are not those of {named}")
        return host

    async def _do(self, operation: str, host: Arn, given: Mapping[str, Any]) -> dict[str, Any]:
        if operation == "PollHostCommand":
            return await self._poll(host)
        if operation == "GetDeploymentSpecification":
            return self._specification(host, given["DeploymentExecutionId"])
        if operation in ("PutHostCommandAcknowledgement", "PutHostCommandComplete", "PostHostCommandUpdate"):
            deployment, _, event = str(given["HostCommandIdentifier"]).partition("/")
            if operation == "PutHostCommandComplete":
                return self._complete(host, deployment, event, given)
            found = self._target(host, deployment)
            now = found.event(event) if found is not None else None
            return {"CommandStatus": now.status if now is not None and found and not found.ended else "Failed"}
        raise _Refused("UnknownOperationException", f"There is no operation {operation}")

    # -- operations --------------------------------------------------------------------------------------------------

    def _target(self, host: Arn, deployment: str) -> Target | None:
        id = host.resource.removeprefix("instance/")
        return self._store.snapshot().get(Target, host.account, host.region, f"{deployment}/{id}")

    async def _poll(self, host: Arn) -> dict[str, Any]:
        id = host.resource.removeprefix("instance/")
        key = host.account, host.region, id
        woken = self._waiting[key] = asyncio.Event()
        try:
            async with asyncio.timeout(POLL_S):
                while True:
                    woken.clear()
                    if (command := self._offered(host, id)) is not None:
                        await self._store.durable()
                        return {"HostCommand": command}
                    await woken.wait()
        except TimeoutError:
            return {}
        finally:
            if self._waiting.get(key) is woken:
                del self._waiting[key]

    def _offered(self, host: Arn, id: str) -> dict[str, Any] | None:
        """The command that the instance is to carry out now, noted as under way."""
        with self._store.write() as tx:
            for found in tx.list(Target, host.account, host.region):
                event = found.current
                if found.target != id or found.status != "InProgress" or event is None or event.name in OF_DAEMON:
                    continue
                of = tx.get(Deployment, host.account, host.region, found.deployment)
                if of is None or of.ended or of.stopping or held(found, event) or fatal(found, of.settings):
                    continue
                if event.status == "Pending":
                    now = self._clock.now()
                    changed = with_event(found, event.name, status="InProgress", started_at=now)
                    tx.put(replace(changed, updated_at=now))
                return {
                    "HostCommandIdentifier": f"{found.deployment}/{event.name}",
                    "HostIdentifier": str(host),
                    "DeploymentExecutionId": found.deployment,
                    "CommandName": event.name,
                    "Nonce": 0,
                }
        return None

    def _specification(self, host: Arn, id: str) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        of = snapshot.get(Deployment, host.account, host.region, id)
        if of is None or self._target(host, id) is None:
            raise _Refused("InvalidDeploymentIdException", f"{host} has no part in the deployment {id}")
        group = snapshot.get(Group, host.account, host.region, f"{of.application}/{of.group}")
        place = of.revision["s3Location"]
        told = {
            "DeploymentId": of.id,
            "DeploymentGroupId": group.group_id if group is not None else of.group,
            "DeploymentGroupName": of.group,
            "ApplicationName": of.application,
            "DeploymentCreator": of.creator,
            "DeploymentType": (of.settings.get("deploymentStyle") or {}).get("deploymentType"),
            "AgentActionOverrides": {
                "AgentOverrides": {"FileExistsBehavior": of.settings.get("fileExistsBehavior") or "DISALLOW"}
            },
            "Revision": {
                "RevisionType": "S3",
                "S3Revision": {
                    "Bucket": place["bucket"], "Key": place["key"], "BundleType": place["bundleType"],
                    "Version": place.get("version"), "ETag": place.get("eTag"),
                },
            },
        }  # fmt: skip
        envelope = {"Format": "TEXT/JSON", "Payload": json.dumps(told)}
        return {"DeploymentSystem": "CodeDeploy", "DeploymentSpecification": {"GenericEnvelope": envelope}}

    def _complete(self, host: Arn, id: str, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        told = json.loads((given.get("Diagnostics") or {}).get("Payload") or "{}")
        code = int(told.get("error_code") or 0)
        diagnostics = {
            "errorCode": _CODES[code] if 0 <= code < len(_CODES) else "UnknownError",
            "scriptName": str(told.get("script_name") or ""),
            "message": str(told.get("message") or ""),
            "logTail": str(told.get("log") or "")[-_TAIL:],
        }
        status, now = "Succeeded" if given.get("CommandStatus") == "Succeeded" else "Failed", self._clock.now()
        with self._store.write() as tx:
            found = tx.get(Target, host.account, host.region, f"{id}/{host.resource.removeprefix('instance/')}")
            event = found.event(name) if found is not None else None
            if found is not None and event is not None and event.status == "InProgress":
                changed = with_event(found, name, status=status, ended_at=now, diagnostics=diagnostics)
                tx.put(replace(changed, updated_at=now))
        return {}


def _json(status: int, body: Mapping[str, Any]) -> FrontAnswer:
    return FrontAnswer(status, [("Content-Type", "application/x-amz-json-1.1")], json.dumps(body).encode())
