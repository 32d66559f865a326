"""Parameter mapping of HTTP APIs: what requests to integrations and their responses get, lose, or have replaced. Pure.

Developer guide, "Transform API requests and responses for HTTP APIs".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kunren.services.apigatewayv2.errors import BadRequestException

Look = Callable[[str], str | None]
"""A variable's value by its name without `$`: `request.header.x`, `context.stage`, `response.body.id` ..."""
Headers = list[tuple[str, str]]
BODY_BYTES_MAX = 100 * 1024
"""Of a body, so much is looked at."""
_REQUEST_KEY = re.compile(r"(append|overwrite|remove):(header|querystring)\.(.+)|overwrite:path")
_RESPONSE_KEY = re.compile(r"(append|overwrite|remove):header\.(.+)|overwrite:statuscode", re.IGNORECASE)
_STATUS = re.compile(r"[2-5]\d\d")
_ALONE = re.compile(r"\$(request|response|context|stageVariables)(\.[^{}\s]*)?")
_WITHIN = re.compile(r"\$\{((?:request|response|context|stageVariables)[^}]*)\}")
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[['\"]([^'\"]+)['\"]\]")
_RESERVED = re.compile(
    r"access-control-.*|apigw-.*|authorization|connection|content-encoding|content-length|content-location|forwarded|"
    r"keep-alive|origin|proxy-authenticate|proxy-authorization|te|trailers?|transfer-encoding|upgrade|x-amz-.*|"
    r"x-amzn-.*|x-forwarded-(for|host|proto)|via",
    re.IGNORECASE,
)


def check_request_parameters(config: Mapping[str, Any]) -> None:
    """Raises BadRequestException. A subtype's parameters are checked with it."""
    if config.get("IntegrationSubtype"):
        return
    parameters = config.get("RequestParameters") or {}
    if parameters and config["IntegrationType"] == "AWS_PROXY":
        raise BadRequestException("RequestParameters are not supported for integrations with a Lambda function")
    for key, value in parameters.items():
        found = _REQUEST_KEY.fullmatch(key)
        if found is None:
            raise BadRequestException(f"Invalid mapping expression specified: {key}")
        _check_value(key, value)
        if found[2] == "header":
            _check_header(found[3])


def check_response_parameters(config: Mapping[str, Any]) -> None:
    """Raises BadRequestException."""
    for status, parameters in (config.get("ResponseParameters") or {}).items():
        if not _STATUS.fullmatch(status):
            raise BadRequestException(f"Invalid status code {status} for response parameters: it must be 200 to 599")
        for key, value in parameters.items():
            found = _RESPONSE_KEY.fullmatch(key)
            if found is None:
                raise BadRequestException(f"Invalid mapping expression specified: {key}")
            _check_value(key, value)
            if found[2]:
                _check_header(found[2])


def _check_value(key: str, value: str) -> None:
    if not value and not key.startswith("remove:"):
        raise BadRequestException(f"Invalid mapping expression specified: {key}")


def _check_header(name: str) -> None:
    if _RESERVED.fullmatch(name):
        raise BadRequestException(f"Operations on header {name.lower()} are restricted")


def evaluated(expression: str, look: Look) -> str | None:
    """What an expression comes to: one variable, or text with variables in `${...}`. None for a variable without a
    value that stands alone."""
    if _ALONE.fullmatch(expression):
        return look(expression[1:])
    return _WITHIN.sub(lambda found: look(found[1]) or "", expression)


def mapped_headers(headers: Iterable[tuple[str, str]], parameters: Mapping[str, str], look: Look) -> Headers:
    """The headers after all rules about headers, in the order of their keys."""
    found = list(headers)
    for key, value in parameters.items():
        action, _, target = key.partition(":")
        where, _, name = target.partition(".")
        if where.lower() != "header":
            continue
        found = _changed(found, action.lower(), name, value, look, lambda one, other: one.lower() == other.lower())
    return found


def mapped_query(query: list[tuple[str, str]], parameters: Mapping[str, str], look: Look) -> list[tuple[str, str]]:
    """The query parameters after all rules about them."""
    found = list(query)
    for key, value in parameters.items():
        action, _, target = key.partition(":")
        where, _, name = target.partition(".")
        if where == "querystring":
            found = _changed(found, action, name, value, look, lambda one, other: one == other)
    return found


def _changed(
    pairs: list[tuple[str, str]], action: str, name: str, value: str, look: Look, same: Callable[[str, str], bool]
) -> list[tuple[str, str]]:
    if action == "remove":
        return [each for each in pairs if not same(each[0], name)]
    made = evaluated(value, look)
    if made is None:
        return pairs
    kept = [each for each in pairs if not same(each[0], name)] if action == "overwrite" else pairs
    return [*kept, (name, made)]


def in_body(body: bytes, path: str) -> str | None:
    """The value at a path (`.user.id`, `.items[0]`, "" for all of it) in a JSON body; None where there is none."""
    text = body[:BODY_BYTES_MAX].decode("utf-8", "replace")
    if not path:
        return text
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    for step in _STEP.finditer(path.removeprefix(".$")):
        if step[2] is not None and isinstance(found, list) and int(step[2]) < len(found):
            found = found[int(step[2])]
        elif isinstance(found, dict) and (name := step[1] or step[3]) in found:
            found = found[name]
        else:
            return None
    return found if isinstance(found, str) else json.dumps(found, separators=(",", ":"))
