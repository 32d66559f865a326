"""What browsers send: forms with a file (POST Object), preflights, and cross-origin headers on every answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from kunren.core.context import RequestContext, account_of
from kunren.core.fronts import FrontAnswer
from kunren.services.s3 import cors
from kunren.services.s3.api.base import quoted
from kunren.services.s3.api.objects import ObjectOperations
from kunren.services.s3.errors import invalid_argument, refusal
from kunren.services.s3.model import Bucket

_FIELDS = {
    "content-type": "ContentType", "cache-control": "CacheControl", "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding", "acl": "ACL", "x-amz-storage-class": "StorageClass",
    "x-amz-website-redirect-location": "WebsiteRedirectLocation", "x-amz-server-side-encryption":
    "ServerSideEncryption",
}  # fmt: skip


class Request(Protocol):
    """What is asked of a request as it came."""

    @property
    def method(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


class FormOperations(ObjectOperations):
    async def preflight(self, ctx: RequestContext, request: Request, labels: Mapping[str, str]) -> FrontAnswer:
        """OPTIONS. Raises AccessDenied where no rule allows what is asked for."""
        bucket = self._find(self._store.snapshot(), labels["Bucket"])
        rules = (bucket.settings.get("cors") or {}).get("CORSRules")
        if not rules:
            method = request.headers.get("access-control-request-method", "")
            text = "CORSResponse: CORS is not enabled for this bucket."
            raise refusal("AccessDenied", text, Method=method, ResourceType="BUCKET")
        return FrontAnswer(200, cors.preflight(rules, request.headers))

    def finish(self, request: Request, labels: Mapping[str, str]) -> list[tuple[str, str]]:
        """The headers that a browser of another origin needs, on any answer about a bucket with rules."""
        origin = request.headers.get("origin")
        if not origin or request.method == "OPTIONS":
            return []
        bucket = self._store.snapshot().get(Bucket, "", "", labels.get("Bucket", ""))
        rules = (bucket.settings.get("cors") or {}).get("CORSRules") if bucket is not None else None
        rule = cors.rule_for(rules, origin, request.method) if rules else None
        return cors.answer_headers(rule, origin) if rule is not None else []

    async def post_form(self, ctx: RequestContext, request: Request, labels: Mapping[str, str]) -> FrontAnswer:
        """POST Object: a form's fields, the policy that signs them, and the file, which comes last."""
        bucket = self._find(self._store.snapshot(), labels["Bucket"])
        fields, name, content = form_of(request)
        key = fields.get("key", "").replace("${filename}", name)
        if not key:
            raise invalid_argument("Bucket POST must contain a field named 'key'.  If it is specified, please check the"
                                   " order of the fields.", "key", "")  # fmt: skip
        signed = fields.get("x-amz-credential", "").partition("/")[0]
        if fields.get("policy"):
            check_policy(
                fields["policy"], {**fields, "bucket": bucket.id, "key": key}, len(content), self._clock.wall()
            )
            if self.form_caller is not None:
                caller = await self.form_caller(fields)
                ctx = RequestContext(
                    caller.account, ctx.region, "s3", "PostObject", ctx.request_id, caller.access_key, ctx.host,
                    ctx.secure, ctx.source_ip, None, caller,
                )  # fmt: skip
                self._let(ctx, bucket, "s3:PutObject", key, {})
        elif not self._may(ctx, bucket, "s3:PutObject", key, {}):
            raise refusal("AccessDenied")
        params: dict[str, Any] = {_FIELDS[each]: value for each, value in fields.items() if each in _FIELDS}
        params["Metadata"] = {
            each.removeprefix("x-amz-meta-"): value for each, value in fields.items() if each.startswith("x-amz-meta-")
        }
        params.update(Bucket=bucket.id, Key=key, Body=content)
        as_signed = ctx
        if ctx.caller is None:
            as_signed = RequestContext(account_of(signed), ctx.region, "s3", "PostObject", ctx.request_id, signed)
        template = self._template(as_signed, bucket, params)
        async with self._taken_in({"Body": content}) as received:
            made = await self._keep(as_signed, bucket, template, received, {}, "ObjectCreated:Post")
        location = f"https://{bucket.id}.s3.{bucket.home}.amazonaws.com/{key}"
        return _after(fields, bucket.id, key, quoted(made.etag), location)


def _after(fields: Mapping[str, str], bucket: str, key: str, etag: str, location: str) -> FrontAnswer:
    headers = [("ETag", etag), ("Location", location)]
    redirect = fields.get("success_action_redirect") or fields.get("redirect")
    if redirect:
        mark = "&" if "?" in redirect else "?"
        told = f"{redirect}{mark}bucket={bucket}&key={key}&etag={etag}".replace('"', "%22")
        return FrontAnswer(303, [("ETag", etag), ("Location", told)])
    status = fields.get("success_action_status")
    if status == "201":
        from html import escape

        text = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse><Location>{escape(location)}</Location>'
            f"<Bucket>{bucket}</Bucket><Key>{escape(key)}</Key><ETag>{escape(etag)}</ETag></PostResponse>"
        )
        return FrontAnswer(201, [*headers, ("Content-Type", "application/xml")], text.encode())
    return FrontAnswer(200 if status == "200" else 204, headers)


def form_of(request: Request) -> tuple[dict[str, str], str, bytes]:
    """Fields (names in lower case), the file's name, and its content. Raises MalformedPOSTRequest, InvalidArgument."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise refusal("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
    from email.parser import BytesParser  # a browser's upload is rare, and these modules are not small
    from email.policy import HTTP

    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.body)
    fields: dict[str, str] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = str(part.get_param("name", header="content-disposition") or "")
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if name == "file":
            return fields, part.get_filename() or "", content
        fields[name.lower()] = content.decode("utf-8", "replace")
    raise invalid_argument("POST requires exactly one file upload per request.", "file", "0")


def check_policy(encoded: str, fields: Mapping[str, str], size: int, now: float) -> None:
    """Whether the form keeps to its policy ("Creating a POST policy"). Raises AccessDenied, EntityTooLarge ..."""
    try:
        document = json.loads(base64.b64decode(encoded))
        until = datetime.fromisoformat(document["expiration"].replace("Z", "+00:00")).timestamp()
        wanted = document["conditions"]
    except (ValueError, KeyError, TypeError):
        raise refusal("AccessDenied", "Invalid according to Policy: Invalid JSON") from None
    if now > until:
        raise refusal("AccessDenied", "Invalid according to Policy: Policy expired.")
    for each in wanted:
        _check_condition(each, fields, size)


def _check_condition(condition: Any, fields: Mapping[str, str], size: int) -> None:
    if isinstance(condition, dict):
        pairs = [("eq", f"${name}", value) for name, value in condition.items()]
    else:
        kind = str(condition[0]).lower()
        if kind == "content-length-range":
            if size < int(condition[1]):
                raise refusal("EntityTooSmall", ProposedSize=size, MinSizeAllowed=condition[1])
            if size > int(condition[2]):
                raise refusal("EntityTooLarge", ProposedSize=size, MaxSizeAllowed=condition[2])
            return
        pairs = [(kind, condition[1], condition[2])]
    for kind, name, value in pairs:
        got = fields.get(str(name).removeprefix("$").lower(), "")
        fine = got.startswith(value) if kind == "starts-with" else got == value
        if not fine:
            raise refusal(
                "AccessDenied", f'Invalid according to Policy: Policy Condition failed: ["{kind}", "{name}", "{value}"]'
            )
