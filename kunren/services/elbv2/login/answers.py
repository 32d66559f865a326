"""What the load balancer answers users and clients itself."""

from __future__ import annotations

from kunren.dataplane.envoy.authorization import Answered
from kunren.services.elbv2.dataplane.answers import SERVER, page


def redirect(location: str, headers: list[tuple[str, str]]) -> Answered:
    own = (("location", location), ("server", SERVER), ("content-type", "text/html"))
    return Answered(302, (*own, *headers), page(302))


def refusal(status: int, reason: str = "") -> Answered:
    """`reason` is an access log's error_reason."""
    return Answered(status, (("server", SERVER), ("content-type", "text/html")), page(status), reason)
