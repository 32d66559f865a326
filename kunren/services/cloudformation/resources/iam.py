"""Identities: AWS::IAM::…"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from kunren.core.errors import AwsError
from kunren.services.cloudformation.resources.kind import Kind, pairs
from kunren.services.cloudformation.work import Work, is_missing


def text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _asking(work: Work, name: str, operation: str, params: Mapping[str, Any]) -> Callable[[], Awaitable[Any]] | None:
    """How to ask whether somebody has the name, where it is stated."""
    return (lambda: work.read("iam", operation, params)) if name in work.properties else None


class Identity(Kind):
    """A role, user or group (`noun`): attached and inline policies are part of it."""

    def __init__(self, noun: str, also: str, attributes: str) -> None:
        self.type, self._noun, self._name = f"AWS::IAM::{noun}", noun, f"{noun}Name"
        self.properties = frozenset({self._name, "Path", "ManagedPolicyArns", "Policies", *also.split()})
        self.attributes = frozenset(attributes.split())

    async def create(self, work: Work) -> None:
        name = work.get(self._name) or work.name(64)
        work.known(name)
        params = {self._name: name, **work.pick("Path", "Description", "MaxSessionDuration", "PermissionsBoundary")}
        if "AssumeRolePolicyDocument" in work.properties:
            params["AssumeRolePolicyDocument"] = text(work.properties["AssumeRolePolicyDocument"])
        if work.tags and self._noun != "Group":
            params["Tags"] = pairs(work.tags)
        ids = ("Arn", "RoleId") if self._noun == "Role" else ("Arn",)

        def named(answer: Mapping[str, Any]) -> dict[str, Any]:
            return {key: answer[self._noun][key] for key in ids}

        taken = _asking(work, self._name, f"Get{self._noun}", {self._name: name})
        made = await work.write("iam", f"Create{self._noun}", params, named, taken=taken)
        await self._policies(work, {}, work.properties)
        if made is None:  # before a restart
            made = named(await work.read("iam", f"Get{self._noun}", {self._name: name}))
        work.attributes = made

    async def update(self, work: Work) -> None:
        to = {self._name: work.physical}
        if work.changed("AssumeRolePolicyDocument"):
            params = {**to, "PolicyDocument": text(work.properties["AssumeRolePolicyDocument"])}
            await work.write("iam", "UpdateAssumeRolePolicy", params)
        if work.changed("Description", "MaxSessionDuration"):
            params = {
                **to,
                "Description": work.get("Description", ""),
                "MaxSessionDuration": work.get("MaxSessionDuration", 3600),
            }
            await work.write("iam", "UpdateRole", params)
        if work.changed("PermissionsBoundary"):
            if boundary := work.get("PermissionsBoundary"):
                await work.write("iam", f"Put{self._noun}PermissionsBoundary", {**to, "PermissionsBoundary": boundary})
            else:
                await work.write("iam", f"Delete{self._noun}PermissionsBoundary", to)
        if self._noun != "Group" and work.tags != work.old_tags:
            if gone := [key for key in work.old_tags if key not in work.tags]:
                await work.write("iam", f"Untag{self._noun}", {**to, "TagKeys": gone})
            if work.tags:
                await work.write("iam", f"Tag{self._noun}", {**to, "Tags": pairs(work.tags)})
        await self._policies(work, work.before, work.properties)

    async def delete(self, work: Work) -> None:
        await self._policies(work, work.properties, {})
        await work.write("iam", f"Delete{self._noun}", {self._name: work.physical}, missing_ok=True)

    async def _policies(self, work: Work, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        to = {self._name: work.physical}
        before, after = old.get("ManagedPolicyArns") or [], new.get("ManagedPolicyArns") or []
        for arn in [each for each in before if each not in after]:
            await work.write("iam", f"Detach{self._noun}Policy", {**to, "PolicyArn": arn}, missing_ok=True)
        for arn in [each for each in after if each not in before]:
            await work.write("iam", f"Attach{self._noun}Policy", {**to, "PolicyArn": arn})
        inline = [
            {each["PolicyName"]: text(each["PolicyDocument"]) for each in found.get("Policies") or []}
            for found in (old, new)
        ]
        for name in inline[0].keys() - inline[1].keys():
            await work.write("iam", f"Delete{self._noun}Policy", {**to, "PolicyName": name}, missing_ok=True)
        for name, document in inline[1].items():
            if inline[0].get(name) != document:
                await work.write(
                    "iam", f"Put{self._noun}Policy", {**to, "PolicyName": name, "PolicyDocument": document}
                )
        groups = [found.get("Groups") or [] for found in (old, new)]
        for operation, names in (
            ("RemoveUserFromGroup", [each for each in groups[0] if each not in groups[1]]),
            ("AddUserToGroup", [each for each in groups[1] if each not in groups[0]]),
        ):
            for name in names:
                await work.write("iam", operation, {**to, "GroupName": name}, missing_ok=operation.startswith("Remove"))
        await self._login(work, old.get("LoginProfile"), new.get("LoginProfile"))

    async def _login(self, work: Work, old: Any, new: Any) -> None:
        """A user's password, for the console."""
        to = {self._name: work.physical}
        if old and not new:
            await work.write("iam", "DeleteLoginProfile", to, missing_ok=True)
        elif new != old:
            given = {key: new[key] for key in ("Password", "PasswordResetRequired") if key in new}
            await work.write("iam", "UpdateLoginProfile" if old else "CreateLoginProfile", {**to, **given})


_HOLDERS = (("Roles", "Role"), ("Users", "User"), ("Groups", "Group"))


def _holders(properties: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(noun, name) for key, noun in _HOLDERS for name in properties.get(key) or []]


class Policy(Kind):
    """An inline policy of other identities."""

    type = "AWS::IAM::Policy"
    properties = frozenset({"Groups", "PolicyDocument", "PolicyName", "Roles", "Users"})
    attributes = frozenset({"Id"})

    async def create(self, work: Work) -> None:
        work.known(work.name(128))
        work.attributes = {"Id": work.physical}
        await self._put(work, _holders(work.properties))

    async def update(self, work: Work) -> None:
        old, new = _holders(work.before), _holders(work.properties)
        await self._put(work, new)
        renamed = work.changed("PolicyName")
        await self._remove(work, work.before["PolicyName"], [each for each in old if renamed or each not in new])

    async def delete(self, work: Work) -> None:
        await self._remove(work, work.properties["PolicyName"], _holders(work.properties))

    async def _put(self, work: Work, holders: list[tuple[str, str]]) -> None:
        for noun, name in holders:
            params = {
                f"{noun}Name": name,
                "PolicyName": work.properties["PolicyName"],
                "PolicyDocument": text(work.properties["PolicyDocument"]),
            }
            await work.write("iam", f"Put{noun}Policy", params)

    async def _remove(self, work: Work, policy: str, holders: list[tuple[str, str]]) -> None:
        for noun, name in holders:
            await work.write("iam", f"Delete{noun}Policy", {f"{noun}Name": name, "PolicyName": policy}, missing_ok=True)


class ManagedPolicy(Kind):
    type = "AWS::IAM::ManagedPolicy"
    properties = frozenset({"Description", "Groups", "ManagedPolicyName", "Path", "PolicyDocument", "Roles", "Users"})
    attributes = frozenset({"PolicyArn"})

    async def create(self, work: Work) -> None:
        name, path = work.get("ManagedPolicyName") or work.name(128), work.get("Path", "/")
        params = {
            "PolicyName": name,
            "PolicyDocument": text(work.properties["PolicyDocument"]),
            **work.pick("Path", "Description"),
        }
        arn = f"arn:aws:iam::{work.account}:policy{path}{name}"
        taken = _asking(work, "ManagedPolicyName", "GetPolicy", {"PolicyArn": arn})
        await work.write("iam", "CreatePolicy", params, taken=taken)
        work.known(arn)
        work.attributes = {"PolicyArn": work.physical}
        await self._attach(work, [], _holders(work.properties))

    async def update(self, work: Work) -> None:
        if work.changed("PolicyDocument"):
            params = {
                "PolicyArn": work.physical,
                "PolicyDocument": text(work.properties["PolicyDocument"]),
                "SetAsDefault": True,
            }
            await work.write("iam", "CreatePolicyVersion", params)
            await self._prune(work)
        await self._attach(work, _holders(work.before), _holders(work.properties))

    async def delete(self, work: Work) -> None:
        await self._attach(work, _holders(work.properties), [])
        await self._prune(work)
        await work.write("iam", "DeletePolicy", {"PolicyArn": work.physical}, missing_ok=True)

    async def _prune(self, work: Work) -> None:
        """Only the version in force stays."""
        shown = await work.read("iam", "ListPolicyVersions", {"PolicyArn": work.physical})
        for each in shown["Versions"]:
            if not each["IsDefaultVersion"]:
                params = {"PolicyArn": work.physical, "VersionId": each["VersionId"]}
                await work.write("iam", "DeletePolicyVersion", params, missing_ok=True)

    async def _attach(self, work: Work, old: list[tuple[str, str]], new: list[tuple[str, str]]) -> None:
        for operation, holders in (
            ("Detach", [each for each in old if each not in new]),
            ("Attach", [each for each in new if each not in old]),
        ):
            for noun, name in holders:
                params = {f"{noun}Name": name, "PolicyArn": work.physical}
                await work.write("iam", f"{operation}{noun}Policy", params, missing_ok=operation == "Detach")


class InstanceProfile(Kind):
    type = "AWS::IAM::InstanceProfile"
    properties = frozenset({"InstanceProfileName", "Path", "Roles"})
    attributes = frozenset({"Arn"})

    async def create(self, work: Work) -> None:
        work.known(work.get("InstanceProfileName") or work.name(128))
        named = {"InstanceProfileName": work.physical}
        taken = _asking(work, "InstanceProfileName", "GetInstanceProfile", named)
        await work.write("iam", "CreateInstanceProfile", {**named, **work.pick("Path")}, taken=taken)
        await self._roles(work, [], work.properties["Roles"])
        shown = await work.read("iam", "GetInstanceProfile", {"InstanceProfileName": work.physical})
        work.attributes = {"Arn": shown["InstanceProfile"]["Arn"]}

    async def update(self, work: Work) -> None:
        await self._roles(work, work.before["Roles"], work.properties["Roles"])

    async def delete(self, work: Work) -> None:
        try:
            shown = await work.read("iam", "GetInstanceProfile", {"InstanceProfileName": work.physical})
        except AwsError as error:
            if is_missing(error):
                return
            raise
        await self._roles(work, [each["RoleName"] for each in shown["InstanceProfile"]["Roles"]], [])
        await work.write("iam", "DeleteInstanceProfile", {"InstanceProfileName": work.physical}, missing_ok=True)

    async def _roles(self, work: Work, old: list[str], new: list[str]) -> None:
        for operation, names in (
            ("RemoveRoleFrom", [each for each in old if each not in new]),
            ("AddRoleTo", [each for each in new if each not in old]),
        ):
            for name in names:
                params = {"InstanceProfileName": work.physical, "RoleName": name}
                await work.write("iam", f"{operation}InstanceProfile", params, missing_ok=operation == "RemoveRoleFrom")


KINDS: tuple[Kind, ...] = (
    Identity("Role", "AssumeRolePolicyDocument Description MaxSessionDuration PermissionsBoundary Tags", "Arn RoleId"),
    Identity("User", "Groups LoginProfile PermissionsBoundary Tags", "Arn"),
    Identity("Group", "", "Arn"),
    Policy(),
    ManagedPolicy(),
    InstanceProfile(),
)
