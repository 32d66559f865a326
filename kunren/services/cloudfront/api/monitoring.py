"""Monitoring subscriptions: which distributions have the additional metrics (`metrics.py`)."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.services.cloudfront.api.base import Base, Reader
from kunren.services.cloudfront.errors import MonitoringSubscriptionAlreadyExists, NoSuchMonitoringSubscription
from kunren.services.cloudfront.model import MonitoringSubscription


class Monitoring(Base):
    def create_monitoring_subscription(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        wanted = (params["MonitoringSubscription"].get("RealtimeMetricsSubscriptionConfig")) or {}
        with self._store.write() as tx:
            identity = self._distribution(tx, ctx.account, params["DistributionId"]).id
            if tx.get(MonitoringSubscription, ctx.account, "", identity) is not None:
                raise MonitoringSubscriptionAlreadyExists
            enabled = wanted.get("RealtimeMetricsSubscriptionStatus") == "Enabled"
            made = MonitoringSubscription(account=ctx.account, region="", id=identity, enabled=enabled)
            tx.put(made)
        return _shown(made)

    def get_monitoring_subscription(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return _shown(self._subscription(self._store.snapshot(), ctx, params["DistributionId"]))

    def delete_monitoring_subscription(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            tx.delete(self._subscription(tx, ctx, params["DistributionId"]))
        return {}

    def _subscription(self, reader: Reader, ctx: RequestContext, identity: str) -> MonitoringSubscription:
        self._distribution(reader, ctx.account, identity)
        found = reader.get(MonitoringSubscription, ctx.account, "", identity)
        if found is None:
            raise NoSuchMonitoringSubscription
        return found


def _shown(subscription: MonitoringSubscription) -> dict[str, Any]:
    status = "Enabled" if subscription.enabled else "Disabled"
    config = {"RealtimeMetricsSubscriptionStatus": status}
    return {"MonitoringSubscription": {"RealtimeMetricsSubscriptionConfig": config}}
