"""Subresources of a bucket: kept as they were given, once they were checked, and given back.

Most are alike, so they are made by `_kept`; the rest stands below with its own rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kunren.core.context import RequestContext
from kunren.core.errors import AwsError, NotImplementedByKunren
from kunren.services.s3 import cors, events, lifecycle, notifying, policy, replication, website
from kunren.services.s3.api.base import ENCRYPTED, ENFORCED, S3Base
from kunren.services.s3.errors import invalid_argument, refusal
from kunren.services.s3.model import Bucket
from kunren.services.s3.names import check_tags

Check = Callable[[Bucket, Any], Any]
BUCKET_TAGS_MAX = 50


def _unchecked(bucket: Bucket, given: Any) -> Any:
    return given


def _put(setting: str, member: str, action: str, check: Check = _unchecked) -> Any:
    def put(self: S3Base, ctx: RequestContext, params: dict[str, Any]) -> None:
        bucket = self._bucket(ctx, params, f"s3:Put{action}")
        self._set(bucket, setting, check(bucket, params.get(member) or {}))

    return put


def _get(setting: str, member: str, action: str, missing: str) -> Any:
    """`missing` is the error where there is none. Without a member the setting is the answer itself."""

    def get(self: S3Base, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, f"s3:Get{action}")
        found = bucket.settings.get(setting)
        if found is None:
            raise refusal(missing, BucketName=bucket.id)
        return {member: found} if member else dict(found)

    return get


def _delete(setting: str, action: str) -> Any:
    def delete(self: S3Base, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._set(self._bucket(ctx, params, f"s3:Put{action}"), setting, None)

    return delete


def _cors(bucket: Bucket, given: Any) -> Any:
    cors.check(given.get("CORSRules") or [])
    return given


def _lifecycle(bucket: Bucket, given: Any) -> Any:
    return {"Rules": lifecycle.checked(given.get("Rules") or [])}


def _ownership(bucket: Bucket, given: Any) -> Any:
    rules = given.get("Rules") or []
    if len(rules) != 1 or rules[0].get("ObjectOwnership") not in (
        ENFORCED, "BucketOwnerPreferred", "ObjectWriter",
    ):  # fmt: skip
        raise refusal("MalformedXML")
    return given


def _encryption(bucket: Bucket, given: Any) -> Any:
    rules = given.get("Rules") or []
    if len(rules) != 1:
        raise refusal("MalformedXML")
    default = rules[0].get("ApplyServerSideEncryptionByDefault") or {}
    if default.get("SSEAlgorithm") not in ("AES256", "aws:kms", "aws:kms:dsse"):
        raise refusal("MalformedXML")
    if default.get("KMSMasterKeyID") and default["SSEAlgorithm"] == "AES256":
        raise invalid_argument(
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
            "ApplyServerSideEncryptionByDefault", default["SSEAlgorithm"],
        )  # fmt: skip
    return {"Rules": [{"BucketKeyEnabled": False, **rules[0]}]}


def _blocked(bucket: Bucket, given: Any) -> Any:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    return {name: bool(given.get(name)) for name in names}


class ConfigurationOperations(S3Base):
    put_bucket_cors = _put("cors", "CORSConfiguration", "BucketCORS", _cors)
    get_bucket_cors = _get("cors", "", "BucketCORS", "NoSuchCORSConfiguration")
    delete_bucket_cors = _delete("cors", "BucketCORS")
    get_bucket_website = _get("website", "", "BucketWebsite", "NoSuchWebsiteConfiguration")
    delete_bucket_website = _delete("website", "BucketWebsite")
    get_bucket_lifecycle_configuration = _get("lifecycle", "", "LifecycleConfiguration", "NoSuchLifecycleConfiguration")
    delete_bucket_lifecycle = _delete("lifecycle", "LifecycleConfiguration")
    put_bucket_ownership_controls = _put(
        "ownershipControls", "OwnershipControls", "BucketOwnershipControls", _ownership
    )
    get_bucket_ownership_controls = _get(
        "ownershipControls", "OwnershipControls", "BucketOwnershipControls", "OwnershipControlsNotFoundError"
    )
    delete_bucket_ownership_controls = _delete("ownershipControls", "BucketOwnershipControls")
    put_bucket_encryption = _put(
        "encryption", "ServerSideEncryptionConfiguration", "EncryptionConfiguration", _encryption
    )
    get_bucket_encryption = _get(
        "encryption", "ServerSideEncryptionConfiguration", "EncryptionConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
    )  # fmt: skip
    put_public_access_block = _put(
        "publicAccessBlock", "PublicAccessBlockConfiguration", "BucketPublicAccessBlock", _blocked
    )
    get_public_access_block = _get(
        "publicAccessBlock", "PublicAccessBlockConfiguration", "BucketPublicAccessBlock",
        "NoSuchPublicAccessBlockConfiguration",
    )  # fmt: skip
    delete_public_access_block = _delete("publicAccessBlock", "BucketPublicAccessBlock")
    get_bucket_replication = _get(
        "replication", "ReplicationConfiguration", "ReplicationConfiguration",
        "ReplicationConfigurationNotFoundError",
    )  # fmt: skip
    delete_bucket_replication = _delete("replication", "ReplicationConfiguration")
    delete_bucket_tagging = _delete("tagging", "BucketTagging")

    def put_bucket_lifecycle_configuration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:PutLifecycleConfiguration")
        size = params.get("TransitionDefaultMinimumObjectSize") or "all_storage_classes_128K"
        given = params.get("LifecycleConfiguration") or {}
        self._set(bucket, "lifecycle", {**_lifecycle(bucket, given), "TransitionDefaultMinimumObjectSize": size})
        return {"TransitionDefaultMinimumObjectSize": size}

    def delete_bucket_encryption(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        """Back to S3's own: since 2023 every bucket encrypts."""
        self._set(self._bucket(ctx, params, "s3:PutEncryptionConfiguration"), "encryption", ENCRYPTED)

    def put_bucket_website(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        bucket = self._bucket(ctx, params, "s3:PutBucketWebsite")
        website.check(params["WebsiteConfiguration"])
        self._set(bucket, "website", params["WebsiteConfiguration"])
        self.has_website(bucket.home)

    def get_bucket_accelerate_configuration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """No bucket's transfers are accelerated, nor ever were: then AWS gives no Status."""
        self._bucket(ctx, params, "s3:GetAccelerateConfiguration")
        return {}

    def get_bucket_request_payment(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        self._bucket(ctx, params, "s3:GetBucketRequestPayment")
        return {"Payer": "BucketOwner"}

    # --- tags -----------------------------------------------------------------------------------------------------

    def put_bucket_tagging(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        bucket = self._bucket(ctx, params, "s3:PutBucketTagging")
        tags = check_tags(params["Tagging"].get("TagSet") or [], BUCKET_TAGS_MAX)
        self._set(bucket, "tagging", [{"Key": key, "Value": value} for key, value in tags.items()])

    def get_bucket_tagging(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:GetBucketTagging")
        if not bucket.settings.get("tagging"):
            raise refusal("NoSuchTagSet", BucketName=bucket.id)
        return {"TagSet": bucket.settings["tagging"]}

    # --- policy ---------------------------------------------------------------------------------------------------

    def put_bucket_policy(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        bucket = self._bucket(ctx, params, "s3:PutBucketPolicy")
        document = policy.parse(params["Policy"], bucket.id)
        blocked = bucket.settings.get("publicAccessBlock") or {}
        if blocked.get("BlockPublicPolicy") and policy.is_public(document):
            raise refusal("AccessDenied")
        self._set(bucket, "policy", params["Policy"])

    def get_bucket_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:GetBucketPolicy")
        if "policy" not in bucket.settings:
            raise refusal("NoSuchBucketPolicy", BucketName=bucket.id)
        return {"Policy": bucket.settings["policy"]}

    def delete_bucket_policy(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._set(self._bucket(ctx, params, "s3:DeleteBucketPolicy"), "policy", None)

    def get_bucket_policy_status(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:GetBucketPolicyStatus")
        document = policy.of(bucket)
        if document is None:
            raise refusal("NoSuchBucketPolicy", BucketName=bucket.id)
        return {"PolicyStatus": {"IsPublic": policy.is_public(document)}}

    # --- telling others -------------------------------------------------------------------------------------------

    def get_bucket_notification_configuration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return dict(self._bucket(ctx, params, "s3:GetBucketNotification").settings.get("notification") or {})

    async def put_bucket_notification_configuration(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        """Raises InvalidArgument where a destination is not there; queues and topics get S3's test message."""
        bucket = self._bucket(ctx, params, "s3:PutBucketNotification")
        given = events.checked(params["NotificationConfiguration"], self._entropy.uuid)
        if not params.get("SkipDestinationValidation"):
            for group, (service, member) in events.DESTINATIONS.items():
                for each in given.get(group) or ():
                    try:
                        await notifying.check(self._call, bucket, events.Destination(service, each[member], each["Id"]))
                    except AwsError:
                        raise invalid_argument(
                            "Unable to validate the following destination configurations", member, each[member]
                        ) from None
        self._set(bucket, "notification", given or None)

    def put_bucket_logging(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._bucket(ctx, params, "s3:PutBucketLogging")
        if params["BucketLoggingStatus"].get("LoggingEnabled") is not None:
            raise NotImplementedByKunren("s3", "PutBucketLogging with LoggingEnabled")

    def get_bucket_logging(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """No bucket's requests are logged."""
        self._bucket(ctx, params, "s3:GetBucketLogging")
        return {}

    def put_bucket_replication(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        bucket = self._bucket(ctx, params, "s3:PutReplicationConfiguration")
        snapshot = self._store.snapshot()
        given = replication.checked(
            params["ReplicationConfiguration"], bucket, lambda name: snapshot.get(Bucket, "", "", name)
        )
        self._set(bucket, "replication", given)

    # --- object lock ----------------------------------------------------------------------------------------------

    def put_object_lock_configuration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:PutBucketObjectLockConfiguration")
        given = params.get("ObjectLockConfiguration") or {}
        if bucket.versioning != "Enabled":
            raise refusal("InvalidBucketState", "Versioning must be 'Enabled' on the bucket to apply a Object Lock"
                          " configuration")  # fmt: skip
        if given.get("ObjectLockEnabled") != "Enabled":
            raise refusal("MalformedXML")
        default = (given.get("Rule") or {}).get("DefaultRetention")
        if default is not None and (default.get("Days") is None) == (default.get("Years") is None):
            raise refusal("MalformedXML")
        self._set(bucket, "object-lock", given)
        return {}

    def get_object_lock_configuration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:GetBucketObjectLockConfiguration")
        if "object-lock" not in bucket.settings:
            raise refusal("ObjectLockConfigurationNotFoundError", BucketName=bucket.id)
        return {"ObjectLockConfiguration": bucket.settings["object-lock"]}
