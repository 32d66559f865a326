"""Requests to function URLs: who may ask, what the function is told, and what goes back.

`FunctionUrls` is a front of the gateway (`kunren.core.fronts`). The host name's first label names the URL; an answer is
buffered or passed on while it is written, as the URL's invoke mode says.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from kunren.control.store import Key, Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.core.fronts import FrontAccess, FrontAnswer, FrontRequest
from kunren.core.sigv4 import BadSignature
from kunren.dataplane.apis.cors import is_preflight, preflight_headers, response_headers
from kunren.dataplane.apis.lambda_event import Answer, InvalidAnswer, read_answer, read_head, split_prelude
from kunren.dataplane.runtime.streams import HTTP_INTEGRATION, ResponseStream
from kunren.services.lambda_.invoker import Invoker
from kunren.services.lambda_.lookup import find_function
from kunren.services.lambda_.model import FunctionUrl
from kunren.services.lambda_.names import FunctionName
from kunren.services.lambda_.policy import INVOKE_URL, distribution_may_ask, url_may_be_invoked
from kunren.services.lambda_.url_event import UrlRequest, build_event

log = logging.getLogger(__name__)
REQUEST_BYTES_MAX = 6_291_456
_MARK = ".lambda-url."
_JSON = ("Content-Type", "application/json")
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_BROKEN = FrontAnswer(502, [_JSON], b"Internal Server Error")


class _Identity(NamedTuple):
    """Who asks, as the function is told."""

    account: str
    access_key: str
    arn: str
    id: str


class FunctionUrls:
    """All function URLs of one Kunren."""

    def __init__(self, store: Store, invoker: Invoker, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._invoker = invoker
        self._clock = clock
        self._entropy = entropy
        self.distribution_asking: Callable[[FrontRequest], tuple[str, str] | None] = lambda request: None
        """Says of a request whether CloudFront signed it: the distribution's ARN and account. Raises BadSignature."""
        self.access: FrontAccess | None = None
        """Set in strict mode: then signatures are checked, and identity policies count."""
        self._keys: dict[str, Key] = {each.host: each.key for each in store.snapshot().every(FunctionUrl)}
        store.subscribe(self._changed, wants=lambda kind: kind == FunctionUrl.kind)

    def _changed(self, keys: frozenset[Key]) -> None:
        snapshot = self._store.snapshot()
        for key in keys:
            if isinstance(url := snapshot.by_key(key), FunctionUrl):
                self._keys[url.host] = key

    def claims(self, host: str, path: str) -> bool:
        return _MARK in host

    async def answer(self, request: FrontRequest) -> FrontAnswer:
        key = self._keys.get(request.host)
        url = self._store.snapshot().by_key(key) if key is not None else None
        if not isinstance(url, FunctionUrl) or url.host != request.host:
            return _refusal(404, "ResourceNotFoundException", None)
        headers = response_headers(url.cors, request.headers) if url.cors is not None else []
        if url.cors is not None and is_preflight(request.method, request.headers):
            return FrontAnswer(200, preflight_headers(url.cors, request.headers))
        request_id = self._entropy.uuid()
        answer = await self._invoke(url, request, request_id)
        named = {name.lower() for name, _ in headers}
        kept = [each for each in answer.headers if each[0].lower() not in named]
        return answer._replace(headers=[("x-amzn-RequestId", request_id), *kept, *headers])

    async def _invoke(self, url: FunctionUrl, request: FrontRequest, request_id: str) -> FrontAnswer:
        name = FunctionName(url.account, url.region, url.function, url.qualifier)
        try:
            statements = find_function(self._store.snapshot(), name).policies.get(name.qualifier, ())
            if (refused := _unsigned(url, request)) is not None:
                return refused
            caller = _claimed(request) if url.auth == "AWS_IAM" else None
            asking = self._distribution(url, request)
            if asking is not None:
                caller, may = None, distribution_may_ask(statements, url.auth, *asking)
            elif self.access is not None and caller is not None:
                caller, may = await self._verified(self.access, url, request, statements)
            else:
                may = url_may_be_invoked(
                    statements, url.auth, caller.account if caller is not None else None, url.account
                )
            if not may:
                return _refusal(403, "AccessDeniedException", "Forbidden")
            if len(request.body) > REQUEST_BYTES_MAX:
                text = f"Request must be smaller than {REQUEST_BYTES_MAX} bytes for the InvokeFunction operation"
                return _refusal(413, "RequestTooLargeException", text)
            trace_id = request.headers.get("x-amzn-trace-id") or self._invoker.new_trace_id()
            event = self._event(request, caller, request_id, trace_id)
            stream, _ = await self._invoker.invoke_streaming(name, event, request_id=request_id, trace_id=trace_id)
            return await (_streamed(stream) if url.mode == "RESPONSE_STREAM" else _buffered(stream))
        except BadSignature:
            return _refusal(403, "InvalidSignatureException", _MISMATCH)
        except InvalidAnswer as error:
            log.info("the answer of %s is no HTTP response: %s", name.qualified_arn, error)
            return _BROKEN
        except AwsError as error:
            if error.status >= 500:
                return _BROKEN
            return _refusal(error.status, error.code, error.message)

    async def _verified(
        self, access: FrontAccess, url: FunctionUrl, request: FrontRequest, statements: Sequence[Mapping[str, Any]]
    ) -> tuple[_Identity | None, bool]:
        """Who really signed, and whether they may (strict mode). Raises AwsError."""
        caller = await access.caller(request, "lambda", url.region)
        if caller is None:
            return None, False
        arn = FunctionName(url.account, url.region, url.function, url.qualifier).qualified_arn
        more = {"lambda:functionurlauthtype": url.auth, "lambda:invokedviafunctionurl": "true"}
        verdict = access.may(caller, INVOKE_URL, arn, request, url.region, tuple(statements), more)
        return _Identity(caller.account, caller.access_key, caller.arn, caller.user_id), verdict.allowed

    def _distribution(self, url: FunctionUrl, request: FrontRequest) -> tuple[str, str] | None:
        """The distribution that CloudFront asks for, where it does. Raises BadSignature."""
        asking = self.distribution_asking(request) if url.auth == "AWS_IAM" else None
        told = request.headers.get("x-amz-content-sha256", "")
        if asking is not None and told != hashlib.sha256(request.body).hexdigest():
            raise BadSignature
        return asking

    def _event(self, request: FrontRequest, caller: _Identity | None, request_id: str, trace_id: str) -> bytes:
        iam: dict[str, Any] | None = None
        if caller is not None:
            iam = {
                "accessKey": caller.access_key,
                "accountId": caller.account,
                "callerId": caller.id,
                "cognitoIdentity": None,
                "principalOrgId": None,
                "userArn": caller.arn,
                "userId": caller.id,
            }
        asked = UrlRequest(
            request.method,
            request.host,
            request.path,
            request.query,
            request.headers,
            request.body,
            request.source_ip,
        )
        event = build_event(
            asked,
            account=caller.account if caller is not None else "anonymous",
            iam=iam,
            request_id=request_id,
            trace_id=trace_id,
            now=self._clock.now(),
        )
        return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def _claimed(request: FrontRequest) -> _Identity | None:
    """Who a request says that it comes from: an account as a whole."""
    if request.signed is None:
        return None
    account = request.signed.account
    return _Identity(account, request.signed.access_key, f"arn:aws:iam::{account}:root", account)


def _unsigned(url: FunctionUrl, request: FrontRequest) -> FrontAnswer | None:
    """The refusal of a request whose signature is not for this URL."""
    if url.auth != "AWS_IAM":
        return None
    if request.signed is None:
        return _refusal(403, "AccessDeniedException", "Forbidden")
    if request.signed.service != "lambda":
        return _refusal(403, "InvalidSignatureException", "Credential should be scoped to correct service: 'lambda'.")
    if request.signed.region != url.region:
        return _refusal(403, "InvalidSignatureException", "Credential should be scoped to a valid region.")
    return None


async def _buffered(stream: ResponseStream) -> FrontAnswer:
    payload = b"".join([piece async for piece in stream])
    if stream.error:
        return _BROKEN
    if stream.content_type == HTTP_INTEGRATION:
        split = split_prelude(payload)
        if split is None:
            raise InvalidAnswer("the prelude does not end")
        head, body = split
        return FrontAnswer(head.status, head.headers, body)
    answer = read_answer(payload)
    return FrontAnswer(answer.status, answer.headers, answer.body)


async def _streamed(stream: ResponseStream) -> FrontAnswer:
    if stream.error:
        return _BROKEN
    pieces = aiter(stream)
    if stream.content_type != HTTP_INTEGRATION:
        head = Answer(200, [("Content-Type", stream.content_type)])
        return FrontAnswer(head.status, head.headers, _passed_on(stream, b"", pieces))
    data = b""
    async for piece in pieces:
        data += piece
        if (split := split_prelude(data)) is not None:
            return FrontAnswer(split[0].status, split[0].headers, _passed_on(stream, split[1], pieces))
    if stream.error or data:
        raise InvalidAnswer("the prelude does not end")
    head = read_head({})
    return FrontAnswer(head.status, head.headers)


async def _passed_on(stream: ResponseStream, first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in pieces:
        yield piece
    if stream.error:
        raise ConnectionAbortedError(f"the function broke off: {stream.error}")


def _refusal(status: int, kind: str, message: str | None) -> FrontAnswer:
    return FrontAnswer(status, [_JSON, ("x-amzn-ErrorType", kind)], json.dumps({"Message": message}).encode())
