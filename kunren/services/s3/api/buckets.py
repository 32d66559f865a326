"""Buckets: create, delete, list, where they are ("Buckets overview")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kunren.core.context import DEFAULT_REGION, RequestContext
from kunren.core.errors import WireError
from kunren.services.s3 import acl
from kunren.services.s3.api.base import BLOCKED, ENCRYPTED, ENFORCED, S3Base, ownership
from kunren.services.s3.errors import invalid_argument, refusal
from kunren.services.s3.index import Writing, upload_ended
from kunren.services.s3.model import Bucket
from kunren.services.s3.names import check_bucket_name, check_tags

BUCKETS_MAX = 10_000


class BucketOperations(S3Base):
    def create_bucket(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = params["Bucket"]
        self._let_account(ctx, "s3:CreateBucket", f"arn:aws:s3:::{name}")
        check_bucket_name(name)
        home = self._home(ctx, params.get("CreateBucketConfiguration") or {})
        owned = params.get("ObjectOwnership") or ENFORCED
        grants = acl.grants(params, ctx.account, ctx.account)
        if grants is not None and owned == ENFORCED and grants != acl.private(ctx.account):
            raise invalid_bucket_acl()
        settings: dict[str, Any] = {
            "ownershipControls": {"Rules": [{"ObjectOwnership": owned}]},
            "publicAccessBlock": dict(BLOCKED),
            "encryption": ENCRYPTED,
            "acl": grants or acl.private(ctx.account),
        }
        if tags := (params.get("CreateBucketConfiguration") or {}).get("Tags"):
            settings["tagging"] = [{"Key": key, "Value": value} for key, value in check_tags(tags, 50).items()]
        if params.get("ObjectLockEnabledForBucket"):
            settings["versioning"] = {"Status": "Enabled"}
            settings["object-lock"] = {"ObjectLockEnabled": "Enabled"}
        with self._store.write() as tx:
            found = tx.get(Bucket, "", "", name)
            if found is not None and found.owner != ctx.account:
                raise refusal("BucketAlreadyExists", BucketName=name)
            if found is not None and (name in self._leaving or not found.home == home == DEFAULT_REGION):
                raise refusal("BucketAlreadyOwnedByYou", BucketName=name)
            if found is None:
                if sum(each.owner == ctx.account for each in tx.every(Bucket)) >= BUCKETS_MAX:
                    raise refusal("TooManyBuckets")
                tx.put(Bucket(id=name, owner=ctx.account, home=home, created=self._now(), settings=settings))
        return {"Location": f"/{name}" if home == DEFAULT_REGION else f"http://{name}.s3.amazonaws.com/",
                "BucketArn": f"arn:aws:s3:::{name}"}  # fmt: skip

    def _home(self, ctx: RequestContext, configuration: dict[str, Any]) -> str:
        """The region of a new bucket: the one that was asked for, which has to be the endpoint's."""
        wanted = configuration.get("LocationConstraint")
        wanted = "eu-west-1" if wanted == "EU" else wanted
        if not wanted:
            if ctx.region != DEFAULT_REGION:
                raise refusal("IllegalLocationConstraintException")
            return DEFAULT_REGION
        if not self._has_region(wanted):
            raise refusal("InvalidLocationConstraint", LocationConstraint=wanted)
        if ctx.region not in (wanted, DEFAULT_REGION):
            raise refusal(
                "IllegalLocationConstraintException",
                f"The {wanted} location constraint is incompatible for the region specific endpoint this request was"
                " sent to.",
            )
        return str(wanted)

    async def delete_bucket(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        bucket = self._bucket(ctx, params, "s3:DeleteBucket")
        self._leaving.add(bucket.id)  # nothing new gets in while what there is is looked at
        try:
            if not self._index.read.is_empty(bucket.id) or not await self._index.write(bucket_is_empty(bucket.id)):
                versions = " You must delete all versions in the bucket." if bucket.versioning else ""
                raise refusal("BucketNotEmpty", "The bucket you tried to delete is not empty." + versions
                              if versions else "", BucketName=bucket.id)  # fmt: skip
            for upload in self._index.read.uploads(bucket.id):
                await self._index.write(upload_ended(bucket.id, upload))
            with self._store.write() as tx:
                tx.delete(bucket)
        finally:
            self._leaving.discard(bucket.id)

    def head_bucket(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:ListBucket")
        return {"BucketRegion": bucket.home, "AccessPointAlias": False, "BucketArn": bucket.arn}

    def list_buckets(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        self._let_account(ctx, "s3:ListAllMyBuckets", "*")
        prefix, region, after = params.get("Prefix") or "", params.get("BucketRegion"), params.get("ContinuationToken")
        own = sorted(
            (each for each in self._store.snapshot().every(Bucket) if each.owner == ctx.account),
            key=lambda each: each.id,
        )
        found = [
            each
            for each in own
            if each.id.startswith(prefix) and (not region or each.home == region) and each.id > (after or "")
        ]
        most = params.get("MaxBuckets") or 10_000
        page = found[:most]
        out: dict[str, Any] = {
            "Buckets": [
                {"Name": each.id, "CreationDate": each.created, "BucketRegion": each.home, "BucketArn": each.arn}
                for each in page
            ],
            "Owner": acl.owner(ctx.account),
        }
        if params.get("Prefix"):
            out["Prefix"] = prefix
        if len(found) > most:
            out["ContinuationToken"] = page[-1].id
        return out

    def get_bucket_location(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:GetBucketLocation")
        return {"LocationConstraint": "" if bucket.home == DEFAULT_REGION else bucket.home}

    def get_bucket_acl(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:GetBucketAcl")
        return {"Owner": acl.owner(bucket.owner), "Grants": bucket.settings.get("acl") or acl.private(bucket.owner)}

    def put_bucket_acl(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        bucket = self._bucket(ctx, params, "s3:PutBucketAcl")
        grants = acl.grants(params, bucket.owner, bucket.owner)
        if grants is None:
            raise refusal("MalformedXML")
        if ownership(bucket) == ENFORCED and grants != acl.private(bucket.owner):
            raise refusal("AccessControlListNotSupported")
        if acl.is_public(grants) and (bucket.settings.get("publicAccessBlock") or {}).get("BlockPublicAcls"):
            raise refusal("AccessDenied")
        self._set(bucket, "acl", grants)

    def get_bucket_versioning(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        given: dict[str, Any] = self._bucket(ctx, params, "s3:GetBucketVersioning").settings.get("versioning") or {}
        return given

    def put_bucket_versioning(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        bucket = self._bucket(ctx, params, "s3:PutBucketVersioning")
        given = params["VersioningConfiguration"]
        if given.get("Status") not in ("Enabled", "Suspended"):
            raise refusal("MalformedXML")
        if given["Status"] == "Suspended":
            if "object-lock" in bucket.settings:
                raise refusal(
                    "InvalidBucketState",
                    "An Object Lock configuration is present on this bucket, so the versioning state cannot be"
                    " changed.",
                )
            if "replication" in bucket.settings:
                raise refusal(
                    "InvalidBucketState",
                    "A replication configuration is present on this bucket, so you cannot change the versioning state."
                    " To change the versioning state, first delete the replication configuration.",
                )
        if given.get("MFADelete") == "Enabled":
            raise invalid_argument("MFA devices do not exist in this world", "MfaDelete", "Enabled")
        self._set(bucket, "versioning", {"Status": given["Status"]})


def bucket_is_empty(bucket: str) -> Callable[[Writing], bool]:
    return lambda writing: writing.is_empty(bucket)


def invalid_bucket_acl() -> Exception:
    return WireError(
        "InvalidBucketAclWithObjectOwnership",
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        400,
    )
