"""A rule's conditions: what AWS accepts, and the form in which it echoes them.

`normalise` takes the wire's RuleCondition list and returns it with AWS's defaults: host and path conditions always have
both `Values` and the `…Config` member. Normalising twice changes nothing.
"Condition types for listener rules"; limits in "Quotas for your Application Load Balancers".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kunren.core.errors import AwsError
from kunren.services.elbv2.errors import InvalidConfigurationRequest, validation_error
from kunren.services.elbv2.limits import Limits

FIELDS = ("path-pattern", "host-header", "http-header", "http-request-method", "query-string", "source-ip")
_CONFIGS = {
    "path-pattern": "PathPatternConfig",
    "host-header": "HostHeaderConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}
_ONCE = ("path-pattern", "host-header", "http-request-method", "source-ip")
_LENGTH_MAX = 128
_NAME_LENGTH_MAX = 40

_HOST = re.compile(r"[A-Za-z0-9\-.*?]+")
_PATH = re.compile(r"[A-Za-z0-9_\-.$/~\"'@:+&*?]+")
_METHOD = re.compile(r"[A-Z_\-]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]+")
# Look-around, conditionals, back-references, atomic groups and possessive repeats need more than linear time.
_BEYOND_RE2 = re.compile(r"\(\?(?!:|P<|[imsU-]+[:)])|\\[1-9]|[*+?}]\+")


def normalise(conditions: Sequence[Mapping[str, Any]], limits: Limits) -> tuple[dict[str, Any], ...]:
    """The conditions as AWS stores and echoes them. Raises ValidationError or InvalidConfigurationRequest."""
    if not conditions:
        raise validation_error("A condition must be specified")
    done = tuple(_one(condition) for condition in conditions)
    for field in _ONCE:
        if sum(condition["Field"] == field for condition in done) > 1:
            raise InvalidConfigurationRequest(f"A rule can only have one '{field}' condition")
    values = [value for condition in done for value in _values(condition)]
    if len(values) > limits.condition_values_per_rule:
        raise validation_error(f"A rule can only have '{limits.condition_values_per_rule}' condition values")
    if sum(map(_wildcards, values)) > limits.condition_wildcards_per_rule:
        raise validation_error(f"A rule can only have '{limits.condition_wildcards_per_rule}' condition wildcards")
    return done


def _one(condition: Mapping[str, Any]) -> dict[str, Any]:
    field = condition.get("Field")
    if not field:
        raise validation_error("A condition field must be specified")
    if field not in FIELDS:
        raise validation_error(f"Condition field '{field}' must be one of '[{','.join(FIELDS)}]'")
    for other, member in _CONFIGS.items():
        if other != field and condition.get(member) is not None:
            raise validation_error(f"The '{member}' field is not compatible with '{field}'")
    if condition.get("RegexValues"):
        config = condition.get(_CONFIGS[field]) or {}
        if field not in ("host-header", "path-pattern", "http-header"):
            raise validation_error(f"The 'RegexValues' field is not compatible with '{field}'")
        if config.get("RegexValues") not in (None, condition["RegexValues"]):
            raise validation_error(
                f"You cannot provide both RegexValues and '{_CONFIGS[field]}' for a condition of type '{field}'"
            )
    if condition.get("Values") and field not in ("host-header", "path-pattern"):
        raise validation_error(f"The 'Values' field is not compatible with '{field}'")
    return _NORMALISERS[field](condition)


def _patterned(field: str, check: Callable[[str], None]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """A host or path condition: `Values` (one) or the config's `Values` (several), or regular expressions."""
    member = _CONFIGS[field]

    def normaliser(condition: Mapping[str, Any]) -> dict[str, Any]:
        plain: list[str] = condition.get("Values") or []
        config: Mapping[str, Any] = condition.get(member) or {}
        listed: list[str] = config.get("Values") or []
        regexes: list[str] = config.get("RegexValues") or condition.get("RegexValues") or []
        if plain and listed and plain != listed:
            raise validation_error(f"You cannot provide both Values and '{member}' for a condition of type '{field}'")
        if plain and not listed and len(plain) > 1:
            raise validation_error(f"The '{field}' field contains too many values; the limit is '1'")
        values = listed or plain
        if regexes:
            if values:
                raise validation_error(f"You cannot provide both Values and RegexValues for a '{field}' condition")
            return {"Field": field, member: {"RegexValues": _regexes(field, regexes)}, "RegexValues": list(regexes)}
        if not values or not all(values):
            raise validation_error("A condition value must be specified")
        for value in values:
            _length(field, value)
            check(value)
        return {"Field": field, "Values": list(values), member: {"Values": list(values)}}

    return normaliser


def _check_host(value: str) -> None:
    if not _HOST.fullmatch(value):
        raise _bad_character(value)
    last = value.rpartition(".")[2]
    if "." not in value or not re.fullmatch(r"[A-Za-z*?]+", last):
        raise validation_error(
            f"The 'host-header' value '{value}' must include at least one '.' and only letters after the last '.'"
        )


def _check_path(value: str) -> None:
    if not _PATH.fullmatch(value):
        raise _bad_character(value)


def _header(condition: Mapping[str, Any]) -> dict[str, Any]:
    config = condition.get("HttpHeaderConfig")
    if not config:
        raise validation_error("A 'HttpHeaderConfig' must be specified with 'http-header'")
    name: str = config.get("HttpHeaderName") or ""
    if not name:
        raise validation_error("A 'HttpHeaderName' must be specified in 'HttpHeaderConfig'")
    if len(name) > _NAME_LENGTH_MAX:
        raise validation_error(f"The 'HttpHeaderName' value is too long; the limit is '{_NAME_LENGTH_MAX}'")
    if not _HEADER_NAME.fullmatch(name) or "*" in name:
        raise _bad_character(name)
    if name.lower() == "host":
        raise validation_error("The 'HttpHeaderName' value cannot be 'Host'; use a 'host-header' condition")
    regexes: list[str] = config.get("RegexValues") or condition.get("RegexValues") or []
    values: list[str] = config.get("Values") or []
    done: dict[str, Any] = {"HttpHeaderName": name}
    if regexes:
        if values:
            raise validation_error("You cannot provide both Values and RegexValues for a 'http-header' condition")
        done["RegexValues"] = _regexes("http-header", regexes)
        return {"Field": "http-header", "HttpHeaderConfig": done}
    if not values or not all(values):
        raise validation_error("A condition value must be specified")
    for value in values:
        _length("http-header", value)
        if not _HEADER_VALUE.fullmatch(value):
            raise _bad_character(value)
    done["Values"] = list(values)
    return {"Field": "http-header", "HttpHeaderConfig": done}


def _method(condition: Mapping[str, Any]) -> dict[str, Any]:
    config = condition.get("HttpRequestMethodConfig")
    if not config:
        raise validation_error("A 'HttpRequestMethodConfig' must be specified with 'http-request-method'")
    values: list[str] = config.get("Values") or []
    if not values or not all(values):
        raise validation_error("A 'http-request-method' value must be specified")
    for value in values:
        if len(value) > _NAME_LENGTH_MAX:
            raise validation_error(f"The 'http-request-method' value is too long; the limit is '{_NAME_LENGTH_MAX}'")
        if not _METHOD.fullmatch(value):
            raise validation_error(
                "The 'http-request-method' value is invalid; the allowed characters are A-Z, hyphen and underscore"
            )
    return {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": list(values)}}


def _query(condition: Mapping[str, Any]) -> dict[str, Any]:
    config = condition.get("QueryStringConfig")
    if not config:
        raise validation_error("A 'QueryStringConfig' must be specified with 'query-string'")
    pairs: list[Mapping[str, str]] = config.get("Values") or []
    if not pairs:
        raise validation_error("A 'query-string' value must be specified")
    done: list[dict[str, str]] = []
    for pair in pairs:
        value = pair.get("Value")
        if not value:
            raise validation_error("A 'Value' must be specified in 'QueryStringKeyValuePair'")
        key = pair.get("Key")
        if key is not None and len(key) > _LENGTH_MAX:
            raise validation_error(f"The 'Key' value is too long; the limit is '{_LENGTH_MAX}'")
        if len(value) > _LENGTH_MAX:
            raise validation_error(f"The 'Value' value is too long; the limit is '{_LENGTH_MAX}'")
        done.append({"Key": key, "Value": value} if key else {"Value": value})
    return {"Field": "query-string", "QueryStringConfig": {"Values": done}}


def _source_ip(condition: Mapping[str, Any]) -> dict[str, Any]:
    config = condition.get("SourceIpConfig")
    if not config:
        raise validation_error("A 'SourceIpConfig' must be specified with 'source-ip'")
    if config.get("IpAddressType"):
        raise validation_error("The 'IpAddressType' field is not supported for Application Load Balancers")
    values: list[str] = config.get("Values") or []
    if not values or not all(values):
        raise validation_error("A 'source-ip' value must be specified")
    for value in values:
        try:
            network = ipaddress.ip_network(value, strict=False)
        except ValueError:
            network = None
        if network is None or "/" not in value or "*" in value:
            raise validation_error(f"The 'source-ip' value '{value}' must be in CIDR format")
    return {"Field": "source-ip", "SourceIpConfig": {"Values": list(values)}}


_NORMALISERS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "host-header": _patterned("host-header", _check_host),
    "path-pattern": _patterned("path-pattern", _check_path),
    "http-header": _header,
    "http-request-method": _method,
    "query-string": _query,
    "source-ip": _source_ip,
}


def _regexes(field: str, regexes: Sequence[str]) -> list[str]:
    for regex in regexes:
        if not regex:
            raise validation_error("A condition value must be specified")
        _length(field, regex)
        if not regex_is_linear(regex):
            raise validation_error(f"The regular expression '{regex}' is not valid")
    return list(regexes)


def regex_is_linear(regex: str) -> bool:
    """Whether it is a regular expression that is matched in linear time: no look-around, no back-references ..."""
    try:
        re.compile(regex)
    except re.error:
        return False
    return not _BEYOND_RE2.search(regex)


def _length(field: str, value: str) -> None:
    if len(value) > _LENGTH_MAX:
        raise validation_error(f"The '{field}' value is too long; the limit is '{_LENGTH_MAX}'")


def _bad_character(value: str) -> AwsError:
    return validation_error(f"Condition value '{value}' contains a character that is not valid")


def _values(condition: Mapping[str, Any]) -> list[str]:
    """Every value that counts towards the quotas; a query's key and value are one value."""
    config = condition[_CONFIGS[condition["Field"]]]
    if condition["Field"] == "query-string":
        return [f"{pair.get('Key', '')}={pair['Value']}" for pair in config["Values"]]
    if "RegexValues" in config:
        return [f"^{value}" for value in config["RegexValues"]]
    return list(config["Values"])


def _wildcards(value: str) -> int:
    if value.startswith("^"):  # a regular expression: its * and ? are no wildcards
        return 0
    return len(re.findall(r"(?<!\\)[*?]", value))
