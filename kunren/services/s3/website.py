"""Static websites: what an address leads to by a bucket's website configuration ("Hosting a static website").

`resolve` and `on_error` decide; the front (`website_front.py`) fetches and sends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from kunren.services.s3.errors import invalid_argument, refusal

RULES_MAX = 50


class Redirect(NamedTuple):
    """Go elsewhere: status and Location."""

    status: int
    location: str


def check(configuration: Mapping[str, Any]) -> None:
    """Raises InvalidArgument, InvalidRequest, MalformedXML."""
    everything = configuration.get("RedirectAllRequestsTo")
    if everything is not None:
        if len([each for each in configuration.values() if each is not None]) > 1:
            raise refusal("MalformedXML")
        if not everything.get("HostName"):
            raise refusal("MalformedXML")
        _check_protocol(everything.get("Protocol"))
        return
    index = (configuration.get("IndexDocument") or {}).get("Suffix")
    if configuration.get("IndexDocument") is None:
        raise invalid_argument(
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty",
            "IndexDocument", "null",
        )  # fmt: skip
    if not index or "/" in index:
        raise invalid_argument("The IndexDocument Suffix is not well formed", "IndexDocument", index)
    rules = configuration.get("RoutingRules") or []
    if len(rules) > RULES_MAX:
        raise refusal(
            "InvalidRequest", f"{len(rules)} routing rules provided, the number of routing rules in a website"
            f" configuration is limited to {RULES_MAX}.",
        )  # fmt: skip
    for rule in rules:
        _check_rule(rule)


def _check_rule(rule: Mapping[str, Any]) -> None:
    to = rule.get("Redirect") or {}
    if not any(to.get(each) is not None for each in _REDIRECT_MEMBERS):
        raise refusal("MalformedXML")
    if to.get("ReplaceKeyWith") is not None and to.get("ReplaceKeyPrefixWith") is not None:
        raise refusal("InvalidRequest", "You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
    _check_protocol(to.get("Protocol"))
    code = to.get("HttpRedirectCode")
    if code is not None and not (str(code).isdigit() and 301 <= int(code) <= 399):
        raise refusal("InvalidRequest", f"The provided HTTP redirect code ({code}) is not valid. Valid codes are 3XX"
                      " except 300.")  # fmt: skip
    error = (rule.get("Condition") or {}).get("HttpErrorCodeReturnedEquals")
    if error is not None and not (str(error).isdigit() and 400 <= int(error) <= 599):
        raise refusal("InvalidRequest", f"The provided HTTP error code ({error}) is not valid. Valid codes are 4XX or"
                      " 5XX.")  # fmt: skip


_REDIRECT_MEMBERS = ("HostName", "HttpRedirectCode", "Protocol", "ReplaceKeyPrefixWith", "ReplaceKeyWith")


def _check_protocol(protocol: str | None) -> None:
    if protocol not in (None, "http", "https"):
        raise refusal("InvalidRequest", "Invalid protocol, protocol can be http or https. If not defined the protocol"
                      " will be selected automatically.")  # fmt: skip


def everything_to(configuration: Mapping[str, Any], path: str, scheme: str) -> Redirect | None:
    """Where a bucket that only redirects sends the request for `path` (as received, with its query)."""
    to = configuration.get("RedirectAllRequestsTo")
    if to is None:
        return None
    return Redirect(301, f"{to.get('Protocol') or scheme}://{to['HostName'].rstrip('/')}{path}")


def by_rules(
    rules: Sequence[Mapping[str, Any]], key: str, status: int | None, host: str, scheme: str
) -> Redirect | None:
    """The first routing rule for a key, before it is looked up (`status` None) or after that failed with a status."""
    for rule in rules:
        condition = rule.get("Condition") or {}
        prefix = condition.get("KeyPrefixEquals")
        error = condition.get("HttpErrorCodeReturnedEquals")
        if (error is None) != (status is None) or (error is not None and int(error) != status):
            continue
        if prefix is not None and not key.startswith(prefix):
            continue
        to = rule["Redirect"]
        if to.get("ReplaceKeyWith") is not None:
            target = to["ReplaceKeyWith"]
        elif to.get("ReplaceKeyPrefixWith") is not None:
            target = to["ReplaceKeyPrefixWith"] + as_sent(key[len(prefix or "") :])
        else:
            target = as_sent(key)
        return Redirect(
            int(to.get("HttpRedirectCode") or 301),
            f"{to.get('Protocol') or scheme}://{to.get('HostName') or host}/{target}",
        )
    return None


def redirect_told(to: Mapping[str, Any]) -> str:
    """RedirectAllRequestsTo in a few words."""
    return f"everything → {to.get('Protocol') or 'http'}://{to['HostName'].rstrip('/')}"


def rule_told(rule: Mapping[str, Any]) -> str:
    """A routing rule in a few words."""
    condition, to = rule.get("Condition") or {}, rule["Redirect"]
    when = [f"{condition['KeyPrefixEquals']}…"] if condition.get("KeyPrefixEquals") is not None else []
    if condition.get("HttpErrorCodeReturnedEquals") is not None:
        when.append(f"status {condition['HttpErrorCodeReturnedEquals']}")
    key = to.get("ReplaceKeyWith")
    if key is None:
        key = (to.get("ReplaceKeyPrefixWith") or "") + "…"
    host = f"{to.get('Protocol') or 'http'}://{to['HostName']}" if to.get("HostName") else ""
    return f"{' and '.join(when) or 'everything'} → {host}/{key}"


def as_sent(key: str) -> str:
    """A key as a path in a Location: nothing of it ends the header."""
    return quote(key, safe="/~!$&'()*+,;=:@")


def document(configuration: Mapping[str, Any], key: str) -> str:
    """The object that a key means: in a folder, and at the root, the index document."""
    suffix = configuration["IndexDocument"]["Suffix"]
    return key + suffix if not key or key.endswith("/") else key
