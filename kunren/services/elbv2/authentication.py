"""authenticate-oidc actions: what AWS accepts, its defaults, and the form it echoes (never the client secret).

"Authenticate users using an Application Load Balancer" in the Application Load Balancer guide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from kunren.services.elbv2.errors import InvalidLoadBalancerAction

OIDC = "authenticate-oidc"
CONFIG = "AuthenticateOidcConfig"
CALLBACK = "/oauth2/idpresponse"
"""The path by which users come back from their provider."""
DEFAULTS: Mapping[str, Any] = {
    "SessionCookieName": "AWSELBAuthSessionCookie",
    "Scope": "openid",
    "SessionTimeout": 604_800,
    "OnUnauthenticatedRequest": "authenticate",
}
_URLS = ("Issuer", "AuthorizationEndpoint", "TokenEndpoint", "UserInfoEndpoint")
_EXTRA_PARAMS_MAX = 10
_TIMEOUT_MAX = 604_800


def normalise(config: Mapping[str, Any], existing: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The config as it is kept, with its secret; `existing` are the actions that are replaced, for
    UseExistingClientSecret. Raises InvalidLoadBalancerAction."""
    done: dict[str, Any] = {"ClientId": config["ClientId"]}
    for name in _URLS:
        parts = urlsplit(config[name])
        if parts.scheme != "https" or not parts.hostname:
            raise InvalidLoadBalancerAction(f"The {name} '{config[name]}' must be a full HTTPS URL")
        done[name] = config[name]
    for name, default in DEFAULTS.items():
        done[name] = config[name] if config.get(name) not in (None, "") else default
    if not 1 <= done["SessionTimeout"] <= _TIMEOUT_MAX:
        raise InvalidLoadBalancerAction(f"The SessionTimeout must be between '1-{_TIMEOUT_MAX}' inclusive")
    if done["OnUnauthenticatedRequest"] not in ("deny", "allow", "authenticate"):
        raise InvalidLoadBalancerAction("The OnUnauthenticatedRequest must be one of: 'deny', 'allow', 'authenticate'")
    extra = config.get("AuthenticationRequestExtraParams") or {}
    if len(extra) > _EXTRA_PARAMS_MAX:
        raise InvalidLoadBalancerAction(f"There can be '{_EXTRA_PARAMS_MAX}' AuthenticationRequestExtraParams at most")
    if extra:
        done["AuthenticationRequestExtraParams"] = dict(extra)
    done["ClientSecret"] = _secret(config, existing)
    return done


def _secret(config: Mapping[str, Any], existing: Sequence[Mapping[str, Any]]) -> str:
    given, uses = config.get("ClientSecret"), bool(config.get("UseExistingClientSecret"))
    if given and uses:
        raise InvalidLoadBalancerAction("You cannot specify both a ClientSecret and UseExistingClientSecret")
    if given:
        return str(given)
    kept = config_of(existing)
    if not uses or kept is None:
        raise InvalidLoadBalancerAction("A ClientSecret must be specified")
    return str(kept["ClientSecret"])


def config_of(actions: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The configuration of the authenticate-oidc action among a rule's actions."""
    return next((each[CONFIG] for each in actions if each["Type"] == OIDC), None)


def shown(actions: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Actions as they are echoed: without secrets."""
    return [
        {**each, CONFIG: {name: value for name, value in each[CONFIG].items() if name != "ClientSecret"}}
        if each["Type"] == OIDC
        else dict(each)
        for each in actions
    ]
