"""Has load balancers' rules forward as a deployment that shifts traffic wants them now."""

from __future__ import annotations

from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.services.ecs.model import Service
from kunren.services.ecs.services.model import ServiceDeployment
from kunren.services.ecs.services.progress import Weighted, actions_at, is_so, wanted
from kunren.services.elbv2.model import Rule


class Traffic:
    def __init__(self, store: Store, call: CallService) -> None:
        self._store, self._call = store, call

    def is_as_wanted(self, service: Service, course: ServiceDeployment | None) -> bool:
        if course is None:
            return True
        snapshot, scope = self._store.snapshot(), (service.account, service.region)
        return all(is_so(actions_at(snapshot, *scope, each.rule), each) for each in wanted(service, course))

    async def keep(self, service: Service, course: ServiceDeployment | None) -> bool:
        """Whether something had to be changed. Raises AwsError where the load balancer refuses."""
        changed = False
        for each in wanted(service, course) if course is not None else ():
            actions = actions_at(self._store.snapshot(), service.account, service.region, each.rule)
            if actions is not None and not is_so(actions, each):
                await self._set(service, each, actions)
                changed = True
        return changed

    async def _set(self, service: Service, to: Weighted, present: tuple[dict[str, Any], ...]) -> None:
        """What stands before the forwarding (somebody's login) and its stickiness stay."""
        before = [each for each in present if each.get("Type") not in ("forward", "redirect", "fixed-response")]
        old = next((each for each in present if each.get("Type") == "forward"), {})
        config: dict[str, Any] = {
            "TargetGroups": [{"TargetGroupArn": group, "Weight": weight} for group, weight in to.weights.items()]
        }
        if stickiness := (old.get("ForwardConfig") or {}).get("TargetGroupStickinessConfig"):
            config["TargetGroupStickinessConfig"] = stickiness
        actions = [*before, {"Type": "forward", "ForwardConfig": config}]
        for number, each in enumerate(actions if before else ()):
            each["Order"] = number + 1
        rule = self._store.snapshot().get(Rule, service.account, service.region, to.rule)
        if rule is not None and rule.priority > 0:
            operation, params = "ModifyRule", {"RuleArn": to.rule, "Actions": actions}
        else:
            listener = rule.listener_arn if rule is not None else to.rule
            operation, params = "ModifyListener", {"ListenerArn": listener, "DefaultActions": actions}
        await self._call(service.account, service.region, "elbv2", operation, params)
