"""What a running Kunren says of itself: to `kunren up`, to `kunren status`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kunren import __version__
from kunren.core.clock import iso_utc

if TYPE_CHECKING:
    from kunren.app import App


def identity(app: App) -> dict[str, Any]:
    return {"pid": os.getpid(), "arguments": app.arguments}


def readiness(app: App, started_s: float) -> dict[str, Any]:
    """What `kunren up` prints once everything answers."""
    return {
        "version": __version__,
        "pid": os.getpid(),
        "started_s": started_s,
        "state": str(app.settings.state_dir),
        "strict": app.settings.strict,
        "listens": [
            {"what": "AWS API", "where": f"http://127.0.0.1:{app.gateway.port} (HTTPS on the same port)"},
            {"what": "proxy", "where": f"127.0.0.1:{app.proxy.port} (HTTP and SOCKS5, into the world)"},
        ],
    }


def status(app: App) -> dict[str, Any]:
    """What `kunren status --json` prints."""
    calls = app.gateway.calls()
    resources: dict[str, dict[str, int]] = {}
    for kind, count in sorted(app.store.snapshot().counts().items()):
        service, _, name = kind.partition(".")
        resources.setdefault(service, {})[name] = count
    return {
        "version": __version__,
        "pid": os.getpid(),
        "uptime_s": app.clock.monotonic() - app.started_at,
        "seed": app.entropy.seed,
        "strict": app.settings.strict,
        "clock": {
            "speed": app.clock.speed,
            "now": iso_utc(app.clock.now()),
            "wall": iso_utc(app.clock.wall()),
        },
        "ports": {"api": app.gateway.port, "proxy": app.proxy.port},
        "state": str(app.settings.state_dir),
        "parts": _parts(app),
        "resources": resources,
        "calls": calls,
        "not_implemented": [
            {"service": call["service"], "operation": call["operation"], "count": call["count"]}
            for call in calls
            if call["owner"] == "nobody"
        ],
    }


def _parts(app: App) -> list[dict[str, Any]]:
    parts = []
    for name, status in statuses(app).items():
        ok = status.get("ok", True) and not status.get("errors") and not app.ended(name)
        shown = {key: value for key, value in status.items() if key not in ("ok", "errors") or (value and not ok)}
        parts.append({"name": name, "ok": bool(ok), "detail": _in_words(shown), "status": status})
    return parts


def _in_words(status: dict[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in status.items() if not isinstance(value, dict))


def statuses(app: App) -> dict[str, dict[str, Any]]:
    """What each part says of itself, in the order of the parts."""
    return {
        "world": app.world.status(),
        "envoy": app.envoy.status(),
        "dns": app.dns.status(),
        "faults": app.faults.status(),
        "vpcs": app.vpcs.status(),
        "instances": app.instances.status(),
        "vpc-endpoints": app.endpoints.status(),
        "route53": app.zones.status(),
        "health-checks": app.health_checks.status(),
        "health-check-sources": app.check_sources.status(),
        "acm": app.certificates.status(),
        "elbv2": app.balancers.status(),
        "globalaccelerator": app.accelerators.status(),
        "cloudfront": app.cloudfront.status(),
        "lambda": app.functions.status(),
        "s3": app.s3.status(),
        **{name: service.status() for name, service in app.on_demand.made()},
        "moto": app.fallback.status(),
        **({"strict": app.access.status()} if app.access is not None else {}),
    }
