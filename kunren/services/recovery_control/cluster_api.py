"""The states of routing controls, which a cluster's endpoints answer for (Routing Control API Reference)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from kunren.control.store import Store, Tx
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.pagination import InvalidToken, page
from kunren.services.recovery_control.config_api import GLOBAL, PAGE
from kunren.services.recovery_control.errors import (
    ConflictException,
    ResourceNotFoundException,
    ValidationException,
)
from kunren.services.recovery_control.model import Cluster, ControlPanel, RoutingControl, SafetyRule
from kunren.services.recovery_control.rules import broken

ENTRIES_MAX = 10


class ClusterApi:
    """Handlers of route53-recovery-cluster: every endpoint knows the same states."""

    service: ClassVar[str] = "route53-recovery-cluster"

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def get_routing_control_state(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._store.snapshot().get(RoutingControl, ctx.account, GLOBAL, params["RoutingControlArn"])
        if found is None:
            raise ResourceNotFoundException(f"Resource not found: {params['RoutingControlArn']}")
        return {
            "RoutingControlArn": found.id, "RoutingControlState": found.state, "RoutingControlName": found.name,
        }  # fmt: skip

    def list_routing_controls(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot, panel = self._store.snapshot(), params.get("ControlPanelArn")
        names = {each.id: each.name for each in snapshot.list(ControlPanel, ctx.account, GLOBAL)}
        if panel is not None and panel not in names:
            raise ResourceNotFoundException(f"Resource not found: {panel}")
        found = [each for each in snapshot.list(RoutingControl, ctx.account, GLOBAL) if panel in (None, each.panel)]
        try:
            part, token = page(found, params.get("NextToken"), params.get("MaxResults") or PAGE, lambda each: each.id)
        except InvalidToken:
            raise ValidationException("Invalid NextToken") from None
        shown = [
            {
                "ControlPanelArn": each.panel, "ControlPanelName": names.get(each.panel, ""),
                "RoutingControlArn": each.id, "RoutingControlName": each.name, "RoutingControlState": each.state,
                "Owner": each.account,
            }
            for each in part
        ]  # fmt: skip
        return {"RoutingControls": shown, **({"NextToken": token} if token else {})}

    def update_routing_control_state(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._update(ctx, [params], params.get("SafetyRulesToOverride") or ())

    def update_routing_control_states(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        entries = params["UpdateRoutingControlStateEntries"]
        if not 1 <= len(entries) <= ENTRIES_MAX:
            raise ValidationException(f"Between 1 and {ENTRIES_MAX} routing controls can be updated in one call")
        self._update(ctx, entries, params.get("SafetyRulesToOverride") or ())

    def _update(self, ctx: RequestContext, entries: Sequence[Mapping[str, Any]], overridden: Sequence[str]) -> None:
        """All of them or none. Raises ConflictException where a safety rule forbids it."""
        with self._store.write() as tx:
            controls = {each.id: each for each in tx.list(RoutingControl, ctx.account, GLOBAL)}
            for each in entries:
                self._check(tx, ctx, controls.get(each["RoutingControlArn"]), each["RoutingControlArn"])
            changes = {
                each["RoutingControlArn"]: each["RoutingControlState"]
                for each in entries
                if controls[each["RoutingControlArn"]].state != each["RoutingControlState"]
            }
            rules = [each for each in tx.list(SafetyRule, ctx.account, GLOBAL) if each.id not in overridden]
            forbidding = broken(rules, controls, changes, self._clock.now())
            if forbidding is not None:
                raise ConflictException(
                    f"The safety rule {forbidding.name} ({forbidding.id}) does not allow the change"
                )
            for arn, state in changes.items():
                tx.put(msgspec.structs.replace(controls[arn], state=state, changed_at=self._clock.now()))

    def _check(self, tx: Tx, ctx: RequestContext, control: RoutingControl | None, arn: str) -> None:
        if control is None or tx.get(Cluster, ctx.account, GLOBAL, control.cluster) is None:
            raise ResourceNotFoundException(f"Resource not found: {arn}")
