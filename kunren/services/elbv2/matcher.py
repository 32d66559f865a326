"""Which rule of a listener takes a request, and why the others do not: ALB's rules on one request, as a pure function.

`dataplane/matching.py` says the same to Envoy in Envoy's words; a property test keeps the two together. Used by whoever
explains a decision (`kunren trace`), never on a request's path.

"Condition types for listener rules" in the Application Load Balancer guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from kunren.services.elbv2 import words
from kunren.services.elbv2.dataplane.matching import glob_matches
from kunren.services.elbv2.model import Rule

Wire = Mapping[str, Any]
_PORT = re.compile(r":\d+\Z")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as a listener sees it. `host` is the Host header (a port in it is passed over), `query` what follows
    the question mark (None where there is none), `source` the address that the connection came from."""

    method: str
    host: str
    path: str
    query: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    source: str = "0.0.0.0"

    @property
    def domain(self) -> str:
        return _PORT.sub("", self.host).lower()

    def header(self, name: str) -> str | None:
        """All values of a header, joined as one; None where it was not sent."""
        values = [value for each, value in self.headers if each.lower() == name.lower()]
        return ",".join(values) if values else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one condition: whether it holds; what it asks and what the request has, in words."""

    holds: bool
    asks: str
    has: str

    def __str__(self) -> str:
        return f"{self.asks}: {'holds' if self.holds else f'fails, {self.has}'}"


@dataclass(frozen=True, slots=True)
class Considered:
    """One rule that was tried."""

    rule: Rule
    verdicts: tuple[Verdict, ...]

    @property
    def matches(self) -> bool:
        return all(each.holds for each in self.verdicts)


def choose(rules: Iterable[Rule], asked: Asked) -> list[Considered]:
    """The rules that are tried, in the order given, ended by the first whose conditions all hold (the default rule,
    which has none, is last and takes what is left)."""
    tried = []
    for rule in rules:
        considered = Considered(rule, tuple(judge(each, asked) for each in rule.conditions))
        tried.append(considered)
        if considered.matches:
            break
    return tried


def judge(condition: Wire, asked: Asked) -> Verdict:
    """One RuleCondition, as `elbv2.conditions.normalise` leaves it."""
    holds, has = _FIELDS[condition["Field"]](condition, asked)
    return Verdict(holds, words.condition(condition), has)


def _host(condition: Wire, asked: Asked) -> tuple[bool, str]:
    config = condition["HostHeaderConfig"]
    holds = any(glob_matches(each, asked.domain, ignore_case=True) for each in config.get("Values", ()))
    holds = holds or _searches(config.get("RegexValues", ()), asked.domain, re.IGNORECASE)
    return holds, f"host is {asked.domain}"


def _path(condition: Wire, asked: Asked) -> tuple[bool, str]:
    config = condition["PathPatternConfig"]
    holds = any(glob_matches(each, asked.path, ignore_case=False) for each in config.get("Values", ()))
    return holds or _searches(config.get("RegexValues", ()), asked.path), f"path is {asked.path}"


def _header(condition: Wire, asked: Asked) -> tuple[bool, str]:
    config = condition["HttpHeaderConfig"]
    name, sent = config["HttpHeaderName"], asked.header(config["HttpHeaderName"])
    if sent is None:
        return False, f"no header {name} was sent"
    holds = any(glob_matches(each, sent, ignore_case=True) for each in config.get("Values", ()))
    return holds or _searches(config.get("RegexValues", ()), sent, re.IGNORECASE), f"{name} is {sent}"


def _method(condition: Wire, asked: Asked) -> tuple[bool, str]:
    return asked.method in condition["HttpRequestMethodConfig"]["Values"], f"method is {asked.method}"


def _query(condition: Wire, asked: Asked) -> tuple[bool, str]:
    """Parameters are looked at as they were sent: nothing is decoded."""
    if asked.query is None:
        return False, "no query was sent"
    sent = [each.partition("=") for each in asked.query.split("&")]
    pairs = condition["QueryStringConfig"]["Values"]
    holds = any(_is_pair(pair, key, equals, value) for pair in pairs for key, equals, value in sent)
    return holds, f"query is {asked.query}"


def _is_pair(pair: Wire, key: str, equals: str, value: str) -> bool:
    if pair.get("Key") and not glob_matches(pair["Key"], key, ignore_case=True):
        return False
    if not equals:  # a parameter without a value is one that any value fits
        return set(pair["Value"]) == {"*"}
    return glob_matches(pair["Value"], value, ignore_case=True)


def _source(condition: Wire, asked: Asked) -> tuple[bool, str]:
    source = ip_address(asked.source)
    holds = any(source in ip_network(each, strict=False) for each in condition["SourceIpConfig"]["Values"])
    return holds, f"source is {asked.source}"


def _searches(regexes: Sequence[str], text: str, flags: int = 0) -> bool:
    return any(re.search(each, text, flags) for each in regexes)


_FIELDS: Mapping[str, Callable[[Wire, Asked], tuple[bool, str]]] = {
    "host-header": _host,
    "path-pattern": _path,
    "http-header": _header,
    "http-request-method": _method,
    "query-string": _query,
    "source-ip": _source,
}
