"""Requests to function URLs as events. Pure.

Developer guide, "Invoking Lambda function URLs": the payload format is version 2.0 of API Gateway's.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

from kunren.dataplane.apis.lambda_event import HOP_BY_HOP, query_parameters

_TEXT = re.compile(
    r"text/.*|application/(.*\+)?(json|xml)|application/(javascript|x-www-form-urlencoded)", re.IGNORECASE
)


class UrlRequest(NamedTuple):
    """One request. Header names are lower case, `query` as received."""

    method: str
    host: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    source_ip: str


def build_event(
    request: UrlRequest, *, account: str, iam: dict[str, Any] | None, request_id: str, trace_id: str, now: float
) -> dict[str, Any]:
    """The event for one request. `account` is the caller's, or "anonymous"."""
    moment = datetime.fromtimestamp(now, UTC)
    headers = {name: value for name, value in request.headers.items() if name not in ("cookie", *HOP_BY_HOP)}
    if request.body or "content-length" in request.headers:
        headers["content-length"] = str(len(request.body))
    headers.update(
        {
            "x-amzn-trace-id": trace_id,
            "x-forwarded-for": request.source_ip,
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        }
    )
    context: dict[str, Any] = {
        "accountId": account,
        "apiId": request.host.partition(".")[0],
        "domainName": request.host,
        "domainPrefix": request.host.partition(".")[0],
        "http": {
            "method": request.method,
            "path": unquote(request.path),
            "protocol": "HTTP/1.1",
            "sourceIp": request.source_ip,
            "userAgent": request.headers.get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": moment.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now * 1000),
    }
    if iam is not None:
        context["authorizer"] = {"iam": iam}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": unquote(request.path),
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if cookies := request.headers.get("cookie"):
        event["cookies"] = [each.strip() for each in re.split(r"[;,]", cookies) if each.strip()]
    if request.query:
        event["queryStringParameters"] = query_parameters(request.query)
    if request.body:
        event.update(_body(request))
    return event


def _body(request: UrlRequest) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if _TEXT.fullmatch(kind) and "content-encoding" not in request.headers:
        try:
            return {"body": request.body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(request.body).decode(), "isBase64Encoded": True}
