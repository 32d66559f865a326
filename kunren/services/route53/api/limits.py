"""Limits and how much of them is used. They are AWS's defaults (developer guide, "Quotas")."""

from __future__ import annotations

from typing import Any

from kunren.control.store import Resource
from kunren.core.context import RequestContext
from kunren.services.route53.api.base import Base
from kunren.services.route53.api.delegation_sets import DELEGATION_SETS_MAX
from kunren.services.route53.api.health_check_sources import SOURCES_MAX
from kunren.services.route53.api.health_checks import HEALTH_CHECKS_MAX
from kunren.services.route53.api.records import RECORD_SETS_MAX
from kunren.services.route53.api.traffic_policies import POLICIES_MAX, living
from kunren.services.route53.api.traffic_policy_instances import INSTANCES_MAX
from kunren.services.route53.api.zones import ZONES_MAX
from kunren.services.route53.associations import VPCS_PER_ZONE_MAX
from kunren.services.route53.errors import HostedZoneNotPrivate
from kunren.services.route53.model import (
    DelegationSet,
    HealthCheck,
    HealthCheckSource,
    HostedZone,
    TrafficPolicyInstance,
)
from kunren.services.route53.store import GLOBAL

ZONES_PER_DELEGATION_SET_MAX = 100
# limit type → value, and the kind that counts
_ACCOUNT_LIMITS: dict[str, tuple[int, type[Resource]]] = {
    "MAX_TRAFFIC_POLICY_INSTANCES_BY_OWNER": (INSTANCES_MAX, TrafficPolicyInstance),
    "MAX_HOSTED_ZONES_BY_OWNER": (ZONES_MAX, HostedZone),
    "MAX_REUSABLE_DELEGATION_SETS_BY_OWNER": (DELEGATION_SETS_MAX, DelegationSet),
    "MAX_HEALTH_CHECKS_BY_OWNER": (HEALTH_CHECKS_MAX, HealthCheck),
    "MAX_HEALTH_CHECK_SOURCES_BY_OWNER": (SOURCES_MAX, HealthCheckSource),
}


class Limits(Base):
    def get_account_limit(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        if params["Type"] == "MAX_TRAFFIC_POLICIES_BY_OWNER":  # of which a version is a resource
            value, count = POLICIES_MAX, len(living(snapshot, ctx.account))
        else:
            value, kind = _ACCOUNT_LIMITS[params["Type"]]
            count = snapshot.count(kind, ctx.account, GLOBAL)
        return {"Limit": {"Type": params["Type"], "Value": value}, "Count": count}

    def get_hosted_zone_limit(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        zone = self._zone(self._store.snapshot(), ctx.account, params["HostedZoneId"])
        if params["Type"] == "MAX_VPCS_ASSOCIATED_BY_ZONE":
            if not zone.private:
                raise HostedZoneNotPrivate
            return {"Limit": {"Type": params["Type"], "Value": VPCS_PER_ZONE_MAX}, "Count": len(zone.vpcs)}
        return {"Limit": {"Type": params["Type"], "Value": RECORD_SETS_MAX}, "Count": zone.record_set_count}

    def get_reusable_delegation_set_limit(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found = self._delegation_set(snapshot, ctx.account, params["DelegationSetId"])
        zones = snapshot.list(HostedZone, ctx.account, GLOBAL)
        return {
            "Limit": {"Type": params["Type"], "Value": ZONES_PER_DELEGATION_SET_MAX},
            "Count": sum(zone.delegation_set_id == found.id for zone in zones),
        }
