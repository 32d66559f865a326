"""The website endpoints of buckets, over HTTP alone as on AWS: pages, index and error documents, redirects.

A bucket's site answers at `BUCKET.s3-website-REGION.amazonaws.com` and, through DNS, at the name that the bucket has.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from kunren.control.store import Store
from kunren.core.clock import http_date
from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
from kunren.core.fronts import FrontAnswer, FrontRequest
from kunren.services.s3 import website
from kunren.services.s3.api import S3Api
from kunren.services.s3.model import Bucket

_HOST = re.compile(r"(?:(.+)\.)?s3-website[-.]([a-z0-9-]+)\.amazonaws\.com")
_HEADERS = {
    "ContentType": "Content-Type", "CacheControl": "Cache-Control", "ContentDisposition": "Content-Disposition",
    "ContentEncoding": "Content-Encoding", "ContentLanguage": "Content-Language", "Expires": "Expires",
}  # fmt: skip


class WebsiteFront:
    """A front of the gateway (`kunren.core.fronts`)."""

    def __init__(self, store: Store, api: S3Api) -> None:
        self._store = store
        self._api = api

    def claims(self, host: str, path: str) -> bool:
        name = host.partition(":")[0].lower()
        if "s3-website" in name and _HOST.fullmatch(name):
            return True
        bucket = self._store.snapshot().get(Bucket, "", "", name)
        return bucket is not None and "website" in bucket.settings

    async def answer(self, request: FrontRequest) -> FrontAnswer:
        found = _HOST.fullmatch(request.host)
        name = bucket_name(request.host)
        bucket = self._store.snapshot().get(Bucket, "", "", name)
        if bucket is None or (found is not None and found[2] != bucket.home):
            return _page(404, "NoSuchBucket", "The specified bucket does not exist", BucketName=name)
        configuration = bucket.settings.get("website")
        if configuration is None:
            text = "The specified bucket does not have a website configuration"
            return _page(404, "NoSuchWebsiteConfiguration", text, BucketName=name)
        if request.method not in ("GET", "HEAD"):
            text = "The specified method is not allowed against this resource."
            return _page(405, "MethodNotAllowed", text, Method=request.method.upper(), ResourceType="OBJECT")
        target = request.path + (f"?{request.query}" if request.query else "")
        redirect = website.everything_to(configuration, target, "http")
        if redirect is not None:
            return _moved(redirect)
        return await self._page_for(bucket, configuration, unquote(request.path[1:]), request)

    async def _page_for(
        self, bucket: Bucket, configuration: dict[str, object], key: str, request: FrontRequest
    ) -> FrontAnswer:
        rules = configuration.get("RoutingRules") or []
        assert isinstance(rules, list)
        redirect = website.by_rules(rules, key, None, request.host, "http")
        if redirect is not None:
            return _moved(redirect)
        ctx = RequestContext(
            bucket.owner, bucket.home, "s3", "Website", "website", "", request.host, False, request.source_ip
        )
        try:
            return self._object(ctx, bucket, website.document(configuration, key), 200, request)
        except AwsError as error:
            return self._failed(ctx, bucket, configuration, key, error, request)

    def _failed(
        self, ctx: RequestContext, bucket: Bucket, configuration: dict[str, object], key: str, error: AwsError,
        request: FrontRequest,
    ) -> FrontAnswer:  # fmt: skip
        """A folder without its slash, a routing rule for the status, the error document, or S3's own page."""
        if error.status == 304:
            return FrontAnswer(304, list(error.headers))
        if error.status in (403, 404) and key and not key.endswith("/"):
            try:
                self._object(ctx, bucket, website.document(configuration, f"{key}/"), 200, request)
            except AwsError:
                pass
            else:
                return FrontAnswer(302, [("Location", f"/{website.as_sent(key)}/")])
        rules = configuration.get("RoutingRules") or []
        assert isinstance(rules, list)
        redirect = website.by_rules(rules, key, error.status, request.host, "http")
        if redirect is not None:
            return _moved(redirect)
        document = configuration.get("ErrorDocument") or {}
        assert isinstance(document, dict)
        if document.get("Key"):
            try:
                return self._object(ctx, bucket, document["Key"], error.status, request)
            except AwsError:
                pass
        return _page(error.status, error.code, error.message, **error.members)

    def _object(self, ctx: RequestContext, bucket: Bucket, key: str, status: int, request: FrontRequest) -> FrontAnswer:
        """Raises AwsError: NoSuchKey, AccessDenied where the bucket does not let everybody read."""
        params: dict[str, object] = {"Bucket": bucket.id, "Key": key}
        if status == 200 and request.headers.get("if-none-match"):
            params["IfNoneMatch"] = request.headers["if-none-match"]
        found = self._api.get_object(ctx, params)
        if found.get("WebsiteRedirectLocation"):
            return FrontAnswer(301, [("Location", found["WebsiteRedirectLocation"])])
        headers = [(name, str(found[member])) for member, name in _HEADERS.items() if found.get(member)]
        headers += [("ETag", found["ETag"]), ("Last-Modified", http_date(int(found["LastModified"])))]
        headers += [(f"x-amz-meta-{name}", value) for name, value in found["Metadata"].items()]
        headers += [("Content-Length", str(found["ContentLength"])), ("Server", "AmazonS3")]
        body = found["Body"]
        return FrontAnswer(status, headers, body if isinstance(body, bytes) else aiter(body))


def bucket_name(host: str) -> str:
    """Whose website a Host header asks for."""
    bare = host.partition(":")[0].lower()
    found = _HOST.fullmatch(bare)
    return (found[1] or "") if found else bare


def _moved(redirect: website.Redirect) -> FrontAnswer:
    return FrontAnswer(redirect.status, [("Location", redirect.location), ("Server", "AmazonS3")])


def _page(status: int, code: str, message: str, **members: object) -> FrontAnswer:
    """S3's own page for an error."""
    from html import escape

    title = {403: "403 Forbidden", 404: "404 Not Found", 405: "405 Method Not Allowed"}.get(status, f"{status} Error")
    told = {"Code": code, "Message": message, **members}
    items = "".join(f"<li>{escape(name)}: {escape(str(value))}</li>\n" for name, value in told.items())
    text = (
        f"<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<ul>\n{items}</ul>\n<hr/>\n"
        "</body>\n</html>\n"
    )
    headers = [("Content-Type", "text/html; charset=utf-8"), ("x-amz-error-code", code), ("Server", "AmazonS3")]
    return FrontAnswer(status, [*headers, ("x-amz-error-message", message)], text.encode())
