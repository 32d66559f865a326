"""Tables, parameters, secrets and keys: AWS::DynamoDB::…, AWS::SSM::…, AWS::SecretsManager::…, AWS::KMS::…"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.resources.kind import Declared, Kind, Setting, Tagging, change, tagging
from kunren.services.cloudformation.work import Work


def _table(work: Work) -> Mapping[str, Any]:
    found = work.pick("SSESpecification", "StreamSpecification", "GlobalSecondaryIndexes")
    if "SSESpecification" in found:
        found["SSESpecification"] = {
            ("Enabled" if key == "SSEEnabled" else key): each for key, each in found["SSESpecification"].items()
        }
    if "StreamSpecification" in found:
        found["StreamSpecification"] = {"StreamEnabled": True, **found["StreamSpecification"]}
    return found


def _stream(work: Work) -> Mapping[str, Any]:
    wanted = work.get("StreamSpecification")
    stated = {"StreamEnabled": True, **wanted} if wanted else {"StreamEnabled": False}
    return {"TableName": work.physical, "StreamSpecification": stated}


def _throughput(work: Work) -> Mapping[str, Any]:
    return {
        "TableName": work.physical,
        **work.pick(
            "BillingMode", "ProvisionedThroughput", "AttributeDefinitions", "DeletionProtectionEnabled", "TableClass"
        ),
    }


class Secret(Declared):
    """`GenerateSecretString` has a password made; nothing is left to recover, as with AWS's stacks."""

    async def create(self, work: Work) -> None:
        if "GenerateSecretString" in work.properties and "SecretString" not in work.properties:
            given = dict(work.properties["GenerateSecretString"])
            key, template = given.pop("GenerateStringKey", None), given.pop("SecretStringTemplate", None)
            password = (await work.read("secretsmanager", "GetRandomPassword", given))["RandomPassword"]
            value = json.dumps({**json.loads(template), key: password}) if key and template else password
            work.properties = {**work.properties, "SecretString": value}
        await super().create(work)
        if not work.physical:  # a crash came before the answer
            work.known((await self.somebodys(work))["ARN"])
            await self.settle(work)

    async def somebodys(self, work: Work) -> Any:
        return await work.read("secretsmanager", "DescribeSecret", {"SecretId": self.chosen_name(work)})


class KeyAlias(Kind):
    type = "AWS::KMS::Alias"
    properties = frozenset({"AliasName", "TargetKeyId"})

    async def create(self, work: Work) -> None:
        work.known(work.properties["AliasName"])
        taken = lambda: work.read("kms", "DescribeKey", {"KeyId": work.physical})  # noqa: E731
        await work.write("kms", "CreateAlias", work.properties, taken=taken)

    async def update(self, work: Work) -> None:
        await work.write("kms", "UpdateAlias", work.properties)

    async def delete(self, work: Work) -> None:
        await work.write("kms", "DeleteAlias", {"AliasName": work.physical}, missing_ok=True)


class Parameter(Declared):
    def must_replace(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        return before.get("Type") != after.get("Type")


def _put_parameter(work: Work) -> Mapping[str, Any]:
    return {
        "Name": work.physical,
        "Overwrite": True,
        **work.pick("AllowedPattern", "DataType", "Description", "Policies", "Tier", "Type", "Value"),
    }


def _policy(work: Work) -> dict[str, Any]:
    policy = work.get("KeyPolicy")
    return {} if policy is None else {"Policy": policy if isinstance(policy, str) else json.dumps(policy)}


def _key_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


def _change_key_tags(work: Work, added: dict[str, str], removed: list[str]) -> list[tuple[str, Mapping[str, Any]]]:
    calls: list[tuple[str, Mapping[str, Any]]] = []
    if removed:
        calls.append(("UntagResource", {"KeyId": work.physical, "TagKeys": removed}))
    if added:
        calls.append(("TagResource", {"KeyId": work.physical, "Tags": _key_tags(added)}))
    return calls


KINDS: tuple[Kind, ...] = (
    Declared(
        "AWS::DynamoDB::Table",
        "dynamodb",
        create="CreateTable",
        takes=(
            "AttributeDefinitions BillingMode DeletionProtectionEnabled KeySchema LocalSecondaryIndexes "
            "ProvisionedThroughput TableClass"
        ),
        extra=_table,
        also="GlobalSecondaryIndexes SSESpecification",
        name="TableName",
        longest=255,
        key="TableName",
        describe="DescribeTable",
        item="Table",
        ready="TableStatus == 'ACTIVE'",
        settings=[
            Setting(
                "UpdateTable",
                "BillingMode ProvisionedThroughput AttributeDefinitions DeletionProtectionEnabled TableClass",
                _throughput,
                on_create=False,
            ),
            Setting("UpdateTable", "StreamSpecification", _stream, on_create=False),
            Setting(
                "UpdateTimeToLive",
                "TimeToLiveSpecification",
                lambda work: {
                    "TableName": work.physical,
                    "TimeToLiveSpecification": work.get("TimeToLiveSpecification")
                    or {
                        "Enabled": False,
                        "AttributeName": (work.before.get("TimeToLiveSpecification") or {}).get("AttributeName", ""),
                    },
                },
            ),
            Setting(
                "UpdateContinuousBackups",
                "PointInTimeRecoverySpecification",
                lambda work: {
                    "TableName": work.physical,
                    "PointInTimeRecoverySpecification": work.get("PointInTimeRecoverySpecification")
                    or {"PointInTimeRecoveryEnabled": False},
                },
            ),
        ],
        gives={"Arn": "TableArn", "StreamArn": "LatestStreamArn"},
        tags=tagging("ResourceArn", by="Arn"),
        delete="DeleteTable",
        await_end=True,
    ),
    Parameter(
        "AWS::SSM::Parameter",
        "ssm",
        create="PutParameter",
        takes="AllowedPattern DataType Description Policies Tier Type Value",
        name="Name",
        longest=1011,
        key="Name",
        settings=[
            Setting(
                "PutParameter",
                "AllowedPattern DataType Description Policies Tier Type Value",
                _put_parameter,
                on_create=False,
            )
        ],
        describe="GetParameter",
        item="Parameter",
        gives={"Type": "Type", "Value": "Value"},
        delete="DeleteParameter",
    ),
    Secret(
        "AWS::SecretsManager::Secret",
        "secretsmanager",
        create="CreateSecret",
        takes="Description KmsKeyId SecretString",
        name="Name",
        longest=64,
        made="ARN",
        key="SecretId",
        also="GenerateSecretString",
        settings=[change("UpdateSecret", "SecretId", "Description KmsKeyId SecretString")],
        gives={"Id": ""},
        tags=tagging("SecretId"),
        delete="DeleteSecret",
        delete_extra=lambda work: {"ForceDeleteWithoutRecovery": True},
    ),
    Declared(
        "AWS::KMS::Key",
        "kms",
        create="CreateKey",
        takes="Description KeySpec KeyUsage MultiRegion",
        extra=_policy,
        made="KeyMetadata.KeyId",
        key="KeyId",
        describe="DescribeKey",
        item="KeyMetadata",
        gives={"Arn": "Arn", "KeyId": "KeyId"},
        settings=[
            Setting(
                "PutKeyPolicy",
                "KeyPolicy",
                lambda work: {"KeyId": work.physical, "PolicyName": "default", **_policy(work)},
                on_create=False,
            ),
            Setting(
                "UpdateKeyDescription",
                "Description",
                lambda work: {"KeyId": work.physical, "Description": work.get("Description", "")},
                on_create=False,
            ),
        ],
        also="PendingWindowInDays",
        updates="PendingWindowInDays",
        tags=Tagging(lambda work: {"Tags": _key_tags(work.tags)} if work.tags else {}, _change_key_tags),
        delete="ScheduleKeyDeletion",
        delete_extra=lambda work: work.pick("PendingWindowInDays"),
    ),
    KeyAlias(),
)
