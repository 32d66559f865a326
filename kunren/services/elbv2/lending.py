"""Files that the service lends out: an object in a bucket of its own, and a presigned URL that is good for a while."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

from kunren.core.calling import CallService
from kunren.core.context import RequestContext
from kunren.core.errors import AwsError

SERVICE_ACCOUNT = "127311923021"
"""The account of AWS that owns the buckets from which Elastic Load Balancing lends objects in us-east-1."""
_OWNED_ALREADY = 409


async def lend(call: CallService, ctx: RequestContext, owner: str, name: str, body: bytes, seconds: int) -> str:
    """The URL by which the caller of `ctx` may read the bytes; `owner` names the bucket. Raises AwsError."""
    bucket = f"{owner}-{ctx.region}"
    place: dict[str, Any] = {"CreateBucketConfiguration": {"LocationConstraint": ctx.region}}
    made = {"Bucket": bucket, **({} if ctx.region == "us-east-1" else place)}
    try:
        await call(SERVICE_ACCOUNT, ctx.region, "s3", "CreateBucket", made)
    except AwsError as error:
        if error.status != _OWNED_ALREADY:
            raise
    key = f"{ctx.account}/{name}/{hashlib.sha256(body).hexdigest()[:16]}"
    await call(SERVICE_ACCOUNT, ctx.region, "s3", "PutObject", {"Bucket": bucket, "Key": key, "Body": body})
    return _presigned(ctx, f"/{quote(bucket, safe='')}/{quote(key, safe='/-_.~')}", seconds)


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
