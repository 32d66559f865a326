"""Buckets: AWS::S3::Bucket, AWS::S3::BucketPolicy. CloudFormation's names differ from the operations' in places."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from kunren.core.errors import AwsError
from kunren.services.cloudformation.resources.kind import Kind, pairs
from kunren.services.cloudformation.work import Failed, Work, is_missing

Shape = Callable[[Any], Any]


def renamed(value: Mapping[str, Any], **names: str) -> dict[str, Any]:
    return {names.get(key, key): each for key, each in value.items()}


def _encryption(value: Any) -> Any:
    rules = value["ServerSideEncryptionConfiguration"]
    return {
        "Rules": [renamed(each, ServerSideEncryptionByDefault="ApplyServerSideEncryptionByDefault") for each in rules]
    }


def _cors(value: Any) -> Any:
    return {
        "CORSRules": [
            renamed(each, Id="ID", MaxAge="MaxAgeSeconds", ExposedHeaders="ExposeHeaders")
            for each in value["CorsRules"]
        ]
    }


def _website(value: Any) -> Any:
    found = dict(value)
    if "IndexDocument" in found:
        found["IndexDocument"] = {"Suffix": found["IndexDocument"]}
    if "ErrorDocument" in found:
        found["ErrorDocument"] = {"Key": found["ErrorDocument"]}
    if "RoutingRules" in found:
        found["RoutingRules"] = [
            renamed(each, RedirectRule="Redirect", RoutingRuleCondition="Condition") for each in found["RoutingRules"]
        ]
    return found


def _notification(value: Any) -> Any:
    found: dict[str, Any] = {}
    for kind, wire, name, arn in (
        ("LambdaConfigurations", "LambdaFunctionConfigurations", "Function", "LambdaFunctionArn"),
        ("QueueConfigurations", "QueueConfigurations", "Queue", "QueueArn"),
        ("TopicConfigurations", "TopicConfigurations", "Topic", "TopicArn"),
    ):
        for each in value.get(kind) or []:
            one = {arn: each[name], "Events": [each["Event"]]}
            if "Filter" in each:
                one["Filter"] = {"Key": {"FilterRules": each["Filter"]["S3Key"]["Rules"]}}
            found.setdefault(wire, []).append(one)
    if (value.get("EventBridgeConfiguration") or {}).get(
        "EventBridgeEnabled", True
    ) and "EventBridgeConfiguration" in value:
        found["EventBridgeConfiguration"] = {}
    return found


def _lifecycle(value: Any) -> Any:
    return {"Rules": [_lifecycle_rule(each) for each in value["Rules"]]}


def _lifecycle_rule(given: Mapping[str, Any]) -> dict[str, Any]:
    rule = {"Status": given["Status"], **({"ID": given["Id"]} if "Id" in given else {})}
    conditions: dict[str, Any] = {
        key: int(given[key]) for key in ("ObjectSizeGreaterThan", "ObjectSizeLessThan") if key in given
    }
    if "Prefix" in given:
        conditions["Prefix"] = given["Prefix"]
    tags = given.get("TagFilters") or []
    if len(conditions) + len(tags) > 1:
        rule["Filter"] = {"And": {**conditions, **({"Tags": tags} if tags else {})}}
    else:
        rule["Filter"] = {"Tag": tags[0]} if tags else conditions or {"Prefix": ""}
    expiration = {
        wire: given[key]
        for key, wire in (
            ("ExpirationInDays", "Days"),
            ("ExpirationDate", "Date"),
            ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker"),
        )
        if key in given
    }
    if expiration:
        rule["Expiration"] = expiration
    if "NoncurrentVersionExpirationInDays" in given:
        rule["NoncurrentVersionExpiration"] = {"NoncurrentDays": given["NoncurrentVersionExpirationInDays"]}
    if "NoncurrentVersionExpiration" in given:
        rule["NoncurrentVersionExpiration"] = given["NoncurrentVersionExpiration"]
    if transitions := [*(given.get("Transitions") or []), *([given["Transition"]] if "Transition" in given else [])]:
        rule["Transitions"] = [renamed(each, TransitionInDays="Days", TransitionDate="Date") for each in transitions]
    if transitions := [
        *(given.get("NoncurrentVersionTransitions") or []),
        *([given["NoncurrentVersionTransition"]] if "NoncurrentVersionTransition" in given else []),
    ]:
        rule["NoncurrentVersionTransitions"] = [
            renamed(each, TransitionInDays="NoncurrentDays") for each in transitions
        ]
    if "AbortIncompleteMultipartUpload" in given:
        rule["AbortIncompleteMultipartUpload"] = given["AbortIncompleteMultipartUpload"]
    return rule


def _logging(value: Any) -> Any:
    wire = {"TargetBucket": value.get("DestinationBucketName", ""), "TargetPrefix": value.get("LogFilePrefix", "")}
    return {"LoggingEnabled": wire}


# property → (operation, its parameter, its shape, the operation that takes it away, or what stands for nothing)
_SETTINGS: dict[str, tuple[str, str, Shape, str | Mapping[str, Any]]] = {
    "VersioningConfiguration": ("PutBucketVersioning", "VersioningConfiguration", dict, {"Status": "Suspended"}),
    "BucketEncryption": (
        "PutBucketEncryption",
        "ServerSideEncryptionConfiguration",
        _encryption,
        "DeleteBucketEncryption",
    ),
    "PublicAccessBlockConfiguration": (
        "PutPublicAccessBlock",
        "PublicAccessBlockConfiguration",
        dict,
        "DeletePublicAccessBlock",
    ),
    "OwnershipControls": ("PutBucketOwnershipControls", "OwnershipControls", dict, "DeleteBucketOwnershipControls"),
    "CorsConfiguration": ("PutBucketCors", "CORSConfiguration", _cors, "DeleteBucketCors"),
    "WebsiteConfiguration": ("PutBucketWebsite", "WebsiteConfiguration", _website, "DeleteBucketWebsite"),
    "LifecycleConfiguration": (
        "PutBucketLifecycleConfiguration",
        "LifecycleConfiguration",
        _lifecycle,
        "DeleteBucketLifecycle",
    ),
    "NotificationConfiguration": ("PutBucketNotificationConfiguration", "NotificationConfiguration", _notification, {}),
    "LoggingConfiguration": ("PutBucketLogging", "BucketLoggingStatus", _logging, {}),
}


class Bucket(Kind):
    type = "AWS::S3::Bucket"
    properties = frozenset({"AccessControl", "BucketName", "ObjectLockEnabled", "Tags", *_SETTINGS})
    attributes = frozenset({"Arn", "DomainName", "DualStackDomainName", "RegionalDomainName", "WebsiteURL"})

    async def create(self, work: Work) -> None:
        name = work.get("BucketName") or work.name(63, lower=True)
        params: dict[str, Any] = {"Bucket": name}
        if work.region != "us-east-1":
            params["CreateBucketConfiguration"] = {"LocationConstraint": work.region}
        if work.get("ObjectLockEnabled"):
            params["ObjectLockEnabledForBucket"] = True
        if "AccessControl" in work.properties:
            params["ACL"] = _canned(work.properties["AccessControl"])
            if "OwnershipControls" in work.properties:
                params["ObjectOwnership"] = work.properties["OwnershipControls"]["Rules"][0]["ObjectOwnership"]
        await work.must_be_free(name, "s3", "GetBucketLocation", {"Bucket": name})
        await work.write("s3", "CreateBucket", params, lambda answer: name, physical=True)
        work.physical = name
        for key in _SETTINGS:
            if key in work.properties:
                await self._set(work, key)
        await self._tag(work)
        self._keep_attributes(work)

    def _keep_attributes(self, work: Work) -> None:
        name = work.physical
        website = "s3-website." if work.region not in _OLD_WEBSITES else "s3-website-"
        work.attributes = {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "DualStackDomainName": f"{name}.s3.dualstack.{work.region}.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{work.region}.amazonaws.com",
            "WebsiteURL": f"http://{name}.{website}{work.region}.amazonaws.com",
        }

    async def read(self, work: Work) -> Mapping[str, Any] | None:
        try:
            await work.read("s3", "HeadBucket", {"Bucket": work.physical})
        except AwsError as error:
            if is_missing(error) or error.status == 404:
                return None
            raise
        self._keep_attributes(work)
        shown = await work.read("s3", "GetBucketVersioning", {"Bucket": work.physical})
        versions = {"VersioningConfiguration": {"Status": shown["Status"]}} if "Status" in shown else {}
        return {"BucketName": work.physical, **versions}

    async def update(self, work: Work) -> None:
        if work.changed("ObjectLockEnabled"):
            raise Failed("Kunren does not implement changes of ObjectLockEnabled of AWS::S3::Bucket yet.")
        if work.changed("AccessControl"):
            params = {"Bucket": work.physical, "ACL": _canned(work.get("AccessControl", "Private"))}
            await work.write("s3", "PutBucketAcl", params)
        for key in _SETTINGS:
            if work.changed(key):
                await self._set(work, key)
        await self._tag(work)

    async def delete(self, work: Work) -> None:
        await work.write("s3", "DeleteBucket", {"Bucket": work.physical}, missing_ok=True)

    async def _set(self, work: Work, key: str) -> None:
        operation, parameter, shape, without = _SETTINGS[key]
        if key in work.properties:
            await work.write("s3", operation, {"Bucket": work.physical, parameter: shape(work.properties[key])})
        elif isinstance(without, str):
            await work.write("s3", without, {"Bucket": work.physical})
        else:
            await work.write("s3", operation, {"Bucket": work.physical, parameter: without})

    async def _tag(self, work: Work) -> None:
        if work.tags and work.tags != work.old_tags:
            await work.write(
                "s3", "PutBucketTagging", {"Bucket": work.physical, "Tagging": {"TagSet": pairs(work.tags)}}
            )
        elif work.old_tags and not work.tags:
            await work.write("s3", "DeleteBucketTagging", {"Bucket": work.physical})


def _canned(name: str) -> str:
    """PublicReadWrite is public-read-write."""
    return re.sub(r"(?<!^)([A-Z])", r"-\1", name).lower()


_OLD_WEBSITES = frozenset(
    {
        "us-east-1",
        "us-west-1",
        "us-west-2",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-northeast-1",
        "eu-west-1",
        "sa-east-1",
    }
)


class BucketPolicy(Kind):
    type = "AWS::S3::BucketPolicy"
    properties = frozenset({"Bucket", "PolicyDocument"})

    async def create(self, work: Work) -> None:
        bucket = work.properties["Bucket"]
        await work.must_be_free(bucket, "s3", "GetBucketPolicy", {"Bucket": bucket})
        work.known(bucket)
        await self.update(work)

    async def update(self, work: Work) -> None:
        policy = work.properties["PolicyDocument"]
        text = policy if isinstance(policy, str) else json.dumps(policy)
        await work.write("s3", "PutBucketPolicy", {"Bucket": work.properties["Bucket"], "Policy": text})

    async def delete(self, work: Work) -> None:
        await work.write("s3", "DeleteBucketPolicy", {"Bucket": work.properties["Bucket"]}, missing_ok=True)


KINDS: tuple[Kind, ...] = (Bucket(), BucketPolicy())
