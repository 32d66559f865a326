"""Integrations: what is asked of a function, a URL, a service of AWS or nobody, and what comes back."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.dataplane.apis.lambda_event import HOP_BY_HOP, InvalidAnswer, as_payload, read_answer_v1
from kunren.dataplane.apis.upstream import Failed, Link, Upstream
from kunren.services.apigateway.gateway_responses import Refusal, broken
from kunren.services.apigateway.serving import media
from kunren.services.apigateway.serving.exchange import Exchange
from kunren.services.apigateway.serving.functions import Functions, NotPermitted, service_of
from kunren.services.apigateway.serving.mapping import rendered, request_values, sendable, with_variables

log = logging.getLogger(__name__)
_JSON = "application/json"


class Outcome(NamedTuple):
    """What an integration answered. `error` is a function's error text, by which responses are chosen; `passed` where
    the answer goes to the client as it is."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    error: str = ""
    passed: bool = False


AskService = Callable[..., Awaitable[tuple[int, list[tuple[str, str]], bytes]]]
"""Ask a service of AWS by a request like a client's: account, region, service, subdomain, operation (where the URI
names one: the protocol then decides what the request looks like), method, path, query, headers and body."""

FindLink = Callable[[str, str, str, str], Awaitable[Link | None]]
"""The way through a VPC link: account, region, the link's id and the host that the URI names."""


class Integrations:
    def __init__(
        self, functions: Functions, upstream: Upstream, ask_service: AskService, find_link: FindLink, clock: Clock
    ) -> None:
        self._functions = functions
        self._upstream = upstream
        self._ask_service = ask_service
        self._find_link = find_link
        self._clock = clock

    async def ask(self, exchange: Exchange) -> Outcome:
        """The integration's answer, in time. Raises Refusal."""
        told = exchange.integration
        asking = {
            "MOCK": self._mock, "AWS_PROXY": self._proxied_function, "AWS": self._action, "HTTP": self._url,
            "HTTP_PROXY": self._proxied_url,
        }[told["type"]]  # fmt: skip
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(told.get("timeoutInMillis", 29_000) / 1000):
                outcome = await asking(exchange, told)
        except TimeoutError:
            exchange.log("Execution failed due to a timeout error")
            raise timed_out() from None
        finally:
            if told["type"] != "MOCK":
                exchange.integration_latency_ms = int((self._clock.monotonic() - began) * 1000)
        exchange.integration_status = outcome.status
        return outcome

    # --- nobody ---------------------------------------------------------------------------------------------------

    async def _mock(self, exchange: Exchange, told: Mapping[str, Any]) -> Outcome:
        text = media.to_text(request_body(exchange, told))
        try:
            status = int(json.loads(text)["statusCode"])
        except (ValueError, TypeError, KeyError, RecursionError):
            exchange.log("Execution failed due to configuration error: Unable to parse statusCode. It should be an "
                         "integer and defined as part of response body.")  # fmt: skip
            raise broken() from None
        return Outcome(status, [], b"")

    # --- functions ------------------------------------------------------------------------------------------------

    def _function(self, exchange: Exchange, told: Mapping[str, Any]) -> Any:
        uri = with_variables(told["uri"], exchange)
        try:
            return self._functions.check(
                uri, exchange.source_arn(), exchange.request.api.account, by_role=bool(told.get("credentials"))
            )
        except NotPermitted as error:
            exchange.log(f"Execution failed due to configuration error: {error}")
            raise broken() from error

    async def _proxied_function(self, exchange: Exchange, told: Mapping[str, Any]) -> Outcome:
        if ":lambda:" not in told["uri"]:
            raise broken()
        name = self._function(exchange, told)
        payload = as_payload(exchange.event())
        exchange.log(f"Endpoint request body after transformations: {payload.decode()}")
        try:
            result = await self._functions.invoke(name, payload, exchange.trace_id)
        except AwsError as error:
            exchange.log(f"Execution failed due to configuration error: {error}")
            raise broken(status=502 if error.status < 500 else 500) from error
        if result.function_error:
            exchange.log(f"Lambda execution failed with status 200 due to customer function error: {result.payload!r}")
            raise broken(status=502)
        try:
            answer = read_proxy_answer(result.payload, exchange)
        except InvalidAnswer as error:
            exchange.log("Execution failed due to configuration error: Malformed Lambda proxy response")
            raise broken(status=502) from error
        return answer

    async def _action(self, exchange: Exchange, told: Mapping[str, Any]) -> Outcome:
        if ":lambda:path/2015-03-31/functions/" in told["uri"]:
            return await self._mapped_function(exchange, told)
        named = service_of(with_variables(told["uri"], exchange))
        if named is None:
            raise broken()
        body = request_body(exchange, told)
        mapped = mapped_request(exchange, told)
        path = mapped.into(named.path)
        headers = {"content-type": content_type(exchange), **mapped.headers}
        status, answered, content = await self._ask_service(
            exchange.request.api.account, named.region, named.service, named.subdomain, named.action,
            told["httpMethod"], path, urlencode(mapped.query), headers, body,
        )  # fmt: skip
        return Outcome(status, answered, content)

    async def _mapped_function(self, exchange: Exchange, told: Mapping[str, Any]) -> Outcome:
        name = self._function(exchange, told)
        payload = request_body(exchange, told) or b"{}"
        kind = mapped_request(exchange, told).headers.get("x-amz-invocation-type", "")
        try:
            if kind.lower() == "event":
                await self._functions.start(name, payload, exchange.request.id)
                return Outcome(202, [], b"")
            result = await self._functions.invoke(name, payload, exchange.trace_id)
        except AwsError as error:
            exchange.log(f"Execution failed due to configuration error: {error}")
            raise broken() from error
        said = ""
        if result.function_error:
            try:
                said = str(json.loads(result.payload).get("errorMessage") or "")
            except (ValueError, AttributeError):
                said = "error"
        return Outcome(200, [("Content-Type", _JSON)], result.payload, said)

    # --- URLs -----------------------------------------------------------------------------------------------------

    async def _url(self, exchange: Exchange, told: Mapping[str, Any]) -> Outcome:
        body = request_body(exchange, told)
        mapped = mapped_request(exchange, told)
        headers = [("content-type", content_type(exchange)), ("accept", exchange.request.headers.get("accept", _JSON))]
        sent = {name: value for name, value in headers if name not in mapped.headers} | mapped.headers
        return await self._fetch(exchange, told, mapped, list(sent.items()), [], body)

    async def _proxied_url(self, exchange: Exchange, told: Mapping[str, Any]) -> Outcome:
        mapped = mapped_request(exchange, told)
        request = exchange.request
        headers = [
            (name, value)
            for name in request.headers
            for value in request.values(name)
            if name not in HOP_BY_HOP and name not in ("host", "content-length") and name not in mapped.headers
        ]
        forwarded = request.headers.get("x-forwarded-for")
        headers = [each for each in headers if each[0] not in ("x-forwarded-for", "x-amzn-trace-id")]
        headers += [
            *mapped.headers.items(),
            ("x-forwarded-for", f"{forwarded}, {request.source_ip}" if forwarded else request.source_ip),
            ("x-amzn-trace-id", exchange.trace_id),
        ]
        body = _converted(exchange, told)
        query = [(name, value) for name, values in exchange.query().items() for value in values]
        outcome = await self._fetch(exchange, told, mapped, headers, query, body)
        return outcome._replace(passed=True)

    async def _fetch(
        self, exchange: Exchange, told: Mapping[str, Any], mapped: Mapped, headers: list[tuple[str, str]],
        query: list[tuple[str, str]], body: bytes,
    ) -> Outcome:  # fmt: skip
        api = exchange.request.api
        method = told["httpMethod"] if told["httpMethod"] != "ANY" else exchange.request.method
        url = mapped.into(with_variables(told["uri"], exchange))
        given = [*((n, v) for n, v in query if n not in dict(mapped.query)), *mapped.query]
        if given:
            url += ("&" if "?" in url else "?") + urlencode(given)
        link = None
        if told.get("connectionType") == "VPC_LINK":
            link = await self._find_link(api.account, api.region, with_variables(told["connectionId"], exchange), url)
            if link is None:
                raise broken()
        exchange.log(f"Sending request to {url}")
        try:
            answer = await self._upstream.ask(
                api.region, method, url, headers, body, told.get("timeoutInMillis", 29_000) / 1000, link
            )
        except Failed as error:
            exchange.log(f"Execution failed due to a network error: {error}")
            raise (timed_out() if error.timed_out else _unreachable()) from error
        return Outcome(answer.status, answer.headers, answer.body)


# --- requests to integrations -------------------------------------------------------------------------------------


class Mapped:
    """What `requestParameters` and a template's overrides make of a request: headers by lower-case name, query
    parameters, and values for `{names}` in the URI."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.query: list[tuple[str, str]] = []
        self.path: dict[str, str] = {}

    def into(self, uri: str) -> str:
        """The URI with the path's names put in; a greedy value keeps its slashes."""
        return re.sub(r"\{([^{}]+?)\+?\}", lambda found: quote(self.path.get(found[1], ""), safe="/~:@!$&'()*,;="), uri)


def mapped_request(exchange: Exchange, told: Mapping[str, Any]) -> Mapped:
    found = Mapped()
    if told["type"].startswith("HTTP"):
        found.path.update(exchange.parameters)
    body = media.to_text(exchange.request.body)
    for name, expression in (told.get("requestParameters") or {}).items():
        place, _, own = name.removeprefix("integration.request.").partition(".")
        values = request_values(expression, exchange, body)
        if not values:
            continue
        if place in ("header", "multivalueheader"):
            found.headers[own.lower()] = ",".join(with_variables(each, exchange) for each in values)
        elif place in ("querystring", "multivaluequerystring"):
            found.query += [(own, each) for each in values]
        else:
            found.path[own] = values[-1]
    override = exchange.overrides.get("requestOverride") or {}
    found.headers.update({str(name).lower(): str(value) for name, value in (override.get("header") or {}).items()})
    found.headers = {_line(name): _line(value) for name, value in found.headers.items()}
    found.path.update({str(name): sendable(str(value)) for name, value in (override.get("path") or {}).items()})
    for name, value in (override.get("querystring") or {}).items():
        found.query = [each for each in found.query if each[0] != name]
        found.query += [(name, sendable(str(each))) for each in (value if isinstance(value, list) else [value])]
    return found


def _line(text: str) -> str:
    """A header's name or value on one line, whatever it was mapped from."""
    return re.sub(r"[\r\n\0]", "", sendable(text))


def content_type(exchange: Exchange) -> str:
    return exchange.request.headers.get("content-type") or _JSON


def request_body(exchange: Exchange, told: Mapping[str, Any]) -> bytes:
    """The integration request's body: by the template of the request's media type, or passed through. Raises
    Refusal."""
    body = _converted(exchange, told)
    templates = told.get("requestTemplates") or {}
    kind = media.media_type(content_type(exchange))
    text = next((value for name, value in templates.items() if name.lower() == kind), templates.get("$default"))
    if text is None:
        behavior = told.get("passthroughBehavior", "WHEN_NO_MATCH")
        if behavior == "NEVER" or (behavior == "WHEN_NO_TEMPLATES" and templates):
            raise Refusal("UNSUPPORTED_MEDIA_TYPE", "Unsupported Media Type", "UnsupportedMediaTypeException")
        return body
    made = rendered(text, exchange, media.to_text(body))
    exchange.log(f"Endpoint request body after transformations: {made}")
    return made.encode()


def _converted(exchange: Exchange, told: Mapping[str, Any]) -> bytes:
    """The request's body after its content handling. Raises Refusal."""
    try:
        return media.converted(exchange.request.body, exchange.binary, told.get("contentHandling"))
    except ValueError:
        raise Refusal("BAD_REQUEST_BODY", "Invalid request body", "BadRequestException") from None


# --- answers of functions -----------------------------------------------------------------------------------------


def read_proxy_answer(payload: bytes, exchange: Exchange) -> Outcome:
    """A function's answer as HTTP: a base64 body is decoded where the client accepts one of the API's binary types.
    Raises InvalidAnswer."""
    try:
        told = json.loads(payload)
    except (ValueError, RecursionError):
        raise InvalidAnswer("not JSON") from None
    if not isinstance(told, dict) or "statusCode" not in told:
        raise InvalidAnswer("no statusCode")
    if set(told) - {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded", "cookies"}:
        raise InvalidAnswer("members that are not known")
    if not isinstance(told.get("body"), str | None):
        raise InvalidAnswer("the body is no string")
    types = exchange.deployed.api.get("binaryMediaTypes") or ()
    if told.get("isBase64Encoded") and not media.is_binary(types, exchange.request.headers.get("accept")):
        told = {**told, "isBase64Encoded": False}
    answer = read_answer_v1(json.dumps(told).encode())
    return Outcome(answer.status, answer.headers, answer.body, passed=True)


def timed_out() -> Refusal:
    return Refusal("INTEGRATION_TIMEOUT", "Endpoint request timed out", "InternalServerErrorException")


def _unreachable() -> Refusal:
    return Refusal("INTEGRATION_FAILURE", "Network error communicating with endpoint", "InternalServerErrorException")
