"""A rule's actions: what AWS accepts, and the form in which it echoes them.

`normalise` takes the wire's Action list and returns it with AWS's defaults filled in: a forward to one group has both
`TargetGroupArn` and `ForwardConfig`, a redirect names every component. Normalising twice changes nothing.
`check_listener` holds what depends on the listener: loops, HTTPS to HTTP. "Action types for listener rules".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kunren.core.errors import NotImplementedByKunren
from kunren.core.memo import by_identity
from kunren.services.elbv2 import authentication, jwt_validation
from kunren.services.elbv2.errors import InvalidLoadBalancerAction, TooManyActions, validation_error
from kunren.services.elbv2.limits import STICKINESS_SECONDS_MAX, TARGET_GROUPS_PER_FORWARD, WEIGHT_MAX

_CONFIGS = {
    "forward": "ForwardConfig",
    "redirect": "RedirectConfig",
    "fixed-response": "FixedResponseConfig",
    authentication.OIDC: authentication.CONFIG,
    jwt_validation.JWT: jwt_validation.CONFIG,
}
_NOT_BUILT = ("authenticate-cognito",)
_FIRST = (authentication.OIDC, jwt_validation.JWT)
"""What a request may have to pass before the action that routes it; one of them at most."""
_OTHER_CONFIGS = (*_CONFIGS.values(), "AuthenticateCognitoConfig")
REDIRECT_DEFAULTS = {
    "Protocol": "#{protocol}",
    "Port": "#{port}",
    "Host": "#{host}",
    "Path": "/#{path}",
    "Query": "#{query}",
}
_KEYWORD = re.compile(r"#\{([a-z]+)\}")
_KEYWORDS = {
    "Host": ("host",),
    "Path": ("path", "host", "port"),
    "Query": ("query", "path", "host", "port", "protocol"),
}
_CONTENT_TYPES = ("text/html", "application/json", "application/javascript", "text/css", "text/plain")
_BODY_BYTES_MAX = 1024
_COMPONENT_LENGTH_MAX = 128


def normalise(
    actions: Sequence[Mapping[str, Any]], operation: str, existing: Sequence[Mapping[str, Any]] = ()
) -> tuple[dict[str, Any], ...]:
    """The actions as AWS stores and echoes them, sorted by Order. `operation` names the call in refusals; `existing`
    are the actions that are replaced.

    Raises InvalidLoadBalancerAction, TooManyActions, ValidationError; NotImplementedByKunren for what is not built.
    """
    if not actions:
        raise validation_error("An action must be specified")
    for action in actions:
        if action["Type"] in _NOT_BUILT:
            raise NotImplementedByKunren("elbv2", f"{operation} with an action of type {action['Type']}")
        if action["Type"] not in _CONFIGS:
            raise InvalidLoadBalancerAction(f"Action type '{action['Type']}' is not valid")
    ordered = sorted(actions, key=lambda action: action.get("Order") or 0)
    checks = [action for action in ordered if action["Type"] in _FIRST]
    if len(ordered) - len(checks) > 1 or len(checks) > 1:
        raise TooManyActions("A rule must have exactly one action of type 'forward', 'redirect' or 'fixed-response'")
    if checks:
        if len(ordered) == 1 or ordered[0] is not checks[0]:
            raise InvalidLoadBalancerAction("The last action must be of type 'forward', 'redirect' or 'fixed-response'")
        if any(action.get("Order") is None for action in ordered):
            raise InvalidLoadBalancerAction("An order must be specified for each action of a rule with several")
    return tuple(_one(action, existing) for action in ordered)


def _one(action: Mapping[str, Any], existing: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    kind: str = action["Type"]
    for member in _OTHER_CONFIGS:
        if member != _CONFIGS[kind] and action.get(member):
            raise InvalidLoadBalancerAction(
                f"For actions of type '{kind}', you cannot specify the following fields: '{member}'"
            )
    if kind != "forward":
        if action.get("TargetGroupArn"):
            raise InvalidLoadBalancerAction(
                f"For actions of type '{kind}', you cannot specify the following fields: 'TargetGroupArn'"
            )
        if not action.get(_CONFIGS[kind]):
            raise InvalidLoadBalancerAction(
                f"For actions of type '{kind}', you must specify the following fields: '{_CONFIGS[kind]}'"
            )
    done: dict[str, Any] = {"Type": kind}
    if action.get("Order") is not None:
        done["Order"] = action["Order"]
    if kind == "forward":
        return {**done, **_forward(action)}
    if kind == authentication.OIDC:
        return {**done, authentication.CONFIG: authentication.normalise(action[authentication.CONFIG], existing)}
    if kind == jwt_validation.JWT:
        return {**done, jwt_validation.CONFIG: jwt_validation.normalise(action[jwt_validation.CONFIG])}
    if kind == "redirect":
        return {**done, "RedirectConfig": _redirect(action["RedirectConfig"])}
    return {**done, "FixedResponseConfig": _fixed_response(action["FixedResponseConfig"])}


def _forward(action: Mapping[str, Any]) -> dict[str, Any]:
    config: Mapping[str, Any] = action.get("ForwardConfig") or {}
    single = action.get("TargetGroupArn")
    listed: list[Mapping[str, Any]] = config.get("TargetGroups") or []
    if not single and not listed:
        raise InvalidLoadBalancerAction(
            "For actions of type 'forward', you must specify the following fields: 'TargetGroupArn'"
        )
    if single and listed and [group.get("TargetGroupArn") for group in listed] != [single]:
        raise InvalidLoadBalancerAction(
            "You can specify only one target group in 'ForwardConfig' if you also specify 'TargetGroupArn', and it"
            " must be the same target group"
        )
    groups = [_weighted(group) for group in listed] or [{"TargetGroupArn": single, "Weight": 1}]
    if len(groups) > TARGET_GROUPS_PER_FORWARD:
        raise InvalidLoadBalancerAction(f"A forward action can only have '{TARGET_GROUPS_PER_FORWARD}' target groups")
    arns = [group["TargetGroupArn"] for group in groups]
    if len(set(arns)) != len(arns):
        raise InvalidLoadBalancerAction("A target group can only be specified once in a forward action")
    done: dict[str, Any] = {
        "ForwardConfig": {
            "TargetGroups": groups,
            "TargetGroupStickinessConfig": _stickiness(config.get("TargetGroupStickinessConfig") or {}),
        }
    }
    if len(groups) == 1:
        done["TargetGroupArn"] = arns[0]
    return done


def _weighted(group: Mapping[str, Any]) -> dict[str, Any]:
    if not group.get("TargetGroupArn"):
        raise validation_error("A target group ARN must be specified")
    weight = group.get("Weight")
    if weight is None:
        weight = 1
    if not 0 <= weight <= WEIGHT_MAX:
        raise validation_error(f"'Weight' value '{weight}' must be between '0-{WEIGHT_MAX}' inclusive")
    return {"TargetGroupArn": group["TargetGroupArn"], "Weight": weight}


def _stickiness(config: Mapping[str, Any]) -> dict[str, Any]:
    enabled = bool(config.get("Enabled"))
    seconds = config.get("DurationSeconds")
    if enabled and seconds is None:
        raise validation_error("A duration must be specified when target group stickiness is enabled")
    if seconds is not None and not 1 <= seconds <= STICKINESS_SECONDS_MAX:
        raise validation_error(
            f"'DurationSeconds' value '{seconds}' must be between '1-{STICKINESS_SECONDS_MAX}' inclusive"
        )
    return {"Enabled": enabled} if seconds is None else {"Enabled": enabled, "DurationSeconds": seconds}


def _redirect(config: Mapping[str, Any]) -> dict[str, Any]:
    done: dict[str, Any] = {
        key: config[key] if config.get(key) is not None else default for key, default in REDIRECT_DEFAULTS.items()
    }
    done["StatusCode"] = config["StatusCode"]
    if done["StatusCode"] not in ("HTTP_301", "HTTP_302"):
        raise InvalidLoadBalancerAction("The StatusCode must be one of: 'HTTP_301', 'HTTP_302'")
    if done["Protocol"] not in ("HTTP", "HTTPS", "#{protocol}"):
        raise InvalidLoadBalancerAction("The Protocol parameter must be 'HTTP', 'HTTPS' or '#{protocol}'")
    port = done["Port"]
    if port != "#{port}" and not (re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        raise InvalidLoadBalancerAction(
            "The Port parameter must be a valid port number between 1 and 65535, or the placeholder: '#{port}'."
        )
    if not _fits(done["Host"], "Host") or not re.fullmatch(r"[A-Za-z0-9\-._]+", _KEYWORD.sub("x", done["Host"])):
        raise InvalidLoadBalancerAction(
            "The Host parameter must be a valid hostname, and may contain up to one of each of these placeholders:"
            " '#{host}'."
        )
    if not done["Path"].startswith("/") or not _fits(done["Path"], "Path"):
        raise InvalidLoadBalancerAction(
            "The Path parameter must be a valid path, should start with a '/', and may contain up to one of each of"
            " these placeholders: '#{path}', '#{host}', '#{port}'."
        )
    if done["Query"].startswith("?") or not _fits(done["Query"], "Query"):
        raise InvalidLoadBalancerAction(
            "The Query parameter must be a valid query string, should not start with a '?', and may contain up to"
            " one of each of these placeholders: '#{query}', '#{path}', '#{host}', '#{port}', '#{protocol}'."
        )
    return done


def _fits(value: str, component: str) -> bool:
    """Whether length, characters and placeholders are what the component allows, each placeholder at most once."""
    words = _KEYWORD.findall(value)
    return (
        len(value) <= _COMPONENT_LENGTH_MAX
        and not re.search(r"[\x00-\x20\x7f]", value)
        and all(word in _KEYWORDS[component] for word in words)
        and len(set(words)) == len(words)
        and "#{" not in _KEYWORD.sub("", value)
    )


def _fixed_response(config: Mapping[str, Any]) -> dict[str, Any]:
    status = config["StatusCode"]
    if not re.fullmatch(r"[245][0-9][0-9]", status):
        raise InvalidLoadBalancerAction("The StatusCode must be a 2XX, 4XX or 5XX code")
    content_type = config.get("ContentType")
    if content_type and content_type not in _CONTENT_TYPES:
        listed = ", ".join(f"'{each}'" for each in _CONTENT_TYPES)
        raise InvalidLoadBalancerAction(f"The ContentType must be one of:{listed}")
    body = config.get("MessageBody")
    if body is not None and len(body.encode()) > _BODY_BYTES_MAX:
        raise InvalidLoadBalancerAction(f"The MessageBody is too long; the limit is '{_BODY_BYTES_MAX}'")
    done = {"StatusCode": status}
    if body is not None:
        done["MessageBody"] = body
    if content_type:
        done["ContentType"] = content_type
    return done


def check_listener(actions: Iterable[Mapping[str, Any]], protocol: str, port: int) -> None:
    """What an action may not be on a listener with that protocol and port. Raises InvalidLoadBalancerAction."""
    for action in actions:
        if action["Type"] in _FIRST and protocol != "HTTPS":
            raise InvalidLoadBalancerAction(f"Actions of type '{action['Type']}' are supported only on HTTPS listeners")
        config = action.get("RedirectConfig")
        if config is None:
            continue
        if protocol == "HTTPS" and config["Protocol"] == "HTTP":
            raise InvalidLoadBalancerAction(
                "The redirect configuration is not valid because it redirects from HTTPS to HTTP."
            )
        unchanged = (
            config["Protocol"] in ("#{protocol}", protocol)
            and config["Port"] in ("#{port}", str(port))
            and config["Host"] == "#{host}"
            and config["Path"] == "/#{path}"
        )
        if unchanged:
            raise InvalidLoadBalancerAction("The redirect configuration is not valid because it creates a loop.")


@by_identity(1 << 14)
def target_groups(actions: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The ARNs of all groups that the (normalised) actions forward to."""
    return tuple(
        group["TargetGroupArn"]
        for action in actions
        for group in (action.get("ForwardConfig") or {}).get("TargetGroups", ())
    )
