"""Cross-origin requests by a bucket's rules: preflights, and the headers of every other answer ("Using cross-origin
resource sharing")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kunren.core.policies import like
from kunren.services.s3.errors import refusal

METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
RULES_MAX = 100
Rules = Sequence[Mapping[str, Any]]
VARY = ("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")


def check(rules: Rules) -> None:
    """Raises InvalidRequest, MalformedXML."""
    if not 1 <= len(rules) <= RULES_MAX:
        raise refusal("MalformedXML")
    for rule in rules:
        for method in rule.get("AllowedMethods") or ():
            if method not in METHODS:
                raise refusal(
                    "InvalidRequest",
                    f"Found unsupported HTTP method in CORS config. Unsupported method is {method}",
                )
        for origin in rule.get("AllowedOrigins") or ():
            if origin.count("*") > 1:
                raise refusal("InvalidRequest", f'AllowedOrigin "{origin}" can not have more than one wildcard.')
        for header in rule.get("AllowedHeaders") or ():
            if header.count("*") > 1:
                raise refusal("InvalidRequest", f'AllowedHeader "{header}" can not have more than one wildcard.')
        for header in rule.get("ExposeHeaders") or ():
            if "*" in header:
                raise refusal(
                    "InvalidRequest",
                    f'ExposeHeader "{header}" contains wildcard. We currently do not support wildcard for'
                    " ExposeHeader.",
                )


def rule_for(rules: Rules, origin: str, method: str, headers: Sequence[str] = ()) -> Mapping[str, Any] | None:
    """The first rule that allows the method from the origin, with all of these request headers."""
    for rule in rules:
        allowed = [each.lower() for each in rule.get("AllowedHeaders") or ()]
        if (
            any(like(each, origin) for each in rule.get("AllowedOrigins") or ())
            and method in (rule.get("AllowedMethods") or ())
            and all(any(like(pattern, each.lower()) for pattern in allowed) for each in headers)
        ):
            return rule
    return None


def answer_headers(rule: Mapping[str, Any], origin: str) -> list[tuple[str, str]]:
    """What a browser is told on an answer that the rule allows."""
    everybody = "*" in (rule.get("AllowedOrigins") or ())
    out = [
        ("Access-Control-Allow-Origin", "*" if everybody else origin),
        ("Access-Control-Allow-Methods", ", ".join(rule.get("AllowedMethods") or ())),
    ]
    if exposed := rule.get("ExposeHeaders"):
        out.append(("Access-Control-Expose-Headers", ", ".join(exposed)))
    if rule.get("MaxAgeSeconds") is not None:
        out.append(("Access-Control-Max-Age", str(rule["MaxAgeSeconds"])))
    if not everybody:
        out.append(("Access-Control-Allow-Credentials", "true"))
    return [*out, VARY]


def preflight(rules: Rules, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers that answer an OPTIONS request. Raises AccessForbidden's kin (403)."""
    origin, method = headers.get("origin"), headers.get("access-control-request-method")
    if not origin or not method:
        raise refusal("InvalidArgument", "Insufficient information. Origin request header needed.")
    wanted = [each.strip() for each in headers.get("access-control-request-headers", "").split(",") if each.strip()]
    rule = rule_for(rules, origin, method, wanted)
    if rule is None:
        text = (
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request"
        )
        text += " method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the"
        raise refusal("AccessDenied", text + " resource's CORS spec.", Method=method, ResourceType="OBJECT")
    out = answer_headers(rule, origin)
    return [*out, ("Access-Control-Allow-Headers", ", ".join(each.lower() for each in wanted))] if wanted else out
