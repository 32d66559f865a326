"""The origin that a CloudFront Function chose for one request: another of the distribution, a group of them, or one
with other settings. Pure. What the cache has is found as before: the choice counts where an origin is asked.

Developer Guide, "Helper methods for origin modification".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kunren.dataplane.edge.js_event import InvalidResult
from kunren.dataplane.edge.site import Behaviour, Origin, OriginAccess, OriginGroup, Site

GROUP = "function"  # the id of a group that a function made
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_SERVICES = ("s3", "lambda")


def chosen(site: Site, behaviour: Behaviour, choice: Mapping[str, Any]) -> tuple[Site, Behaviour]:
    """Distribution and behaviour as this one request has them. Raises InvalidResult."""
    try:
        if "group" in choice:
            return _grouped(site, behaviour, choice["group"])
        identity = choice.get("select", behaviour.origin)
        if identity not in site.origins and identity not in site.groups:
            raise InvalidResult(f"the distribution has no origin {identity}")
        changes = choice.get("update") or {}
        if changes and identity in site.groups:
            identity = site.groups[identity].members[0]
        if changes:
            site = replace(site, origins={**site.origins, identity: _updated(site, site.origins[identity], changes)})
        return site, replace(behaviour, origin=identity)
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        raise InvalidResult("the function chose an origin whose settings are not of their types") from error


def _grouped(site: Site, behaviour: Behaviour, given: Mapping[str, Any]) -> tuple[Site, Behaviour]:
    members = given["originIds"]
    if len(members) != 2 or any(each["originId"] not in site.origins for each in members):
        raise InvalidResult("an origin group has two origins of the distribution")
    origins = dict(site.origins)
    for each in members:
        if changes := each.get("originOverrides"):
            origins[each["originId"]] = _updated(site, origins[each["originId"]], changes)
    statuses = frozenset(int(each) for each in given["failoverCriteria"]["statusCodes"])
    made = OriginGroup(GROUP, tuple(each["originId"] for each in members), statuses)
    return replace(site, origins=origins, groups={**site.groups, GROUP: made}), replace(behaviour, origin=GROUP)


def _updated(site: Site, before: Origin, given: Mapping[str, Any]) -> Origin:
    """What is not said stays as it was."""
    if (given.get("originShield") or {}).get("enabled"):
        raise InvalidResult("Kunren has no Origin Shield: leave originShield out")
    times, custom = given.get("timeouts") or {}, given.get("customOriginConfig")
    domain = _text(given.get("domainName", before.domain))
    moved = domain != before.domain
    made = replace(
        before,
        domain=domain,
        path=_text(given.get("originPath", before.path)),
        headers=_headers(before, given),
        connect_timeout_s=float(times.get("connectionTimeout", before.connect_timeout_s)),
        read_timeout_s=float(times.get("readTimeout", before.read_timeout_s)),
        keepalive_s=float(times.get("keepAliveTimeout", before.keepalive_s)),
        attempts=int(given.get("connectionAttempts", before.attempts)),
        access=None if moved else before.access,
        way=None if moved else before.way,
    )
    if (access := given.get("originAccessControlConfig")) is not None:
        made = replace(made, access=_access(site, before, domain, access))
    if not 1 <= made.attempts <= 3 or not made.domain:
        raise InvalidResult("the function chose an origin whose settings are not valid")
    return made if custom is None else _custom(made, custom)


def _custom(origin: Origin, given: Mapping[str, Any]) -> Origin:
    protocol, port = given.get("protocol"), given.get("port")
    said = {"http": "http-only", "https": "https-only", None: origin.protocol}.get(protocol)
    if said is None:
        raise InvalidResult("the protocol of an origin is http or https")
    made = replace(origin, protocol=said, is_s3=False)
    if port is None:
        return made
    return replace(made, http_port=int(port)) if said == "http-only" else replace(made, https_port=int(port))


def _headers(before: Origin, given: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    own = before.headers
    if "customHeaders" in given:
        own = tuple((name, _text(value)) for name, value in given["customHeaders"].items())
    host = given.get("hostHeader")
    return own if host is None else (*own, ("Host", _text(host)))


def _access(site: Site, before: Origin, domain: str, given: Mapping[str, Any]) -> OriginAccess | None:
    if not given["enabled"] or given.get("signingBehavior") == "never":
        return None
    kind = given.get("originType", before.access.service if before.access is not None else None)
    if kind not in _SERVICES or given.get("signingProtocol", "sigv4") != "sigv4":
        raise InvalidResult("Kunren signs for origins of the types s3 and lambda by sigv4")
    found = _REGION.search(domain)
    return OriginAccess(
        service=kind,
        region=given.get("region") or (found[0] if found is not None else "us-east-1"),
        source_arn=f"arn:aws:cloudfront::{site.account}:distribution/{site.id}",
        source_account=site.account,
        gives_way=given.get("signingBehavior") == "no-override",
    )


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError(given)
    return given
