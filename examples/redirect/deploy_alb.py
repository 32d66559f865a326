"""Architecture `alb`: the load balancer itself redirects, one rule per domain on each listener.

python deploy_alb.py domains.json
"""

from __future__ import annotations

from typing import Any

import boto3
from document import BadDocument, Redirect
from shared import (
    check_fits,
    create_certificates,
    create_listeners,
    create_load_balancer,
    create_zones,
    main,
    point_domains_at,
    wait_active,
)

NAME = "redirect-alb"
RULES_PER_LOAD_BALANCER = 100
LONGEST_PART = 128
NOT_FOUND = {
    "Type": "fixed-response",
    "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/plain", "MessageBody": "No such domain here.\n"},
}


def deploy(session: boto3.Session, name: str, redirects: list[Redirect]) -> str:
    """Deploy; the load balancer's DNS name."""
    # the quota counts the rules of both listeners
    check_fits(redirects, RULES_PER_LOAD_BALANCER // 2, "the rules of one Application Load Balancer with two listeners")
    actions = [redirect_action(redirect) for redirect in redirects]
    zones = create_zones(session, name, redirects)
    certificates = create_certificates(session, name, zones)
    balancer = create_load_balancer(session, name)
    elbv2 = session.client("elbv2")
    for listener in create_listeners(session, balancer, certificates, NOT_FOUND):
        for priority, (redirect, action) in enumerate(zip(redirects, actions, strict=True), start=1):
            elbv2.create_rule(
                ListenerArn=listener,
                Priority=priority,
                Conditions=[{"Field": "host-header", "HostHeaderConfig": {"Values": [redirect.domain]}}],
                Actions=[action],
            )
    point_domains_at(session, zones, balancer)
    wait_active(session, balancer)
    return str(balancer["DNSName"])


def redirect_action(redirect: Redirect) -> dict[str, Any]:
    """The rule action that sends a request where the document says."""
    target = redirect.parts
    path = target.path or "/"
    if redirect.carry_path:
        path = path.rstrip("/") + "/#{path}"
    if target.scheme != "https":
        raise BadDocument(
            f"entry {redirect.domain!r}: a load balancer does not redirect HTTPS to HTTP ({redirect.url})"
        )
    if max(len(target.hostname or ""), len(path), len(target.query)) > LONGEST_PART:
        raise BadDocument(
            f"entry {redirect.domain!r}: a rule holds {LONGEST_PART} characters of host, path and query each"
        )
    return {
        "Type": "redirect",
        "RedirectConfig": {
            "Protocol": target.scheme.upper(),
            "Host": target.hostname,
            "Port": str(redirect.port),
            "Path": path,
            "Query": "#{query}" if redirect.carry_query else target.query,
            "StatusCode": f"HTTP_{redirect.status}",
        },
    }


if __name__ == "__main__":
    main(NAME, deploy)
