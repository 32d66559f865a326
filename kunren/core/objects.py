"""Objects in S3 as services see them: who answers for S3 is nobody's business here.

`kunren.gateway.objects` is the real thing; a service takes an `Objects` and awaits it.
"""

from __future__ import annotations

from typing import Protocol

from kunren.core.context import RequestContext


class ObjectUnavailable(LookupError):
    """S3 refused: `code` and `message` are its own ("NoSuchKey", "The specified key does not exist.")."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class Objects(Protocol):
    """Every method raises ObjectUnavailable. `account` is on whose behalf it is done."""

    async def read(self, account: str, region: str, bucket: str, key: str, version: str | None = None) -> bytes:
        """The bytes of an object."""
        ...

    async def write(self, account: str, region: str, bucket: str, key: str, body: bytes) -> None: ...

    async def bucket(self, account: str, region: str, bucket: str, what: str = "") -> str:
        """The XML or JSON that S3 answers to GET ?`what` of a bucket ("location", "policy"); "" asks if it is there."""
        ...

    async def lend(self, ctx: RequestContext, owner: str, name: str, body: bytes, seconds: int) -> str:
        """A presigned URL, good for so long, by which the caller of `ctx` may read the bytes; `owner` names the bucket
        of the service that lends them."""
        ...


class NoObjects:
    """Where there is no S3."""

    async def read(self, account: str, region: str, bucket: str, key: str, version: str | None = None) -> bytes:
        raise _no_bucket()

    async def write(self, account: str, region: str, bucket: str, key: str, body: bytes) -> None:
        raise _no_bucket()

    async def bucket(self, account: str, region: str, bucket: str, what: str = "") -> str:
        raise _no_bucket()

    async def lend(self, ctx: RequestContext, owner: str, name: str, body: bytes, seconds: int) -> str:
        raise _no_bucket()


def _no_bucket() -> ObjectUnavailable:
    return ObjectUnavailable("NoSuchBucket", "The specified bucket does not exist", 404)
