"""Who may ask a route: nobody asked, IAM's signature, a JSON Web Token, or a function.

Developer guide, "Control and manage access to HTTP APIs".
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.core.fronts import FrontAccess
from kunren.core.policies import ALLOW, Asker, decision
from kunren.dataplane.apis import jwt
from kunren.dataplane.apis.interface import ApiRequest, ApiResponse
from kunren.dataplane.apis.issuers import Issuers
from kunren.dataplane.apis.lambda_event import as_payload, event_v1, event_v2
from kunren.dataplane.apis.upstream import Failed
from kunren.services.apigatewayv2.answers import refusal
from kunren.services.apigatewayv2.checks import function_arn
from kunren.services.apigatewayv2.exchange import Exchange
from kunren.services.apigatewayv2.functions import FunctionFailed, Functions
from kunren.services.apigatewayv2.parameters import evaluated

log = logging.getLogger(__name__)
AUTHORIZER_WITHIN_S = 10.0
KEPT_MAX = 10_000
_INVOKE = "execute-api:Invoke"


class Signer(NamedTuple):
    """Who signed a request, or says so: in strict mode an identity, otherwise an account as a whole."""

    account: str
    access_key: str
    arn: str
    id: str


class Verdict(NamedTuple):
    """What an authorizer's function said. `statements` None: `allowed` holds for every route."""

    allowed: bool
    statements: list[dict[str, Any]] | None
    context: dict[str, Any]
    principal: str = ""


class Authorizing:
    """`check` for one exchange. `access` is set in strict mode."""

    def __init__(self, clock: Clock, functions: Functions, issuers: Issuers) -> None:
        self.access: FrontAccess | None = None
        self._clock = clock
        self._functions = functions
        self._issuers = issuers
        self._kept: OrderedDict[tuple[str, ...], tuple[float, Verdict]] = OrderedDict()

    def forget(self, account: str, region: str, api_id: str, stage: str) -> None:
        """Forget what functions said for a stage."""
        for key in [each for each in self._kept if each[:4] == (account, region, api_id, stage)]:
            del self._kept[key]

    async def check(self, exchange: Exchange) -> ApiResponse | None:
        """None where the request may pass, and the exchange knows who asks; else the refusal."""
        assert exchange.route is not None
        kind = exchange.route.config["AuthorizationType"]
        if kind == "NONE":
            return None
        if kind == "AWS_IAM":
            return await self._iam(exchange)
        authorizer_id = exchange.route.config.get("AuthorizerId", "")
        config = exchange.content.authorizers.get(authorizer_id)
        if config is None:
            return refusal(500)
        if kind == "JWT":
            return await self._jwt(exchange, config)
        return await self._function(exchange, authorizer_id, config)

    # --- IAM

    async def _iam(self, exchange: Exchange) -> ApiResponse | None:
        try:
            signer = await signer_of(self.access, exchange.request, exchange.route_arn)
        except AwsError as error:
            log.info("%s was refused: %s", exchange.route_arn, error.message)
            signer = None
        if signer is None:
            return refusal(403)
        exchange.authorizer = {
            "iam": {
                "accessKey": signer.access_key,
                "accountId": signer.account,
                "callerId": signer.id,
                "cognitoIdentity": None,
                "principalOrgId": None,
                "userArn": signer.arn,
                "userId": signer.id,
            }
        }
        exchange.known |= {
            "identity.accountId": signer.account,
            "identity.caller": signer.id,
            "identity.user": signer.id,
            "identity.userArn": signer.arn,
        }
        return None

    # --- JSON Web Tokens

    async def _jwt(self, exchange: Exchange, config: Mapping[str, Any]) -> ApiResponse | None:
        assert exchange.route is not None
        told = evaluated(config["IdentitySource"][0], exchange.look)
        if not told:
            return refusal(401, ("WWW-Authenticate", "Bearer"))
        token = told[7:].strip() if told[:7].lower() == "bearer " else told.strip()
        issuer, audiences = config["JwtConfiguration"]["Issuer"], config["JwtConfiguration"].get("Audience", [])
        try:
            claims = await self._issuers.verified(exchange.request.api.region, token, issuer, audiences)
        except jwt.Refused as error:
            exchange.authorizer_error = str(error)
            return refusal(401, ("WWW-Authenticate", _challenge("invalid_token", str(error))))
        except Failed as error:
            log.info("no keys of %s: %s", issuer, error)
            exchange.authorizer_error = str(error)
            return refusal(500)
        wanted = exchange.route.config.get("AuthorizationScopes") or []
        if wanted and not jwt.scopes_of(claims) & set(wanted):
            challenge = _challenge("insufficient_scope", "the token does not have a required scope", " ".join(wanted))
            return refusal(403, ("WWW-Authenticate", challenge))
        shown = {name: _claim(value) for name, value in claims.items()}
        exchange.authorizer = {"jwt": {"claims": shown, "scopes": wanted or None}}
        exchange.known |= {f"authorizer.claims.{name}": value for name, value in shown.items()}
        return None

    # --- functions

    async def _function(self, exchange: Exchange, authorizer_id: str, config: Mapping[str, Any]) -> ApiResponse | None:
        sources = [evaluated(each, exchange.look) for each in config.get("IdentitySource", ())]
        if not all(sources):
            return refusal(401)
        values = [str(each) for each in sources]
        lasts_s = config.get("AuthorizerResultTtlInSeconds") or 0
        api = exchange.request.api
        key = (api.account, api.region, api.id, exchange.request.stage, authorizer_id, *values)
        kept = self._kept.get(key) if lasts_s else None
        if kept is not None and kept[0] > self._clock.now():
            verdict = kept[1]
        else:
            try:
                verdict = await self._asked(exchange, authorizer_id, config, values)
            except (FunctionFailed, ValueError, RecursionError) as error:
                log.info("the authorizer %s gave no verdict: %s", authorizer_id, error)
                exchange.authorizer_error = str(error)
                return refusal(500)
            if lasts_s:
                self._kept[key] = (self._clock.now() + lasts_s, verdict)
                if len(self._kept) > KEPT_MAX:
                    self._kept.popitem(last=False)
        if not _allows(verdict, exchange.route_arn):
            return refusal(403)
        exchange.authorizer = {"lambda": verdict.context or None}
        exchange.known |= {f"authorizer.{name}": value for name, value in verdict.context.items()}
        if verdict.principal:
            exchange.known["authorizer.principalId"] = verdict.principal
        return None

    async def _asked(
        self, exchange: Exchange, authorizer_id: str, config: Mapping[str, Any], values: list[str]
    ) -> Verdict:
        """Raises FunctionFailed, and ValueError for an answer that is none."""
        api, arn = exchange.request.api, function_arn(config["AuthorizerUri"])
        event = _event(exchange, config, values)
        payload = await self._functions.invoke(
            arn or "",
            as_payload(event),
            source_arn=f"arn:aws:execute-api:{api.region}:{api.account}:{api.id}/authorizers/{authorizer_id}",
            account=api.account,
            trace_id=exchange.trace_id,
            timeout_s=AUTHORIZER_WITHIN_S,
            role=config.get("AuthorizerCredentialsArn", ""),
        )
        return read_verdict(payload, simple=bool(config.get("EnableSimpleResponses")))


async def signer_of(access: FrontAccess | None, request: ApiRequest, arn: str) -> Signer | None:
    """Who signed a request and may invoke what the ARN names; None where nobody did, or may not. Raises AwsError for a
    signature that is not good (strict mode)."""
    signed, region = request.claimed, request.api.region
    if signed is None or signed.service != "execute-api" or signed.region != region:
        return None
    if access is None:
        return Signer(signed.account, signed.access_key, f"arn:aws:iam::{signed.account}:root", signed.account)
    assert request.asked is not None
    caller = await access.caller(request.asked, "execute-api", region)
    if caller is None or not access.may(caller, _INVOKE, arn, request.asked, region).allowed:
        return None
    return Signer(caller.account, caller.access_key, caller.arn, caller.user_id)


def read_verdict(payload: bytes, *, simple: bool) -> Verdict:
    """What an authorizer's function returned, in the simple form or as an IAM policy. Raises ValueError."""
    told = json.loads(payload)
    if not isinstance(told, dict):
        raise ValueError("the answer is no object")
    context = told.get("context") or {}
    if not isinstance(context, dict):
        raise ValueError("context is no object")
    if simple:
        if not isinstance(told.get("isAuthorized"), bool):
            raise ValueError("isAuthorized is neither true nor false")
        return Verdict(told["isAuthorized"], None, context)
    document = told.get("policyDocument")
    statements = document.get("Statement") if isinstance(document, dict) else None
    statements = [statements] if isinstance(statements, dict) else statements
    if not isinstance(statements, list) or not all(isinstance(each, dict) for each in statements):
        raise ValueError("policyDocument has no statements")
    if not all(each.get("Effect") in ("Allow", "Deny") and "Action" in each for each in statements):
        raise ValueError("a statement of policyDocument has no Effect or Action")
    return Verdict(True, [{**each, "Principal": "*"} for each in statements], context, str(told.get("principalId", "")))


def _allows(verdict: Verdict, arn: str) -> bool:
    if verdict.statements is None:
        return verdict.allowed
    return decision(verdict.statements, Asker(), _INVOKE, arn, {}) == ALLOW


def _event(exchange: Exchange, config: Mapping[str, Any], values: list[str]) -> dict[str, Any]:
    """What the authorizer's function is told, in its payload format."""
    assert exchange.route is not None
    common: dict[str, Any] = {
        "parameters": exchange.route.parameters, "variables": exchange.variables, "trace_id": exchange.trace_id,
    }  # fmt: skip
    if config["AuthorizerPayloadFormatVersion"] == "2.0":
        made = event_v2(exchange.request, route_key=exchange.route_key, authorizer=None, **common)
        for name in ("body", "isBase64Encoded"):
            made.pop(name, None)
        return {
            **made, "type": "REQUEST", "routeArn": exchange.route_arn, "identitySource": values or None,
        }  # fmt: skip
    made = event_v1(exchange.request, resource=exchange.route.key.path, context={}, **common)
    kept = (
        "version", "resource", "path", "httpMethod", "headers", "queryStringParameters", "pathParameters",
        "stageVariables", "requestContext",
    )  # fmt: skip
    return {
        **{name: made[name] for name in kept},
        "type": "REQUEST",
        "methodArn": exchange.route_arn,
        "identitySource": ",".join(values),
        "authorizationToken": ",".join(values),
    }


def _claim(value: Any) -> str:
    """A claim as events have it: text."""
    if isinstance(value, list):
        return "[" + " ".join(_claim(each) for each in value) + "]"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _challenge(error: str, why: str, scope: str = "") -> str:
    return f'Bearer scope="{scope}" error="{error}" error_description="{why}"'
