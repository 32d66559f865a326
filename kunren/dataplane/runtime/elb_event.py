"""HTTP requests as the events that a load balancer gives to functions, and functions' answers as HTTP. Pure.

Rules: Application Load Balancers guide, "Use Lambda functions as targets of an Application Load Balancer".
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec

REQUEST_BODY_BYTES_MAX = 1024 * 1024
RESPONSE_JSON_BYTES_MAX = 1024 * 1024
Headers = Sequence[tuple[str, str]]
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_OURS = ("x-kunren-", "x-envoy-")
ERROR_HEADER = "x-kunren-error"
"""Tells Envoy, and no client, why there is no answer of the function's."""
_TEXT = re.compile(r"\s*(text/[^;]*|application/(json|javascript|xml))\s*(;.*)?", re.IGNORECASE)
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NOT_IN_VALUES = re.compile(r"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class ElbTarget:
    """What a Lambda target group leads to: the registered function's ARN (None: nothing is registered), whether its
    policy lets the load balancer in, and the group's `lambda.multi_value_headers.enabled`."""

    function_arn: str | None
    allowed: bool
    multi_value: bool


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer to the load balancer's client. `error_reason` is AWS's word for the access log, or empty."""

    status: int
    reason: str
    headers: Headers
    body: bytes
    error_reason: str = ""


def build_event(
    group_arn: str, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes, *, multi_value: bool
) -> bytes:
    """The event as JSON. `target` is the request target as sent (path, perhaps with a query), never decoded; header
    names are lower-case already."""
    path, _, query = target.partition("?")
    kept = [(name, value) for name, value in headers if name not in _HOP_BY_HOP and not name.startswith(_OURS)]
    event: dict[str, Any] = {
        "requestContext": {"elb": {"targetGroupArn": group_arn}},
        "httpMethod": method,
        "path": path,
    }
    parameters = split_query(query)
    if multi_value:
        event["multiValueQueryStringParameters"] = _grouped(parameters)
        event["multiValueHeaders"] = _grouped(kept)
    else:
        event["queryStringParameters"] = dict(parameters)
        event["headers"] = dict(kept)
    event["body"], event["isBase64Encoded"] = encode_body(body, dict(kept))
    return msgspec.json.encode(event)


def split_query(query: str) -> list[tuple[str, str]]:
    """Names and values as they were sent, in order; a parameter without "=" has the empty value."""
    parts = (each.partition("=") for each in query.split("&") if each)
    return [(name, value) for name, _, value in parts]


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def encode_body(body: bytes, headers: dict[str, str]) -> tuple[str, bool]:
    """The body as text, and whether that text is base64: it is unless the type is text, JSON, JavaScript or XML and no
    content encoding is set (and the bytes are UTF-8, so that none is lost)."""
    if not body:
        return "", False
    if "content-encoding" not in headers and _TEXT.fullmatch(headers.get("content-type", "")):
        try:
            return body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


class InvalidAnswer(Exception):
    """The function's answer is not one that a load balancer can give; the message says why."""


class AnswerTooLarge(InvalidAnswer):
    """More than a load balancer takes."""


def read_answer(payload: bytes, *, multi_value: bool) -> HttpAnswer:
    """A function's answer as HTTP. Raises InvalidAnswer, AnswerTooLarge."""
    if len(payload) > RESPONSE_JSON_BYTES_MAX:
        raise AnswerTooLarge("the answer is larger than 1 MB")
    try:
        answer = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidAnswer(f"the answer is no JSON: {error}") from None
    if not isinstance(answer, dict):
        raise InvalidAnswer("the answer is no JSON object")
    status = answer.get("statusCode")
    if type(status) is not int or not 200 <= status <= 599:
        raise InvalidAnswer("statusCode is no HTTP status")
    headers = _read_multi(answer.get("multiValueHeaders")) if multi_value else _read_single(answer.get("headers"))
    body = _read_body(answer)
    return HttpAnswer(status, _read_reason(status, answer.get("statusDescription")), _finish(headers, body), body)


def _read_single(told: Any) -> list[tuple[str, str]]:
    if told is None:
        return []
    if not isinstance(told, dict):
        raise InvalidAnswer("headers is no object")
    return [_header(name, value) for name, value in told.items()]


def _read_multi(told: Any) -> list[tuple[str, str]]:
    if told is None:
        return []
    if not isinstance(told, dict) or not all(isinstance(values, list) for values in told.values()):
        raise InvalidAnswer("multiValueHeaders is no object of lists")
    return [_header(name, value) for name, values in told.items() for value in values]


def _header(name: str, value: Any) -> tuple[str, str]:
    if not isinstance(value, str):
        raise InvalidAnswer(f"header {name} is no string")
    if not _TOKEN.fullmatch(name) or _NOT_IN_VALUES.search(value):
        raise InvalidAnswer(f"header {name!r} is malformed")
    return name, value


def _finish(headers: Iterable[tuple[str, str]], body: bytes) -> list[tuple[str, str]]:
    dropped = _HOP_BY_HOP | {"content-length", ERROR_HEADER}
    kept = [(name, value) for name, value in headers if name.lower() not in dropped]
    names = {name.lower() for name, _ in kept}
    if body and "content-type" not in names:
        kept.append(("Content-Type", "application/octet-stream"))
    if "server" not in names:
        kept.append(("Server", "awselb/2.0"))
    return kept


def _read_body(answer: dict[str, Any]) -> bytes:
    encoded = answer.get("isBase64Encoded", False)
    body = answer.get("body")
    if not isinstance(encoded, bool):
        raise InvalidAnswer("isBase64Encoded is no boolean")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise InvalidAnswer("body is no string")
    if not encoded:
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidAnswer("body is not base64") from None


def _read_reason(status: int, told: Any) -> str:
    """The reason phrase: what `statusDescription` ("200 OK") says after the number, else HTTP's own."""
    if isinstance(told, str) and not _NOT_IN_VALUES.search(told):
        number, _, phrase = told.strip().partition(" ")
        if number == str(status) and phrase.isascii():
            return phrase
    return standard_reason(status)


def standard_reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def error_page(status: int, error_reason: str) -> HttpAnswer:
    """The load balancer's own answer, with the page that AWS sends."""
    title = "Request Entity Too Large" if status == 413 else standard_reason(status)
    line = f"{status} {title}"
    body = (
        f"<html>\r\n<head><title>{line}</title></head>\r\n"
        f"<body>\r\n<center><h1>{line}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    headers = [("Server", "awselb/2.0"), ("Content-Type", "text/html")]
    return HttpAnswer(status, title, headers, body.encode(), error_reason)


def render(answer: HttpAnswer, *, head: bool, close: bool) -> bytes:
    """The HTTP/1.1 bytes. No body goes out for HEAD, 204 and 304."""
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    if answer.error_reason.startswith("Lambda"):
        lines.append(f"{ERROR_HEADER}: {answer.error_reason}")
    if answer.status not in (204, 304):
        lines.append(f"Content-Length: {len(answer.body)}")
    if close:
        lines.append("Connection: close")
    head_bytes = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogatepass")
    return head_bytes if head or answer.status in (204, 304) else head_bytes + answer.body
