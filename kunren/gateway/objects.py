"""Objects in S3, read and written through the gateway's own chain: whoever answers for S3 answers here too."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import quote
from xml.sax.saxutils import unescape

from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.objects import ObjectUnavailable
from kunren.gateway.http import HttpRequest, HttpResponse

Handle = Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]
SERVICE_ACCOUNT = "127311923021"
"""The account of AWS that owns the buckets from which services lend objects (Elastic Load Balancing's in us-east-1)."""


class ServiceObjects:
    """`kunren.core.objects.Objects`. `handle` is the chain's, looked up at each call: services are built before it."""

    def __init__(self, clock: Clock, handle: Handle) -> None:
        self._clock = clock
        self._handle = handle

    async def read(self, account: str, region: str, bucket: str, key: str, version: str | None = None) -> bytes:
        query = f"versionId={quote(version, safe='')}" if version else ""
        return await self._ask("GET", account, region, _path(bucket, key), query)

    async def write(self, account: str, region: str, bucket: str, key: str, body: bytes) -> None:
        await self._ask("PUT", account, region, _path(bucket, key), body=body)

    async def bucket(self, account: str, region: str, bucket: str, what: str = "") -> str:
        method = "GET" if what else "HEAD"
        return (await self._ask(method, account, region, _path(bucket), what)).decode("utf-8", "replace")

    async def lend(self, ctx: RequestContext, owner: str, name: str, body: bytes, seconds: int) -> str:
        bucket = f"{owner}-{ctx.region}"
        place = "" if ctx.region == "us-east-1" else _LOCATION.format(ctx.region)
        try:
            await self._ask("PUT", SERVICE_ACCOUNT, ctx.region, _path(bucket), body=place.encode())
        except ObjectUnavailable as error:
            if error.status != 409:
                raise
        key = f"{ctx.account}/{name}/{hashlib.sha256(body).hexdigest()[:16]}"
        await self.write(SERVICE_ACCOUNT, ctx.region, bucket, key, body)
        return _presigned(ctx, _path(bucket, key), seconds)

    async def _ask(
        self, method: str, account: str, region: str, path: str, query: str = "", body: bytes = b""
    ) -> bytes:
        stamp = datetime.fromtimestamp(self._clock.wall(), UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{account}/{stamp[:8]}/{region}/s3/aws4_request"
        signature = f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
        headers = {
            "host": f"s3.{region}.amazonaws.com",
            "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, {signature}",
            "x-amz-date": stamp,
            "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
            "content-length": str(len(body)),
        }
        answered = self._handle(HttpRequest(method, path, query, headers, body))
        response = answered if isinstance(answered, HttpResponse) else await answered
        content = response.body
        if not isinstance(content, bytes):
            content = b"".join([each async for each in content])
        if response.status >= 300:
            raise _refusal(response.status, content.decode("utf-8", "replace"))
        return content


_LOCATION = "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>"


def _path(bucket: str, key: str = "") -> str:
    return f"/{quote(bucket, safe='')}" + (f"/{quote(key, safe='/-_.~')}" if key else "")


def _refusal(status: int, text: str) -> ObjectUnavailable:
    found = {name: unescape(value) for name, value in re.findall(r"<(Code|Message)>([^<]*)</\1>", text)}
    code = found.get("Code") or {404: "NoSuchBucket", 403: "AccessDenied"}.get(status, "InternalError")
    return ObjectUnavailable(code, found.get("Message") or f"S3 answered {status}", status)


def _presigned(ctx: RequestContext, path: str, seconds: int) -> str:
    """Signed for the endpoint that the caller came through."""
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    if not ctx.host or ctx.host.partition(":")[0].endswith(".amazonaws.com"):
        url = f"https://s3.{ctx.region}.amazonaws.com{path}"
    else:
        url = f"{'https' if ctx.secure else 'http'}://{ctx.host}{path}"
    request = AWSRequest(method="GET", url=url)
    S3SigV4QueryAuth(Credentials(SERVICE_ACCOUNT, "lent"), "s3", ctx.region, expires=seconds).add_auth(request)
    return str(request.url)
