"""Rules in words: what their conditions ask and what their actions do, in one line each, for people to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Wire = Mapping[str, Any]


def conditions(wire: Iterable[Wire]) -> str:
    """All conditions of a rule; "always" for none (the default rule)."""
    return " and ".join(map(condition, wire)) or "always"


def condition(wire: Wire) -> str:
    """One RuleCondition, as `elbv2.conditions.normalise` leaves it."""
    match wire["Field"]:
        case "host-header":
            return f"host is {_patterns(wire['HostHeaderConfig'])}"
        case "path-pattern":
            return f"path is {_patterns(wire['PathPatternConfig'])}"
        case "http-header":
            config = wire["HttpHeaderConfig"]
            return f"header {config['HttpHeaderName']} is {_patterns(config)}"
        case "http-request-method":
            return f"method is {' or '.join(wire['HttpRequestMethodConfig']['Values'])}"
        case "query-string":
            return f"query has {' or '.join(map(pair, wire['QueryStringConfig']['Values']))}"
        case "source-ip":
            return f"source is in {' or '.join(wire['SourceIpConfig']['Values'])}"
        case field:
            return str(field)


def pair(wire: Wire) -> str:
    """A QueryStringKeyValuePair; without a key the value may be any parameter's."""
    return f"{wire['Key']}={wire['Value']}" if wire.get("Key") else f"any parameter={wire['Value']}"


def action(wire: Wire) -> str:
    """One Action, without the names of target groups (they have a place of their own)."""
    match wire["Type"]:
        case "redirect":
            config = wire["RedirectConfig"]
            query = f"?{config['Query']}" if config.get("Query") else ""
            port = f":{config['Port']}" if config["Port"] != "#{port}" else ":#{port}"
            status = config["StatusCode"].removeprefix("HTTP_")
            return f"redirect {status} to {config['Protocol'].lower()}://{config['Host']}{port}{config['Path']}{query}"
        case "fixed-response":
            config = wire["FixedResponseConfig"]
            body = (config.get("MessageBody") or "").split("\n")[0]
            return f"fixed response {config['StatusCode']}" + (f" “{body[:40]}”" if body else "")
        case kind:
            return str(kind)


def shares(wire: Wire) -> list[tuple[str, int]]:
    """The target groups of a forward action, as (ARN, weight)."""
    config = wire.get("ForwardConfig")
    if not config:
        return [(wire["TargetGroupArn"], 1)] if wire.get("TargetGroupArn") else []
    return [(each["TargetGroupArn"], each.get("Weight", 1)) for each in config["TargetGroups"]]


def percent(weight: float, total: float) -> str:
    """A share as people write it: "75 %", "33.3 %"."""
    return f"{100 * weight / total:.3g} %" if total else "0 %"


def _patterns(config: Wire) -> str:
    values = [*config.get("Values", ()), *(f"~{each}" for each in config.get("RegexValues", ()))]
    return " or ".join(values)
