"""Rule conditions as Envoy route matches, and the choice of virtual hosts.

How it works. A pattern without wildcards becomes an exact match, one with a single `*` at an end a prefix or suffix
match; only the rest are regular expressions (RE2), since a hundred of those are what makes a request slow. ALB tries
rules strictly by priority, while Envoy takes the most specific virtual host first; so host conditions are decided here
for every host that some rule names exactly: each such host gets a virtual host of its own, that holds, in order, the
rules that may apply to it, and `*` gets the rules for all other hosts.

What was made of a rule's conditions is remembered, and so is how the rules were shared out, since most changes are to
what a rule does.

What it refuses to know: what a rule does.

"Condition types for listener rules" in the Application Load Balancer guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kunren.core.memo import by_identity

Match = dict[str, Any]
ANY = object()
ONE = object()
Pattern = tuple[object, ...]
"""A pattern taken apart: literal text, ANY (`*`) and ONE (`?`)."""

CLIENT_KEY = "kunren.client"
"""The filter state object that holds the connection's own peer address."""
REMEMBERED = 1 << 14
"""Rules, or hosts, of which is remembered what was made of them."""
_LISTENERS = 16
"""Of so many listeners is remembered how their rules were shared out."""
_STAR = ("*",)
_EVERYWHERE: Match = {"prefix": "/"}
_PORT = r"(?::\d+)?"
_ROUTES_MAX = 4_000


@dataclass(frozen=True, slots=True)
class Conditions:
    """A rule's conditions: `paths` are alternatives, each a part of a match; `headers` must all hold.

    `hosts` are the patterns of the host condition (None: any host), `host_regexes` its regular expressions.
    """

    paths: tuple[Match, ...] = (_EVERYWHERE,)
    headers: tuple[Match, ...] = ()
    sources: tuple[str, ...] = ()
    hosts: tuple[str, ...] | None = None
    host_regexes: tuple[str, ...] = ()

    @property
    def of_host_alone(self) -> bool:
        """Whether every request to one of the hosts meets them."""
        return _EVERYWHERE in self.paths and not (self.headers or self.sources or self.host_regexes)


@by_identity(REMEMBERED)
def conditions(wire: Iterable[Mapping[str, Any]]) -> Conditions:
    """The RuleCondition list of a rule, as `elbv2.conditions.normalise` leaves it."""
    paths: tuple[Match, ...] = (_EVERYWHERE,)
    headers: list[Match] = []
    sources: tuple[str, ...] = ()
    hosts: tuple[str, ...] | None = None
    host_regexes: tuple[str, ...] = ()
    for each in wire:
        match each["Field"]:
            case "path-pattern":
                paths = _paths(each["PathPatternConfig"])
            case "host-header":
                config = each["HostHeaderConfig"]
                hosts = tuple(config.get("Values", ()))
                host_regexes = tuple(config.get("RegexValues", ()))
            case "http-header":
                headers.append(_header(each["HttpHeaderConfig"]))
            case "http-request-method":
                headers.append(_named(":method", _alternatives(each["HttpRequestMethodConfig"]["Values"])))
            case "query-string":
                headers.append(_query(each["QueryStringConfig"]["Values"]))
            case "source-ip":
                sources = tuple(each["SourceIpConfig"]["Values"])
            case unknown:
                raise AssertionError(f"condition field {unknown}")
    return Conditions(paths, tuple(headers), sources, hosts, host_regexes)


def matches(given: Conditions, host: Match | None = None) -> list[Match]:
    """The route matches that together are the conditions; `host` is a matcher for `:authority` where one is needed."""
    headers = [*given.headers, *([host] if host is not None else [])]
    out = []
    for path in given.paths:
        match = dict(path)
        if headers:
            match["headers"] = headers
        if given.sources:
            ranges = [_range(each) for each in given.sources]
            match["filter_state"] = [{"key": CLIENT_KEY, "address_match": {"ranges": ranges}}]
        out.append(match)
    return out


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """Which domains, and which of the rules (by index, in order) with which matcher for the host."""

    domains: tuple[str, ...]
    rules: tuple[tuple[int, Match | None], ...]


@by_identity(_LISTENERS)
def virtual_hosts(*rules: Conditions) -> list[VirtualHost]:
    """Share the rules out among virtual hosts so that their order holds for every host. The last one is `*`."""
    names = [_names(rule) for rule in rules]
    anywhere = [index for index, rule in enumerate(rules) if rule.hosts is None or rule.host_regexes]
    patterns = [(index, _compiled(each)) for index, (_, wild) in enumerate(names) for each in wild]
    naming: dict[str, list[int]] = {}
    for index, (domains, _) in enumerate(names):
        for domain in domains:
            naming.setdefault(domain, []).append(index)
    by_rules: dict[tuple[int, ...], list[str]] = {}
    for domain in sorted(naming):
        matching = (index for index, pattern in patterns if pattern.fullmatch(domain))
        chosen = _reachable(rules, sorted({*anywhere, *naming[domain], *matching}))
        by_rules.setdefault(chosen, []).append(domain)
    if sum(map(len, by_rules)) > _ROUTES_MAX:
        return [VirtualHost(_STAR, tuple((index, _any_host(rule)) for index, rule in enumerate(rules)))]
    made = [
        VirtualHost(_one_tuple(tuple(named)), tuple((index, _regexes_only(rules[index])) for index in chosen))
        for chosen, named in by_rules.items()
    ]
    others = tuple(
        (index, _wild_host(rule))
        for index, rule in enumerate(rules)
        if rule.hosts is None or names[index][1] or rule.host_regexes
    )
    return [*made, VirtualHost(_STAR, others)]


@by_identity(REMEMBERED)
def _names(rule: Conditions) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The domains that a rule names, once each, and its patterns."""
    literals = {each: _literal(each) for each in rule.hosts or ()}
    domains = dict.fromkeys(text for text in literals.values() if text is not None)
    return tuple(domains), tuple(each for each, text in literals.items() if text is None)


@lru_cache(REMEMBERED)
def _one_tuple(domains: tuple[str, ...]) -> tuple[str, ...]:
    """One object for equal tuples."""
    return domains


def _reachable(rules: Sequence[Conditions], chosen: Sequence[int]) -> tuple[int, ...]:
    """Those of a host's rules that some request may reach: none behind one that every request meets."""
    for place, index in enumerate(chosen):
        if rules[index].of_host_alone:
            return tuple(chosen[: place + 1])
    return tuple(chosen)


def _regexes_only(rule: Conditions) -> Match | None:
    """What a virtual host of named domains must still ask about the host: regular expressions."""
    return _named_by_regex(rule) if rule.host_regexes else None


@by_identity(REMEMBERED)
def _named_by_regex(rule: Conditions) -> Match | None:
    return _host_matcher(rule, ())


@by_identity(REMEMBERED)
def _wild_host(rule: Conditions) -> Match | None:
    """What the virtual host of all other domains must ask."""
    return _host_matcher(rule, _names(rule)[1])


@by_identity(REMEMBERED)
def _any_host(rule: Conditions) -> Match | None:
    """What must be asked where there is no other virtual host."""
    return _host_matcher(rule, rule.hosts or ())


def _host_matcher(rule: Conditions, hosts: Sequence[str]) -> Match | None:
    if rule.hosts is None:
        return None
    options = [_regex(parse(each)) + _PORT for each in hosts]
    options += [_searching(re.sub(r"(?<!\\)\$$", _PORT.replace("\\", r"\\") + "$", each)) for each in rule.host_regexes]
    return _named(":authority", {"safe_regex": {"regex": f"(?i){_any_of(options)}"}})


def parse(pattern: str) -> Pattern:
    """Take a pattern apart; `\\*` and `\\?` are literal."""
    parts: list[object] = []
    text = ""
    i = 0
    while i < len(pattern):
        char = pattern[i]
        if char == "\\" and pattern[i + 1 : i + 2] in ("*", "?", "\\"):
            text += pattern[i + 1]
            i += 2
            continue
        if char in "*?":
            if text:
                parts.append(text)
            text = ""
            if not (char == "*" and parts and parts[-1] is ANY):
                parts.append(ANY if char == "*" else ONE)
        else:
            text += char
        i += 1
    if text or not parts:
        parts.append(text)
    return tuple(parts)


def glob_matches(pattern: str, text: str, *, ignore_case: bool) -> bool:
    """What ALB would say, for whoever explains a decision; Envoy says the same."""
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    return re.fullmatch(_regex(parse(pattern)), text, flags) is not None


@lru_cache(REMEMBERED)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(_regex(parse(pattern)), re.IGNORECASE)


@lru_cache(REMEMBERED)
def _literal(pattern: str) -> str | None:
    """The host name, in lower case, of a pattern without wildcards."""
    parts = parse(pattern)
    return parts[0].lower() if len(parts) == 1 and isinstance(parts[0], str) else None


def string_match(pattern: str, *, ignore_case: bool) -> Match:
    """A pattern as the cheapest string matcher that says the same."""
    match parse(pattern):
        case (str(text),):
            made: Match = {"exact": text}
        case (part,) if part is ANY:
            return {"safe_regex": {"regex": ".*"}}
        case (str(text), part) if part is ANY:
            made = {"prefix": text}
        case (part, str(text)) if part is ANY:
            made = {"suffix": text}
        case (first, str(text), last) if first is ANY and last is ANY:
            made = {"contains": text}
        case parts:
            return {"safe_regex": {"regex": ("(?i)" if ignore_case else "") + _regex(parts)}}
    return {**made, "ignore_case": True} if ignore_case else made


def _paths(config: Mapping[str, Any]) -> tuple[Match, ...]:
    cheap: list[Match] = []
    costly: list[str] = [_searching(each) for each in config.get("RegexValues", ())]
    for each in config.get("Values", ()):
        match parse(each):
            case (str(text),):
                cheap.append({"path": text})
            case (part,) if part is ANY:
                cheap.append(_EVERYWHERE)
            case (str(text), part) if part is ANY:
                cheap.append({"prefix": text})
            case parts:
                costly.append(_regex(parts))
    if costly:
        cheap.append({"safe_regex": {"regex": _any_of(costly)}})
    return tuple(cheap)


def _header(config: Mapping[str, Any]) -> Match:
    name, values, regexes = config["HttpHeaderName"], config.get("Values", ()), config.get("RegexValues", ())
    if len(values) == 1 and not regexes:
        return _named(name, string_match(values[0], ignore_case=True))
    options = [*(_regex(parse(each)) for each in values), *map(_searching, regexes)]
    return _named(name, {"safe_regex": {"regex": f"(?i){_any_of(options)}"}})


def _alternatives(values: Sequence[str]) -> Match:
    if len(values) == 1:
        return {"exact": values[0]}
    return {"safe_regex": {"regex": _any_of([re.escape(each) for each in values])}}


def _query(pairs: Iterable[Mapping[str, str]]) -> Match:
    """One parameter of the query, as sent (nothing is decoded), is such a pair; a key that is not given is any key."""
    options = []
    for pair in pairs:
        key = _regex(parse(pair["Key"]), "[^=&]") if pair.get("Key") else "[^=&]*"
        parts = parse(pair["Value"])
        value = _regex(parts, "[^&]")
        options.append(f"{key}(?:={value})?" if parts == (ANY,) else f"{key}={value}")
    return _named(":path", {"safe_regex": {"regex": rf"(?i)[^?]*\?(?:.*&)?{_any_of(options)}(?:&.*)?"}})


def _named(name: str, string: Match) -> Match:
    return {"name": name, "string_match": string}


def _regex(parts: Pattern, char: str = ".") -> str:
    """RE2's words for a pattern; `char` is what a wildcard may stand for."""
    words = {ANY: f"{char}*", ONE: char}
    return "".join(re.escape(each) if isinstance(each, str) else words[each] for each in parts)


def _searching(regex: str) -> str:
    """A user's regular expression found anywhere, where Envoy's must match the whole."""
    return f".*(?:{regex}).*"


def _any_of(options: Sequence[str]) -> str:
    return options[0] if len(options) == 1 else f"(?:{'|'.join(options)})"


def _range(cidr: str) -> Match:
    prefix, _, length = cidr.partition("/")
    return {"address_prefix": prefix, "prefix_len": int(length)}
