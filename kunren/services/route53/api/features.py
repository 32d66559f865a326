"""Tier and features of hosted zones.

ADVANCED zones have a Change History. Public DNS fallback of private zones is the resolvers' work. Accelerated recovery
and Change Guardrails are answered 501.
"""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.core.context import RequestContext
from kunren.core.errors import NotImplementedByKunren
from kunren.services.route53.api.base import Base
from kunren.services.route53.errors import InvalidInput

ADVANCED = "ADVANCED"


class Features(Base):
    def update_hosted_zone_tier(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            zone = self._zone(tx, ctx.account, params["HostedZoneId"])
            tier = params["HostedZoneTier"]
            if tier != zone.tier and not params.get("DryRun"):
                since = self._clock.now() if tier == ADVANCED else None
                self._records.put_zone(tx, msgspec.structs.replace(zone, tier=tier, history_since=since))
        return {}

    def update_hosted_zone_features(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        for member in ("EnableAcceleratedRecovery", "ChangeGuardrails"):
            if params.get(member) is not None:
                raise NotImplementedByKunren("route53", f"UpdateHostedZoneFeatures with {member}")
        wanted = params.get("EnablePublicDNSFallback")
        with self._store.write() as tx:
            zone = self._zone(tx, ctx.account, params["HostedZoneId"])
            if wanted is None:
                raise InvalidInput("At least one feature must be specified.")
            if not zone.private:
                raise InvalidInput("Public DNS fallback is supported only for private hosted zones.")
            if wanted != zone.public_dns_fallback and not params.get("DryRun"):
                version = zone.version + 1
                zone = msgspec.structs.replace(
                    zone, public_dns_fallback=wanted, version=version, features_version=version
                )
                self._records.put_zone(tx, zone)
        return {}
