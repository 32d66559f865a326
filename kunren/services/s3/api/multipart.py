"""Multipart uploads ("Uploading and copying objects using multipart upload"). Completing one moves no byte: the
object's content is its parts' contents, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec

from kunren.core.context import RequestContext
from kunren.services.s3 import acl, checksums, conditions
from kunren.services.s3.api.base import quoted, shown_version, with_checksums
from kunren.services.s3.api.objects import ObjectOperations
from kunren.services.s3.errors import invalid_argument, refusal
from kunren.services.s3.index import Writing
from kunren.services.s3.listing import LAST, encoded
from kunren.services.s3.model import Bucket, Part, PartOfObject, Upload, Version
from kunren.services.s3.receiving import Received

PARTS_MAX = 10_000
PAGE_MAX = 1000
PART_BYTES_MIN = 5 * 1024 * 1024


class MultipartOperations(ObjectOperations):
    async def create_multipart_upload(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:PutObject", params["Key"])
        template = self._template(ctx, bucket, params)
        algorithm = params.get("ChecksumAlgorithm") or ""
        if algorithm and algorithm not in checksums.ALGORITHMS:
            raise refusal("InvalidRequest", "Checksum algorithm provided is unsupported. Please try again with any of"
                          f" the valid types: [{', '.join(checksums.ALGORITHMS)}]")  # fmt: skip
        kind = ""
        if algorithm:
            try:
                kind = checksums.type_for(algorithm, params.get("ChecksumType"))
            except ValueError:
                raise refusal(
                    "InvalidRequest",
                    f"The {params['ChecksumType']} checksum type cannot be used with the {algorithm.lower()} checksum"
                    " algorithm.",
                ) from None
        upload = Upload(
            id=self._entropy.lower(64), key=params["Key"], initiated=self._now(), template=template,
            algorithm=algorithm, checksum_type=kind,
        )  # fmt: skip
        await self._index.write(lambda writing: writing.begin_upload(bucket.id, upload))
        out = {"Bucket": bucket.id, "Key": upload.key, "UploadId": upload.id, **template.encryption}
        if algorithm:
            out.update(ChecksumAlgorithm=algorithm, ChecksumType=kind)
        return out

    def _upload(self, bucket: Bucket, params: Mapping[str, Any]) -> Upload:
        """Raises NoSuchUpload."""
        found = self._index.read.upload(bucket.id, params["Key"], params["UploadId"])
        if found is None:
            raise refusal("NoSuchUpload", UploadId=params["UploadId"])
        return found

    async def upload_part(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        async with self._taken_in(params) as received:
            bucket = self._bucket(ctx, params, "s3:PutObject", params["Key"])
            upload = self._upload(bucket, params)
            check_number(params["PartNumber"])
            if upload.algorithm and upload.algorithm not in received.checksums:
                raise refusal(
                    "InvalidRequest",
                    f"Checksum Type mismatch occurred, expected checksum Type: {upload.algorithm.lower()}, actual"
                    f" checksum Type: {', '.join(received.checksums).lower()}",
                )
            part = await self._keep_part(bucket, upload, params["PartNumber"], received)
        return {"ETag": quoted(part.etag), **with_checksums(part), **upload.template.encryption}

    async def _keep_part(self, bucket: Bucket, upload: Upload, number: int, received: Received) -> Part:
        """A received body becomes a part. Raises NoSuchUpload."""
        part = Part(
            number=number, size=received.content.size, etag=received.md5, modified=self._now(),
            segments=(received.content.segment,) if received.content.size else (), checksums=received.checksums,
        )  # fmt: skip
        new = [received.content] if received.content.size else []
        await self._index.write(lambda writing: self._add_part(writing, bucket, upload, part, new))
        return part

    def _add_part(self, writing: Writing, bucket: Bucket, upload: Upload, part: Part, new: Sequence[Any]) -> None:
        if writing.upload(bucket.id, upload.key, upload.id) is None:  # completed or aborted meanwhile
            raise refusal("NoSuchUpload", UploadId=upload.id)
        writing.add_part(upload.id, part, new)

    async def abort_multipart_upload(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        bucket = self._bucket(ctx, params, "s3:AbortMultipartUpload", params["Key"])
        upload = self._upload(bucket, params)
        await self._index.write(lambda writing: writing.end_upload(bucket.id, upload))

    async def complete_multipart_upload(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:PutObject", params["Key"])
        upload = self._upload(bucket, params)
        listed = (params.get("MultipartUpload") or {}).get("Parts") or []

        def job(writing: Writing) -> Version:
            if writing.upload(bucket.id, upload.key, upload.id) is None:
                raise refusal("NoSuchUpload", UploadId=upload.id)
            conditions.check_write(partial(writing.current, bucket.id), params, upload.key)
            parts = chosen(listed, {each.number: each for each in writing.parts(upload.id)})
            made = self.replicated(bucket, completed(upload, parts, params, self._now()))
            writing.add(bucket.id, made)
            writing.end_upload(bucket.id, upload)
            self._happened(writing, bucket, "ObjectCreated:CompleteMultipartUpload", made, ctx)
            return made

        made = await self._index.write(job)
        return {
            "Location": f"https://{bucket.id}.s3.{bucket.home}.amazonaws.com/{made.key}",
            "Bucket": bucket.id, "Key": made.key, "ETag": quoted(made.etag), **with_checksums(made),
            **shown_version(bucket, made), **made.encryption, **self._expiration(bucket, made),
        }  # fmt: skip

    # --- listing --------------------------------------------------------------------------------------------------

    def list_parts(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:ListMultipartUploadParts", params["Key"])
        upload = self._upload(bucket, params)
        most = _most(params.get("MaxParts"))
        after = int(params.get("PartNumberMarker") or 0)
        found = self._index.read.parts(upload.id, after, most + 1)
        page = found[:most]
        out: dict[str, Any] = {
            "Bucket": bucket.id, "Key": upload.key, "UploadId": upload.id, "PartNumberMarker": after,
            "MaxParts": most, "IsTruncated": len(found) > most, "StorageClass": upload.template.storage_class,
            "Owner": acl.owner(bucket.owner), "Initiator": acl.owner(bucket.owner),
            "Parts": [
                {
                    "PartNumber": each.number, "LastModified": each.modified, "ETag": quoted(each.etag),
                    "Size": each.size, **(with_checksums(each) if upload.algorithm else {}),
                }
                for each in page
            ],
            "NextPartNumberMarker": page[-1].number if page else 0,
        }  # fmt: skip
        if upload.algorithm:
            out.update(ChecksumAlgorithm=upload.algorithm, ChecksumType=upload.checksum_type)
        return out

    def list_multipart_uploads(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        bucket = self._bucket(ctx, params, "s3:ListBucketMultipartUploads")
        prefix, delimiter = params.get("Prefix") or "", params.get("Delimiter") or ""
        key_marker, id_marker = params.get("KeyMarker") or "", params.get("UploadIdMarker") or ""
        most = _most(params.get("MaxUploads"))
        encoding = params.get("EncodingType")
        uploads: list[Upload] = []
        prefixes: list[str] = []
        truncated, passed = False, not id_marker
        for each in self._index.read.uploads(bucket.id, max(prefix, key_marker)):
            if not each.key.startswith(prefix):
                break
            if each.key == key_marker:  # an id marker goes on within the key
                if passed or each.id == id_marker:
                    passed = True
                    if each.id == id_marker or not id_marker:
                        continue
                else:
                    continue
            end = each.key.find(delimiter, len(prefix)) if delimiter else -1
            common = each.key[: end + len(delimiter)] if end >= 0 else ""
            if common and (common in prefixes or each.key <= key_marker < common + LAST):
                continue
            if len(uploads) + len(prefixes) >= most:
                truncated = True
                break
            if common:
                prefixes.append(common)
            else:
                uploads.append(each)
        out: dict[str, Any] = {
            "Bucket": bucket.id, "KeyMarker": key_marker, "UploadIdMarker": id_marker, "MaxUploads": most,
            "IsTruncated": truncated, "Prefix": encoded(prefix, encoding), "Delimiter": delimiter or None,
            "EncodingType": encoding,
            "Uploads": [_shown(bucket, each, encoding) for each in uploads],
            "CommonPrefixes": [{"Prefix": encoded(each, encoding)} for each in prefixes],
        }  # fmt: skip
        if truncated and uploads:
            out.update(NextKeyMarker=encoded(uploads[-1].key, encoding), NextUploadIdMarker=uploads[-1].id)
        return out


def check_number(number: int) -> None:
    """Raises InvalidArgument."""
    if not 1 <= number <= PARTS_MAX:
        raise invalid_argument(
            f"Part number must be an integer between 1 and {PARTS_MAX}, inclusive", "partNumber", number
        )


def _most(given: int | None) -> int:
    return PAGE_MAX if given is None else min(given, PAGE_MAX)


def _shown(bucket: Bucket, upload: Upload, encoding: str | None) -> dict[str, Any]:
    out: dict[str, Any] = {
        "Key": encoded(upload.key, encoding), "UploadId": upload.id, "Initiated": upload.initiated,
        "StorageClass": upload.template.storage_class, "Owner": acl.owner(bucket.owner),
        "Initiator": acl.owner(bucket.owner),
    }  # fmt: skip
    if upload.algorithm:
        out.update(ChecksumAlgorithm=upload.algorithm, ChecksumType=upload.checksum_type)
    return out


def chosen(listed: Sequence[Mapping[str, Any]], there: Mapping[int, Part]) -> list[Part]:
    """The parts that CompleteMultipartUpload names. Raises MalformedXML, InvalidPartOrder, InvalidPart,
    EntityTooSmall."""
    if not listed:
        raise refusal("MalformedXML")
    numbers = [each.get("PartNumber") or 0 for each in listed]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise refusal("InvalidPartOrder")
    out: list[Part] = []
    for given, number in zip(listed, numbers, strict=True):
        part = there.get(number)
        if part is None or (given.get("ETag") or "").strip('"') != part.etag:
            raise refusal("InvalidPart", PartNumber=number, ETag=(given.get("ETag") or "").strip('"'))
        for algorithm, value in part.checksums.items():
            told = given.get(checksums.member(algorithm))
            if told is not None and told != value:
                raise refusal("InvalidPart", PartNumber=number, ETag=part.etag)
        out.append(part)
    for part in out[:-1]:
        if part.size < PART_BYTES_MIN:
            raise refusal(
                "EntityTooSmall", ProposedSize=part.size, MinSizeAllowed=PART_BYTES_MIN, PartNumber=part.number,
                ETag=part.etag,
            )  # fmt: skip
    return out


def completed(upload: Upload, parts: Sequence[Part], params: Mapping[str, Any], now: float) -> Version:
    """The object that those parts make. Raises BadDigest, InvalidRequest."""
    size = sum(each.size for each in parts)
    if params.get("MpuObjectSize") is not None and params["MpuObjectSize"] != size:
        raise refusal("InvalidRequest", "The provided 'x-amz-mp-object-size' header does not match what was computed.")
    algorithm = upload.algorithm or checksums.DEFAULT
    kind = upload.checksum_type or checksums.FULL_OBJECT
    sums: dict[str, str] = {}
    if all(algorithm in each.checksums for each in parts):
        pairs = [checksums.PartSum(each.checksums[algorithm], each.size) for each in parts]
        sums[algorithm] = checksums.of_parts(algorithm, kind, pairs)
        told = params.get(checksums.member(algorithm))
        if told is not None and told not in (sums[algorithm], sums[algorithm].partition("-")[0]):
            raise refusal("BadDigest", f"The {algorithm.lower()} you specified did not match the calculated checksum.")
    return msgspec.structs.replace(
        upload.template,
        modified=now,
        size=size,
        etag=checksums.etag_of_parts([each.etag for each in parts]),
        segments=tuple(segment for each in parts for segment in each.segments),
        checksums=sums,
        checksum_type=kind,
        multipart=True,
        parts=tuple(
            PartOfObject(number=at, size=each.size, checksums=each.checksums if upload.algorithm else {})
            for at, each in enumerate(parts, 1)
        ),
    )
