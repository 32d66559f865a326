"""What a version of an object carries besides its content: tags, grants, locks, attributes, restored copies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kunren.core.answer import Answer
from kunren.core.context import RequestContext
from kunren.services.s3 import acl
from kunren.services.s3.api.base import ENFORCED, ownership, shown_version, with_checksums
from kunren.services.s3.api.objects import ObjectOperations
from kunren.services.s3.conditions import seconds_of
from kunren.services.s3.errors import invalid_argument, no_such_key, refusal
from kunren.services.s3.index import Writing
from kunren.services.s3.lifecycle import deadline
from kunren.services.s3.model import Bucket, Version
from kunren.services.s3.names import ARCHIVED, TAGS_MAX, check_tags

_HOUR_S = 3600.0
# "Understanding archive retrieval options", by storage class and tier
RETRIEVAL_S = {
    ("GLACIER", "Expedited"): 180.0, ("GLACIER", "Standard"): 4 * _HOUR_S, ("GLACIER", "Bulk"): 8 * _HOUR_S,
    ("DEEP_ARCHIVE", "Standard"): 12 * _HOUR_S, ("DEEP_ARCHIVE", "Bulk"): 48 * _HOUR_S,
}  # fmt: skip


class PropertyOperations(ObjectOperations):
    async def _change(
        self, ctx: RequestContext, params: Mapping[str, Any], action: str, change: Callable[[Version], Version],
        event: str = "",
    ) -> tuple[Bucket, Version]:  # fmt: skip
        """Change the version that a request names, as it is when its turn comes."""
        bucket, seen = self.readable(ctx, params, action)

        def job(writing: Writing) -> Version:
            current = writing.version(bucket.id, seen.key, seen.version)
            if current is None:
                raise no_such_key(seen.key)
            changed = change(current)
            writing.change(bucket.id, changed)
            if event:
                self._happened(writing, bucket, event, changed, ctx)
            return changed

        return bucket, await self._index.write(job)

    # --- tags -----------------------------------------------------------------------------------------------------

    async def put_object_tagging(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        tags = check_tags(params["Tagging"].get("TagSet") or [], TAGS_MAX)
        made = await self._change(
            ctx, params, "s3:PutObjectTagging", lambda each: msgspec.structs.replace(each, tags=tags),
            "ObjectTagging:Put",
        )  # fmt: skip
        return shown_version(*made)

    def get_object_tagging(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket, version = self.readable(ctx, params, "s3:GetObjectTagging")
        tags = [{"Key": key, "Value": value} for key, value in version.tags.items()]
        return {"TagSet": tags, **shown_version(bucket, version)}

    async def delete_object_tagging(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        made = await self._change(
            ctx, params, "s3:DeleteObjectTagging", lambda each: msgspec.structs.replace(each, tags={}),
            "ObjectTagging:Delete",
        )  # fmt: skip
        return shown_version(*made)

    # --- grants ---------------------------------------------------------------------------------------------------

    def get_object_acl(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        _, version = self.readable(ctx, params, "s3:GetObjectAcl")
        return {"Owner": acl.owner(version.owner), "Grants": version.grants or acl.private(version.owner)}

    async def put_object_acl(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket, version = self.readable(ctx, params, "s3:PutObjectAcl")
        grants = acl.grants(params, version.owner, bucket.owner)
        if grants is None:
            raise refusal("MalformedXML")
        if ownership(bucket) == ENFORCED:
            raise refusal("AccessControlListNotSupported")
        if acl.is_public(grants) and (bucket.settings.get("publicAccessBlock") or {}).get("BlockPublicAcls"):
            raise refusal("AccessDenied")
        await self._change(
            ctx, params, "s3:PutObjectAcl", lambda each: msgspec.structs.replace(each, grants=grants), "ObjectAcl:Put"
        )
        return {}

    # --- locks ----------------------------------------------------------------------------------------------------

    async def put_object_retention(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        given = params.get("Retention") or {}
        bypassed = bool(params.get("BypassGovernanceRetention"))
        until = seconds_of(given["RetainUntilDate"]) if given.get("RetainUntilDate") is not None else None
        if until is not None and until <= self._now():
            raise invalid_argument(
                "The retain until date must be in the future!", "RetainUntilDate", given["RetainUntilDate"]
            )

        def change(version: Version) -> Version:
            kept = version.retention
            weaker = kept is not None and (
                until is None or until < kept["RetainUntilDate"] or given.get("Mode") != kept["Mode"]
            )
            in_force = kept is not None and kept["RetainUntilDate"] > self._now()
            if weaker and in_force and kept is not None and not (bypassed and kept["Mode"] == "GOVERNANCE"):
                raise refusal("AccessDenied", "Access Denied because object protected by object lock.")
            made = None if until is None else {"Mode": given.get("Mode"), "RetainUntilDate": until}
            return msgspec.structs.replace(version, retention=made)

        self._need_lock(ctx, params)
        await self._change(ctx, params, "s3:PutObjectRetention", change)
        return {}

    def get_object_retention(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        self._need_lock(ctx, params)
        _, version = self.readable(ctx, params, "s3:GetObjectRetention")
        if version.retention is None:
            raise refusal("NoSuchObjectLockConfiguration")
        return {"Retention": version.retention}

    async def put_object_legal_hold(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        self._need_lock(ctx, params)
        status = (params.get("LegalHold") or {}).get("Status")
        if status not in ("ON", "OFF"):
            raise refusal("MalformedXML")
        await self._change(
            ctx, params, "s3:PutObjectLegalHold", lambda each: msgspec.structs.replace(each, legal_hold=status)
        )
        return {}

    def get_object_legal_hold(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        self._need_lock(ctx, params)
        _, version = self.readable(ctx, params, "s3:GetObjectLegalHold")
        if version.legal_hold is None:
            raise refusal("NoSuchObjectLockConfiguration")
        return {"LegalHold": {"Status": version.legal_hold}}

    def _need_lock(self, ctx: RequestContext, params: Mapping[str, Any]) -> None:
        if "object-lock" not in self._find(self._store.snapshot(), params["Bucket"]).settings:
            raise refusal("InvalidRequest", "Bucket is missing Object Lock Configuration")

    # --- attributes, restored copies ------------------------------------------------------------------------------

    def get_object_attributes(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket, version = self.readable(ctx, params, "s3:GetObjectAttributes")
        wanted = params["ObjectAttributes"]
        out: dict[str, Any] = {"LastModified": int(version.modified), **shown_version(bucket, version)}
        if "ETag" in wanted:
            out["ETag"] = version.etag
        if "ObjectSize" in wanted:
            out["ObjectSize"] = version.size
        if "StorageClass" in wanted:
            out["StorageClass"] = version.storage_class
        if "Checksum" in wanted and version.checksums:
            out["Checksum"] = with_checksums(version)
        if "ObjectParts" in wanted and version.multipart:
            out["ObjectParts"] = _parts(version, params)
        return out

    async def restore_object(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """A copy from the archive, there after what AWS says that the tier takes, in the middle of its range."""
        _, version = self.readable(ctx, params, "s3:RestoreObject")
        if version.storage_class not in ARCHIVED:
            raise refusal("InvalidObjectState", "Restore is not allowed for the object's current storage class",
                          StorageClass=version.storage_class)  # fmt: skip
        given = params.get("RestoreRequest") or {}
        days, tier = given.get("Days"), (given.get("GlacierJobParameters") or {}).get("Tier") or "Standard"
        if not days or (version.storage_class, tier) not in RETRIEVAL_S:
            raise refusal("MalformedXML")
        now = self._now()
        if version.restored_from is not None and now < version.restored_from:
            raise refusal("RestoreAlreadyInProgress")
        again = not version.archived(now)
        start = version.restored_from if again else now + RETRIEVAL_S[version.storage_class, tier]
        until = deadline(max(now, start or now), days)
        await self._change(
            ctx, params, "s3:RestoreObject",
            lambda each: msgspec.structs.replace(each, restored_from=start, restored_until=until),
            "ObjectRestore:Post",
        )  # fmt: skip
        return Answer(200 if again else 202, {})


def _parts(version: Version, params: Mapping[str, Any]) -> dict[str, Any]:
    after, most = int(params.get("PartNumberMarker") or 0), int(params.get("MaxParts") or 1000)
    out: dict[str, Any] = {"TotalPartsCount": len(version.parts)}
    if any(each.checksums for each in version.parts):
        found = [each for each in version.parts if each.number > after]
        page = found[:most]
        out.update(
            PartNumberMarker=after, MaxParts=most, IsTruncated=len(found) > most,
            NextPartNumberMarker=page[-1].number if page else 0,
            Parts=[{"PartNumber": each.number, "Size": each.size, **with_checksums(each)} for each in page],
        )  # fmt: skip
    return out
