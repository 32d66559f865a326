"""Session Manager's operations on instances, Run Command's, and which instances are managed. All else of Systems
Manager is moto's."""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.dataplane.sessions.session import AGENT_VERSION
from kunren.dataplane.sessions.session import Session as Live
from kunren.dataplane.sessions.sessions import Sessions, TooMany
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.model import NetworkInterface
from kunren.services.ssm import errors
from kunren.services.ssm.commands.api import Commands
from kunren.services.ssm.lists import KEPT_S, invoked, page, youngest_first
from kunren.services.ssm.managed import Managed
from kunren.services.ssm.model import Session
from kunren.world.interface import Process

Params = dict[str, Any]
Filtered = Callable[[Session], bool]
SHELL, COMMAND = "SSM-SessionManagerRunShell", "AWS-StartInteractiveCommand"
PORT, REMOTE = "AWS-StartPortForwardingSession", "AWS-StartPortForwardingSessionToRemoteHost"
_PORTS = ("portNumber", "localPortNumber")
_PARAMETERS = {SHELL: (), COMMAND: ("command",), PORT: _PORTS, REMOTE: ("host", *_PORTS)}
_ITSELF = "127.0.0.1"
_HOST = re.compile(r"[A-Za-z0-9._-]{1,255}")
_LATER = {
    "AWS-StartSSHSession": "SSH through a session",
    "AWS-StartNonInteractiveCommand": "commands without a terminal",
}


class SsmApi(Commands):
    """`open_terminal` starts a program in a running instance on a terminal, `connect` makes a connection from one to an
    address or name and a port; `platform` says what system one has."""

    connect: Callable[[Instance, str, int], Awaitable[socket.socket]]
    open_terminal: Callable[[Instance, Sequence[str], int], Awaitable[Process]]
    platform: Callable[[Instance], Mapping[str, str]]

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, call: CallService, sessions: Sessions, managed: Managed
    ) -> None:
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call
        self._sessions, self._managed = sessions, managed

    async def start_session(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """StartSession: a shell, or the command that a document is given."""
        document, target = params.get("DocumentName") or SHELL, params["Target"]
        if target.startswith("ecs:"):
            raise errors.NotYet("sessions with tasks of ECS (ExecuteCommand opens them)")
        given = params.get("Parameters") or {}
        for name in given:
            if name not in _PARAMETERS.get(document, given):
                raise errors.InvalidParameters(f"Parameter {name} is not defined in the document.")
        forwarded = _forwarded(document, given) if document in (PORT, REMOTE) else None
        argv, kind = await self._program(ctx, params) if forwarded is None else ((), "")
        if not await self._managed.connected(ctx.account, ctx.region, target):
            raise errors.TargetNotConnected(target)
        instance = self._store.snapshot().get(Instance, ctx.account, ctx.region, target)
        assert instance is not None
        owner = ctx.caller.arn if ctx.caller is not None else f"arn:aws:iam::{ctx.account}:root"

        async def start(terminal: int) -> Process:
            return await self.open_terminal(instance, argv, terminal)

        def over(live: Live) -> None:
            self.end(ctx.account, ctx.region, live.id)

        try:
            name = owner.rpartition(":")[2].rpartition("/")[2]
            if forwarded is None:
                id, token = self._sessions.open(name, target, kind, start, over=over)
            else:
                connect = partial(
                    self.connect, instance, forwarded.get("host") or _ITSELF, int(forwarded["portNumber"])
                )
                id, token = self._sessions.forward(name, target, connect, forwarded, over)
        except TooMany as error:
            raise errors.TargetNotConnected(target) from error
        now = self._clock.now()
        with self._store.write() as tx:
            for each in list(tx.list(Session, ctx.account, ctx.region)):
                if each.ended is not None and now - each.ended > KEPT_S:
                    tx.delete(each)
            made = Session(
                account=ctx.account, region=ctx.region, id=id, target=target, owner=owner, started=now,
                document=document, reason=params.get("Reason"),
            )  # fmt: skip
            tx.put(made)
        return {"SessionId": id, "TokenValue": token, "StreamUrl": self._sessions.stream_url(ctx, id)}

    async def _program(self, ctx: RequestContext, params: Params) -> tuple[Sequence[str], str]:
        """What a document runs, and the kind of session that is. Raises InvalidDocument, InvalidParameters, NotYet."""
        document, given = params.get("DocumentName") or SHELL, params.get("Parameters") or {}
        if document in _LATER:
            raise errors.NotYet(_LATER[document])
        if document == COMMAND:
            commands = given.get("command") or []
            if not commands or not commands[0].strip():
                raise errors.InvalidParameters("Parameter command is required.")
            return ("/bin/sh", "-c", commands[0]), "InteractiveCommands"
        try:
            await self._call(ctx.account, ctx.region, "ssm", "DescribeDocument", {"Name": document})
        except AwsError as error:
            if document == SHELL:
                return ("/bin/sh", "-l"), "Standard_Stream"
            raise errors.InvalidDocument(document) from error
        raise errors.NotYet(f"sessions by a document of one's own ({document})")

    def resume_session(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """ResumeSession: another token for a session that goes on."""
        id = params["SessionId"]
        token = self._sessions.resume(id) if self._own(ctx, id) is not None else None
        if token is None:
            raise errors.DoesNotExistException(id)
        return {"SessionId": id, "TokenValue": token, "StreamUrl": self._sessions.stream_url(ctx, id)}

    def terminate_session(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """TerminateSession; nothing happens where it has ended."""
        id = params["SessionId"]
        if self._own(ctx, id) is None:
            raise errors.DoesNotExistException(id)
        self._sessions.end(id)
        self.end(ctx.account, ctx.region, id)
        return {"SessionId": id}

    def describe_sessions(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """DescribeSessions: those that go on, or those of the last thirty days."""
        active, now = params["State"] == "Active", self._clock.now()
        wanted = [self._filter(each["key"], each["value"]) for each in params.get("Filters") or ()]
        held = [
            each
            for each in self._store.snapshot().list(Session, ctx.account, ctx.region)
            if (each.ended is None) == active
            and now - (each.ended or now) <= KEPT_S
            and all(fits(each) for fits in wanted)
        ]
        held.sort(key=_order)
        some, token = page(held, params, _order, usual=200)
        return {"Sessions": [self._shown(each) for each in some], "NextToken": token}

    async def describe_instance_information(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """DescribeInstanceInformation: the managed instances."""
        wanted = {each["key"]: each["valueSet"] for each in params.get("InstanceInformationFilterList") or ()}
        wanted |= {each["Key"]: each["Values"] for each in params.get("Filters") or ()}
        _check(wanted)
        shown = [self._instance(*each) for each in await self._managed.all(ctx.account, ctx.region)]
        found = [each for each in shown if _fits(each, wanted)]
        some, token = page(found, params, lambda each: str(each["InstanceId"]))
        return {"InstanceInformationList": some, "NextToken": token}

    async def get_connection_status(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        there = await self._managed.connected(ctx.account, ctx.region, params["Target"])
        return {"Target": params["Target"], "Status": "connected" if there else "notconnected"}

    def end(self, account: str, region: str, id: str) -> None:
        """Note that a session is over."""
        with self._store.write() as tx:
            found = tx.get(Session, account, region, id)
            if found is not None and found.ended is None:
                tx.put(replace(found, ended=self._clock.now()))

    def _own(self, ctx: RequestContext, id: str) -> Session | None:
        return self._store.snapshot().get(Session, ctx.account, ctx.region, id)

    def _status(self, each: Session) -> str:
        return "Terminated" if each.ended is not None else self._sessions.status(each.id) or "Terminating"

    def _shown(self, each: Session) -> dict[str, Any]:
        return {
            "SessionId": each.id,
            "Target": each.target,
            "Status": self._status(each),
            "StartDate": each.started,
            "EndDate": each.ended,
            "DocumentName": each.document,
            "Owner": each.owner,
            "Reason": each.reason,
            "AccessType": "Standard",
        }

    def _filter(self, key: str, value: str) -> Filtered:
        """Raises InvalidFilterKey."""
        if (passes := invoked(key, value)) is not None:
            return lambda each: passes(each.started)
        member: dict[str, Callable[[Session], str]] = {
            "Target": lambda each: each.target,
            "Owner": lambda each: each.owner,
            "Status": self._status,
            "SessionId": lambda each: each.id,
            "AccessType": lambda each: "Standard",
        }
        return lambda each: member[key](each) == value

    def _instance(self, instance: Instance, ping: str) -> dict[str, Any]:
        interface = self._store.snapshot().get(
            NetworkInterface, instance.account, instance.region, instance.interface_id
        )
        address = interface.private_ip if interface is not None else ""
        return {
            "InstanceId": instance.id,
            "PingStatus": ping,
            "LastPingDateTime": self._clock.now(),
            "AgentVersion": AGENT_VERSION,
            "IsLatestVersion": True,
            "PlatformType": "Linux",
            **self.platform(instance),
            "ResourceType": "EC2Instance",
            "IPAddress": address,
            "ComputerName": f"ip-{address.replace('.', '-')}",
            "SourceId": instance.id,
            "SourceType": "AWS::EC2::Instance",
        }


_MEMBERS = {
    "InstanceIds": "InstanceId", "AgentVersion": "AgentVersion", "PingStatus": "PingStatus",
    "PlatformTypes": "PlatformType", "ResourceType": "ResourceType", "ActivationIds": "ActivationId",
    "IamRole": "IamRole", "AssociationStatus": "AssociationStatus", "SourceIds": "SourceId",
    "SourceTypes": "SourceType",
}  # fmt: skip


def _forwarded(document: str, given: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What the client is told of the forwarding. Raises InvalidParameters."""

    def one(name: str, default: str) -> str:
        return next(iter(given.get(name) or ()), default)

    found = {"portNumber": one("portNumber", "80"), "localPortNumber": one("localPortNumber", "0")}
    for name, text in found.items():
        least = 0 if name == "localPortNumber" else 1
        if not (text.isascii() and text.isdigit() and len(text) < 6 and least <= int(text) < 65536):
            raise errors.InvalidParameters(f"Parameter {name} is no port: {text}")
    if document == REMOTE:
        found["host"] = one("host", "")
        if not _HOST.fullmatch(found["host"]):
            raise errors.InvalidParameters(f"Parameter host is no address and no name: {found['host']}")
    return {**found, "type": "LocalPortForwarding"}


def _check(wanted: Mapping[str, Sequence[str]]) -> None:
    """Raises InvalidFilterKey, NotYet."""
    for key in wanted:
        if key == "tag-key" or key.startswith("tag:"):
            raise errors.NotYet("tags as filters of managed instances")
        if key not in _MEMBERS:
            raise errors.InvalidFilterKey("The specified filter key isn't valid.")


def _fits(shown: Mapping[str, Any], wanted: Mapping[str, Sequence[str]]) -> bool:
    return all(str(shown.get(_MEMBERS[key], "")) in values for key, values in wanted.items())


def _order(each: Session) -> str:
    return youngest_first(each.started, each.id)
