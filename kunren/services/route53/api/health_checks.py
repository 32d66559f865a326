"""Health checks: make, change, look at, and what their checkers report."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core.calling import CallService, nobody_answers
from kunren.core.context import RequestContext
from kunren.services.route53 import health_check_rules, sources
from kunren.services.route53.alarms import read_settings
from kunren.services.route53.api.base import Base
from kunren.services.route53.errors import (
    HealthCheckAlreadyExists,
    HealthCheckInUse,
    HealthCheckVersionMismatch,
    InvalidInput,
    NoSuchHealthCheck,
    TooManyHealthChecks,
)
from kunren.services.route53.model import (
    AlarmIdentifier,
    AlarmSettings,
    CallerReference,
    CheckerView,
    HealthCheck,
    HealthCheckConfig,
)
from kunren.services.route53.shapes import health_check_shape, location, max_items, observation_shape
from kunren.services.route53.store import GLOBAL
from kunren.world.addresses import CHECKER_REGIONS, checker_network

HEALTH_CHECKS_MAX = 200
CHECKS_PER_SOURCE_MAX = 200
HEALTH_CHECKS_PER_PAGE = 1000
Result = dict[str, Any]
Views = Callable[[str, str], Sequence[CheckerView]]
"""Account and health check id → what its checkers report now."""


def nobody_looks(account: str, check_id: str) -> Sequence[CheckerView]:
    """For a service that runs without checkers."""
    return ()


class HealthChecks(Base):
    checker_views: Views = staticmethod(nobody_looks)
    call: CallService = staticmethod(nobody_answers)

    def create_health_check(self, ctx: RequestContext, params: dict[str, Any]) -> Result | Awaitable[Result]:
        """The same reference and settings again give the check that exists. Of an alarm, CloudWatch is asked first."""
        config = health_check_rules.created(params["HealthCheckConfig"])
        if config.alarm is not None:
            return self._create_on_alarm(ctx, params["CallerReference"], config, config.alarm)
        return self._create(ctx, params["CallerReference"], config, None)

    async def _create_on_alarm(
        self, ctx: RequestContext, reference: str, config: HealthCheckConfig, alarm: AlarmIdentifier
    ) -> Result:
        return self._create(ctx, reference, config, await read_settings(self.call, ctx.account, alarm))

    def _create(
        self, ctx: RequestContext, reference: str, config: HealthCheckConfig, settings: AlarmSettings | None
    ) -> Result:
        with self._store.write() as tx:
            id = f"healthcheck/{reference}"
            used = tx.get(CallerReference, ctx.account, GLOBAL, id)
            if used is not None:
                present = tx.get(HealthCheck, ctx.account, GLOBAL, used.made)
                if present is None or present.config != config:
                    raise HealthCheckAlreadyExists
                return self._made(present)
            if len(tx.list(HealthCheck, ctx.account, GLOBAL)) >= HEALTH_CHECKS_MAX:
                raise TooManyHealthChecks
            self._check_children(tx, ctx.account, config.children or ())
            self._check_source(tx, ctx.account, config)
            check = HealthCheck(
                account=ctx.account,
                region=GLOBAL,
                id=self._entropy.uuid(),
                caller_reference=reference,
                config=config,
                alarm_settings=settings,
            )
            tx.put(check)
            tx.put(CallerReference(account=ctx.account, region=GLOBAL, id=id, made=check.id))
        return self._made(check)

    def _made(self, check: HealthCheck) -> dict[str, Any]:
        return {"HealthCheck": health_check_shape(check), "Location": location(f"/healthcheck/{check.id}")}

    def _check_children(self, reader: Tx, account: str, children: Iterable[str]) -> None:
        """They exist and are no calculated checks ("Values that you specify when you create or update health
        checks")."""
        for each in children:
            child = reader.get(HealthCheck, account, GLOBAL, each)
            if child is None:
                raise InvalidInput(f"Invalid parameter : Child health check {each} does not exist.")
            if child.config.type == "CALCULATED":
                raise InvalidInput(f"Invalid parameter : Child health check {each} must not be a calculated one.")

    def _check_source(self, reader: Tx, account: str, config: HealthCheckConfig) -> None:
        """It is made, and has room for one more ("Health check sources": up to 200)."""
        if config.source_id is None:
            return
        source = sources.find_source(reader, account, config.source_id)
        if source is None or source.status != sources.COMPLETED:
            raise InvalidInput(f"Invalid parameter : Health check source {config.source_id} is not ready to be used.")
        using = sum(each.config.source_id == source.id for each in reader.list(HealthCheck, account, GLOBAL))
        if using >= CHECKS_PER_SOURCE_MAX:
            raise InvalidInput(f"Invalid parameter : Health check source {source.id} has the most health checks.")

    def _check(self, reader: Snapshot | Tx, account: str, check_id: str) -> HealthCheck:
        check = reader.get(HealthCheck, account, GLOBAL, check_id)
        if check is None:
            raise NoSuchHealthCheck(check_id)
        return check

    def get_health_check(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        check = self._check(self._store.snapshot(), ctx.account, params["HealthCheckId"])
        return {"HealthCheck": health_check_shape(check)}

    def update_health_check(self, ctx: RequestContext, params: dict[str, Any]) -> Result | Awaitable[Result]:
        """Where it names an alarm, that alarm's settings are read anew."""
        check = self._check(self._store.snapshot(), ctx.account, params["HealthCheckId"])
        config = health_check_rules.updated(check.config, params)
        if params.get("AlarmIdentifier") and config.alarm is not None:
            return self._update_alarm(ctx, params, config.alarm)
        return self._update(ctx, params, check.alarm_settings)

    async def _update_alarm(self, ctx: RequestContext, params: dict[str, Any], alarm: AlarmIdentifier) -> Result:
        return self._update(ctx, params, await read_settings(self.call, ctx.account, alarm))

    def _update(self, ctx: RequestContext, params: dict[str, Any], settings: AlarmSettings | None) -> Result:
        with self._store.write() as tx:
            check = self._check(tx, ctx.account, params["HealthCheckId"])
            version = params.get("HealthCheckVersion")
            if version is not None and version != check.version:
                raise HealthCheckVersionMismatch(version, check.version)
            config = health_check_rules.updated(check.config, params)
            self._check_children(tx, ctx.account, config.children or ())
            if config.source_id != check.config.source_id:
                self._check_source(tx, ctx.account, config)
            check = msgspec.structs.replace(check, config=config, alarm_settings=settings, version=check.version + 1)
            tx.put(check)
        return {"HealthCheck": health_check_shape(check)}

    def delete_health_check(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """Records that name it don't keep it; a calculated check does."""
        with self._store.write() as tx:
            check = self._check(tx, ctx.account, params["HealthCheckId"])
            for each in tx.list(HealthCheck, ctx.account, GLOBAL):
                if check.id in (each.config.children or ()):
                    raise HealthCheckInUse(check.id, each.id)
            tx.delete(check)
        return {}

    def list_health_checks(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        limit = max_items(params.get("MaxItems"), HEALTH_CHECKS_PER_PAGE)
        marker = params.get("Marker") or ""
        found = [each for each in self._store.snapshot().list(HealthCheck, ctx.account, GLOBAL) if each.id >= marker]
        more = len(found) > limit
        return {
            "HealthChecks": [health_check_shape(each) for each in found[:limit]],
            "Marker": marker,
            "IsTruncated": more,
            "NextMarker": found[limit].id if more else None,
            "MaxItems": str(limit),
        }

    def get_health_check_count(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"HealthCheckCount": self._store.snapshot().count(HealthCheck, ctx.account, GLOBAL)}

    def get_health_check_status(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        views = self._views(ctx.account, params["HealthCheckId"], "status")
        return {"HealthCheckObservations": [observation_shape(each, each.status, each.checked_at) for each in views]}

    def get_health_check_last_failure_reason(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """The checkers that never saw a failure report none."""
        views = self._views(ctx.account, params["HealthCheckId"], "last failure reason")
        return {
            "HealthCheckObservations": [
                observation_shape(each, each.failure, each.failed_at) for each in views if each.failure is not None
            ]
        }

    def _views(self, account: str, check_id: str, what: str) -> Sequence[CheckerView]:
        check = self._check(self._store.snapshot(), account, check_id)
        if check.config.type in ("CALCULATED", "RECOVERY_CONTROL"):
            raise InvalidInput(f"Invalid parameter : The {what} of a calculated health check can't be retrieved.")
        return self.checker_views(account, check_id)

    def get_checker_ip_ranges(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """Where the checkers of this world come from."""
        return {"CheckerIpRanges": [str(each) for each in sorted(map(checker_network, CHECKER_REGIONS))]}
