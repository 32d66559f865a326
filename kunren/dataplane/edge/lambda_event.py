"""Requests and answers as Lambda@Edge functions see them, and back. Pure.

Developer Guide, "Lambda@Edge event structure", "Work with requests and responses" and "Restrictions on Lambda@Edge".
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from kunren.dataplane.edge.forbidden import is_forbidden
from kunren.dataplane.edge.js_event import InvalidResult, check_texts, phrase
from kunren.dataplane.edge.message import Answer, Headers, Request, first, without
from kunren.dataplane.edge.site import Origin, Site

VIEWER_BODY_BYTES_MAX, ORIGIN_BODY_BYTES_MAX = 40 * 1024, 1024 * 1024
_READ_ONLY = {
    "viewer-request": frozenset({"content-length", "host", "transfer-encoding", "via"}),
    "origin-request": frozenset(
        {
            "accept-encoding",
            "content-length",
            "if-modified-since",
            "if-none-match",
            "if-range",
            "if-unmodified-since",
            "transfer-encoding",
            "via",
        }
    ),
    "origin-response": frozenset({"transfer-encoding", "via"}),
    "viewer-response": frozenset({"content-encoding", "content-length", "transfer-encoding", "warning", "via"}),
}


def event(
    site: Site,
    kind: str,
    request: Request,
    answer: Answer | None = None,
    origin: Origin | None = None,
    body: bytes | None = None,
) -> bytes:
    """The event as JSON. `body` is given where the association includes it."""
    shown: dict[str, Any] = {
        "clientIp": request.viewer.address,
        "headers": _headers(request.headers),
        "method": request.method,
        "querystring": request.query,
        "uri": request.uri,
    }
    if origin is not None:
        shown["origin"] = _origin(origin)
    if body is not None:
        limit = VIEWER_BODY_BYTES_MAX if kind.startswith("viewer") else ORIGIN_BODY_BYTES_MAX
        shown["body"] = {
            "action": "read-only",
            "data": base64.b64encode(body[:limit]).decode(),
            "encoding": "base64",
            "inputTruncated": len(body) > limit,
        }
    record: dict[str, Any] = {
        "config": {
            "distributionDomainName": site.domain_name,
            "distributionId": site.id,
            "eventType": kind,
            "requestId": request.id,
        },
        "request": shown,
    }
    if answer is not None:
        record["response"] = {
            "headers": _headers(answer.headers),
            "status": str(answer.status),
            "statusDescription": answer.reason or phrase(answer.status),
        }
    return json.dumps({"Records": [{"cf": record}]}).encode()


def request_or_answer(payload: bytes, kind: str, request: Request) -> tuple[Answer | None, dict[str, Any] | None]:
    """What a request function returned: an answer, or the origin it chose after changing `request` (None: the same).

    Raises InvalidResult.
    """
    made = _object(payload)
    if "status" in made:
        return _answer(made, kind), None
    if not isinstance(made.get("uri"), str) or not made["uri"].startswith("/"):
        raise InvalidResult("the uri of the request is missing or does not begin with /")
    if not isinstance(made.get("headers"), dict):
        raise InvalidResult("the headers of the request are missing")
    headers = _from_objects(made["headers"], request.headers, _READ_ONLY[kind])
    request.uri, request.headers = made["uri"], headers
    query = made.get("querystring")
    request.query = query if isinstance(query, str) else ""
    body = made.get("body")
    if isinstance(body, dict) and body.get("action") == "replace":
        request.body = _decoded(body.get("data") or "", body.get("encoding"))
        length = str(len(request.body))
        request.headers = [*without(request.headers, {"content-length"}), ("Content-Length", length)]
    origin = made.get("origin")
    return None, origin if isinstance(origin, dict) else None


def changed_answer(payload: bytes, kind: str, answer: Answer) -> Answer:
    """What a response function returned. Raises InvalidResult."""
    made = _object(payload)
    if "status" not in made:
        raise InvalidResult("the status of the response is missing")
    changed = _answer(made, kind, answer.headers)
    if made.get("body") is None:
        changed.body = answer.body
        if (length := first(answer.headers, "content-length")) is not None:
            changed.headers = [*without(changed.headers, {"content-length"}), ("Content-Length", length)]
    changed.outcome, changed.detail = answer.outcome, answer.detail
    return changed


def _object(payload: bytes) -> dict[str, Any]:
    try:
        made = json.loads(payload)
    except ValueError as error:
        raise InvalidResult("the value is not JSON") from error
    check_texts(made)
    if not isinstance(made, dict):
        raise InvalidResult("the value is not an object")
    return made


def _answer(made: dict[str, Any], kind: str, before: Headers | None = None) -> Answer:
    status = str(made["status"])
    if not status.isdigit() or not 200 <= int(status) <= 599:
        raise InvalidResult(f"the status {made['status']!r} is not a number from 200 to 599")
    headers = _from_objects(
        made.get("headers") or {}, before or [], _READ_ONLY[kind] if before is not None else frozenset()
    )
    body = _decoded(made.get("body") or "", made.get("bodyEncoding"))
    limit = VIEWER_BODY_BYTES_MAX if kind.startswith("viewer") else ORIGIN_BODY_BYTES_MAX
    if len(body) > limit:
        raise InvalidResult("the body of the generated response is too large")
    headers = [*without(headers, {"content-length"}), ("Content-Length", str(len(body)))]
    return Answer(int(status), headers, body, "LambdaGeneratedResponse", str(made.get("statusDescription") or ""))


def _decoded(data: Any, encoding: Any) -> bytes:
    if not isinstance(data, str):
        raise InvalidResult("the body is not a text")
    if encoding != "base64":
        return data.encode()
    try:
        return base64.b64decode(data, validate=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidResult("the body is not base64") from error


def _headers(headers: Headers) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for key, value in headers:
        found.setdefault(key.lower(), []).append({"key": key, "value": value})
    return found


def _from_objects(given: Any, before: Headers, read_only: frozenset[str]) -> Headers:
    """Headers out of a function's object. What it may not change must be as it was."""
    if not isinstance(given, dict):
        raise InvalidResult("the headers are not an object")
    were = {key.lower(): value for key, value in before}
    out: Headers = []
    for name, values in given.items():
        lower = name.lower()
        if not isinstance(values, list):
            raise InvalidResult(f"the header {name} is not an array")
        for each in values:
            if not isinstance(each, dict) or "value" not in each:
                raise InvalidResult(f"the header {name} has an entry without value")
            value = str(each["value"])
            if is_forbidden(lower) and were.get(lower) != value:
                raise InvalidResult(f"the header {name} is not allowed")
            if lower in read_only and were.get(lower) != value:
                raise InvalidResult(f"the header {name} is read-only")
            out.append((str(each.get("key") or name), value))
    kept = read_only - {key.lower() for key, _ in out}
    if missing := sorted(kept & were.keys() & {"host", "transfer-encoding", "via"}):
        raise InvalidResult(f"the header {missing[0]} is read-only")
    return out


def _origin(origin: Origin) -> dict[str, Any]:
    custom = {name.lower(): [{"key": name, "value": value}] for name, value in origin.headers}
    if origin.is_s3:
        return {"s3": {"authMethod": "none", "customHeaders": custom, "domainName": origin.domain, "path": origin.path}}
    return {
        "custom": {
            "customHeaders": custom,
            "domainName": origin.domain,
            "keepaliveTimeout": int(origin.keepalive_s),
            "path": origin.path,
            "port": origin.http_port if origin.protocol == "http-only" else origin.https_port,
            "protocol": "http" if origin.protocol == "http-only" else "https",
            "readTimeout": int(origin.read_timeout_s),
            "sslProtocols": ["TLSv1.2"],
        }
    }


def chosen_origin(made: dict[str, Any], before: Origin) -> Origin:
    """The origin that an origin-request function wants. Raises InvalidResult."""
    kind = "s3" if "s3" in made else "custom"
    given = made.get(kind)
    if not isinstance(given, dict) or not isinstance(given.get("domainName"), str):
        raise InvalidResult("the origin has no domainName")
    try:
        return _origin_of(kind, given, before)
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidResult("a member of the origin is not of its type") from error


def _origin_of(kind: str, given: dict[str, Any], before: Origin) -> Origin:
    headers = tuple(
        (str(each.get("key") or name), str(each.get("value", "")))
        for name, values in (given.get("customHeaders") or {}).items()
        for each in values
    )
    protocol, port = given.get("protocol", "https"), given.get("port")
    return Origin(
        id=before.id,
        domain=given["domainName"],
        path=str(given.get("path") or ""),
        headers=headers,
        protocol="match-viewer" if kind == "s3" else "http-only" if protocol == "http" else "https-only",
        http_port=int(port) if protocol == "http" and port else 80,
        https_port=int(port) if protocol != "http" and port else 443,
        connect_timeout_s=before.connect_timeout_s,
        attempts=before.attempts,
        read_timeout_s=float(given.get("readTimeout") or before.read_timeout_s),
        keepalive_s=float(given.get("keepaliveTimeout") or before.keepalive_s),
        is_s3=kind == "s3",
        access=before.access if given["domainName"] == before.domain else None,
    )
