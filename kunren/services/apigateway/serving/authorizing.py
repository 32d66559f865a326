"""Who may ask: resource policies, signatures, and Lambda authorizers with their remembered answers."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from kunren.core.authorization import denial
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.core.fronts import FrontAccess
from kunren.core.patterns import BadPattern, matches
from kunren.core.policies import Asker, decision, many
from kunren.dataplane.apis.lambda_event import as_payload
from kunren.services.apigateway.gateway_responses import Refusal, missing_token
from kunren.services.apigateway.policies import INVOKE, lets_in
from kunren.services.apigateway.serving.exchange import Exchange
from kunren.services.apigateway.serving.functions import Functions, NotPermitted
from kunren.services.apigateway.serving.mapping import dotted

_REMEMBERED_MAX = 10_000
_TTL_DEFAULT_S = 300
_SCOPE = "Credential should be scoped to "


class Verdict(NamedTuple):
    """An authorizer's answer: policy statements, who it is, what it says of them, and which API key they have."""

    statements: tuple[dict[str, Any], ...]
    principal: str
    context: dict[str, Any]
    key: str


class Authorizers:
    """`access` is set in strict mode."""

    def __init__(self, functions: Functions, clock: Clock) -> None:
        self.access: FrontAccess | None = None
        self._functions = functions
        self._clock = clock
        self._remembered: OrderedDict[tuple[str, ...], tuple[float, Verdict]] = OrderedDict()

    def forget(self, api: str, stage: str) -> None:
        """FlushStageAuthorizersCache."""
        for key in [each for each in self._remembered if each[:2] == (api, stage)]:
            del self._remembered[key]

    async def authorize(self, exchange: Exchange) -> str:
        """Let the request through, or raise Refusal. The API key that the authorizer names, if it does."""
        kind = exchange.method["authorizationType"]
        if kind == "CUSTOM":
            verdict = await self._ask(exchange)
            _judge(verdict, exchange)
            _check_policy(exchange, anonymous=True)
            return verdict.key
        if kind == "AWS_IAM":
            _check_scope(exchange)
            if self.access is not None:
                await _check_identity(self.access, exchange)
            else:
                _check_account(exchange)
        else:
            _check_policy(exchange, anonymous=exchange.request.claimed is None)
        return ""

    # --- Lambda authorizers ---------------------------------------------------------------------------------------

    async def _ask(self, exchange: Exchange) -> Verdict:
        told = exchange.deployed.authorizers.get(exchange.method.get("authorizerId") or "")
        if told is None:
            raise _misconfigured()
        ttl = told.get("authorizerResultTtlInSeconds", _TTL_DEFAULT_S)
        sources = identity_values(told, exchange)
        key = (exchange.request.api.id, exchange.stage["stageName"], told["id"], *sources)
        now = self._clock.now()
        if ttl and (kept := self._remembered.get(key)) is not None and kept[0] > now:
            return kept[1]
        began = self._clock.monotonic()
        verdict = await self._invoke(told, exchange, sources)
        exchange.authorizer_latency_ms = int((self._clock.monotonic() - began) * 1000)
        if ttl and sources:
            self._remembered[key] = (now + ttl, verdict)
            if len(self._remembered) > _REMEMBERED_MAX:
                self._remembered.popitem(last=False)
        return verdict

    async def test(self, told: Mapping[str, Any], exchange: Exchange) -> Verdict:
        """Ask the authorizer's function, whatever is remembered. Raises Refusal."""
        return await self._invoke(told, exchange, identity_values(told, exchange))

    async def _invoke(self, told: Mapping[str, Any], exchange: Exchange, sources: tuple[str, ...]) -> Verdict:
        api = exchange.request.api
        arn = f"arn:aws:execute-api:{api.region}:{api.account}:{api.id}/authorizers/{told['id']}"
        try:
            name = self._functions.check(
                told["authorizerUri"], arn, api.account, by_role=bool(told.get("authorizerCredentials"))
            )
        except NotPermitted as error:
            exchange.log(f"Execution failed due to configuration error: {error}")
            raise _misconfigured() from error
        payload = as_payload(authorizer_event(told, exchange, sources))
        try:
            result = await self._functions.invoke(name, payload, exchange.trace_id)
        except AwsError as error:
            exchange.log(f"Execution failed due to authorizer error: {error}")
            raise _failed() from error
        if result.function_error:
            raise _by_error(result.payload)
        try:
            return read_verdict(json.loads(result.payload))
        except (ValueError, TypeError, AttributeError) as error:
            exchange.log(f"Execution failed due to configuration error: Invalid JSON in response: {error}")
            raise _misconfigured() from error


def identity_values(told: Mapping[str, Any], exchange: Exchange) -> tuple[str, ...]:
    """What the authorizer decides by. Raises Refusal where it must be there and is not, or is not as it must be."""
    values = []
    for source in filter(None, re.split(r"\s*,\s*", told.get("identitySource") or "")):
        kind, _, name = source.partition(".")
        if kind == "method":
            place, _, own = name.removeprefix("request.").partition(".")
            value: Any = (
                exchange.request.headers.get(own.lower())
                if place == "header"
                else next(iter(exchange.query().get(own, ())), None)
            )
        elif kind == "stageVariables":
            value = exchange.variables.get(name)
        else:
            value = dotted(exchange.context(), name)
        if not value and (told["type"] == "TOKEN" or told.get("authorizerResultTtlInSeconds", _TTL_DEFAULT_S)):
            raise _unauthorized()
        values.append(str(value or ""))
    wanted = told.get("identityValidationExpression")
    try:
        fits = told["type"] != "TOKEN" or not wanted or matches(wanted, values[0] if values else "")
    except BadPattern:
        fits = False
    if not fits:
        raise _unauthorized()
    return tuple(values)


def authorizer_event(told: Mapping[str, Any], exchange: Exchange, sources: tuple[str, ...]) -> dict[str, Any]:
    """What the authorizer's function gets ("Input to an API Gateway Lambda authorizer")."""
    if told["type"] == "TOKEN":
        return {"type": "TOKEN", "authorizationToken": sources[0], "methodArn": exchange.method_arn()}
    event = exchange.event()
    named = (
        "resource", "path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters",
        "multiValueQueryStringParameters", "pathParameters", "stageVariables", "requestContext",
    )  # fmt: skip
    maps = ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables")
    shown = {name: (event[name] or {}) if name in maps else event[name] for name in named}
    return {"type": "REQUEST", "methodArn": exchange.method_arn(), **shown}


def read_verdict(told: Any) -> Verdict:
    """Raises ValueError for an answer that is no policy with a principal."""
    principal, document, context = told.get("principalId"), told.get("policyDocument"), told.get("context") or {}
    if not isinstance(principal, str | int) or not isinstance(document, dict):
        raise ValueError("principalId or policyDocument is missing")
    statements = many(document.get("Statement"))
    for each in statements:
        if each.get("Effect") not in ("Allow", "Deny") or "Action" not in each or "Resource" not in each:
            raise ValueError("a statement is not as it must be")
    if any(not isinstance(value, str | int | float | bool) for value in context.values()):
        raise ValueError("the context has a value that is neither text, number nor boolean")
    texts = {name: _text(value) for name, value in context.items()}
    return Verdict(
        tuple({**each, "Principal": "*"} for each in statements), str(principal), texts,
        told.get("usageIdentifierKey") or "",
    )  # fmt: skip


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _judge(verdict: Verdict, exchange: Exchange) -> None:
    known = {"aws:sourceip": exchange.request.source_ip}
    found = decision(verdict.statements, Asker(), INVOKE, exchange.method_arn(), known)
    if found == "Deny":
        raise _denied("User is not authorized to access this resource with an explicit deny")
    if found is None:
        raise _denied("User is not authorized to access this resource")
    exchange.authorizer = {**verdict.context, "principalId": verdict.principal}


# --- signatures and resource policies -----------------------------------------------------------------------------


def _check_scope(exchange: Exchange) -> None:
    signed, api = exchange.request.claimed, exchange.request.api
    if signed is None:
        raise missing_token()
    if signed.service != "execute-api":
        raise _bad_signature(f"{_SCOPE}correct service: 'execute-api'. ")
    if signed.region != api.region:
        raise _bad_signature(f"{_SCOPE}a valid region. ")


async def _check_identity(access: FrontAccess, exchange: Exchange) -> None:
    """In strict mode: who signed the request, and whether policies let them. Raises Refusal."""
    asked, region = exchange.request.asked, exchange.request.api.region
    assert asked is not None
    try:
        caller = await access.caller(asked, "execute-api", region)
    except AwsError as error:
        kind = "EXPIRED_TOKEN" if error.code == "ExpiredTokenException" else "INVALID_SIGNATURE"
        raise Refusal(kind, error.message, error.code) from error
    if caller is None:
        raise missing_token()
    told = exchange.deployed.api.get("policy")
    policy = tuple(many(json.loads(told)["Statement"])) if told else None
    verdict = access.may(caller, INVOKE, exchange.method_arn(), asked, region, policy)
    if not verdict.allowed:
        raise _denied(denial(caller.arn, INVOKE, _masked(exchange), verdict))
    exchange.identity = {
        "accessKey": caller.access_key, "accountId": caller.account, "caller": caller.user_id, "user": caller.user_id,
        "userArn": caller.arn,
    }  # fmt: skip


def _check_account(exchange: Exchange) -> None:
    """Otherwise a signature says which account asks, and nobody verifies it."""
    signed, api = exchange.request.claimed, exchange.request.api
    assert signed is not None
    exchange.identity = {
        "accessKey": signed.access_key, "accountId": signed.account, "caller": signed.account,
        "user": signed.account, "userArn": f"arn:aws:iam::{signed.account}:root",
    }  # fmt: skip
    if not exchange.deployed.api.get("policy") and signed.account != api.account:
        raise _denied(_not_authorized(exchange, f"arn:aws:iam::{signed.account}:root", explicit=False))
    _check_policy(exchange, anonymous=False)


def _check_policy(exchange: Exchange, *, anonymous: bool) -> None:
    """The API's resource policy. Raises Refusal."""
    policy = exchange.deployed.api.get("policy")
    if not policy:
        return
    signed = None if anonymous else exchange.request.claimed
    account = signed.account if signed is not None else None
    known = {
        "aws:sourceip": exchange.request.source_ip,
        "aws:useragent": exchange.request.headers.get("user-agent", ""),
    }
    if signed is not None:
        known["aws:principalaccount"] = signed.account
    own = exchange.method["authorizationType"] == "AWS_IAM" and account == exchange.request.api.account
    if not lets_in(policy, exchange.method_arn(), Asker(account=account), known, own):
        who = f"arn:aws:iam::{account}:root" if account is not None else "anonymous"
        statements = many(json.loads(policy)["Statement"])
        explicit = decision(statements, Asker(account=account), INVOKE, exchange.method_arn(), known) == "Deny"
        raise _denied(_not_authorized(exchange, who, explicit=explicit))


def _not_authorized(exchange: Exchange, who: str, *, explicit: bool) -> str:
    deny = " with an explicit deny" if explicit else ""
    return f"User: {who} is not authorized to perform: {INVOKE} on resource: {_masked(exchange)}{deny}"


def _masked(exchange: Exchange) -> str:
    """The method's ARN as refusals have it: of the account the last digits alone."""
    account = exchange.request.api.account
    return exchange.method_arn().replace(account, "*" * 8 + account[-4:], 1)


def _denied(message: str) -> Refusal:
    return Refusal("ACCESS_DENIED", message, "AccessDeniedException")


def _unauthorized() -> Refusal:
    return Refusal("UNAUTHORIZED", "Unauthorized", "UnauthorizedException")


def _bad_signature(message: str) -> Refusal:
    return Refusal("INVALID_SIGNATURE", message, "InvalidSignatureException")


def _misconfigured() -> Refusal:
    return Refusal("AUTHORIZER_CONFIGURATION_ERROR", None, "AuthorizerConfigurationException")


def _failed() -> Refusal:
    return Refusal("AUTHORIZER_FAILURE", None, "AuthorizerFailureException")


def _by_error(document: bytes) -> Refusal:
    """An authorizer that fails with exactly "Unauthorized" says 401; any other error is its owner's fault."""
    try:
        said = json.loads(document).get("errorMessage")
    except (ValueError, AttributeError):
        said = None
    return _unauthorized() if said == "Unauthorized" else _failed()
