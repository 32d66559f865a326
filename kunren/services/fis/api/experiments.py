"""Experiments, and the safety lever that stops them all."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.services.fis import errors, views
from kunren.services.fis.api.base import Base, Params, paged
from kunren.services.fis.model import ENDED, ActionRun, Described, Experiment, SafetyLever

ACTIVE_MAX = 5
LEVER = "default"


class Experiments(Base):
    async def start_experiment(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        template = self.template(self.store.snapshot(), ctx, params["experimentTemplateId"])
        await self.check_role(template.role_arn)
        for each in template.accounts.values():
            await self.check_role(each["roleArn"])
        with self.store.write() as tx:
            made = self.made_with(tx, ctx, Experiment, params["clientToken"])
            if made is not None:
                return {"experiment": views.experiment(made)}
            template = self.template(tx, ctx, params["experimentTemplateId"])
            if self._lever(tx, ctx).status == "engaged":
                raise errors.ConflictException("The safety lever is engaged, so no experiment can be started.")
            active = [each for each in tx.list(Experiment, ctx.account, ctx.region) if each.status not in ENDED]
            if len(active) >= ACTIVE_MAX:
                raise errors.ServiceQuotaExceededException(f"At most {ACTIVE_MAX} experiments can be active at a time.")
            if template.options.get("accountTargeting") == "multi-account" and not template.accounts:
                raise errors.ValidationException("A multi-account experiment needs target account configurations.")
            given = {name: getattr(template, name) for name in Described.__struct_fields__}
            mode = (params.get("experimentOptions") or {}).get("actionsMode", "run-all")
            given |= {
                "id": self.new_id("EXP"),
                "options": {**template.options, "actionsMode": mode},
                "tags": params.get("tags") or {},
                "client_token": params["clientToken"],
                "created": self.clock.now(),
                "runs": {name: ActionRun() for name in template.actions},
            }
            experiment = Experiment(template_id=template.id, **given)
            tx.put(experiment)
        return {"experiment": views.experiment(experiment)}

    def stop_experiment(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            experiment = self.experiment(tx, ctx, params["id"])
            if experiment.status in ENDED:
                raise errors.ValidationException(
                    f"Experiment {experiment.id} cannot be stopped, since it is {experiment.status}."
                )
            experiment = _stopping(experiment, "Experiment halted by user request.")
            tx.put(experiment)
        return {"experiment": views.experiment(experiment)}

    def get_experiment(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return {"experiment": views.experiment(self.experiment(self.store.snapshot(), ctx, params["id"]))}

    def list_experiments(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        held = self.store.snapshot().list(Experiment, ctx.account, ctx.region)
        wanted = params.get("experimentTemplateId")
        held = [each for each in held if wanted in (None, each.template_id)]
        found, more = paged(held, params, "experiments", lambda each: each.id)
        return {"experiments": [views.experiment_summary(each) for each in found], **more}

    def list_experiment_resolved_targets(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        experiment = self.experiment(self.store.snapshot(), ctx, params["experimentId"])
        wanted = params.get("targetName")
        if wanted is not None and wanted not in experiment.targets:
            raise errors.ResourceNotFoundException(f"Experiment {experiment.id} has no target {wanted}.")
        listed = [each for each in views.resolved(experiment) if wanted in (None, each["targetName"])]
        listed.sort(key=_place)
        found, more = paged(listed, params, "resolvedTargets", _place)
        return {"resolvedTargets": found, **more}

    # -- the safety lever --------------------------------------------------------------------------------------------

    def get_safety_lever(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        _check_lever(params["id"])
        return {"safetyLever": views.lever(self._lever(self.store.snapshot(), ctx))}

    def update_safety_lever_state(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        _check_lever(params["id"])
        wanted = params["state"]
        with self.store.write() as tx:
            before = self._lever(tx, ctx)
            if before.status == wanted["status"]:
                raise errors.ConflictException(f"The safety lever is {before.status} already.")
            lever = replace(before, status=wanted["status"], reason=wanted["reason"])
            tx.put(lever)
            for each in tx.list(Experiment, ctx.account, ctx.region) if lever.status == "engaged" else ():
                if each.status not in ENDED:
                    tx.put(_stopping(each, "Experiment halted by the safety lever."))
        return {"safetyLever": views.lever(lever)}

    def _lever(self, reader: Snapshot | Tx, ctx: RequestContext) -> SafetyLever:
        found = reader.get(SafetyLever, ctx.account, ctx.region, LEVER)
        return found or SafetyLever(account=ctx.account, region=ctx.region, id=LEVER)


def _stopping(experiment: Experiment, reason: str) -> Experiment:
    if experiment.ending:
        return experiment
    return replace(experiment, ending="stopped", status="stopping", reason=reason)


def _place(resolved: dict[str, Any]) -> str:
    return msgspec.json.encode(resolved).decode()


def _check_lever(id: str) -> None:
    if id != LEVER:
        raise errors.ResourceNotFoundException(f"The safety lever {id} does not exist.")
