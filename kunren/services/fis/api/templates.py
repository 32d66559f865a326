"""Experiment templates."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.fis import checks, errors, views
from kunren.services.fis.api.base import Base, Params, paged
from kunren.services.fis.model import ExperimentTemplate

TEMPLATES_MAX = 500
_OPTIONS = {"accountTargeting": "single-account", "emptyTargetResolutionMode": "fail"}


class Templates(Base):
    async def create_experiment_template(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        targets, actions = params.get("targets") or {}, params["actions"]
        options = {**_OPTIONS, **(params.get("experimentOptions") or {})}
        await self._check(targets, actions, params["stopConditions"], options, params["roleArn"], params)
        with self.store.write() as tx:
            made = self.made_with(tx, ctx, ExperimentTemplate, params["clientToken"])
            if made is not None:
                return {"experimentTemplate": views.template(made)}
            if len(tx.list(ExperimentTemplate, ctx.account, ctx.region)) >= TEMPLATES_MAX:
                raise errors.ServiceQuotaExceededException(
                    f"There can be at most {TEMPLATES_MAX} experiment templates."
                )
            now = self.clock.now()
            template = ExperimentTemplate(
                account=ctx.account,
                region=ctx.region,
                id=self.new_id("EXT"),
                description=params["description"],
                role_arn=params["roleArn"],
                targets=targets,
                actions=actions,
                stop_conditions=tuple(params["stopConditions"]),
                log_configuration=params.get("logConfiguration"),
                report_configuration=params.get("experimentReportConfiguration"),
                options=options,
                tags=params.get("tags") or {},
                client_token=params["clientToken"],
                created=now,
                updated=now,
            )
            tx.put(template)
        return {"experimentTemplate": views.template(template)}

    async def update_experiment_template(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        before = self.template(self.store.snapshot(), ctx, params["id"])
        changed: dict[str, Any] = {
            "description": params.get("description", before.description),
            "role_arn": params.get("roleArn", before.role_arn),
            "targets": params.get("targets", before.targets),
            "actions": params.get("actions", before.actions),
            "stop_conditions": tuple(params.get("stopConditions", before.stop_conditions)),
            "log_configuration": _kept(params, "logConfiguration", before.log_configuration),
            "report_configuration": _kept(params, "experimentReportConfiguration", before.report_configuration),
            "options": {**before.options, **(params.get("experimentOptions") or {})},
        }
        for name, action in changed["actions"].items():
            if not action.get("actionId"):
                raise errors.ValidationException(f"Action {name} has no action id.")
        wanted = {
            "logConfiguration": changed["log_configuration"],
            "experimentReportConfiguration": changed["report_configuration"],
        }
        conditions = list(changed["stop_conditions"])
        await self._check(
            changed["targets"], changed["actions"], conditions, changed["options"], changed["role_arn"], wanted
        )
        with self.store.write() as tx:
            now = self.template(tx, ctx, params["id"])
            template = replace(now, **changed, updated=self.clock.now())
            tx.put(template)
        return {"experimentTemplate": views.template(template)}

    def get_experiment_template(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return {"experimentTemplate": views.template(self.template(self.store.snapshot(), ctx, params["id"]))}

    def list_experiment_templates(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        held = self.store.snapshot().list(ExperimentTemplate, ctx.account, ctx.region)
        found, more = paged(held, params, "experimentTemplates", lambda each: each.id)
        return {"experimentTemplates": [views.template_summary(each) for each in found], **more}

    def delete_experiment_template(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            template = self.template(tx, ctx, params["id"])
            tx.delete(template)
        return {"experimentTemplate": views.template(template)}

    async def _check(
        self, targets: Params, actions: Params, conditions: list[Any], options: Params, role_arn: str, wanted: Params
    ) -> None:
        """Raises ValidationException, ServiceQuotaExceededException."""
        checks.check_template(targets, actions, conditions, options)
        checks.check_report(wanted.get("experimentReportConfiguration"))
        checks.check_logs(wanted.get("logConfiguration"))
        await self.check_role(role_arn)


def _kept(params: Params, member: str, before: Any) -> Any:
    """What is given, or what was; an empty structure takes it away."""
    given = params.get(member, before)
    return given or None
