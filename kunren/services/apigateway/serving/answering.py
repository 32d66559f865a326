"""From an integration's answer, or a refusal, to what the client gets. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kunren.core.patterns import BadPattern, matches
from kunren.dataplane.apis.interface import ApiResponse
from kunren.dataplane.apis.lambda_event import HOP_BY_HOP
from kunren.services.apigateway.gateway_responses import DEFAULT_TEMPLATE, Refusal, broken, choose, default_body
from kunren.services.apigateway.serving import media
from kunren.services.apigateway.serving.exchange import Exchange
from kunren.services.apigateway.serving.integrating import Outcome
from kunren.services.apigateway.serving.mapping import (
    body_values,
    common_values,
    dotted,
    error_variables,
    rendered,
    request_values,
)

_VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_.-]+)|\$stageVariables\.([A-Za-z0-9_]+)")
_REMAPPED = frozenset({"server", "date", "connection", "www-authenticate", "authorization"})
"""Headers that API Gateway sends back under another name ("Important notes", x-amzn-Remapped-)."""


def answered(exchange: Exchange, outcome: Outcome) -> ApiResponse:
    """The method's response to an integration's answer. Raises Refusal."""
    if outcome.passed:
        headers = [(_remapped(name), value) for name, value in outcome.headers if name.lower() not in _DROPPED]
        return ApiResponse(outcome.status, headers, _of_binary(exchange, outcome, exchange.integration))
    response = chosen_response(exchange.integration, outcome)
    if response is None:
        exchange.log("Execution failed due to configuration error: No match for output mapping and no default "
                     "endpoint response configured")  # fmt: skip
        raise broken()
    templates = response.get("responseTemplates") or {}
    kind = _template_kind(exchange, templates)
    body = outcome.body
    if kind is not None:
        body = rendered(templates[kind], exchange, media.to_text(body)).encode()
    else:
        body = _of_binary(exchange, outcome, response)
    mapped = {"content-type": [kind or _content_type(outcome)]}
    for name, expression in (response.get("responseParameters") or {}).items():
        values = _response_values(expression, exchange, outcome)
        if values:
            mapped[name.split(".", 3)[3]] = values
    found = _merged(mapped)
    override = (exchange.overrides.get("responseOverride") or {}) if kind is not None else {}
    for name, value in (override.get("header") or {}).items():
        found = [each for each in found if each[0].lower() != str(name).lower()]
        found += [(str(name), str(each)) for each in (value if isinstance(value, list) else [value])]
    return ApiResponse(_status(exchange, override.get("status") or response["statusCode"]), found, body)


_DROPPED = frozenset(HOP_BY_HOP - {"date", "connection"}) | {"transfer-encoding", "content-length"}


def _status(exchange: Exchange, told: Any) -> int:
    """A status code, which a template may have set. Raises Refusal."""
    if re.fullmatch(r"[1-5]\d\d", str(told)) is None:
        exchange.log(f"Execution failed due to configuration error: Invalid status code {told}")
        raise broken()
    return int(told)


def _remapped(name: str) -> str:
    return f"x-amzn-Remapped-{name}" if name.lower() in _REMAPPED else name


def _merged(headers: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    """Headers with their names as they were asked for; a mapped content type goes before the template's."""
    mapped = {name.lower() for name in headers if name != "content-type"}
    found = []
    for name, values in headers.items():
        if name == "content-type" and name in mapped:
            continue
        found += [("Content-Type" if name.lower() == "content-type" else name, value) for value in values]
    return found


def chosen_response(integration: Mapping[str, Any], outcome: Outcome) -> dict[str, Any] | None:
    """The integration response whose pattern fits: a function's error text, else the status; or the default one."""
    responses = integration.get("integrationResponses") or {}
    is_function = ":lambda:path/" in (integration.get("uri") or "") and integration["type"] == "AWS"
    subject = outcome.error if is_function else str(outcome.status)
    default = None
    for each in sorted(responses.values(), key=lambda each: each["statusCode"]):
        pattern = each.get("selectionPattern")
        if not pattern:
            default = default or each
        elif subject and _fits(pattern, subject):
            return dict(each)
    return default


def _fits(pattern: str, subject: str) -> bool:
    try:
        return matches(pattern, subject, dot_all=True)
    except BadPattern:
        return False


def _template_kind(exchange: Exchange, templates: Mapping[str, str]) -> str | None:
    """The media type of the response template: what the client accepts, JSON, or the first."""
    if not templates:
        return None
    accepted = media.media_type(exchange.request.headers.get("accept"))
    for each in (accepted, "application/json"):
        if templates.get(each) is not None:
            return each if templates[each] else None
    first = next(iter(templates))
    return first if templates[first] else None


def _content_type(outcome: Outcome) -> str:
    return next((value for name, value in outcome.headers if name.lower() == "content-type"), "application/json")


def _of_binary(exchange: Exchange, outcome: Outcome, told: Mapping[str, Any]) -> bytes:
    """A body by the response's content handling; one that can't be made binary is sent as it is."""
    types = exchange.deployed.api.get("binaryMediaTypes") or ()
    handling = told.get("contentHandling")
    if handling is None or (outcome.passed and exchange.integration["type"] == "AWS_PROXY"):
        return outcome.body
    try:
        return media.converted(outcome.body, media.is_binary(types, _content_type(outcome)), handling)
    except ValueError:
        return outcome.body


def _response_values(expression: str, exchange: Exchange, outcome: Outcome) -> list[str]:
    """`integration.response.header.Name`, `.multivalueheader.Name`, `.body.path`, and what every expression may be."""
    if not expression.startswith("integration.response."):
        return common_values(expression, exchange)
    place, _, name = expression.removeprefix("integration.response.").partition(".")
    if place == "body":
        return body_values(name, media.to_text(outcome.body))
    values = [value for each, value in outcome.headers if each.lower() == name.lower()]
    return values if place == "multivalueheader" else values[-1:]


# --- refusals -----------------------------------------------------------------------------------------------------


def refused(exchange: Exchange, refusal: Refusal) -> ApiResponse:
    """The gateway response to a refusal, the owner's own or the default."""
    exchange.refusal = refusal
    chosen = choose(exchange.deployed.responses, refusal)
    headers = [("x-amzn-ErrorType", refusal.error_type)]
    templates = chosen.shape.get("responseTemplates") or {}
    kind = _template_kind(exchange, templates) or "application/json"
    text = templates.get(kind)
    if not chosen.own or text == DEFAULT_TEMPLATE:
        body = default_body(refusal)
    else:
        body = _substituted(text or "", exchange, refusal).encode()
    for name, expression in (chosen.shape.get("responseParameters") or {}).items():
        headers += [(name.split(".", 2)[2], value) for value in _refusal_values(expression, exchange, refusal)]
    if all(name.lower() != "content-type" for name, _ in headers):
        headers.insert(0, ("Content-Type", kind))
    return ApiResponse(chosen.status, headers, body)


def _refusal_values(expression: str, exchange: Exchange, refusal: Refusal) -> list[str]:
    if expression.startswith("method.request."):
        return request_values(expression, exchange, media.to_text(exchange.request.body))
    if expression.startswith("context.error."):
        value = error_variables(refusal).get(expression.rpartition(".")[2])
        return [] if value is None else [str(value)]
    return common_values(expression, exchange)


def _substituted(text: str, exchange: Exchange, refusal: Refusal) -> str:
    """A gateway response's template: variables alone, no directives ("Gateway responses" has no VTL engine)."""
    context = {**exchange.context(), "error": error_variables(refusal)}

    def put(found: re.Match[str]) -> str:
        if found[2] is not None:
            return exchange.variables.get(found[2], "")
        name, tail = found[1].rstrip("."), found[1][len(found[1].rstrip(".")) :]
        value = dotted(context, name)
        return ("" if value is None else str(value)) + tail

    return _VARIABLE.sub(put, text)
