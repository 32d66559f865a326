"""Real-time log configurations: which requests are told to a Kinesis data stream (`realtime_logs/`)."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.services.cloudfront.api.base import Base, page
from kunren.services.cloudfront.checks import behaviours_of
from kunren.services.cloudfront.errors import (
    InvalidArgument,
    RealtimeLogConfigAlreadyExists,
    RealtimeLogConfigInUse,
    TooManyRealtimeLogConfigs,
)
from kunren.services.cloudfront.model import Distribution
from kunren.services.cloudfront.realtime_logs import rules
from kunren.services.cloudfront.realtime_logs.model import RealtimeLogConfig


class RealtimeLogs(Base):
    def create_realtime_log_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        if not params["Name"]:
            raise InvalidArgument("The parameter Name must not be empty.")
        made = rules.completed(ctx.account, params["Name"], params)
        with self._store.write() as tx:
            existing = tx.list(RealtimeLogConfig, ctx.account, "")
            if any(each.id == made.id for each in existing):
                raise RealtimeLogConfigAlreadyExists
            if len(existing) >= rules.CONFIGS_MAX:
                raise TooManyRealtimeLogConfigs
            tx.put(made)
        return {"RealtimeLogConfig": rules.shown(made)}

    def get_realtime_log_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = rules.found(self._store.snapshot(), ctx.account, params.get("Name"), params.get("ARN"))
        return {"RealtimeLogConfig": rules.shown(found)}

    def list_realtime_log_configs(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._store.snapshot().list(RealtimeLogConfig, ctx.account, "")
        listed, members = page(found, params, lambda each: each.id)
        del members["Quantity"]
        items = [rules.shown(each) for each in listed]
        marks = {"Marker": params.get("Marker") or "", "IsTruncated": "NextMarker" in members}
        return {"RealtimeLogConfigs": {**marks, **members, **({"Items": items} if items else {})}}

    def update_realtime_log_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """All of it: what is not given is not kept."""
        with self._store.write() as tx:
            before = rules.found(tx, ctx.account, params.get("Name"), params.get("ARN"))
            after = rules.completed(ctx.account, before.id, params)
            tx.put(after)
        return {"RealtimeLogConfig": rules.shown(after)}

    def delete_realtime_log_config(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = rules.found(tx, ctx.account, params.get("Name"), params.get("ARN"))
            for each in tx.list(Distribution, ctx.account, ""):
                if any(one.get("RealtimeLogConfigArn") == found.arn for one in behaviours_of(each.config)):
                    raise RealtimeLogConfigInUse
            tx.delete(found)
