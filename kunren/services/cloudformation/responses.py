"""The URLs that custom resources and wait conditions answer at: presigned PUTs, as if to a bucket of CloudFormation's;
and those that hooks read templates from.

A URL names stack, resource and the attempt's token, which nobody else knows; an answer is taken while that attempt
waits: once for a custom resource, once for each UniqueId of a wait condition. "Custom resource request and response".
"""

from __future__ import annotations

import json
from hmac import compare_digest
from typing import Any
from urllib.parse import quote, unquote

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.fronts import FrontAnswer, FrontRequest
from kunren.services.cloudformation.model import HookResult, Response, StackResource

CUSTOM, WAIT = "cloudformation-custom-resource-response-", "cloudformation-waitcondition-"
HOOK = "cloudformation-hooks-payload-"
CUSTOM_BYTES_MAX, WAIT_BYTES_MAX = 4096, 4096


def url(prefix: str, stack_arn: str, logical: str, token: str) -> str:
    """A response URL of a resource's attempt."""
    region = stack_arn.split(":")[3]
    bucket = f"{prefix}{region.replace('-', '')}" if prefix == CUSTOM else f"{prefix}{region}"
    key = quote(f"{stack_arn}|{logical}|{token}", safe="")
    signed = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=86399&X-Amz-SignedHeaders=host&X-Amz-Signature="
        + token.replace("-", "")
    )
    return f"https://{bucket}.s3.{region}.amazonaws.com/{key}?{signed}"


class ResponseUrls:
    """`kunren.core.fronts.Front`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def claims(self, host: str, path: str) -> bool:
        return host.startswith((CUSTOM, WAIT, HOOK)) and ".s3." in host

    async def answer(self, request: FrontRequest) -> FrontAnswer:
        if request.host.startswith(HOOK):
            return self._payload(request)
        if request.method != "PUT":
            return _refused(405, "MethodNotAllowed")
        parts = unquote(request.path.lstrip("/")).split("|")
        arn = parts[0].split(":")
        if len(parts) != 3 or len(arn) != 6 or len(request.body) > CUSTOM_BYTES_MAX:
            return _refused(403, "AccessDenied")
        region, account, id = arn[3], arn[4], arn[5].rpartition("/")[2]
        row = self._store.snapshot().get(StackResource, account, region, f"{id}/{parts[1]}")
        waits = row is not None and (
            (row.attempt is not None and row.attempt.token == parts[2]) or parts[2] in row.physical
        )
        if not waits:
            return _refused(403, "AccessDenied")
        key = parts[2]
        if request.host.startswith(WAIT):
            key += "/" + str(_json(request.body).get("UniqueId", ""))
        with self._store.write() as tx:
            if tx.get(Response, account, region, key) is None:
                body = request.body.decode("utf-8", "replace")
                tx.put(Response(account=account, region=region, id=key, body=body, at=self._clock.now()))
        await self._store.durable()
        return FrontAnswer(200, [("content-length", "0")])

    def _payload(self, request: FrontRequest) -> FrontAnswer:
        """What a hook is asked about: while it is, for whoever was given the URL, whose secret nobody can work out."""
        parts = unquote(request.path.lstrip("/")).split("|")
        arn = parts[0].split(":")
        if request.method != "GET":
            return _refused(405, "MethodNotAllowed")
        if len(parts) != 3 or len(arn) != 6:
            return _refused(403, "AccessDenied")
        found = self._store.snapshot().get(HookResult, arn[4], arn[3], parts[1])
        if found is None or not found.payload or not compare_digest(found.secret.encode(), parts[2].encode()):
            return _refused(403, "AccessDenied")
        body = found.payload.encode()
        return FrontAnswer(200, [("content-type", "application/json"), ("content-length", str(len(body)))], body)


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _refused(status: int, code: str) -> FrontAnswer:
    text = f"<Error><Code>{code}</Code></Error>".encode()
    return FrontAnswer(status, [("content-type", "application/xml"), ("content-length", str(len(text)))], text)
