"""Requests as proxy events for functions, in payload formats 1.0 and 2.0, and functions' answers as HTTP. Pure.

API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs". REST APIs have format 1.0 without its
`version`; what identifies their callers and resources is the caller's of `event_v1`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote, unquote_plus

from kunren.dataplane.apis.interface import ApiRequest, ClientCertificate
from kunren.dataplane.runtime.streams import PRELUDE_END

EVENT_BYTES_MAX = 6_291_456
"""Lambda's quota: the payload of a synchronous invocation."""
HOP_BY_HOP = frozenset({"connection", "content-length", "transfer-encoding", "date", "keep-alive", "upgrade"})
_TEXT = re.compile(r"text/.*|application/(.*\+)?(json|xml)|application/javascript", re.IGNORECASE)


class InvalidAnswer(ValueError):
    """The function's answer is no HTTP response."""


def event_v2(
    request: ApiRequest, *, route_key: str, parameters: Mapping[str, str], variables: Mapping[str, str],
    authorizer: Mapping[str, Any] | None, trace_id: str,
) -> dict[str, Any]:  # fmt: skip
    """The event of format 2.0. `parameters` are the route's, decoded; `authorizer` what the request's context says of
    who asks: `{"jwt": ...}`, `{"lambda": ...}` or `{"iam": ...}`."""
    path = unquote(request.raw_path)
    context: dict[str, Any] = {
        "accountId": request.api.account,
        "apiId": request.api.id,
        "domainName": request.host,
        "domainPrefix": request.host.partition(".")[0],
        "http": {
            "method": request.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.source_ip,
            "userAgent": request.headers.get("user-agent", ""),
        },
        "requestId": request.id,
        "routeKey": route_key,
        "stage": request.stage,
        "time": clf_time(request.time),
        "timeEpoch": int(request.time * 1000),
    }
    if authorizer is not None:
        context["authorizer"] = authorizer
    if request.certificate is not None:
        context["authentication"] = {"clientCert": _certificate(request.certificate)}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": {name: value for name, value in _headers(request, trace_id).items() if name != "cookie"},
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if cookies := request.headers.get("cookie"):
        event["cookies"] = [each.strip() for each in cookies.split(";") if each.strip()]
    if request.query:
        event["queryStringParameters"] = query_parameters(request.query)
    if parameters:
        event["pathParameters"] = dict(parameters)
    if variables:
        event["stageVariables"] = dict(variables)
    if request.body:
        event["body"], event["isBase64Encoded"] = body_text(request)
    return event


def event_v1(
    request: ApiRequest, *, resource: str, parameters: Mapping[str, str], variables: Mapping[str, str],
    context: Mapping[str, Any], trace_id: str, version: str | None = "1.0",
) -> dict[str, Any]:  # fmt: skip
    """The event of format 1.0. `resource` is the route's path; `context` is what the request's context has beside what
    every one has (`context_v1`); REST APIs have no `version`."""
    headers = _headers(request, trace_id)
    several = {
        name: list(request.repeated.get(name, (value,))) if value == request.headers.get(name) else [value]
        for name, value in headers.items()
    }
    queries = query_values(request.query)
    body, encoded = body_text(request) if request.body else (None, False)
    event: dict[str, Any] = {
        "resource": resource,
        "path": unquote(request.raw_path if request.domain else request.path),
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in several.items()},
        "multiValueHeaders": several,
        "queryStringParameters": {name: values[-1] for name, values in queries.items()} or None,
        "multiValueQueryStringParameters": queries or None,
        "requestContext": {**context_v1(request, resource), **context},
        "pathParameters": dict(parameters) or None,
        "stageVariables": dict(variables) or None,
        "body": body,
        "isBase64Encoded": encoded,
    }
    return event if version is None else {"version": version, **event}


def context_v1(request: ApiRequest, resource: str) -> dict[str, Any]:
    """The request context of format 1.0 for a caller that nobody has identified."""
    identity: dict[str, Any] = dict.fromkeys(
        (
            "accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType",
            "cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId",
        )
    )  # fmt: skip
    identity |= {
        "sourceIp": request.source_ip,
        "user": None,
        "userAgent": request.headers.get("user-agent", ""),
        "userArn": None,
    }
    if request.certificate is not None:
        identity["clientCert"] = _certificate(request.certificate)
    return {
        "accountId": request.api.account,
        "apiId": request.api.id,
        "domainName": request.host,
        "domainPrefix": request.host.partition(".")[0],
        "extendedRequestId": request.id,
        "httpMethod": request.method,
        "identity": identity,
        "path": unquote(request.raw_path),
        "protocol": "HTTP/1.1",
        "requestId": request.id,
        "requestTime": clf_time(request.time),
        "requestTimeEpoch": int(request.time * 1000),
        "resourcePath": resource,
        "stage": request.stage,
    }


def as_payload(event: Mapping[str, Any]) -> bytes:
    """An event as a function gets it. What came as no UTF-8 is replaced."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def clf_time(now: float) -> str:
    """`12/Mar/2020:19:03:58 +0000`, as the common log format has it."""
    return datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")


def _headers(request: ApiRequest, trace_id: str) -> dict[str, str]:
    headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
    if request.body or "content-length" in request.headers:
        headers["content-length"] = str(len(request.body))
    forwarded = headers.get("x-forwarded-for")
    return headers | {
        "x-amzn-trace-id": trace_id,
        "x-forwarded-for": f"{forwarded}, {request.source_ip}" if forwarded else request.source_ip,
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    }


def _certificate(shown: ClientCertificate) -> dict[str, Any]:
    return {
        "clientCertPem": shown.pem,
        "subjectDN": shown.subject,
        "issuerDN": shown.issuer,
        "serialNumber": shown.serial,
        "validity": {"notBefore": shown.not_before, "notAfter": shown.not_after},
    }


def body_text(request: ApiRequest) -> tuple[str, bool]:
    """The body for an event, and whether it is base64: all that its content type does not call text."""
    kind = request.headers.get("content-type", "text/plain").partition(";")[0].strip()
    if _TEXT.fullmatch(kind) and "content-encoding" not in request.headers:
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(request.body).decode(), True


def query_values(query: str) -> dict[str, list[str]]:
    """The parameters, decoded, each with its values in order."""
    found: dict[str, list[str]] = {}
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            found.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return found


def query_parameters(query: str) -> dict[str, str]:
    """The parameters, a repeated one's values joined by commas."""
    return {name: ",".join(values) for name, values in query_values(query).items()}


class Answer(NamedTuple):
    """What goes back, without a body that is streamed."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""


def read_answer(payload: bytes, content_type: str = "application/json") -> Answer:
    """A function's answer: an HTTP response if it has a status, else its JSON as it is. `content_type` is what a
    response without one gets. Raises InvalidAnswer."""
    try:
        told = json.loads(payload) if payload else None
    except (ValueError, RecursionError):
        raise InvalidAnswer("not JSON") from None
    if not isinstance(told, dict) or "statusCode" not in told:
        return Answer(200, [("Content-Type", "application/json")], payload)
    answer = read_head(told, content_type)
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


def read_head(told: Mapping[str, Any], content_type: str = "application/json") -> Answer:
    """Status, headers and cookies of an answer. Raises InvalidAnswer."""
    try:
        status = int(told.get("statusCode", 200))
    except (TypeError, ValueError):
        raise InvalidAnswer("statusCode is no number") from None
    headers, cookies = told.get("headers") or {}, told.get("cookies") or []
    if not 100 <= status <= 599 or not isinstance(headers, Mapping) or not isinstance(cookies, list):
        raise InvalidAnswer("statusCode, headers or cookies are not as they must be")
    sent = [(str(name), _text(value)) for name, value in headers.items() if str(name).lower() not in HOP_BY_HOP]
    sent += [("Set-Cookie", str(each)) for each in cookies]
    if all(name.lower() != "content-type" for name, _ in sent):
        sent.append(("Content-Type", content_type))
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


def read_answer_v1(payload: bytes) -> Answer:
    """An answer in format 1.0, which must have a status; `multiValueHeaders` go before `headers`. Raises
    InvalidAnswer."""
    try:
        told = json.loads(payload)
    except (ValueError, RecursionError):
        raise InvalidAnswer("not JSON") from None
    if not isinstance(told, dict) or "statusCode" not in told:
        raise InvalidAnswer("no statusCode")
    several = told.get("multiValueHeaders") or {}
    if not isinstance(several, Mapping) or not all(isinstance(each, list) for each in several.values()):
        raise InvalidAnswer("multiValueHeaders is no object of lists")
    taken = {str(name).lower() for name in several}
    headers = told.get("headers") or {}
    if not isinstance(headers, Mapping):
        raise InvalidAnswer("headers is no object")
    alone = {name: value for name, value in headers.items() if str(name).lower() not in taken}
    answer = read_answer(json.dumps({**told, "headers": alone, "cookies": []}).encode())
    more = [
        (str(name), _text(value))
        for name, values in several.items()
        if str(name).lower() not in HOP_BY_HOP
        for value in values
    ]
    kept = answer.headers
    if "content-type" in taken:
        kept = [each for each in kept if each[0] != "Content-Type" or each[1] != "application/json"]
    return answer._replace(headers=[*kept, *more])
