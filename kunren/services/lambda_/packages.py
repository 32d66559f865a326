"""Where deployment packages come from: the request itself, or an object in S3."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from kunren.core.calling import CallService
from kunren.core.context import RequestContext
from kunren.core.errors import AwsError, WireError
from kunren.dataplane.images.store import NoImage
from kunren.services.lambda_.code import ZIPPED_BYTES_MAX, CodeStore
from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.images import FunctionImages
from kunren.services.lambda_.model import Code, ImageReference

_REQUEST_BYTES_MAX = 70_167_211


class Packages:
    """Fetches a package and keeps it on disk."""

    def __init__(self, code: CodeStore, images: FunctionImages, call: CallService) -> None:
        self._code = code
        self._images = images
        self._call = call

    async def keep(self, ctx: RequestContext, source: Mapping[str, Any]) -> Code:
        """`source` has ZipFile, or S3Bucket, S3Key and S3ObjectVersion. Raises InvalidParameterValueException."""
        package = await self._fetch(ctx, source)
        kept = self._code.kept(package)
        return kept if kept is not None else await asyncio.to_thread(self._code.put, package)

    async def image(self, uri: str) -> ImageReference:
        """The image that is called so now. Raises InvalidParameterValueException."""
        try:
            found = await self._images.find(uri)
        except NoImage as error:
            raise InvalidParameterValueException(str(error)) from None
        return ImageReference(uri=uri, digest=found.manifest_digest.removeprefix("sha256:"), config=found.digest)

    async def _fetch(self, ctx: RequestContext, source: Mapping[str, Any]) -> bytes:
        if source.get("S3ObjectStorageMode") == "REFERENCE":
            raise InvalidParameterValueException("Kunren does not have S3ObjectStorageMode REFERENCE yet.")
        bucket, key = source.get("S3Bucket"), source.get("S3Key")
        package = source.get("ZipFile")
        if package is not None:
            if bucket or key:
                raise InvalidParameterValueException(
                    "Please do not provide other FunctionCode parameters when providing a ZipFile."
                )
            if len(package) * 4 // 3 > _REQUEST_BYTES_MAX:
                raise WireError(
                    "RequestEntityTooLargeException",
                    f"Request must be smaller than {_REQUEST_BYTES_MAX} bytes for the {ctx.operation} operation",
                    413,
                )
            if len(package) > ZIPPED_BYTES_MAX:
                raise InvalidParameterValueException(f"Zipped size must be smaller than {ZIPPED_BYTES_MAX} bytes")
            return bytes(package)
        if not bucket or not key:
            raise InvalidParameterValueException("Please provide a source for function code.")
        params = {"Bucket": bucket, "Key": key}
        if source.get("S3ObjectVersion"):
            params["VersionId"] = source["S3ObjectVersion"]
        try:
            told = await self._call(ctx.account, ctx.region, "s3", "GetObject", params)
        except AwsError as error:
            raise InvalidParameterValueException(
                f"Error occurred while GetObject. S3 Error Code: {error.code}. S3 Error Message: {error.message}"
            ) from None
        return bytes(told["Body"])
