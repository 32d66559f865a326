"""Resiliency policies: how long recovery may take and how much may be lost, by kind of disruption."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.resiliencehub import views
from kunren.services.resiliencehub.api.base import Base, Params, paged
from kunren.services.resiliencehub.errors import ConflictException, ValidationException
from kunren.services.resiliencehub.model import App, Policy

_NEEDED = ("Software", "Hardware", "AZ")


class Policies(Base):
    def create_resiliency_policy(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        targets = _targets(params["policy"])
        with self.store.write() as tx:
            made = self.made_with(tx, ctx, Policy, params.get("clientToken"))
            if made is not None:
                return {"policy": views.policy(made)}
            self._check_name(tx.list(Policy, ctx.account, ctx.region), params["policyName"])
            policy = Policy(
                account=ctx.account,
                region=ctx.region,
                id=self.arn(ctx, "resiliency-policy"),
                name=params["policyName"],
                tier=params["tier"],
                targets=targets,
                description=params.get("policyDescription") or "",
                data_location=params.get("dataLocationConstraint") or "AnyLocation",
                tags=params.get("tags") or {},
                client_token=params.get("clientToken") or "",
                created=self.clock.now(),
            )
            tx.put(policy)
        return {"policy": views.policy(policy)}

    def update_resiliency_policy(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            policy = self.policy(tx, ctx, params["policyArn"])
            name = params.get("policyName") or policy.name
            if name != policy.name:
                self._check_name(tx.list(Policy, ctx.account, ctx.region), name)
            policy = replace(
                policy,
                name=name,
                tier=params.get("tier") or policy.tier,
                targets=_targets(params["policy"]) if params.get("policy") else policy.targets,
                description=params.get("policyDescription", policy.description),
                data_location=params.get("dataLocationConstraint") or policy.data_location,
            )
            tx.put(policy)
        return {"policy": views.policy(policy)}

    def describe_resiliency_policy(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return {"policy": views.policy(self.policy(self.store.snapshot(), ctx, params["policyArn"]))}

    def list_resiliency_policies(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        held = self.store.snapshot().list(Policy, ctx.account, ctx.region)
        held = [each for each in held if params.get("policyName") in (None, each.name)]
        found, more = paged(held, params, lambda each: each.id)
        return {"resiliencyPolicies": [views.policy(each) for each in found], **more}

    def delete_resiliency_policy(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            policy = self.policy(tx, ctx, params["policyArn"])
            if any(each.policy == policy.id for each in tx.list(App, ctx.account, ctx.region)):
                raise ConflictException(f"Policy {policy.id} is used by an application.", resourceId=policy.id)
            tx.delete(policy)
        return {"policyArn": policy.id}

    def _check_name(self, held: list[Policy], name: str) -> None:
        if any(each.name == name for each in held):
            raise ConflictException(f"Policy with name {name} already exists", resourceId=name)


def _targets(given: dict[str, dict[str, int]]) -> dict[str, tuple[int, int]]:
    """Raises ValidationException: only a target for a Region may be left out."""
    absent = [each for each in _NEEDED if each not in given]
    if absent:
        raise ValidationException(f"FailurePolicy {', '.join(absent)} must be specified in the policy.")
    return {name: (each["rtoInSecs"], each["rpoInSecs"]) for name, each in given.items()}
