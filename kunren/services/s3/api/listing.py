"""Listings: ListObjects in both versions, ListObjectVersions ("Listing object keys programmatically")."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from kunren.core.context import RequestContext
from kunren.services.s3 import acl
from kunren.services.s3.api.base import S3Base, quoted
from kunren.services.s3.errors import invalid_argument
from kunren.services.s3.listing import encoded, walk
from kunren.services.s3.model import Bucket, Version

PAGE_MAX = 1000


class ListOperations(S3Base):
    def list_objects(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:ListBucket")
        marker, encoding = params.get("Marker") or "", params.get("EncodingType")
        out, page = self._page(bucket, params, marker)
        out.update(Marker=encoded(marker, encoding))
        out["Contents"] = [self._entry(bucket, each, encoding, True) for each in page.entries]
        if page.truncated and params.get("Delimiter"):
            out["NextMarker"] = encoded(page.last, encoding)
        return out

    def list_objects_v2(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:ListBucket")
        token, start, encoding = params.get("ContinuationToken"), params.get("StartAfter"), params.get("EncodingType")
        if token == "":
            raise invalid_argument("The continuation token provided is incorrect", "continuation-token", "")
        out, page = self._page(bucket, params, _from_token(token) if token else start or "")
        with_owner = bool(params.get("FetchOwner"))
        out["Contents"] = [self._entry(bucket, each, encoding, with_owner) for each in page.entries]
        out["KeyCount"] = len(page.entries) + len(page.prefixes)
        if token:
            out["ContinuationToken"] = token
        if start:
            out["StartAfter"] = encoded(start, encoding)
        if page.truncated:
            out["NextContinuationToken"] = _token(page.last)
        return out

    def _page(self, bucket: Bucket, params: dict[str, Any], after: str) -> tuple[dict[str, Any], Any]:
        prefix, delimiter, encoding = (
            params.get("Prefix") or "",
            params.get("Delimiter") or "",
            params.get("EncodingType"),
        )
        most = _most(params)
        read = self._index.read
        page = walk(
            lambda key, inclusive, limit: read.objects(bucket.id, key, inclusive, limit),
            lambda each: each.key, prefix, delimiter, after, most,
        )  # fmt: skip
        return {
            "Name": bucket.id, "Prefix": encoded(prefix, encoding), "MaxKeys": most, "IsTruncated": page.truncated,
            "Delimiter": encoded(delimiter, encoding) if delimiter else None, "EncodingType": encoding,
            "CommonPrefixes": [{"Prefix": encoded(each, encoding)} for each in page.prefixes],
        }, page  # fmt: skip

    def _entry(self, bucket: Bucket, version: Version, encoding: str | None, with_owner: bool) -> dict[str, Any]:
        out = {
            "Key": encoded(version.key, encoding), "LastModified": version.modified, "ETag": quoted(version.etag),
            "Size": version.size, "StorageClass": version.storage_class,
        }  # fmt: skip
        if version.checksums:
            out["ChecksumAlgorithm"] = list(version.checksums)
            out["ChecksumType"] = version.checksum_type
        return {**out, "Owner": acl.owner(version.owner)} if with_owner else out

    def list_object_versions(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:ListBucketVersions")
        prefix, delimiter, encoding = (
            params.get("Prefix") or "",
            params.get("Delimiter") or "",
            params.get("EncodingType"),
        )
        marker, version_marker = params.get("KeyMarker") or "", params.get("VersionIdMarker") or ""
        if version_marker and not marker:
            raise invalid_argument(
                "A version-id marker cannot be specified without a key marker.", "version-id-marker", version_marker
            )
        most = _most(params)
        seen = False

        def beyond(each: tuple[Version, bool]) -> bool:
            """Whether an entry lies behind the one at which the last page ended."""
            nonlocal seen
            version = each[0]
            if version.key != marker or seen:
                return True
            seen = version.version == version_marker
            return False

        read = self._index.read
        page = walk(
            lambda key, inclusive, limit: read.versions(bucket.id, key, inclusive, limit),
            lambda each: each[0].key, prefix, delimiter, marker, most, beyond if version_marker else None,
        )  # fmt: skip
        out: dict[str, Any] = {
            "Name": bucket.id, "Prefix": encoded(prefix, encoding), "KeyMarker": encoded(marker, encoding),
            "VersionIdMarker": version_marker, "MaxKeys": most, "IsTruncated": page.truncated,
            "Delimiter": encoded(delimiter, encoding) if delimiter else None, "EncodingType": encoding,
            "CommonPrefixes": [{"Prefix": encoded(each, encoding)} for each in page.prefixes],
            "Versions": [], "DeleteMarkers": [],
        }  # fmt: skip
        for version, latest in page.entries:
            shared = {"VersionId": version.version, "IsLatest": latest}
            if version.marker:
                out["DeleteMarkers"].append(
                    {"Key": encoded(version.key, encoding), "LastModified": version.modified,
                     "Owner": acl.owner(version.owner), **shared}
                )  # fmt: skip
            else:
                out["Versions"].append({**self._entry(bucket, version, encoding, True), **shared})
        if page.truncated:
            out["NextKeyMarker"] = encoded(page.last, encoding)
            if page.entries and page.entries[-1][0].key == page.last:
                out["NextVersionIdMarker"] = page.entries[-1][0].version
        return out


def _most(params: dict[str, Any]) -> int:
    """Raises InvalidArgument."""
    given = params.get("MaxKeys")
    if given is not None and given < 0:
        raise invalid_argument("Argument maxKeys must be an integer between 0 and 2147483647", "maxKeys", given)
    return PAGE_MAX if given is None else min(given, PAGE_MAX)


def _token(key: str) -> str:
    return urlsafe_b64encode(key.encode()).decode()


def _from_token(token: str) -> str:
    try:
        return urlsafe_b64decode(token).decode()
    except ValueError:
        raise invalid_argument("The continuation token provided is incorrect", "continuation-token", token) from None
