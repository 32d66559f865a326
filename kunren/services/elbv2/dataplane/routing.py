"""The rules of one listener, on one node, as a route configuration.

Each rule becomes one route per alternative of its path condition (and, where target group stickiness is on, one more
per group, that matches the group's cookie), in priority order within its virtual host; the default rule is last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from kunren.core.memo import by_identity
from kunren.dataplane.envoy.authorization import per_route
from kunren.dataplane.envoy.resources import TYPE, Fragment
from kunren.services.elbv2 import jwt_validation
from kunren.services.elbv2.actions import target_groups
from kunren.services.elbv2.authentication import CALLBACK, OIDC, config_of
from kunren.services.elbv2.dataplane import rewriting, versions
from kunren.services.elbv2.dataplane.answers import header, literal, own_headers, page
from kunren.services.elbv2.dataplane.matching import REMEMBERED, Match, VirtualHost, conditions, matches, virtual_hosts
from kunren.services.elbv2.dataplane.redirects import redirect
from kunren.services.elbv2.dataplane.stickiness import (
    FILTER,
    TARGET_HEADER,
    TargetStickiness,
    group_cookie,
)
from kunren.services.elbv2.dataplane.stickiness import per_route as sticky_route
from kunren.services.elbv2.model import Rule

LUA = "envoy.filters.http.lua"
GROUP_HEADER = "x-kunren-target-group"
_LISTENERS = 16
"""Of so many listeners is remembered what was read in their rules."""
_OFF: Fragment = {"@type": TYPE + "envoy.config.route.v3.FilterConfig", "disabled": True}


@dataclass(frozen=True, slots=True)
class Behind:
    """What a target group is to a route: its cluster, and what has to be said on the way there."""

    cluster: str
    group_header: str | None = None  # the group's ARN, for the bridge to functions
    version: str = "HTTP1"  # the protocol version of requests to it
    stickiness: TargetStickiness | None = None

    @property
    def http2(self) -> bool:
        return self.version != "HTTP1"


class _Read(NamedTuple):
    """A listener's rules: virtual hosts, the ARNs that each rule forwards to, the first one that asks for a login."""

    hosts: Sequence[VirtualHost]
    reached: Sequence[tuple[str, ...]]
    login: Rule | None


@dataclass(frozen=True, slots=True)
class Forwarding:
    """How requests of this listener go to targets: the load balancer's own headers. `listener` is its ARN."""

    listener: str
    protocol: str
    port: int
    xff_mode: str = "append"  # append | preserve | remove
    xff_client_port: bool = False
    speaks_http2: bool = False  # to some target group
    request_headers: tuple[Fragment, ...] = ()
    response_headers: tuple[Fragment, ...] = ()
    hides_server: bool = False
    wall_seconds: Callable[[float], float] = float  # real seconds of an AWS duration


def route_configuration(
    name: str, rules: Sequence[Rule], groups: Mapping[str, Behind], forwarding: Forwarding
) -> Fragment:
    """All rules of a listener (the default rule among them, in order) as Envoy's RouteConfiguration. What all routes to
    targets have in common stands there once, since Envoy builds every route anew with every change.

    Only what changed is made anew: a rule's routes while rule, `forwarding` and its groups are the same objects, and a
    host while its rules' routes are.
    """
    read = _read(*rules)
    own = _login_routes(read.login)
    reached = [tuple(groups[arn] for arn in arns) if arns else () for arns in read.reached]
    hosts = []
    for host in read.hosts:
        routes = [_routes(rules[index], authority, forwarding, *reached[index]) for index, authority in host.rules]
        hosts.append(_host(host.domains, own, *routes))
    made: Fragment = {
        "name": name,
        "virtual_hosts": hosts,
        "ignore_port_in_host_matching": True,
        "request_headers_to_remove": ["x-envoy-external-address"],
        "request_headers_to_add": [
            header("x-forwarded-port", str(forwarding.port)),
            *forwarding.request_headers,
            *(() if forwarding.speaks_http2 else _client_address(forwarding, http2=False)),
        ],
    }
    if forwarding.xff_mode == "remove":
        made["request_headers_to_remove"].append("x-forwarded-for")
    if forwarding.response_headers:
        made["response_headers_to_add"] = list(forwarding.response_headers)
    if forwarding.hides_server:
        made["response_headers_to_remove"] = ["server"]
    return made


@by_identity(_LISTENERS)
def _read(*rules: Rule) -> _Read:
    """What all nodes' routes have in common."""
    return _Read(
        virtual_hosts(*(conditions(rule.conditions) for rule in rules)),
        [target_groups(rule.actions) for rule in rules],
        next(filter(asks_for_login, rules), None),
    )


@by_identity(REMEMBERED)
def _host(domains: Sequence[str], *routes: Sequence[Fragment]) -> Fragment:
    return {"name": domains[0], "domains": list(domains), "routes": list(chain.from_iterable(routes))}


@by_identity(REMEMBERED)
def _routes(rule: Rule, authority: Match | None, forwarding: Forwarding, *reached: Behind) -> Sequence[Fragment]:
    """A rule's routes, where its host is to be matched by `authority`; `reached` are its target groups in order."""
    groups = dict(zip(target_groups(rule.actions), reached, strict=True))
    name, found = route_name(rule), matches(conditions(rule.conditions), authority)
    return [
        {"name": name, "match": _with_header(match, extra), **action}
        for extra, action in _filtered(rule, _actions(rule, groups, forwarding))
        for match in found
    ]


def route_name(rule: Rule) -> str:
    """What access logs say of the rule: its priority (0: the default), and its actions in order, "10 forward"."""
    kinds = ("authenticate" if each["Type"] == OIDC else each["Type"] for each in rule.actions)
    return f"{rule.priority} {','.join(kinds)}"


def _page(match: Match, status: int) -> Fragment:
    return {"match": match, **_direct(status, page(status), "text/html")}


def _direct(status: int, body: str, content_type: str) -> Fragment:
    response: Fragment = {"status": status}
    if body:
        response["body"] = {"inline_string": body}
    return {
        "direct_response": response,
        "response_headers_to_add": own_headers(content_type),
        "typed_per_filter_config": {LUA: _OFF},
    }


def _with_header(match: Match, extra: Match | None) -> Match:
    return match if extra is None else {**match, "headers": [*match.get("headers", ()), extra]}


def _actions(rule: Rule, groups: Mapping[str, Behind], forwarding: Forwarding) -> list[tuple[Match | None, Fragment]]:
    """What the rule does: (a header that must match besides, the action part of a route), the first that matches."""
    action = rule.actions[-1]
    match action["Type"]:
        case "redirect":
            made = redirect(action["RedirectConfig"], protocol=forwarding.protocol, port=forwarding.port)
            return [(None, {**made, "typed_per_filter_config": {LUA: _OFF}})]
        case "fixed-response":
            config = action["FixedResponseConfig"]
            content_type = _content_type(config.get("ContentType") or "text/plain")
            return [(None, _direct(int(config["StatusCode"]), config.get("MessageBody") or "", content_type))]
        case "forward":
            return _forward(action, groups, forwarding)
        case unknown:
            raise AssertionError(f"action type {unknown}")


def _filtered(rule: Rule, made: list[tuple[Match | None, Fragment]]) -> list[tuple[Match | None, Fragment]]:
    """The routes of a rule with the decision that it asks for, and with its transforms, which concern what goes to
    targets only."""
    asks = per_route({"rule": rule.id}) if is_decided(rule) else {}
    transforms = rewriting.per_route(rule.transforms)
    if not asks and not transforms:
        return made
    out = []
    for extra, action in made:
        filters = {**action.get("typed_per_filter_config", {}), **asks, **(transforms if "route" in action else {})}
        out.append((extra, {**action, "typed_per_filter_config": filters}))
    return out


def is_decided(rule: Rule) -> bool:
    """Whether each of the rule's requests is asked about: is the user logged in, is the token good?"""
    return asks_for_login(rule) or jwt_validation.config_of(rule.actions) is not None


def asks_for_login(rule: Rule) -> bool:
    """Whether the rule's requests are of users who are logged in."""
    return config_of(rule.actions) is not None


@by_identity(_LISTENERS)
def _login_routes(login: Rule | None) -> Sequence[Fragment]:
    """Where users come back from their provider, on a listener of which such a rule sends them there."""
    if login is None:
        return ()
    route = _page({"path": CALLBACK}, 401)  # the decision is always an answer
    route["typed_per_filter_config"] = {**route["typed_per_filter_config"], **per_route({"rule": login.id})}
    return ({"name": route_name(login), **route},)


def _content_type(wanted: str) -> str:
    return f"{wanted}; charset=utf-8" if wanted.startswith("text/") else wanted


def _forward(
    action: Mapping[str, Any], groups: Mapping[str, Behind], forwarding: Forwarding
) -> list[tuple[Match | None, Fragment]]:
    config = action.get("ForwardConfig") or {"TargetGroups": [{"TargetGroupArn": action["TargetGroupArn"]}]}
    shares = [(each["TargetGroupArn"], each.get("Weight", 1)) for each in config["TargetGroups"]]
    used = [(arn, weight) for arn, weight in shares if weight > 0]
    if not used:
        return [(None, _direct(503, page(503), "text/html"))]
    stickiness = config.get("TargetGroupStickinessConfig") or {}
    seconds = forwarding.wall_seconds(stickiness.get("DurationSeconds", 3600)) if stickiness.get("Enabled") else None
    sticky = {arn: _settings(forwarding, arn, groups[arn], None if len(used) == 1 else seconds) for arn, _ in used}
    if len(used) == 1:
        arn = used[0][0]
        return [(None, _to_one(groups[arn], forwarding, sticky[arn]))]
    made: list[tuple[Match | None, Fragment]] = []
    if seconds is not None:
        for arn, _ in used:
            # under either of its two names; the value is long enough to be nothing else
            match = {"name": "cookie", "string_match": {"contains": "=" + group_cookie(forwarding.listener, arn)}}
            made.append((match, _to_one(groups[arn], forwarding, sticky[arn])))
    return [*made, (None, _to_many(used, groups, forwarding, sticky))]


def keeps_group(rule: Rule) -> bool:
    """Whether the rule keeps clients with one of several groups."""
    config = rule.actions[-1].get("ForwardConfig") or {}
    return bool((config.get("TargetGroupStickinessConfig") or {}).get("Enabled")) and len(config["TargetGroups"]) > 1


def _settings(forwarding: Forwarding, arn: str, group: Behind, group_seconds: float | None) -> Fragment:
    """What the scripts must know on a route (or weighted cluster) to the group; mostly nothing."""
    if group.stickiness is None and group_seconds is None:
        return {"typed_per_filter_config": _by_version(group)} if group.http2 else {}
    settings = sticky_route(
        forwarding.listener,
        group.stickiness,
        secure=forwarding.protocol == "HTTPS",
        group=None if group_seconds is None else group_cookie(forwarding.listener, arn),
        group_seconds=group_seconds or 0.0,
    )
    return {
        "typed_per_filter_config": {FILTER: settings, **_by_version(group)},
        "response_headers_to_add": [header(TARGET_HEADER, "%UPSTREAM_REMOTE_ADDRESS%")],
    }


def _by_version(group: Behind) -> Fragment:
    return {LUA: versions.per_route(group.version)} if group.http2 else {}


def _to_one(group: Behind, forwarding: Forwarding, sticky: Fragment) -> Fragment:
    route: Fragment = {"route": {"cluster": group.cluster, "timeout": "0s"}}
    return {**_with_headers(route, _own_address(forwarding, http2=group.http2), _group_header(group)), **sticky}


def _to_many(
    used: Sequence[tuple[str, int]],
    groups: Mapping[str, Behind],
    forwarding: Forwarding,
    sticky: Mapping[str, Fragment],
) -> Fragment:
    entries = []
    for arn, weight in used:
        group = groups[arn]
        entry: Fragment = {"name": group.cluster, "weight": weight}
        if group.group_header is not None:
            entry["request_headers_to_add"] = _group_header(group)
        entries.append({**entry, **sticky[arn]})
    http2 = any(groups[arn].http2 for arn, _ in used)
    made: Fragment = {"route": {"weighted_clusters": {"clusters": entries}, "timeout": "0s"}}
    return _with_headers(made, _own_address(forwarding, http2=http2))


def _with_headers(route: Fragment, *several: Sequence[Fragment]) -> Fragment:
    added = [*chain.from_iterable(several)]
    return {**route, "request_headers_to_add": added} if added else route


def _group_header(group: Behind) -> list[Fragment]:
    return [] if group.group_header is None else [header(GROUP_HEADER, literal(group.group_header))]


def _own_address(forwarding: Forwarding, *, http2: bool) -> list[Fragment]:
    """X-Forwarded-For of one route, on a listener where it is not the same for all."""
    return _client_address(forwarding, http2=http2) if forwarding.speaks_http2 else []


def _client_address(forwarding: Forwarding, *, http2: bool) -> list[Fragment]:
    """X-Forwarded-For with the connection's own address at its end.

    Envoy joins with a bare comma where ALB writes ", ". The value therefore begins with a space: behind another it is
    ALB's, alone it is white space before a field value, which HTTP/1.1 does not count. HTTP/2 counts it, so a group
    that speaks it gets the comma alone.
    """
    if forwarding.xff_mode != "append":
        return []
    address = "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS" + ("%" if forwarding.xff_client_port else "_WITHOUT_PORT%")
    return [header("x-forwarded-for", address if http2 else " " + address, "APPEND_IF_EXISTS_OR_ADD")]
