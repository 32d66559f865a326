"""Objects: put, get, head, delete ("Working with objects")."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec

from kunren.core.answer import Answer
from kunren.core.clock import http_date
from kunren.core.context import RequestContext
from kunren.core.errors import WireError
from kunren.services.s3 import acl, checksums, conditions, lifecycle, replication
from kunren.services.s3.api.base import ENFORCED, S3Base, ownership, quoted, shown_version, with_checksums
from kunren.services.s3.errors import invalid_argument, no_such_key, refusal
from kunren.services.s3.index import Writing
from kunren.services.s3.model import NULL_VERSION, Bucket, Version
from kunren.services.s3.names import STORAGE_CLASSES, check_key, check_metadata, tags_of_header
from kunren.services.s3.receiving import Arriving, Received

_STORED_HEADERS = (
    "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires",
)  # fmt: skip
_OF_ANY_VERSION = frozenset(
    f"s3:{each}" for each in ("GetObjectRetention", "PutObjectRetention", "GetObjectLegalHold", "PutObjectLegalHold",
                              "RestoreObject")
)  # fmt: skip
"""Actions that have no name of their own for a version that is not the latest ("Actions defined by Amazon S3")."""
DELETE_MAX = 1000
DEFAULT_TYPE = "binary/octet-stream"


class ObjectOperations(S3Base):
    # --- put ------------------------------------------------------------------------------------------------------

    async def put_object(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        async with self._taken_in(params) as received:
            bucket = self._bucket(ctx, params, "s3:PutObject", params["Key"])
            _check_algorithm(params)
            template = self._template(ctx, bucket, params)
            made = await self._keep(ctx, bucket, template, received, params, "ObjectCreated:Put")
        return {
            "ETag": quoted(made.etag), **with_checksums(made), **shown_version(bucket, made), **made.encryption,
            **self._expiration(bucket, made),
        }  # fmt: skip

    @asynccontextmanager
    async def _taken_in(self, params: Mapping[str, Any]) -> AsyncIterator[Received]:
        """The body, for a block that has something refer to it; where the block is refused, nothing is left of it.

        A block that is cancelled may all the same have come to its end on disk, so its body stays; the next start
        removes it if nothing refers to it.
        """
        received = await self._arriving(params).received()
        try:
            yield received
        except Exception:
            if received.content.data is None:
                self._bodies.remove([received.content.id])
            raise

    async def _keep(
        self, ctx: RequestContext, bucket: Bucket, template: Version, received: Received, params: Mapping[str, Any],
        event: str,
    ) -> Version:  # fmt: skip
        """A received body becomes an object. Raises PreconditionFailed."""
        version = msgspec.structs.replace(
            template, size=received.content.size, etag=received.md5, checksums=received.checksums,
            segments=(received.content.segment,) if received.content.size else (),
        )  # fmt: skip
        new = [received.content] if received.content.size else []

        def job(writing: Writing) -> Version:
            conditions.check_write(partial(writing.current, bucket.id), params, version.key)
            made = self.replicated(bucket, version)
            writing.add(bucket.id, made, new)
            self._happened(writing, bucket, event, made, ctx)
            return made

        return await self._index.write(job)

    def replicated(self, bucket: Bucket, version: Version) -> Version:
        """The version with the replication status that a new one has."""
        if replication.rules_for(bucket.settings.get("replication"), version):
            return msgspec.structs.replace(version, replication="PENDING")
        return version

    def _arriving(self, params: Mapping[str, Any]) -> Arriving:
        """The body, whether it came over the wire in pieces or in one, or from inside."""
        body = params.get("Body")
        if isinstance(body, Arriving):
            return body
        arriving = Arriving(self._bodies, self._entropy.hex(32), _headers_of(params))
        data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else bytes(body or b"")
        arriving.feed(data, lambda: None)
        arriving.end()
        return arriving

    def _template(self, ctx: RequestContext, bucket: Bucket, params: Mapping[str, Any]) -> Version:
        """What is known of a new object before its content is. Raises what is wrong with it."""
        if ctx.caller is not None:
            for action in _further_actions(params):
                self._let(ctx, bucket, action, params["Key"], params)
        check_key(params["Key"])
        check_metadata(params.get("Metadata") or {})
        storage_class = params.get("StorageClass") or "STANDARD"
        if storage_class not in STORAGE_CLASSES:
            raise refusal("InvalidStorageClass", StorageClassRequested=storage_class)
        grants = acl.grants(params, bucket.owner, bucket.owner)
        if grants is not None and ownership(bucket) == ENFORCED and grants != acl.private(bucket.owner):
            raise refusal("AccessControlListNotSupported")
        if (
            grants is not None
            and acl.is_public(grants)
            and (bucket.settings.get("publicAccessBlock") or {}).get("BlockPublicAcls")
        ):
            raise refusal("AccessDenied")
        redirect = params.get("WebsiteRedirectLocation")
        if redirect and not redirect.startswith(("/", "http://", "https://")):
            raise invalid_argument(
                "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
                "x-amz-website-redirect-location", redirect,
            )  # fmt: skip
        headers = {name: params[name] for name in _STORED_HEADERS if params.get(name) is not None}
        encodings = [each.strip() for each in headers.pop("ContentEncoding", "").split(",")]
        if kept := ",".join(each for each in encodings if each and each != "aws-chunked"):
            headers["ContentEncoding"] = kept
        if "Expires" in headers and not isinstance(headers["Expires"], str):
            headers["Expires"] = http_date(int(headers["Expires"].timestamp()))
        return Version(
            key=params["Key"],
            version=self._new_version_id(bucket),
            modified=self._now(),
            owner=bucket.owner,
            headers={"ContentType": DEFAULT_TYPE, **headers},
            metadata=params.get("Metadata") or {},
            storage_class=storage_class,
            tags=tags_of_header(params.get("Tagging")),
            grants=grants,
            encryption=_encryption(bucket, params),
            retention=self._retention(bucket, params),
            legal_hold=params.get("ObjectLockLegalHoldStatus"),
            redirect=redirect,
        )

    def _retention(self, bucket: Bucket, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """What an object's lock is to begin with: as asked, or the bucket's default."""
        lock = bucket.settings.get("object-lock")
        mode, until = params.get("ObjectLockMode"), params.get("ObjectLockRetainUntilDate")
        if (mode or until or params.get("ObjectLockLegalHoldStatus")) and lock is None:
            raise refusal("InvalidRequest", "Bucket is missing Object Lock Configuration")
        if (mode is None) != (until is None):
            raise invalid_argument(
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
                "x-amz-object-lock-mode", mode,
            )  # fmt: skip
        if mode is not None and until is not None:
            seconds = float(until.timestamp()) if hasattr(until, "timestamp") else float(until)
            if seconds <= self._now():
                raise invalid_argument(
                    "The retain until date must be in the future!", "x-amz-object-lock-retain-until-date", until
                )
            return {"Mode": mode, "RetainUntilDate": seconds}
        default = ((lock or {}).get("Rule") or {}).get("DefaultRetention")
        if default is None:
            return None
        days = default.get("Days") or 365 * default["Years"]
        return {"Mode": default["Mode"], "RetainUntilDate": self._now() + days * lifecycle.DAY_S}

    def _expiration(self, bucket: Bucket, version: Version) -> dict[str, Any]:
        rules = (bucket.settings.get("lifecycle") or {}).get("Rules") or ()
        found = lifecycle.expiration(rules, version) if rules else None
        if found is None:
            return {}
        return {"Expiration": f'expiry-date="{http_date(int(found[0]))}", rule-id="{found[1]}"'}

    # --- get ------------------------------------------------------------------------------------------------------

    def get_object(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket, version = self.readable(ctx, params)
        if version.archived(self._now()):
            raise refusal("InvalidObjectState", StorageClass=version.storage_class)
        return self._shown(bucket, version, params, with_body=True)

    def head_object(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket, version = self.readable(ctx, params)
        return self._shown(bucket, version, params, with_body=False)

    def readable(
        self, ctx: RequestContext, params: Mapping[str, Any], action: str = "s3:GetObject"
    ) -> tuple[Bucket, Version]:
        """The version that a request names. Raises NoSuchKey, NoSuchVersion, MethodNotAllowed."""
        key, wanted = params["Key"], params.get("VersionId")
        if wanted and action not in _OF_ANY_VERSION:
            action = action.replace("Object", "ObjectVersion")
        bucket = self._bucket(ctx, params, action, key)
        try:
            return bucket, self._version_of(bucket, key, wanted)
        except WireError as error:
            if error.status == 404:  # who may not list is not told what there is
                self._let(ctx, bucket, "s3:ListBucket", None, {})
            raise

    def _version_of(self, bucket: Bucket, key: str, wanted: str | None) -> Version:
        if wanted is not None:
            version = self._index.read.version(bucket.id, key, wanted)
            if version is None:
                raise self._no_version(key, wanted)
        else:
            version = self._index.read.current(bucket.id, key)
        if version is None:
            raise no_such_key(key)
        if version.marker:
            error = refusal("MethodNotAllowed", Method="GET") if wanted else no_such_key(key)
            error.headers += [("x-amz-delete-marker", "true"), ("x-amz-version-id", version.version)]
            if wanted:
                error.headers.append(("Allow", "DELETE"))
            raise error
        return version

    @staticmethod
    def _no_version(key: str, wanted: str) -> Exception:
        if wanted != NULL_VERSION and len(wanted) != 32:
            return invalid_argument("Invalid version id specified", "versionId", wanted)
        return refusal("NoSuchVersion", Key=key, VersionId=wanted)

    def _shown(self, bucket: Bucket, version: Version, params: Mapping[str, Any], with_body: bool) -> dict[str, Any]:
        conditions.check_read(version, params)
        start, size = 0, version.size
        out = _described(bucket, version, params, self._now())
        out.update(self._expiration(bucket, version))
        number = params.get("PartNumber")
        ranged = None
        if number is not None:
            if params.get("Range"):
                raise refusal("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
            ranged = conditions.part_range(version, number)
            if version.parts:
                out["PartsCount"] = len(version.parts)
        elif params.get("Range"):
            ranged = conditions.range_of(params["Range"], version.size)
        if ranged is not None:
            start, size = ranged
            if version.size:
                out["ContentRange"] = f"bytes {start}-{start + size - 1}/{version.size}"
        if params.get("ChecksumMode") == "ENABLED" and size == version.size:
            out.update(with_checksums(version))
        out["ContentLength"] = size
        if with_body:
            out["Body"] = self._content(version, start, size)
        return Answer(206, out) if ranged is not None and version.size else out

    # --- delete ---------------------------------------------------------------------------------------------------

    async def delete_object(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, _deleting(params), params["Key"])
        return await self.delete(ctx, bucket, params)

    async def delete(self, ctx: RequestContext, bucket: Bucket, params: Mapping[str, Any]) -> dict[str, Any]:
        """Delete as DeleteObject does. Raises AccessDenied (locked), PreconditionFailed."""
        key, wanted = params["Key"], params.get("VersionId")
        marker_id = self._new_version_id(bucket)
        now = self._now()

        def job(writing: Writing) -> dict[str, Any]:
            current = writing.current(bucket.id, key)
            conditions.check_write(lambda _: current, params, key)
            if wanted is not None:
                return self._remove(ctx, writing, bucket, writing.version(bucket.id, key, wanted), params)
            if not bucket.versioning:
                return self._remove(ctx, writing, bucket, current, params)
            marker = self.replicated(
                bucket, Version(key=key, version=marker_id, marker=True, modified=now, owner=bucket.owner)
            )
            writing.add(bucket.id, marker)
            self._happened(writing, bucket, "ObjectRemoved:DeleteMarkerCreated", marker, ctx)
            return {"DeleteMarker": True, "VersionId": marker.version}

        return await self._index.write(job)

    def _remove(
        self, ctx: RequestContext, writing: Writing, bucket: Bucket, version: Version | None, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        if version is None:
            return {"VersionId": params["VersionId"]} if params.get("VersionId") else {}
        if params.get("BypassGovernanceRetention") and ctx.caller is not None:
            self._let(ctx, bucket, "s3:BypassGovernanceRetention", version.key, params)
        if self.locked(version, bool(params.get("BypassGovernanceRetention"))):
            raise refusal("AccessDenied", "Access Denied because object protected by object lock.")
        writing.remove(bucket.id, version)
        self._happened(writing, bucket, "ObjectRemoved:Delete", version, ctx)
        out: dict[str, Any] = shown_version(bucket, version)
        if version.marker:
            out["DeleteMarker"] = True
        return out

    def locked(self, version: Version, bypassed: bool) -> bool:
        """Whether a version can't be removed yet ("How S3 Object Lock works")."""
        if version.legal_hold == "ON":
            return True
        kept = version.retention
        if kept is None or kept["RetainUntilDate"] <= self._now():
            return False
        return not (bypassed and kept["Mode"] == "GOVERNANCE")

    async def delete_objects(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._reached(ctx, params)
        wanted = params["Delete"].get("Objects") or []
        if not 1 <= len(wanted) <= DELETE_MAX:
            raise refusal("MalformedXML")
        deleted: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for each in wanted:
            given = {
                "Key": each["Key"], "VersionId": each.get("VersionId"), "IfMatch": each.get("ETag"),
                "BypassGovernanceRetention": params.get("BypassGovernanceRetention"),
            }  # fmt: skip
            asked = {"Key": each["Key"], **({"VersionId": each["VersionId"]} if each.get("VersionId") else {})}
            try:
                self._let(ctx, bucket, _deleting(each), each["Key"], given)
                done = await self.delete(ctx, bucket, given)
            except Exception as error:
                code = getattr(error, "code", "InternalError")
                errors.append({**asked, "Code": code, "Message": str(error)})
                continue
            if done.get("DeleteMarker"):
                asked.update(DeleteMarker=True, DeleteMarkerVersionId=done["VersionId"])
            deleted.append(asked)
        out: dict[str, Any] = {"Errors": errors} if errors else {}
        return out if params["Delete"].get("Quiet") else {"Deleted": deleted, **out}


_FURTHER = {
    "Tagging": "s3:PutObjectTagging", "ObjectLockMode": "s3:PutObjectRetention", "ObjectLockLegalHoldStatus":
    "s3:PutObjectLegalHold",
}  # fmt: skip


def _further_actions(params: Mapping[str, Any]) -> list[str]:
    """What a new object asks for besides being put."""
    found = [action for name, action in _FURTHER.items() if params.get(name)]
    asks = params.get("ACL") not in (None, "private") or any(params.get(each) for each in acl.HEADERS)
    return [*found, "s3:PutObjectAcl"] if asks else found


def _deleting(params: Mapping[str, Any]) -> str:
    return "s3:DeleteObjectVersion" if params.get("VersionId") else "s3:DeleteObject"


def _headers_of(params: Mapping[str, Any]) -> dict[str, str]:
    """The headers by which a body is checked, of a request whose body came in one piece."""
    headers = {"content-md5": params["ContentMD5"]} if params.get("ContentMD5") else {}
    for algorithm in checksums.ALGORITHMS:
        if params.get(checksums.member(algorithm)):
            headers[f"x-amz-checksum-{algorithm.lower()}"] = params[checksums.member(algorithm)]
    if params.get("ChecksumAlgorithm"):
        headers["x-amz-sdk-checksum-algorithm"] = params["ChecksumAlgorithm"]
    return headers


def _check_algorithm(params: Mapping[str, Any]) -> None:
    given = [each for each in checksums.ALGORITHMS if params.get(checksums.member(each))]
    if len(given) > 1:
        raise refusal("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not"
                      " allowed.")  # fmt: skip


def _encryption(bucket: Bucket, params: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer says of an object's encryption: as asked, or the bucket's default."""
    if params.get("SSECustomerAlgorithm"):
        return {
            "SSECustomerAlgorithm": params["SSECustomerAlgorithm"],
            "SSECustomerKeyMD5": params.get("SSECustomerKeyMD5", ""),
        }
    asked = params.get("ServerSideEncryption")
    rule = ((bucket.settings.get("encryption") or {}).get("Rules") or [{}])[0]
    default = rule.get("ApplyServerSideEncryptionByDefault") or {}
    out: dict[str, Any] = {"ServerSideEncryption": asked or default.get("SSEAlgorithm") or "AES256"}
    if out["ServerSideEncryption"].startswith("aws:kms"):
        key = params.get("SSEKMSKeyId") or default.get("KMSMasterKeyID")
        out["SSEKMSKeyId"] = key or f"arn:aws:kms:{bucket.home}:{bucket.owner}:alias/aws/s3"
        enabled = params.get("BucketKeyEnabled")
        out["BucketKeyEnabled"] = bool(rule.get("BucketKeyEnabled") if enabled is None else enabled)
    return out


def _described(bucket: Bucket, version: Version, params: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The members that GetObject and HeadObject share, whatever the range."""
    if (needed := version.encryption.get("SSECustomerKeyMD5")) and params.get("SSECustomerKeyMD5") != needed:
        if params.get("SSECustomerKeyMD5"):
            raise refusal("AccessDenied", "Access Denied because of wrong SSE-C key.")
        raise refusal("InvalidRequest", "The object was stored using a form of Server Side Encryption. The correct"
                      " parameters must be provided to retrieve the object.")  # fmt: skip
    out: dict[str, Any] = {
        "AcceptRanges": "bytes",
        "LastModified": int(version.modified),
        "ETag": quoted(version.etag),
        **version.headers,
        "Metadata": version.metadata,
        **version.encryption,
        **shown_version(bucket, version),
    }
    if version.storage_class != "STANDARD":
        out["StorageClass"] = version.storage_class
    if version.tags:
        out["TagCount"] = len(version.tags)
    if version.redirect:
        out["WebsiteRedirectLocation"] = version.redirect
    if version.replication:
        out["ReplicationStatus"] = version.replication
    if version.retention:
        out["ObjectLockMode"] = version.retention["Mode"]
        out["ObjectLockRetainUntilDate"] = version.retention["RetainUntilDate"]
    if version.legal_hold:
        out["ObjectLockLegalHoldStatus"] = version.legal_hold
    if version.restored_from is not None and now < version.restored_from:
        out["Restore"] = 'ongoing-request="true"'
    elif version.restored_until is not None and now < version.restored_until:
        out["Restore"] = f'ongoing-request="false", expiry-date="{http_date(int(version.restored_until))}"'
    for name in _STORED_HEADERS:
        override = params.get(f"Response{name}")
        if override is not None:
            out[name] = http_date(int(override.timestamp())) if hasattr(override, "timestamp") else override
    return out
