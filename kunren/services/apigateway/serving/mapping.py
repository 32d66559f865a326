"""Mapping templates and mapping expressions of one exchange.

"Mapping template variables for API Gateway" ($input, $context, $stageVariables, $util), "Parameter mapping examples".
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from kunren.core.json_path import BadPath, find
from kunren.core.velocity import BadEvaluation, BadTemplate, Methods, bounded, render, template, text_of
from kunren.services.apigateway.gateway_responses import Refusal, broken
from kunren.services.apigateway.serving.exchange import Exchange, canonical


class _Input(Methods):
    """`$input`: the payload that a template maps, and the request's parameters."""

    def __init__(self, exchange: Exchange, body: str) -> None:
        self._body = body
        self._exchange = exchange
        self._read = False
        self._document: Any = None
        self.properties = {"body": body}
        self.methods = {"json": self._json, "path": self._path, "params": self._params, "body": lambda: body}

    def _find(self, path: str) -> Any:
        if not self._read:
            self._document, self._read = _document(self._body), True
        try:
            return find(path, self._document)
        except BadPath as error:
            raise BadEvaluation(str(error)) from None

    def _path(self, path: str) -> Any:
        return self._find(path)

    def _json(self, path: str) -> str:
        found = self._find(path)
        return '""' if found is None and path.strip() != "$" else dumped(found)

    def _params(self, name: str | None = None) -> Any:
        exchange = self._exchange
        request = exchange.request
        headers = _Headers({canonical(each): request.values(each)[-1] for each in request.headers})
        query = {each: values[-1] for each, values in exchange.query().items()}
        if name is None:
            return {"path": dict(exchange.parameters), "querystring": query, "header": headers}
        for known in (exchange.parameters, query):
            if name in known:
                return known[name]
        return headers.get(name)


class _Headers(dict[str, str]):
    """Headers, found by their names in any case: the front does not keep the case that they came in."""

    def get(self, name: Any, default: Any = None) -> Any:
        if name in self:
            return self[name]
        return next((value for each, value in self.items() if each.lower() == str(name).lower()), default)


class _Util(Methods):
    def __init__(self) -> None:
        self.methods = {
            "escapeJavaScript": escape_javascript,
            "parseJson": parse_json,
            "urlEncode": lambda text: quote_plus(text_of(text)),
            "urlDecode": lambda text: unquote_plus(text_of(text)),
            "base64Encode": lambda text: base64.b64encode(text_of(text).encode()).decode(),
            "base64Decode": lambda text: base64.b64decode(text_of(text)).decode("utf-8", "replace"),
        }


def _document(body: str) -> Any:
    """What JSONPaths look in: the body as JSON, or as a text where it is none."""
    if not body:
        return {}
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body


def dumped(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def sendable(text: str) -> str:
    """A text without the halves of characters that JSON's escapes can name."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def escape_javascript(text: Any) -> str:
    """As Apache Commons' escapeEcmaScript, single quotes and slashes included."""
    written = dumped(bounded(text)) if isinstance(text, dict | list) else text if isinstance(text, str) else str(text)
    return json.dumps(written, ensure_ascii=True)[1:-1].replace("'", "\\'").replace("/", "\\/")


def parse_json(text: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadEvaluation(f"parseJson: {error}") from None


_UTIL = _Util()
_GIVEN = frozenset({"input", "context", "stageVariables"})


def rendered(text: str, exchange: Exchange, body: str, error: Refusal | None = None) -> str:
    """What a mapping template makes of a payload; overrides that it sets are kept in the exchange. Raises Refusal."""
    context = exchange.context()
    context["requestOverride"] = {"header": {}, "path": {}, "querystring": {}}
    context["responseOverride"] = {"header": {}}
    if error is not None:
        context["error"] = error_variables(error)
    names = {
        "input": _Input(exchange, body), "context": context, "stageVariables": dict(exchange.variables), "util": _UTIL,
    }  # fmt: skip
    try:
        made = render(template(text), names, _GIVEN)
        overrides = {name: _override(context[name]) for name in ("requestOverride", "responseOverride")}
    except (BadTemplate, BadEvaluation) as problem:
        exchange.log(f"Execution failed due to configuration error: Unable to transform: {problem}")
        raise broken() from problem
    exchange.overrides.update(overrides)
    return sendable(made)


def _override(told: Any) -> dict[str, Any]:
    """What a template overrides, as texts and lists of texts. Raises BadEvaluation."""
    found: dict[str, Any] = {}
    for part, values in told.items() if isinstance(told, dict) else ():
        if part == "status":
            found[part] = text_of(values)
        elif isinstance(values, dict):
            found[part] = {
                text_of(name): [text_of(each) for each in value] if isinstance(value, list) else text_of(value)
                for name, value in values.items()
            }
        else:
            raise BadEvaluation(f"{part} is no map")
    return found


def error_variables(refusal: Refusal) -> dict[str, Any]:
    return {
        "message": refusal.message, "messageString": dumped(refusal.message), "responseType": refusal.kind,
        "validationErrorString": refusal.validation,
    }  # fmt: skip


# --- expressions --------------------------------------------------------------------------------------------------


def request_values(expression: str, exchange: Exchange, body: str) -> list[str]:
    """The values of an expression over the request: `method.request...`, `context...`, `stageVariables...`, `'...'`."""
    place, _, name = expression.removeprefix("method.request.").partition(".")
    if not expression.startswith("method.request."):
        return common_values(expression, exchange)
    if place in ("querystring", "multivaluequerystring"):
        values = exchange.query().get(name, [])
        return values if place.startswith("multi") else values[-1:]
    if place in ("header", "multivalueheader"):
        found = list(exchange.request.values(name.lower()))
        return found if place.startswith("multi") else found[-1:]
    if place == "path":
        return [exchange.parameters[name]] if name in exchange.parameters else []
    if place == "body":
        return body_values(name, body)
    return []


def body_values(path: str, body: str) -> list[str]:
    if not path:
        return [body]
    try:
        found = find(path if path.startswith("$") else f"$.{path}", _document(body))
    except BadPath:
        return []
    return [] if found is None else [sendable(found if isinstance(found, str) else dumped(found))]


def common_values(expression: str, exchange: Exchange) -> list[str]:
    if len(expression) >= 2 and expression[0] == expression[-1] == "'":
        return [expression[1:-1]]
    if expression.startswith("stageVariables."):
        value: Any = exchange.variables.get(expression.partition(".")[2])
    elif expression.startswith("context."):
        value = dotted(exchange.context(), expression.partition(".")[2])
    else:
        return []
    return [] if value is None else [value if isinstance(value, str) else dumped(value)]


def dotted(values: Mapping[str, Any], path: str) -> Any:
    """A member by its path, names with dots in them included."""
    found: Any = values
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def with_variables(text: str, exchange: Exchange) -> str:
    """`${stageVariables.name}` in URIs and such, put in."""
    for name, value in exchange.variables.items():
        text = text.replace("${stageVariables." + name + "}", value)
    return text
