"""Subresources of a bucket: kept as they were given, once they were checked, and given back.

Most are alike, so they are made by `_kept`; the rest stands below with its own rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
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


def _get(setting: str, member: str, action: str, missing: str | None) -> Any:
    """`missing` is the error where there is none; None answers with nothing. Without a member the setting is the
    answer itself."""

    def get(self: S3Base, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, f"s3:Get{action}")
        found = bucket.settings.get(setting)
        if found is None:
            if missing is None:
                return {}
            raise refusal(missing, BucketName=bucket.id)
        return {member: found} if member else dict(found)

    return get


def _delete(setting: str, action: str) -> Any:
    def delete(self: S3Base, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._set(self._bucket(ctx, params, f"s3:Put{action}"), setting, None)

    return delete


def _by_id(group: str, member: str, action: str) -> tuple[Any, Any, Any, Any]:
    """Put, get, delete and list of configurations of which a bucket has several, by id."""

    def put(self: S3Base, ctx: RequestContext, params: dict[str, Any]) -> None:
        bucket = self._bucket(ctx, params, f"s3:Put{action}")
        given = params[member]
        if given.get("Id") != params["Id"]:
            raise invalid_argument("The Id in the request and in the configuration differ", "Id", params["Id"])
        self._set(bucket, group, {**(bucket.settings.get(group) or {}), params["Id"]: given})

    def get(self: S3Base, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = (self._bucket(ctx, params, f"s3:Get{action}").settings.get(group) or {}).get(params["Id"])
        if found is None:
            raise refusal("NoSuchConfiguration")
        return {member: found}

    def delete(self: S3Base, ctx: RequestContext, params: dict[str, Any]) -> None:
        bucket = self._bucket(ctx, params, f"s3:Put{action}")
        found = dict(bucket.settings.get(group) or {})
        if found.pop(params["Id"], None) is None:
            raise refusal("NoSuchConfiguration")
        self._set(bucket, group, found or None)

    def listed(self: S3Base, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._bucket(ctx, params, f"s3:Get{action}").settings.get(group) or {}
        return {f"{member}List": [found[each] for each in sorted(found)], "IsTruncated": False}

    return put, get, delete, listed


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


def _accelerate(bucket: Bucket, given: Any) -> Any:
    if "." in bucket.id:
        raise refusal("InvalidRequest", "S3 Transfer Acceleration is not supported for buckets with periods (.) in"
                      " their names")  # fmt: skip
    if given.get("Status") not in ("Enabled", "Suspended"):
        raise refusal("MalformedXML")
    return given


def _payment(bucket: Bucket, given: Any) -> Any:
    if given.get("Payer") not in ("Requester", "BucketOwner"):
        raise refusal("MalformedXML")
    return given


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
    put_bucket_accelerate_configuration = _put(
        "accelerate", "AccelerateConfiguration", "AccelerateConfiguration", _accelerate
    )
    get_bucket_accelerate_configuration = _get("accelerate", "", "AccelerateConfiguration", None)
    put_bucket_request_payment = _put("requestPayment", "RequestPaymentConfiguration", "BucketRequestPayment", _payment)
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
    get_bucket_logging = _get("logging", "LoggingEnabled", "BucketLogging", None)
    (
        put_bucket_inventory_configuration,
        get_bucket_inventory_configuration,
        delete_bucket_inventory_configuration,
        list_bucket_inventory_configurations,
    ) = _by_id("inventory", "InventoryConfiguration", "InventoryConfiguration")
    (
        put_bucket_analytics_configuration,
        get_bucket_analytics_configuration,
        delete_bucket_analytics_configuration,
        list_bucket_analytics_configurations,
    ) = _by_id("analytics", "AnalyticsConfiguration", "AnalyticsConfiguration")
    (
        put_bucket_metrics_configuration,
        get_bucket_metrics_configuration,
        delete_bucket_metrics_configuration,
        list_bucket_metrics_configurations,
    ) = _by_id("metrics", "MetricsConfiguration", "MetricsConfiguration")
    (
        put_bucket_intelligent_tiering_configuration,
        get_bucket_intelligent_tiering_configuration,
        delete_bucket_intelligent_tiering_configuration,
        list_bucket_intelligent_tiering_configurations,
    ) = _by_id("intelligent-tiering", "IntelligentTieringConfiguration", "IntelligentTieringConfiguration")

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

    def get_bucket_request_payment(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._bucket(ctx, params, "s3:GetBucketRequestPayment").settings.get("requestPayment")
        return dict(found or {"Payer": "BucketOwner"})

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
        with self._store.write():
            self._set(bucket, "policy", params["Policy"])
            self._set(bucket, "policyDocument", document)

    def get_bucket_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:GetBucketPolicy")
        if "policy" not in bucket.settings:
            raise refusal("NoSuchBucketPolicy", BucketName=bucket.id)
        return {"Policy": bucket.settings["policy"]}

    def delete_bucket_policy(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        bucket = self._bucket(ctx, params, "s3:DeleteBucketPolicy")
        with self._store.write():
            self._set(bucket, "policy", None)
            self._set(bucket, "policyDocument", None)

    def get_bucket_policy_status(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:GetBucketPolicyStatus")
        document = bucket.settings.get("policyDocument")
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
        bucket = self._bucket(ctx, params, "s3:PutBucketLogging")
        given = params["BucketLoggingStatus"].get("LoggingEnabled")
        if given is not None:
            target = self._store.snapshot().get(Bucket, "", "", given.get("TargetBucket") or "")
            if target is None:
                raise refusal("InvalidTargetBucketForLogging",
                              "The target bucket for logging does not exist")  # fmt: skip
        self._set(bucket, "logging", given)

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
