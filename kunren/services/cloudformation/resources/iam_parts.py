"""What belongs to identities: AWS::IAM::RolePolicy, UserPolicy, GroupPolicy, UserToGroupAddition, AccessKey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.resources.iam import text
from kunren.services.cloudformation.resources.kind import Kind
from kunren.services.cloudformation.work import Work


class OwnPolicy(Kind):
    """An inline policy of one role, user or group."""

    def __init__(self, noun: str) -> None:
        self.type, self._noun = f"AWS::IAM::{noun}Policy", noun
        self.properties = frozenset({"PolicyDocument", "PolicyName", f"{noun}Name"})

    async def create(self, work: Work) -> None:
        name = work.properties["PolicyName"]
        await work.must_be_free(name, "iam", f"Get{self._noun}Policy", self._at(work))
        await self.update(work)
        work.known(f"{name}|{work.properties[f'{self._noun}Name']}")

    async def update(self, work: Work) -> None:
        document = {"PolicyDocument": text(work.properties["PolicyDocument"])}
        await work.write("iam", f"Put{self._noun}Policy", {**self._at(work), **document})

    async def delete(self, work: Work) -> None:
        await work.write("iam", f"Delete{self._noun}Policy", self._at(work), missing_ok=True)

    def _at(self, work: Work) -> dict[str, Any]:
        return work.pick(f"{self._noun}Name", "PolicyName")


class Membership(Kind):
    type = "AWS::IAM::UserToGroupAddition"
    properties = frozenset({"GroupName", "Users"})
    attributes = frozenset({"Id"})

    async def create(self, work: Work) -> None:
        work.known(work.name(128))
        work.attributes = {"Id": work.physical}
        await self._change(work, {}, work.properties)

    async def update(self, work: Work) -> None:
        await self._change(work, work.before, work.properties)

    async def delete(self, work: Work) -> None:
        await self._change(work, work.properties, {})

    async def _change(self, work: Work, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        before, after = ({(found.get("GroupName"), each) for each in found.get("Users") or []} for found in (old, new))
        for group, user in sorted(before - after):
            await work.write("iam", "RemoveUserFromGroup", {"GroupName": group, "UserName": user}, missing_ok=True)
        for group, user in sorted(after - before):
            await work.write("iam", "AddUserToGroup", {"GroupName": group, "UserName": user})


class AccessKey(Kind):
    """Its secret is an attribute, as on AWS."""

    type = "AWS::IAM::AccessKey"
    properties = frozenset({"Serial", "Status", "UserName"})
    attributes = frozenset({"Id", "SecretAccessKey"})

    async def create(self, work: Work) -> None:
        user = work.pick("UserName")
        made = await work.write("iam", "CreateAccessKey", user, "AccessKey.[AccessKeyId, SecretAccessKey]")
        work.known(made[0])
        work.attributes = {"Id": made[0], "SecretAccessKey": made[1]}
        if work.get("Status") == "Inactive":
            await self.update(work)

    async def update(self, work: Work) -> None:
        params = {**work.pick("UserName"), "AccessKeyId": work.physical, "Status": work.get("Status", "Active")}
        await work.write("iam", "UpdateAccessKey", params)

    async def delete(self, work: Work) -> None:
        await work.write(
            "iam", "DeleteAccessKey", {**work.pick("UserName"), "AccessKeyId": work.physical}, missing_ok=True
        )


KINDS: tuple[Kind, ...] = (*(OwnPolicy(noun) for noun in ("Role", "User", "Group")), Membership(), AccessKey())
