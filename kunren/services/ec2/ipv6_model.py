"""What EC2 has for IPv6 alone."""

from __future__ import annotations

from typing import ClassVar

from kunren.control.store import Resource


class EgressOnlyInternetGateway(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "ec2.egress-only-internet-gateway"

    vpc_id: str
    client_token: str | None = None
    client_request: str | None = None
    tags: dict[str, str] = {}
