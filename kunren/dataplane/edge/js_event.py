"""Requests and answers as CloudFront Functions see them, and back. Pure.

Developer Guide, "CloudFront Functions event structure" (version 1.0) and "Restrictions on edge functions".
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from http import HTTPStatus
from typing import Any

from kunren.dataplane.edge.forbidden import is_forbidden
from kunren.dataplane.edge.message import Answer, Headers, Request, without
from kunren.dataplane.edge.site import Site

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udbff]")


class InvalidResult(Exception):
    """What a function returned is neither a request nor an answer; the text says why."""


def event(site: Site, kind: str, request: Request, answer: Answer | None = None) -> str:
    """The event as JSON."""
    made: dict[str, Any] = {
        "version": "1.0",
        "context": {
            "distributionDomainName": site.domain_name,
            "distributionId": site.id,
            "eventType": kind,
            "requestId": request.id,
        },
        "viewer": {"ip": request.viewer.address},
        "request": {
            "method": request.method,
            "uri": request.uri,
            "querystring": _query(request.query),
            "headers": _headers(without(request.headers, {"cookie"})),
            "cookies": _cookies(request.headers),
        },
    }
    if answer is not None:
        made["response"] = {
            "statusCode": answer.status,
            "statusDescription": answer.reason or phrase(answer.status),
            "headers": _headers(without(answer.headers, {"set-cookie"})),
            "cookies": _set_cookies(answer.headers),
        }
    return json.dumps(made)


def request_or_answer(output: str | None, request: Request) -> Answer | None:
    """What a viewer-request function returned: an answer, or None after changing `request`. Raises InvalidResult."""
    made = _object(output)
    if "statusCode" in made:
        return _answer(made)
    if "uri" not in made or "headers" not in made:
        raise InvalidResult("the value is neither a request nor a response")
    uri = made["uri"]
    if not isinstance(uri, str) or not uri.startswith("/"):
        raise InvalidResult("request.uri must be a text that begins with /")
    before = {key.lower() for key, _ in request.headers}
    headers = _from_objects(made["headers"], frozenset({"host"}) & before)
    host = [(key, value) for key, value in request.headers if key.lower() == "host"]
    cookies = [f"{name}={each}" for name, value in (made.get("cookies") or {}).items() for each in _values(value)]
    request.uri = uri
    request.query = _query_text(made.get("querystring"))
    request.headers = [*host, *without(headers, {"host", "cookie"})]
    if cookies:
        request.headers.append(("Cookie", "; ".join(cookies)))
    return None


def changed_answer(output: str | None, answer: Answer) -> Answer:
    """What a viewer-response function returned. It may change status and headers. Raises InvalidResult."""
    made = _object(output)
    if "statusCode" not in made:
        raise InvalidResult("response.statusCode is missing")
    changed = _answer(made)
    if "body" not in made:
        changed.body = answer.body
        kept = {"content-length", "content-encoding", "transfer-encoding"}
        own = [(key, value) for key, value in answer.headers if key.lower() in kept]
        changed.headers = [*without(changed.headers, kept), *own]
    changed.outcome, changed.detail = answer.outcome, answer.detail
    return changed


def check_texts(made: Any) -> None:
    """Outside of a body no text may have what would end a line of HTTP. Raises InvalidResult."""
    if isinstance(made, str):
        if _CONTROL.search(made):
            raise InvalidResult("a text has a control character")
    elif isinstance(made, dict):
        for name, value in made.items():
            check_texts(name)
            if name != "body":
                check_texts(value)
    elif isinstance(made, list):
        for each in made:
            check_texts(each)


def phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _object(output: str | None) -> dict[str, Any]:
    made = json.loads(output) if output is not None else None
    check_texts(made)
    if not isinstance(made, dict):
        raise InvalidResult("the value is not an object")
    return made


def _answer(made: dict[str, Any]) -> Answer:
    status = made["statusCode"]
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        raise InvalidResult("response.statusCode must be a number from 100 to 599")
    headers = _from_objects(made.get("headers") or {}, frozenset())
    for name, value in (made.get("cookies") or {}).items():
        for each in value.get("multiValue") or [value]:
            attributes = each.get("attributes")
            headers.append(
                ("Set-Cookie", f"{name}={each.get('value', '')}" + (f"; {attributes}" if attributes else ""))
            )
    body = _body(made.get("body"))
    if "body" in made:
        headers = [*without(headers, {"content-length"}), ("Content-Length", str(len(body)))]
    reason = made.get("statusDescription")
    return Answer(status, headers, body, "FunctionGeneratedResponse", reason if isinstance(reason, str) else "")


def _body(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if not isinstance(body, dict) or not isinstance(body.get("data"), str):
        raise InvalidResult("response.body must be a text or an object with data")
    if body.get("encoding") != "base64":
        return str(body["data"]).encode()
    try:
        return base64.b64decode(body["data"], validate=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidResult("response.body.data is not base64") from error


def _headers(headers: Headers) -> dict[str, Any]:
    by_name: dict[str, list[str]] = {}
    for key, value in headers:
        by_name.setdefault(key.lower(), []).append(value)
    return {name: _multi(values) for name, values in by_name.items()}


def _multi(values: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"value": values[0]}
    if len(values) > 1:
        made["multiValue"] = [{"value": each} for each in values]
    return made


def _query(query: str) -> dict[str, Any]:
    by_name: dict[str, list[str]] = {}
    for each in query.split("&") if query else ():
        name, _, value = each.partition("=")
        by_name.setdefault(name, []).append(value)
    return {name: _multi(values) for name, values in by_name.items()}


def _query_text(query: Any) -> str:
    if isinstance(query, str):
        return query
    parts = []
    for name, value in (query or {}).items():
        parts += [f"{name}={each}" if each else name for each in _values(value)]
    return "&".join(parts)


def _values(value: Any) -> list[str]:
    if not isinstance(value, dict):
        raise InvalidResult("a value must be an object with a member value")
    return [str(each.get("value", "")) for each in value.get("multiValue") or [value]]


def _cookies(headers: Headers) -> dict[str, Any]:
    by_name: dict[str, list[str]] = {}
    for key, value in headers:
        for crumb in value.split(";") if key.lower() == "cookie" else ():
            name, _, text = crumb.strip().partition("=")
            if name:
                by_name.setdefault(name, []).append(text)
    return {name: _multi(values) for name, values in by_name.items()}


def _set_cookies(headers: Headers) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in headers:
        if key.lower() == "set-cookie":
            crumb, _, attributes = value.partition(";")
            name, _, text = crumb.strip().partition("=")
            found[name] = {"value": text, **({"attributes": attributes.strip()} if attributes else {})}
    return found


def _from_objects(given: Any, known: frozenset[str]) -> Headers:
    """Headers out of a function's object; `known` are those it may leave there though it may not set them."""
    if not isinstance(given, dict):
        raise InvalidResult("headers must be an object")
    out: Headers = []
    for name, value in given.items():
        if name != name.lower():
            raise InvalidResult(f"the header name {name} is not in lower case")
        if is_forbidden(name) and name not in known:
            raise InvalidResult(f"the header {name} is not allowed")
        out += [(name, each) for each in _values(value)]
    return out
