"""What answers a route's requests: functions, URLs, private load balancers, and operations of AWS services.

Developer guide, "Create integrations for HTTP APIs".
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.dataplane.apis.interface import ApiResponse
from kunren.dataplane.apis.lambda_event import (
    EVENT_BYTES_MAX,
    HOP_BY_HOP,
    Answer,
    InvalidAnswer,
    as_payload,
    event_v1,
    event_v2,
    read_answer,
    read_answer_v1,
)
from kunren.dataplane.apis.upstream import Failed, Link, Upstream
from kunren.services.apigatewayv2.answers import refusal
from kunren.services.apigatewayv2.checks import function_arn
from kunren.services.apigatewayv2.exchange import Exchange
from kunren.services.apigatewayv2.functions import FunctionFailed, Functions
from kunren.services.apigatewayv2.parameters import Look, evaluated, in_body, mapped_headers, mapped_query
from kunren.services.apigatewayv2.subtypes import SUBTYPES
from kunren.services.apigatewayv2.vpc_links import way_into

log = logging.getLogger(__name__)
_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")
_PATH_VARIABLE = re.compile(r"\{([a-zA-Z0-9._:-]+)\+?\}")
_NOT_PASSED = HOP_BY_HOP | {"host", "te", "trailers", "proxy-connection", "expect"}
_TEXT_TYPE = "text/plain;charset=UTF-8"


class Integrating:
    """`answer` for one exchange whose route is known and whose caller may ask it."""

    def __init__(self, store: Store, clock: Clock, functions: Functions, upstream: Upstream, call: CallService) -> None:
        self._store = store
        self._clock = clock
        self._functions = functions
        self._upstream = upstream
        self._call = call

    async def answer(self, exchange: Exchange) -> ApiResponse:
        assert exchange.route is not None
        target = str(exchange.route.config.get("Target", "")).partition("/")[2]
        config = exchange.content.integrations.get(target)
        if config is None:
            return refusal(500)
        began = self._clock.monotonic()
        try:
            if config.get("IntegrationSubtype"):
                answer = await self._service(exchange, config)
            elif config["IntegrationType"] == "AWS_PROXY":
                answer = await self._function(exchange, config)
            else:
                answer = await self._http(exchange, config)
        finally:
            exchange.integration_latency_ms = int((self._clock.monotonic() - began) * 1000)
        return _mapped_response(exchange, config, answer)

    # --- functions

    async def _function(self, exchange: Exchange, config: Mapping[str, Any]) -> ApiResponse:
        arn = function_arn(_with_variables(config["IntegrationUri"], exchange.variables)) or ""
        payload = as_payload(build_event(exchange, config["PayloadFormatVersion"]))
        if len(payload) > EVENT_BYTES_MAX:
            return refusal(413)
        try:
            returned = await self._functions.invoke(
                arn, payload, source_arn=exchange.route_arn, account=exchange.request.api.account,
                trace_id=exchange.trace_id, timeout_s=config["TimeoutInMillis"] / 1000,
                role=config.get("CredentialsArn", ""),
            )  # fmt: skip
            exchange.integration_status = 200
            answer = read_returned(returned, config["PayloadFormatVersion"])
        except FunctionFailed as error:
            return self._failed(exchange, str(error), unavailable=error.why in ("timeout", "throttled"))
        except InvalidAnswer as error:
            return self._failed(exchange, f"the answer of {arn} is no HTTP response: {error}")
        return ApiResponse(answer.status, answer.headers, answer.body)

    # --- HTTP

    async def _http(self, exchange: Exchange, config: Mapping[str, Any]) -> ApiResponse:
        request, private = exchange.request, config.get("ConnectionType") == "VPC_LINK"
        parameters = config.get("RequestParameters") or {}
        method = request.method if config["IntegrationMethod"] == "ANY" else config["IntegrationMethod"]
        try:
            link, base, server_name = self._private(exchange, config) if private else (None, _url(exchange, config), "")
            url = _target(exchange, base, parameters)
            host = [("Host", request.host)] if private else []  # a public one is asked by its own name
            headers = mapped_headers([*host, *_passed(exchange)], parameters, exchange.look)
            said = await self._upstream.ask(
                request.api.region, method, url, headers, request.body, config["TimeoutInMillis"] / 1000, link,
                server_name,
            )  # fmt: skip
        except Failed as error:
            return self._failed(exchange, str(error), unavailable=True)
        exchange.integration_status = said.status
        kept = [each for each in said.headers if each[0].lower() not in HOP_BY_HOP]
        return ApiResponse(said.status, kept, said.body)

    def _private(self, exchange: Exchange, config: Mapping[str, Any]) -> tuple[Link, str, str]:
        """The way to a load balancer's listener, the URL without a path, and the name of its certificate."""
        api = exchange.request.api
        link, listener = (
            _with_variables(config[name], exchange.variables) for name in ("ConnectionId", "IntegrationUri")
        )
        way, port = way_into(self._store.snapshot(), api.account, api.region, link, listener)
        tls = config.get("TlsConfig")
        name = (tls or {}).get("ServerNameToVerify") or ""
        scheme = "https" if tls is not None else "http"
        return way, f"{scheme}://{way.addresses[0]}:{port}{exchange.request.raw_path}", name

    # --- operations of services

    async def _service(self, exchange: Exchange, config: Mapping[str, Any]) -> ApiResponse:
        subtype, api = SUBTYPES[config["IntegrationSubtype"]], exchange.request.api
        told: dict[str, Any] = {}
        try:
            for name, expression in (config.get("RequestParameters") or {}).items():
                value = evaluated(expression, exchange.look)
                if value is not None:
                    told[name] = _typed(subtype.members[name], value)
        except (ValueError, RecursionError) as error:
            return _json(400, {"message": f"Bad Request: {error}"})
        region = told.pop("Region", None) or api.region
        if missing := [name for name in subtype.required if name not in told]:
            return _json(400, {"message": f"Bad Request: {', '.join(missing)} has no value"})
        try:
            said = await self._call(
                api.account, region, subtype.service, subtype.operation or "", _asked(subtype.operation, told)
            )
        except AwsError as error:
            exchange.integration_status = error.status
            exchange.integration_error = error.message
            return _json(error.status, {"__type": error.code, "message": error.message})
        exchange.integration_status = 200
        return _json(200, _plain(said))

    def _failed(self, exchange: Exchange, reason: str, *, unavailable: bool = False) -> ApiResponse:
        """What the client learns of an integration that failed: little."""
        log.info("%s: %s", exchange.route_arn, reason)
        exchange.integration_error = reason
        return refusal(503 if unavailable else 500)


def build_event(exchange: Exchange, version: str) -> dict[str, Any]:
    """The event for a function, in its payload format."""
    assert exchange.route is not None
    route, who = exchange.route, exchange.authorizer
    common: dict[str, Any] = {
        "parameters": route.parameters, "variables": exchange.variables, "trace_id": exchange.trace_id,
    }  # fmt: skip
    if version == "2.0":
        return event_v2(exchange.request, route_key=exchange.route_key, authorizer=who, **common)
    context: dict[str, Any] = {"authorizer": _authorizer_v1(exchange)} if who is not None else {}
    path = route.key.path
    return event_v1(
        exchange.request, resource=path, context={**context, "resourceId": exchange.route_key}, **common
    )  # fmt: skip


def _authorizer_v1(exchange: Exchange) -> Any:
    who = exchange.authorizer or {}
    if "jwt" in who:
        return who["jwt"]
    found = dict(who.get("lambda") or {})
    if "authorizer.principalId" in exchange.known:
        found["principalId"] = exchange.known["authorizer.principalId"]
    return found


def read_returned(payload: bytes, version: str) -> Answer:
    """What a function returned, as HTTP. Raises InvalidAnswer."""
    if version == "1.0":
        return read_answer_v1(payload)
    return read_answer(payload, _TEXT_TYPE)


def _with_variables(text: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: variables.get(found[1], ""), text)


def _url(exchange: Exchange, config: Mapping[str, Any]) -> str:
    """An integration's URL, with the stage's variables and the path's put in."""
    assert exchange.route is not None
    parameters = exchange.route.parameters
    base = _with_variables(config["IntegrationUri"], exchange.variables)
    return _PATH_VARIABLE.sub(lambda found: quote(parameters.get(found[1], ""), safe="/:@!$&'()*+,;=~-._"), base)


def _target(exchange: Exchange, base: str, parameters: Mapping[str, str]) -> str:
    """The URL to ask: with the request's own query, and what mappings say of path and query."""
    parts = urlsplit(base)
    path = parts.path or "/"
    if "overwrite:path" in parameters:
        path = evaluated(parameters["overwrite:path"], exchange.look) or "/"
        path = quote(path if path.startswith("/") else f"/{path}", safe="/?:@!$&'()*+,;=~%")
    query = "&".join(each for each in (parts.query, exchange.request.query) if each)
    if any(each.partition(":")[2].startswith("querystring.") for each in parameters):
        query = urlencode(mapped_query(parse_qsl(query, keep_blank_values=True), parameters, exchange.look))
    return f"{parts.scheme}://{parts.netloc}{path}" + (f"?{query}" if query else "")


def _passed(exchange: Exchange) -> list[tuple[str, str]]:
    """The headers that an HTTP integration gets."""
    request = exchange.request
    sent = [
        (name, value)
        for name in request.headers
        if name not in _NOT_PASSED
        for value in request.values(name)
        if name not in ("forwarded", "via", "x-amzn-trace-id")
    ]
    before = request.headers.get("forwarded")
    own = f"for={request.source_ip};host={request.host};proto=https"
    via = request.headers.get("via")
    return [
        *sent,
        ("Forwarded", f"{before}, {own}" if before else own),
        ("Via", f"{via}, HTTP/1.1 AmazonAPIGateway" if via else "HTTP/1.1 AmazonAPIGateway"),
        ("X-Amzn-Trace-Id", exchange.trace_id),
    ]


def _mapped_response(exchange: Exchange, config: Mapping[str, Any], answer: ApiResponse) -> ApiResponse:
    parameters = (config.get("ResponseParameters") or {}).get(str(answer.status))
    if not parameters or exchange.integration_status is None:
        return answer
    look = _of_response(exchange, answer)
    status = answer.status
    for key, value in parameters.items():
        if key.lower() == "overwrite:statuscode":
            told = evaluated(value, look) or ""
            status = int(told) if told.isdecimal() and 200 <= int(told) <= 599 else 500
    return ApiResponse(status, mapped_headers(answer.headers, parameters, look), answer.body)


def _of_response(exchange: Exchange, answer: ApiResponse) -> Look:
    body = answer.body if isinstance(answer.body, bytes) else b""

    def look(name: str) -> str | None:
        where, _, rest = name.partition(".")
        if where != "response":
            return exchange.look(name)
        if rest.startswith("header."):
            wanted = rest.removeprefix("header.").lower()
            return next((value for header, value in answer.headers if header.lower() == wanted), None)
        if rest == "statuscode":
            return str(answer.status)
        return in_body(body, rest.removeprefix("body")) if rest.startswith("body") else None

    return look


def _typed(kind: str, value: str) -> Any:
    """A parameter's value for an operation. Raises ValueError."""
    if kind == "integer":
        return int(value)
    return json.loads(value) if kind == "json" else value.encode() if kind == "blob" else value


def _asked(operation: str | None, told: dict[str, Any]) -> dict[str, Any]:
    """The operation's own shape: of StartExecution and its like names begin with small letters, and an event of
    PutEvents is one entry."""
    if operation in ("StartExecution", "StopExecution"):
        return {name[0].lower() + name[1:]: value for name, value in told.items()}
    return {"Entries": [told]} if operation == "PutEvents" else told


def _plain(value: Any) -> Any:
    """A result as JSON has it."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items() if name != "ResponseMetadata"}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _json(status: int, content: Any) -> ApiResponse:
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return ApiResponse(status, [("Content-Type", "application/json")], text)
