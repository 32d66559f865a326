"""DNSSEC of hosted zones: none is signed, and says so. Signing one is answered 501."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.services.route53.api.base import Base
from kunren.services.route53.errors import DNSSECNotFound, InvalidArgument


class Dnssec(Base):
    def get_dnssec(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        zone = self._zone(self._store.snapshot(), ctx.account, params["HostedZoneId"])
        if zone.private:
            raise InvalidArgument("DNSSEC signing doesn't support private hosted zones.")
        return {"Status": {"ServeSignature": "NOT_SIGNING"}, "KeySigningKeys": []}

    def disable_hosted_zone_dnssec(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        self._zone(self._store.snapshot(), ctx.account, params["HostedZoneId"])
        raise DNSSECNotFound
