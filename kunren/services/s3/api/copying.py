"""Copies: CopyObject, UploadPartCopy. A copy shares the content of its source, which is kept once."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any
from urllib.parse import unquote

import msgspec

from kunren.core.context import RequestContext
from kunren.services.s3 import checksums, conditions
from kunren.services.s3.api.base import quoted, segments_of, shown_version, with_checksums
from kunren.services.s3.api.multipart import MultipartOperations, check_number
from kunren.services.s3.bodies import Stored
from kunren.services.s3.errors import invalid_argument, refusal
from kunren.services.s3.index import Writing
from kunren.services.s3.model import Bucket, Part, Version
from kunren.services.s3.receiving import OBJECT_BYTES_MAX, Arriving


class CopyOperations(MultipartOperations):
    def _source(self, ctx: RequestContext, params: dict[str, Any]) -> tuple[Bucket, Version]:
        """What `x-amz-copy-source` names, if it may be read and the conditions hold."""
        text = params["CopySource"]
        if isinstance(text, dict):
            name, key, wanted = text["Bucket"], text["Key"], text.get("VersionId")
        else:
            path, _, query = text.partition("?")
            name, _, key = unquote(path).removeprefix("/").partition("/")
            wanted = query.removeprefix("versionId=") if query.startswith("versionId=") else None
        if not name or not key:
            raise invalid_argument(
                "Invalid copy source bucket name" if not name else "Invalid copy source object key",
                "x-amz-copy-source", text,
            )  # fmt: skip
        given = {"Bucket": name, "Key": key, "VersionId": wanted}
        given["ExpectedBucketOwner"] = params.get("ExpectedSourceBucketOwner")
        bucket = self._find(self._store.snapshot(), name)  # whatever its region: a copy may cross regions
        if ctx.caller is not None:
            self._let(ctx, bucket, "s3:GetObjectVersion" if wanted else "s3:GetObject", key, {})
        elif ctx.acting is not None or (ctx.host and not ctx.access_key):
            self._bucket(ctx, given, "s3:GetObject", key)
        version = self._version_of(bucket, key, wanted)
        conditions.check_read(version, params, "CopySource")
        if version.archived(self._now()):
            raise refusal(
                "InvalidObjectState", "Operation is not valid for the source object's storage class",
                StorageClass=version.storage_class,
            )  # fmt: skip
        return bucket, version

    async def copy_object(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:PutObject", params["Key"])
        origin, source = self._source(ctx, params)
        template = self._template(ctx, bucket, params)
        replacing = params.get("MetadataDirective") == "REPLACE"
        if source.size > OBJECT_BYTES_MAX:
            raise refusal("InvalidRequest", "The specified copy source is larger than the maximum allowable size for a"
                          f" copy source: {OBJECT_BYTES_MAX}")  # fmt: skip
        same = (origin.id, source.key) == (bucket.id, params["Key"]) and params["CopySource"] and not bucket.versioning
        changing = replacing or any(
            params.get(each) for each in ("StorageClass", "WebsiteRedirectLocation", "ServerSideEncryption",
                                          "SSECustomerAlgorithm", "ChecksumAlgorithm")
        )  # fmt: skip
        if same and not changing:
            raise refusal(
                "InvalidRequest",
                "This copy request is illegal because it is trying to copy an object to itself without changing the"
                " object's metadata, storage class, website redirect location or encryption attributes.",
            )
        sums, kind = source.checksums, source.checksum_type
        wanted = params.get("ChecksumAlgorithm")
        if (wanted and wanted not in sums) or kind == checksums.COMPOSITE:
            algorithm = wanted or next(iter(sums), checksums.DEFAULT)
            sums, kind = {algorithm: await self._digest(source, algorithm)}, checksums.FULL_OBJECT
        etag = source.etag
        if source.multipart:
            etag = (await self._digest_hex(source)) if source.size else etag.partition("-")[0]
        copy = msgspec.structs.replace(
            template,
            headers=template.headers if replacing else source.headers,
            metadata=template.metadata if replacing else source.metadata,
            tags=template.tags if params.get("TaggingDirective") == "REPLACE" else source.tags,
            size=source.size,
            etag=etag,
            checksums=sums,
            checksum_type=kind,
            segments=source.segments,
        )

        def job(writing: Writing) -> Version:
            conditions.check_write(partial(writing.current, bucket.id), params, copy.key)
            made = self.replicated(bucket, copy)
            writing.add(bucket.id, made)
            self._happened(writing, bucket, "ObjectCreated:Copy", made, ctx)
            return made

        made = await self._index.write(job)
        out: dict[str, Any] = {
            "CopyObjectResult": {"ETag": quoted(made.etag), "LastModified": made.modified, **with_checksums(made)},
            **shown_version(bucket, made), **made.encryption, **self._expiration(bucket, made),
        }  # fmt: skip
        if origin.versioning:
            out["CopySourceVersionId"] = source.version
        return out

    async def upload_part_copy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:PutObject", params["Key"])
        upload = self._upload(bucket, params)
        number = params["PartNumber"]
        check_number(number)
        origin, source = self._source(ctx, params)
        start, size = self._copied_range(params.get("CopySourceRange"), source)
        algorithm = upload.algorithm or checksums.DEFAULT
        whole = (start, size) == (0, source.size) and not source.multipart and algorithm in source.checksums
        segments = segments_of(source, start, size)
        if whole and segments is not None:
            part = Part(
                number=number, size=size, etag=source.etag, modified=self._now(), segments=segments,
                checksums={algorithm: source.checksums[algorithm]},
            )  # fmt: skip
            await self._index.write(lambda writing: self._add_part(writing, bucket, upload, part, ()))
        else:
            arriving = Arriving(self._bodies, self._entropy.hex(32), {"x-amz-sdk-checksum-algorithm": algorithm})
            async for piece in Stored(self._bodies, self._index.read.data, source.segments, start, size):
                arriving.feed(piece, lambda: None)
            arriving.end()
            async with self._taken_in({"Body": arriving}) as received:
                part = await self._keep_part(bucket, upload, number, received)
        return {
            "CopyPartResult": {
                "ETag": quoted(part.etag), "LastModified": part.modified,
                **(with_checksums(part) if upload.algorithm else {}),
            },
            **({"CopySourceVersionId": source.version} if origin.versioning else {}),
        }  # fmt: skip

    @staticmethod
    def _copied_range(text: str | None, source: Version) -> tuple[int, int]:
        if text is None:
            return 0, source.size
        first, _, last = text.removeprefix("bytes=").partition("-")
        if not text.startswith("bytes=") or not first.isdigit() or not last.isdigit():
            raise invalid_argument(
                "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the"
                " zero-based offsets of the first and last bytes to copy", "x-amz-copy-source-range", text,
            )  # fmt: skip
        if int(last) >= source.size or int(first) > int(last):
            raise invalid_argument(
                f"Range specified is not valid for source object of size: {source.size}", "x-amz-copy-source-range",
                text,
            )  # fmt: skip
        return int(first), int(last) - int(first) + 1

    async def _digest(self, source: Version, algorithm: str) -> str:
        whole = checksums.new(algorithm)
        async for piece in Stored(self._bodies, self._index.read.data, source.segments, 0, source.size):
            whole.update(piece)
        return checksums.encoded(whole.digest())

    async def _digest_hex(self, source: Version) -> str:
        whole = hashlib.md5(usedforsecurity=False)
        async for piece in Stored(self._bodies, self._index.read.data, source.segments, 0, source.size):
            whole.update(piece)
        return whole.hexdigest()
