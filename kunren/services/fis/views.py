"""Resources as the wire has them. Pure."""

from __future__ import annotations

from typing import Any

from kunren.core.arn import build_arn
from kunren.services.fis.catalog import Action, ResourceType
from kunren.services.fis.model import ActionRun, Described, Experiment, ExperimentTemplate, SafetyLever


def template_arn(template: ExperimentTemplate) -> str:
    return build_arn("fis", template.region, template.account, f"experiment-template/{template.id}")


def experiment_arn(experiment: Experiment) -> str:
    return build_arn("fis", experiment.region, experiment.account, f"experiment/{experiment.id}")


def template(each: ExperimentTemplate) -> dict[str, Any]:
    """ExperimentTemplate."""
    return {
        **_described(each),
        "arn": template_arn(each),
        "description": each.description,
        "experimentOptions": each.options,
        "lastUpdateTime": each.updated,
    }


def template_summary(each: ExperimentTemplate) -> dict[str, Any]:
    return {
        "id": each.id, "arn": template_arn(each), "description": each.description, "creationTime": each.created,
        "lastUpdateTime": each.updated, "tags": each.tags,
    }  # fmt: skip


def experiment(each: Experiment) -> dict[str, Any]:
    """Experiment."""
    return {
        **_described(each),
        "arn": experiment_arn(each),
        "experimentTemplateId": each.template_id,
        "experimentOptions": each.options,
        "state": state(each),
        "actions": {name: {**each.actions[name], **_ran(run)} for name, run in each.runs.items()},
        **({"startTime": each.started} if each.started is not None else {}),
        **({"endTime": each.ended} if each.ended is not None else {}),
        **({"experimentReport": each.report} if each.report is not None else {}),
    }


def experiment_summary(each: Experiment) -> dict[str, Any]:
    return {
        "id": each.id, "arn": experiment_arn(each), "experimentTemplateId": each.template_id, "state": state(each),
        "creationTime": each.created, "tags": each.tags, "experimentOptions": each.options,
    }  # fmt: skip


def state(each: Experiment) -> dict[str, Any]:
    """ExperimentState: AWS gives a reason for every state."""
    found: dict[str, Any] = {"status": each.status, "reason": each.reason or f"Experiment is {each.status}."}
    return {**found, "error": each.error} if each.error is not None else found


def resolved(each: Experiment) -> list[dict[str, Any]]:
    """ResolvedTargets, by target."""
    return [
        {
            "resourceType": each.targets[name]["resourceType"],
            "targetName": name,
            "targetInformation": {"arn": one.arn},
        }
        for name, found in each.found.items()
        for one in found
    ]


def account(id: str, given: dict[str, str]) -> dict[str, str]:
    """A target account configuration."""
    return {"accountId": id, **given}


def lever(each: SafetyLever) -> dict[str, Any]:
    return {
        "id": each.id,
        "arn": build_arn("fis", each.region, each.account, f"safety-lever/{each.id}"),
        "state": {"status": each.status, **({"reason": each.reason} if each.reason else {})},
    }


def action(each: Action, region: str, account: str, *, whole: bool) -> dict[str, Any]:
    """Action, or ActionSummary."""
    shown: dict[str, Any] = {
        "id": each.id,
        "arn": build_arn("fis", region, account, f"action/{each.id}"),
        "description": each.description,
        "targets": {role: {"resourceType": kind} for role, kind in each.targets.items()},
        "tags": {},
    }
    if whole:
        shown["parameters"] = {
            name: {"description": one.description, "required": one.required} for name, one in each.parameters.items()
        }
    return shown


def resource_type(each: ResourceType) -> dict[str, Any]:
    return {
        "resourceType": each.id,
        "description": each.description,
        "parameters": {
            name: {"description": one.description, "required": one.required} for name, one in each.parameters.items()
        },
    }


def _described(each: Described) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": each.id,
        "targets": each.targets,
        "actions": each.actions,
        "stopConditions": list(each.stop_conditions),
        "creationTime": each.created,
        "roleArn": each.role_arn,
        "tags": each.tags,
        "targetAccountConfigurationsCount": len(each.accounts),
    }
    if each.log_configuration is not None:
        shown["logConfiguration"] = each.log_configuration
    if each.report_configuration is not None:
        shown["experimentReportConfiguration"] = each.report_configuration
    return shown


def _ran(run: ActionRun) -> dict[str, Any]:
    reason = run.reason or f"Action is {run.status}."
    return {
        "state": {"status": run.status, "reason": reason},
        **({"startTime": run.started} if run.started is not None else {}),
        **({"endTime": run.ended} if run.ended is not None else {}),
    }
