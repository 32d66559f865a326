"""Which instances Systems Manager manages: those that run and whose role lets the agent speak to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.errors import AwsError
from kunren.core.policies import ALLOW, Asker, allowed, decision
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.instances.states import state

MANAGED = ("ssm:UpdateInstanceInformation",)
CHANNELS = ("ssmmessages:CreateControlChannel", "ssmmessages:OpenDataChannel")
"""What the agent is allowed where sessions reach it ("Step 2: Verify or add instance permissions for Session
Manager")."""
MESSAGES = ("ec2messages:GetMessages", "ec2messages:AcknowledgeMessage", "ec2messages:SendReply")
"""What the agent gets commands by where it is not allowed the channels ("ec2messages and other API operations")."""


class Managed:
    """Reads instances of EC2, and roles of IAM by its API."""

    def __init__(self, store: Store, call: CallService) -> None:
        self._store, self._call = store, call

    async def all(self, account: str, region: str) -> list[tuple[Instance, str]]:
        """The managed instances, and of each "Online", or "ConnectionLost" where it does not run."""
        reader = self._store.snapshot()
        known: dict[str, bool] = {}
        found = []
        for each in reader.list(Instance, account, region):
            now = state(reader, each)
            if now in ("running", "stopping", "stopped") and await self._may(each, MANAGED, known):
                found.append((each, "Online" if now == "running" else "ConnectionLost"))
        return found

    async def connected(self, account: str, region: str, id: str) -> bool:
        """Whether a session with that instance can begin."""
        return await self._running(account, region, id, CHANNELS)

    async def reached(self, account: str, region: str, id: str) -> bool:
        """Whether a command gets to that instance."""
        where = account, region, id
        return await self._running(*where, CHANNELS) or await self._running(*where, MESSAGES)

    async def may(self, instance: Instance, action: str, resource: str) -> bool:
        """Whether the instance's role allows its programs that."""
        roles = await self._roles(instance)
        asker = Asker(account=instance.account)
        return bool(roles) and decision(await self._all(instance, roles), asker, action, resource, {}) == ALLOW

    async def _running(self, account: str, region: str, id: str, actions: tuple[str, ...]) -> bool:
        reader = self._store.snapshot()
        instance = reader.get(Instance, account, region, id)
        if instance is None or state(reader, instance) != "running":
            return False
        return await self._may(instance, MANAGED + actions, {})

    async def _may(self, instance: Instance, actions: tuple[str, ...], known: dict[str, bool]) -> bool:
        profile = instance.profile_arn
        if not profile:
            return False
        if profile not in known:
            known[profile] = await self._allowed(instance, actions)
        return known[profile]

    async def _allowed(self, instance: Instance, actions: tuple[str, ...]) -> bool:
        roles = await self._roles(instance)
        statements, asker = await self._all(instance, roles), Asker(account=instance.account)
        return bool(roles) and all(allowed(statements, asker, each, {}) for each in actions)

    async def _roles(self, instance: Instance) -> list[str]:
        """The names of the roles that its profile has; none where it has no profile."""
        if not instance.profile_arn:
            return []
        named = {"InstanceProfileName": instance.profile_arn.rpartition("/")[2]}
        try:
            found = await self._iam(instance, "GetInstanceProfile", named)
        except AwsError:
            return []
        return [each["RoleName"] for each in found["InstanceProfile"]["Roles"]]

    async def _all(self, instance: Instance, roles: list[str]) -> list[Mapping[str, Any]]:
        try:
            return [each for role in roles for each in await self._statements(instance, role)]
        except AwsError:
            return []

    async def _statements(self, instance: Instance, role: str) -> list[Mapping[str, Any]]:
        """What the role's own policies and those attached to it say."""
        named = {"RoleName": role}
        documents = []
        for name in (await self._iam(instance, "ListRolePolicies", named)).get("PolicyNames") or ():
            inline = await self._iam(instance, "GetRolePolicy", {**named, "PolicyName": name})
            documents.append(inline["PolicyDocument"])
        for each in (await self._iam(instance, "ListAttachedRolePolicies", named)).get("AttachedPolicies") or ():
            arn = each["PolicyArn"]
            policy = await self._iam(instance, "GetPolicy", {"PolicyArn": arn})
            version = {"PolicyArn": arn, "VersionId": policy["Policy"]["DefaultVersionId"]}
            documents.append((await self._iam(instance, "GetPolicyVersion", version))["PolicyVersion"]["Document"])
        return [statement for each in documents for statement in statements_of(each)]

    async def _iam(self, instance: Instance, operation: str, params: dict[str, Any]) -> Mapping[str, Any]:
        return await self._call(instance.account, instance.region, "iam", operation, params)


def statements_of(document: Any) -> Iterator[Mapping[str, Any]]:
    """Of a policy as IAM gives it: percent-encoded JSON, or read already."""
    told = json.loads(unquote(document)) if isinstance(document, str) else document
    found = told.get("Statement") or []
    yield from [found] if isinstance(found, Mapping) else found
