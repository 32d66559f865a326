"""Requests to function URLs as events, and functions' answers as HTTP. Pure.

Developer guide, "Invoking Lambda function URLs": the payload format is version 2.0 of API Gateway's.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote, unquote_plus

from kunren.dataplane.runtime.streams import PRELUDE_END

_TEXT = re.compile(
    r"text/.*|application/(.*\+)?(json|xml)|application/(javascript|x-www-form-urlencoded)", re.IGNORECASE
)
_HOP = frozenset({"connection", "content-length", "transfer-encoding", "date", "keep-alive", "upgrade"})


class UrlRequest(NamedTuple):
    """One request. Header names are lower case, `query` as received."""

    method: str
    host: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    source_ip: str


class InvalidAnswer(ValueError):
    """The function's answer is no HTTP response."""


def build_event(
    request: UrlRequest, *, account: str, iam: dict[str, Any] | None, request_id: str, trace_id: str, now: float
) -> dict[str, Any]:
    """The event for one request. `account` is the caller's, or "anonymous"."""
    moment = datetime.fromtimestamp(now, UTC)
    headers = {name: value for name, value in request.headers.items() if name not in ("cookie", *_HOP)}
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


def query_parameters(query: str) -> dict[str, str]:
    """The parameters, a repeated one's values joined by commas."""
    found: dict[str, list[str]] = {}
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            found.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return {name: ",".join(values) for name, values in found.items()}


class Answer(NamedTuple):
    """What goes back, without a body that is streamed."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""


def read_answer(payload: bytes) -> Answer:
    """A function's answer: an HTTP response if it has a status, else its JSON as it is. Raises InvalidAnswer."""
    try:
        told = json.loads(payload) if payload else None
    except ValueError:
        raise InvalidAnswer("not JSON") from None
    if not isinstance(told, dict) or "statusCode" not in told:
        return Answer(200, [("Content-Type", "application/json")], payload)
    answer = read_head(told)
    body = told.get("body")
    if body is None:
        return answer
    if not isinstance(body, str):
        body = json.dumps(body, separators=(",", ":"))
    if told.get("isBase64Encoded"):
        try:
            return answer._replace(body=base64.b64decode(body, validate=True))
        except ValueError:
            raise InvalidAnswer("the body is not base64") from None
    return answer._replace(body=body.encode())


def read_head(told: Mapping[str, Any]) -> Answer:
    """Status, headers and cookies of an answer. Raises InvalidAnswer."""
    try:
        status = int(told.get("statusCode", 200))
    except (TypeError, ValueError):
        raise InvalidAnswer("statusCode is no number") from None
    headers, cookies = told.get("headers") or {}, told.get("cookies") or []
    if not 100 <= status <= 599 or not isinstance(headers, Mapping) or not isinstance(cookies, list):
        raise InvalidAnswer("statusCode, headers or cookies are not as they must be")
    sent = [(str(name), _text(value)) for name, value in headers.items() if str(name).lower() not in _HOP]
    sent += [("Set-Cookie", str(each)) for each in cookies]
    if all(name.lower() != "content-type" for name, _ in sent):
        sent.append(("Content-Type", "application/json"))
    return Answer(status, sent)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(_text(each) for each in value) if isinstance(value, list) else str(value)


def split_prelude(data: bytes) -> tuple[Answer, bytes] | None:
    """Status and headers at the beginning of a streamed answer, and what follows; None while it is not whole.
    Raises InvalidAnswer."""
    head, found, rest = data.partition(PRELUDE_END)
    if not found:
        return None
    try:
        told = json.loads(head)
    except ValueError:
        raise InvalidAnswer("the prelude is not JSON") from None
    if not isinstance(told, dict):
        raise InvalidAnswer("the prelude is no object")
    return read_head(told), rest
