"""Answers instances about themselves: tokens, metadata, user data, the identity document, their role's credentials.

A token is worth nothing on another instance or after its time; it is signed with a key of this daemon's, so that none
need be kept. Its time is real time, as the programs count that hold it. "Use IMDSv2" in the EC2 user guide.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import re
import struct
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from kunren.control.store import Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock, iso_utc
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.dataplane.guests.local_http import Answered, Asked, LocalHttp
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.instances.user_data import decoded
from kunren.services.ec2.metadata import tree
from kunren.services.ec2.model import NetworkInterface
from kunren.world.firewall import METADATA
from kunren.world.network import vpc_namespace

log = logging.getLogger(__name__)
TOKEN_TTL_MAX_S = 21_600
ROLE_SESSION_S = 21_600
RENEWED_BEFORE_S = 900.0
_TTL, _TOKEN = "x-aws-ec2-metadata-token-ttl-seconds", "x-aws-ec2-metadata-token"
_VERSION = re.compile(r"/(latest|1\.0|\d{4}-\d{2}-\d{2})(/.*)?")
_ERROR_PAGE = (
    '<?xml version="1.0" encoding="iso-8859-1"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"\n'
    '\t"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n<html xmlns="http://www.w3.org/1999/xhtml" '
    'xml:lang="en" lang="en">\n <head>\n  <title>{status} - {text}</title>\n </head>\n <body>\n  <h1>{status} - {text}'
    "</h1>\n </body>\n</html>\n"
)
Branches = Callable[[Snapshot, Instance], Mapping[str, tree.Tree]]
Host = Callable[[Snapshot, NetworkInterface], Instance | None]


class MetadataWorld(Protocol):
    """The part of the world that is needed."""

    async def open_socket(
        self, namespace: str, *, bind: tuple[str, int] | None = None, listen: int | None = None
    ) -> Any: ...


class MetadataService:
    """`branches` give more of an instance's tree: what Spot and scheduled events say. `hosts` know of which instance
    programs are at an interface that is not its own: tasks of ECS."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, world: MetadataWorld, call: CallService) -> None:
        self._store, self._clock, self._world, self._call = store, clock, world, call
        self._key = bytes.fromhex(entropy.hex(64))
        self._credentials: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}
        self._asking: dict[tuple[str, str], asyncio.Lock] = {}
        self._opening = asyncio.Lock()
        self.branches: list[Branches] = []
        self.hosts: list[Host] = []
        self._servers: dict[str, LocalHttp] = {}

    async def enter(self, vpc_id: str) -> None:
        """Answer in that VPC from now on."""
        async with self._opening:
            if vpc_id not in self._servers:
                listener = await self._world.open_socket(vpc_namespace(vpc_id), bind=(METADATA, 80), listen=256)
                server = LocalHttp(self._clock, self._answering(vpc_id))
                await server.serve(vpc_id, listener)
                self._servers[vpc_id] = server

    def leave(self, vpc_id: str) -> None:
        if (server := self._servers.pop(vpc_id, None)) is not None:
            server.stop()

    def stop(self) -> None:
        for each in list(self._servers):
            self.leave(each)

    def _answering(self, vpc_id: str) -> Callable[[Asked], Awaitable[Answered]]:
        async def answer(asked: Asked) -> Answered:
            try:
                return await self._in_vpc(vpc_id, asked)
            except Exception:
                log.exception("instance metadata: %s %s failed", asked.method, asked.path)
                return _refused(500, "Internal Server Error")

        return answer

    async def _in_vpc(self, vpc_id: str, asked: Asked) -> Answered:
        snapshot = self._store.snapshot()
        found = _who(snapshot, vpc_id, asked.source, self.hosts)
        if found is None:
            return _refused(404, "Not Found")
        instance, interface = found
        if instance.metadata.endpoint == "disabled":
            return _refused(403, "Forbidden")
        if asked.method == "PUT" and re.fullmatch(r"/[^/]+/api/token/?", asked.path):
            return self._token(instance, asked)
        if asked.method not in ("GET", "HEAD"):
            return _refused(405, "Method Not Allowed")
        headers: dict[str, str] = {}
        token = asked.headers.get(_TOKEN)
        if token is not None or instance.metadata.tokens == "required":
            left = self._left(instance, token or "")
            if left is None:
                return _refused(401, "Unauthorized")
            headers = {_TTL.title(): str(left)}
        body = await self._found(snapshot, instance, interface, asked.path)
        if body is None:
            return _refused(404, "Not Found")
        return Answered(200, body, headers=headers)

    # -- tokens ------------------------------------------------------------------------------------------------------

    def _token(self, instance: Instance, asked: Asked) -> Answered:
        """A token for as long as is asked; not for who was handed the request by a proxy."""
        if "x-forwarded-for" in asked.headers:
            return _refused(403, "Forbidden")
        given = asked.headers.get(_TTL, "")
        if re.fullmatch("[0-9]{1,5}", given) is None or not 1 <= int(given) <= TOKEN_TTL_MAX_S:
            return _refused(400, "Bad Request")
        until = struct.pack(">Q", int(self._clock.wall()) + int(given))
        token = base64.urlsafe_b64encode(until + self._seal(instance, until)).decode()
        return Answered(200, token, headers={_TTL.title(): given}, hops=instance.metadata.hop_limit)

    def _seal(self, instance: Instance, until: bytes) -> bytes:
        return hmac.digest(self._key, instance.id.encode() + until, hashlib.sha256)

    def _left(self, instance: Instance, token: str) -> int | None:
        """How many seconds a token is good for; None where it is not."""
        try:
            raw = base64.urlsafe_b64decode(token)
        except ValueError:
            return None
        until, seal = raw[:8], raw[8:]
        if len(until) < 8 or not hmac.compare_digest(seal, self._seal(instance, until)):
            return None
        left: int = struct.unpack(">Q", until)[0] - int(self._clock.wall())
        return left if left > 0 else None

    # -- what there is -----------------------------------------------------------------------------------------------

    async def _found(
        self, snapshot: Snapshot, instance: Instance, interface: NetworkInterface, path: str
    ) -> str | bytes | None:
        if path.strip("/") == "":
            return "1.0\n2021-03-23\nlatest"
        matched = _VERSION.fullmatch(path)
        if matched is None:
            return None
        rest = (matched[2] or "").strip("/")
        if rest == "":
            return "dynamic\nmeta-data" + ("\nuser-data" if instance.user_data else "")
        if rest == "user-data":
            return decoded(instance.user_data) if instance.user_data else None
        if rest.partition("/")[0] == "dynamic":
            document: tree.Tree = {"instance-identity": {"document": tree.identity(instance, interface)}}
            return tree.looked_up(document, rest.partition("/")[2])
        top, _, below = rest.partition("/")
        if top != "meta-data":
            return None
        return await self._metadata(snapshot, instance, interface, below)

    async def _metadata(
        self, snapshot: Snapshot, instance: Instance, interface: NetworkInterface, path: str
    ) -> str | None:
        more: dict[str, tree.Tree] = {}
        for each in self.branches:
            more |= each(snapshot, instance)
        whole = tree.metadata(snapshot, instance, interface, more)
        if instance.profile_arn is None:
            return tree.looked_up(whole, path)
        if path.strip("/") == "" or path.partition("/")[0] != "iam":
            return tree.looked_up({**whole, "iam": {"info": ""}}, path)
        role = await self._role(instance)
        if path.strip("/") == "iam/info":
            return json.dumps(
                {
                    "Code": "Success",
                    "LastUpdated": f"{iso_utc(self._clock.now())[:19]}Z",
                    "InstanceProfileArn": instance.profile_arn,
                    "InstanceProfileId": instance.profile_id,
                },
                indent=2,
            )
        if role is None:
            return tree.looked_up({"iam": {"info": ""}}, path)
        name = role.rpartition("/")[2]
        if path.strip("/") == f"iam/security-credentials/{name}":
            return json.dumps(await self._role_credentials(instance, role), indent=2)
        return tree.looked_up({"iam": {"info": "", "security-credentials": {name: ""}}}, path)

    # -- the role's credentials --------------------------------------------------------------------------------------

    async def _role(self, instance: Instance) -> str | None:
        """The ARN of the role that the instance's profile has now."""
        assert instance.profile_arn is not None
        name = instance.profile_arn.rpartition("/")[2]
        try:
            found = await self._call(
                instance.account, instance.region, "iam", "GetInstanceProfile", {"InstanceProfileName": name}
            )
        except AwsError:
            return None
        roles = found["InstanceProfile"].get("Roles") or ()
        return roles[0]["Arn"] if roles else None

    async def _role_credentials(self, instance: Instance, role: str) -> dict[str, Any]:
        """Credentials of STS, renewed before they end."""
        key = (instance.id, role)
        async with self._asking.setdefault(key, asyncio.Lock()):
            until, document = self._credentials.get(key, (0.0, {}))
            if self._clock.now() > until - RENEWED_BEFORE_S:
                wanted = {"RoleArn": role, "RoleSessionName": instance.id, "DurationSeconds": ROLE_SESSION_S}
                now = self._clock.now()
                try:
                    made = await self._call(instance.account, instance.region, "sts", "AssumeRole", wanted)
                except AwsError:
                    return {
                        "Code": "AssumeRoleUnauthorizedAccess",
                        "Message": f"EC2 cannot assume the role {role.rpartition('/')[2]}. Please see documentation at "
                        "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html.",
                        "LastUpdated": f"{iso_utc(now)[:19]}Z",
                    }
                given = made["Credentials"]
                ends: datetime = given["Expiration"]
                until = ends.timestamp()
                document = {
                    "Code": "Success",
                    "LastUpdated": f"{iso_utc(now)[:19]}Z",
                    "Type": "AWS-HMAC",
                    "AccessKeyId": given["AccessKeyId"],
                    "SecretAccessKey": given["SecretAccessKey"],
                    "Token": given["SessionToken"],
                    "Expiration": f"{iso_utc(until)[:19]}Z",
                }
                self._credentials[key] = (until, document)
            return document


def _who(
    snapshot: Snapshot, vpc_id: str, address: str, hosts: Iterable[Host]
) -> tuple[Instance, NetworkInterface] | None:
    """The instance that has the address, or on which a program has it, and the instance's interface."""
    for interface in snapshot.every(NetworkInterface):
        if interface.vpc_id == vpc_id and interface.private_ip == address:
            of = interface.account, interface.region
            if interface.instance_id is not None:
                found = snapshot.get(Instance, *of, interface.instance_id)
                return (found, interface) if found is not None else None
            found = next((host for each in hosts if (host := each(snapshot, interface)) is not None), None)
            own = snapshot.get(NetworkInterface, *of, found.interface_id) if found is not None else None
            return (found, own) if found is not None and own is not None else None
    return None


def _refused(status: int, text: str) -> Answered:
    return Answered(status, _ERROR_PAGE.format(status=status, text=text), "text/html")
