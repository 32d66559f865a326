"""What health checks ask, and what they conclude: pure rules.

"How Amazon Route 53 determines whether a health check is healthy" in the developer guide. Each checker changes its mind
after as many probes in a row as the failure threshold says; the health check is healthy while more than 18 % of its
checkers are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from kunren.control.store import Snapshot
from kunren.dataplane.health.endpoint import Endpoint, Finding
from kunren.services.route53.model import CheckerView, HealthCheck, HealthCheckConfig, HealthCheckStatus
from kunren.services.route53.store import GLOBAL
from kunren.world import addresses6
from kunren.world.addresses import CHECKER_REGIONS, PUBLIC_RESOLVER, checker_addresses
from kunren.world.interface import checkers_namespace

HEALTHY_SHARE = 0.18
ENDPOINT_TYPES = frozenset(("HTTP", "HTTPS", "HTTP_STR_MATCH", "HTTPS_STR_MATCH", "TCP"))
_GUIDE = "https://docs.aws.amazon.com/Route53/latest/DeveloperGuide"
_RCODES = {0: "NoError", 1: "FormErr", 2: "ServFail", 3: "NXDomain", 4: "NotImp", 5: "Refused"}
_DEFAULT_PORTS = {"HTTP": 80, "HTTPS": 443}

Checker = tuple[str, str]
"""Region and address."""


def is_healthy(snapshot: Snapshot, account: str, check_id: str) -> bool:
    """What DNS goes by. A new check is healthy until data arrives (inverted: unhealthy). Of a deleted one AWS promises
    nothing; here its records are as those without a check."""
    status = snapshot.get(HealthCheckStatus, account, GLOBAL, check_id)
    if status is not None:
        return status.healthy
    check = snapshot.get(HealthCheck, account, GLOBAL, check_id)
    return check is None or not check.config.inverted


# -- what is asked ---------------------------------------------------------------------------------------------------


def regions_of(config: HealthCheckConfig) -> tuple[str, ...]:
    return config.regions or CHECKER_REGIONS


def checkers_of(config: HealthCheckConfig, private: Iterable[Checker] = ()) -> list[Checker]:
    """Who probes: the checkers on the internet, or those of the health check source; nobody where the check is disabled
    or watches no endpoint."""
    if config.disabled or config.type not in ENDPOINT_TYPES:
        return []
    if config.source_id is not None:
        return list(private)
    return [(region, address) for region in regions_of(config) for address in checker_addresses(region)]


class Vantage(NamedTuple):
    """Where a checker of a health check source lives, and which resolver it asks."""

    namespace: str
    resolver: str


def endpoint_of(check: HealthCheck, checker: Checker, vantage: Vantage | None = None) -> Endpoint:
    """What one checker asks; `vantage` where it is a source's."""
    config = check.config
    protocol = config.type.removesuffix("_STR_MATCH")
    assert config.port is not None and config.request_interval_s is not None
    name = config.domain_name or ""
    path = config.resource_path or "/"
    return Endpoint(
        namespace=vantage.namespace if vantage is not None else checkers_namespace(checker[0]),
        resolver=vantage.resolver if vantage is not None else PUBLIC_RESOLVER,
        private=vantage is not None,
        source=checker[1],
        source6=_source6(checker) if vantage is None else "",
        protocol=protocol,
        port=config.port,
        interval_s=float(config.request_interval_s),
        target=config.ip_address,
        name=name,
        host=host_header(config, protocol),
        path=path if path.startswith("/") else f"/{path}",
        search=config.search_string.encode() if config.search_string is not None else None,
        server_name=name if config.enable_sni else "",
        user_agent=f"Amazon-Route53-Health-Check-Service (ref {check.id}; report http://amzn.to/1vsZADi)",
    )


def _source6(checker: Checker) -> str:
    """The IPv6 address of a checker on the internet."""
    region, address = checker
    return addresses6.checker_addresses(region)[checker_addresses(region).index(address)]


def host_header(config: HealthCheckConfig, protocol: str) -> str:
    """FullyQualifiedDomainName's documentation: the name, or the address, with every port but the protocol's own."""
    host = config.domain_name or config.ip_address or ""
    if config.domain_name is None and ":" in host:
        host = f"[{host}]"
    return host if config.port == _DEFAULT_PORTS.get(protocol) else f"{host}:{config.port}"


# -- what is concluded -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opinion:
    """One checker's. `streak` counts the probes in a row that speak against it."""

    healthy: bool = True
    streak: int = 0
    status: str = ""
    checked_at: float = 0.0
    failure: str | None = None
    failed_at: float | None = None


def judged(before: Opinion, finding: Finding, threshold: int, now: float) -> Opinion:
    """The opinion after one more probe."""
    good, text = in_words(finding)
    streak = before.streak + 1 if good != before.healthy else 0
    turned = streak >= threshold
    return Opinion(
        healthy=good if turned else before.healthy,
        streak=0 if turned else streak,
        status=text,
        checked_at=now,
        failure=before.failure if good else text,
        failed_at=before.failed_at if good else now,
    )


def in_words(finding: Finding) -> tuple[bool, str]:
    """Whether a probe succeeded, and the text that GetHealthCheckStatus has for it."""
    resolved = f" Resolved IP: {finding.resolved}." if finding.resolved else ""
    if finding.kind in ("status", "unmatched"):
        good = finding.kind == "status" and 200 <= finding.code < 400
        text = f"HTTP Status Code {finding.code}" + (f", {finding.phrase}" if finding.phrase else "")
        if resolved:
            text += f".{resolved.removesuffix('.')}"
        if finding.kind == "unmatched":
            text += ". The search string was not found in the first 5120 bytes of the response body."
        return good, f"{'Success' if good else 'Failure'}: {text}"
    if finding.kind == "connected":
        return True, f"Success:{resolved} TCP connection established"
    return False, f"Failure:{resolved} {_failure(finding)}"


def _failure(finding: Finding) -> str:
    match finding.kind:
        case "timeout":
            return (
                "Connection timed out. The endpoint or the internet connection is down, or requests are being blocked "
                f"by your firewall. See {_GUIDE}/dns-failover-router-firewall-rules.html"
            )
        case "refused":
            return "Connection refused. The endpoint is not listening on the specified port."
        case "unreachable":
            return "The endpoint is unreachable: no route leads to its address."
        case "closed":
            return "The connection was closed by the endpoint."
        case "silent":
            return "Response timed out. The connection was established, but no complete response came in time."
        case "malformed":
            return "The endpoint's response is not valid HTTP."
        case "tls":
            return f"SSL alert {finding.phrase}" if finding.phrase else "The SSL/TLS handshake failed."
        case "unresolved" if finding.code >= 0:
            return f"DNS resolution failed: Rcode {_RCODES.get(finding.code, 'Unknown')}({finding.code})"
        case "unresolved":
            return "DNS resolution failed: no answer from the resolver"
        case _:
            return "The resolved IP address is in a restricted or private range."


def with_switches(config: HealthCheckConfig, healthy: bool) -> bool:
    """Disabled checks count as healthy; Inverted turns round whatever there is."""
    return (healthy or config.disabled) != config.inverted


def enough_healthy(opinions: Collection[bool]) -> bool:
    """More than 18 % of the checkers; true while there is none."""
    return not opinions or sum(opinions) / len(opinions) > HEALTHY_SHARE


def calculated(config: HealthCheckConfig, children: Iterable[bool]) -> bool:
    """Whether at least HealthThreshold of the child health checks are healthy."""
    assert config.health_threshold is not None
    return sum(children) >= config.health_threshold


def view_of(checker: Checker, opinion: Opinion) -> CheckerView:
    region, address = checker
    return CheckerView(
        region=region,
        address=address,
        healthy=opinion.healthy,
        status=opinion.status,
        checked_at=opinion.checked_at,
        failure=opinion.failure,
        failed_at=opinion.failed_at,
    )


def opinion_of(view: CheckerView) -> Opinion:
    """The opinion as it was stored: how many probes in a row spoke against it is forgotten."""
    return Opinion(view.healthy, 0, view.status, view.checked_at, view.failure, view.failed_at)


def is_news(before: Opinion, after: Opinion) -> bool:
    """Whether more than times and counts has changed."""
    untimed = {"streak": 0, "checked_at": 0.0, "failed_at": None}
    return replace(before, **untimed) != replace(after, **untimed)  # type: ignore[arg-type]
