"""jwt-validation actions: what AWS accepts, and the form it echoes.

"Verify JWTs using an Application Load Balancer" in the Application Load Balancer guide; JwtValidationActionConfig in
the API reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from kunren.services.elbv2.errors import InvalidLoadBalancerAction

JWT = "jwt-validation"
CONFIG = "JwtValidationConfig"
SINGLE, ARRAY, SPACED = FORMATS = ("single-string", "string-array", "space-separated-values")
ALWAYS = ("exp", "iss", "nbf", "iat")
"""The claims that are validated without being asked for."""
_LENGTH_MAX, _CLAIMS_MAX, _VALUES_MAX = 256, 10, 10


def normalise(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config as it is kept and echoed. Raises InvalidLoadBalancerAction."""
    parts = urlsplit(config["JwksEndpoint"])
    if parts.scheme != "https" or not parts.hostname:
        raise InvalidLoadBalancerAction(f"The JwksEndpoint '{config['JwksEndpoint']}' must be a full HTTPS URL")
    for name in ("JwksEndpoint", "Issuer"):
        if not 1 <= len(config[name]) <= _LENGTH_MAX:
            raise InvalidLoadBalancerAction(f"The {name} must have between '1-{_LENGTH_MAX}' characters")
    done: dict[str, Any] = {"JwksEndpoint": config["JwksEndpoint"], "Issuer": config["Issuer"]}
    claims = config.get("AdditionalClaims") or []
    if len(claims) > _CLAIMS_MAX:
        raise InvalidLoadBalancerAction(f"There can be '{_CLAIMS_MAX}' AdditionalClaims at most")
    if claims:
        done["AdditionalClaims"] = [_claim(each) for each in claims]
    return done


def _claim(claim: Mapping[str, Any]) -> dict[str, Any]:
    name, values = claim["Name"], list(claim["Values"])
    if not name or name in ALWAYS:
        raise InvalidLoadBalancerAction(f"The additional claim '{name}' cannot be specified")
    if claim["Format"] not in FORMATS:
        raise InvalidLoadBalancerAction(f"The Format must be one of: {', '.join(map(repr, FORMATS))}")
    most = 1 if claim["Format"] == SINGLE else _VALUES_MAX
    if not 1 <= len(values) <= most:
        raise InvalidLoadBalancerAction(f"The additional claim '{name}' must have between '1-{most}' values")
    for value in values:
        if not 1 <= len(value) <= _LENGTH_MAX:
            raise InvalidLoadBalancerAction(
                f"The values of the additional claim '{name}' must have between '1-{_LENGTH_MAX}' characters"
            )
        if claim["Format"] == SPACED and " " in value:
            raise InvalidLoadBalancerAction(f"The values of the additional claim '{name}' cannot contain spaces")
    return {"Format": claim["Format"], "Name": name, "Values": values}


def config_of(actions: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The configuration of the jwt-validation action among a rule's actions."""
    return next((each[CONFIG] for each in actions if each["Type"] == JWT), None)
