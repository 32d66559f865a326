"""Resources as the wire has them. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.core.arn import parse_arn
from kunren.services.resiliencehub import verdict
from kunren.services.resiliencehub.facts import component_type
from kunren.services.resiliencehub.model import App, AppResource, AppVersion, Assessment, ComponentFound, Policy


def policy(each: Policy) -> dict[str, Any]:
    """ResiliencyPolicy."""
    return {
        "policyArn": each.id, "policyName": each.name, "policyDescription": each.description, "tier": each.tier,
        "dataLocationConstraint": each.data_location, "creationTime": each.created, "tags": each.tags,
        "policy": {name: {"rtoInSecs": rto, "rpoInSecs": rpo} for name, (rto, rpo) in each.targets.items()},
    }  # fmt: skip


def app(view: Snapshot | Tx, each: App) -> dict[str, Any]:
    """App."""
    shown = {**summary(view, each), "tags": each.tags, "eventSubscriptions": list(each.subscriptions)}
    if each.policy is not None:
        shown["policyArn"] = each.policy
    if each.permission_model is not None:
        shown["permissionModel"] = each.permission_model
    return shown


def summary(view: Snapshot | Tx, each: App) -> dict[str, Any]:
    """AppSummary."""
    done = [one for one in view.list(Assessment, each.account, each.region) if one.app == each.id and _over(one)]
    last = max(done, key=lambda one: (one.started, one.id), default=None)
    shown: dict[str, Any] = {
        "appArn": each.id, "name": each.name, "description": each.description, "creationTime": each.created,
        "assessmentSchedule": each.schedule, "status": "Active", "complianceStatus": "NotAssessed",
        "driftStatus": "NotChecked",
    }  # fmt: skip
    if last is not None:
        shown["complianceStatus"] = compliance_status(last)
        shown["driftStatus"] = last.drift_status
        shown["lastAppComplianceEvaluationTime"] = last.ended
        shown["resiliencyScore"] = verdict.score(last.components, last.policy)["score"]
        recovery = verdict.worst(last.components)
        if recovery:
            shown["rtoInSecs"] = max(one.rto_s for one in recovery.values())
            shown["rpoInSecs"] = max(one.rpo_s for one in recovery.values())
    return shown


def version(each: AppVersion) -> dict[str, Any]:
    """AppVersionSummary."""
    shown: dict[str, Any] = {"appVersion": each.version, "creationTime": each.created, "identifier": each.identifier}
    return {**shown, "versionName": each.name} if each.name else shown


def input_source(mapping: dict[str, Any], count: int) -> dict[str, Any]:
    """AppInputSource."""
    where = mapping["physicalResourceId"]["identifier"]
    shown = {"importType": mapping["mappingType"], "resourceCount": count, "sourceName": name_of(mapping)}
    if mapping["mappingType"] == "Terraform":
        return {**shown, "terraformSource": {"s3StateFileUrl": where}}
    return {**shown, "sourceArn": where}


def name_of(mapping: dict[str, Any]) -> str:
    """The name that resources of this input have as their source."""
    where: str = mapping["physicalResourceId"]["identifier"]
    match mapping["mappingType"]:
        case "ResourceGroup":
            return where.rpartition("/")[2]
        case "Terraform":
            return str(mapping.get("terraformSourceName") or where)
    return str(mapping.get("resourceName") or where)


def physical(each: AppResource) -> dict[str, Any]:
    """PhysicalResource."""
    kind = component_type(each.type)
    components = [{"id": each.logical, "name": each.logical, "type": kind}] if kind is not None else []
    return {
        "resourceName": each.logical, "logicalResourceId": {"identifier": each.logical}, "resourceType": each.type,
        "physicalResourceId": _physical_id(each), "appComponents": components, "excluded": False,
        "sourceType": "Discovered",
    }  # fmt: skip


def unsupported(each: AppResource) -> dict[str, Any]:
    return {
        "logicalResourceId": {"identifier": each.logical}, "resourceType": each.type,
        "physicalResourceId": _physical_id(each), "unsupportedResourceStatus": "Unsupported",
    }  # fmt: skip


def _physical_id(each: AppResource) -> dict[str, Any]:
    kind = "Arn" if parse_arn(each.identifier) is not None else "Native"
    shown = {"identifier": each.identifier, "type": kind, "awsRegion": each.region}
    return {**shown, "awsAccountId": each.account}


def template(each: AppVersion) -> str:
    """The app's template, as DescribeAppVersionTemplate has it: what was put, else what the resources are."""
    if each.template != "{}":
        return each.template
    components: dict[str, dict[str, Any]] = {}
    for one in each.resources:
        if (kind := component_type(one.type)) is not None:
            components[one.logical] = {
                "id": one.logical, "name": one.logical, "type": kind, "resourceNames": [one.logical],
            }  # fmt: skip
    listed = [
        {"logicalResourceId": {"identifier": one.logical}, "type": one.type, "name": one.logical}
        for one in each.resources
    ]
    made = {"resources": listed, "appComponents": list(components.values()), "excludedResources": {}, "version": 2.0}
    return json.dumps(made)


def assessment(each: Assessment) -> dict[str, Any]:
    """AppAssessment."""
    shown = assessment_summary(each)
    shown |= {"tags": each.tags}
    if each.policy is not None:
        shown["policy"] = policy(each.policy)
    if each.status == "Success":
        shown["compliance"] = verdict.compliance(verdict.worst(each.components), each.policy)
        shown["resiliencyScore"] = verdict.score(each.components, each.policy)
    return shown


def assessment_summary(each: Assessment) -> dict[str, Any]:
    """AppAssessmentSummary."""
    shown: dict[str, Any] = {
        "appArn": each.app, "appVersion": each.version, "assessmentArn": each.id, "assessmentName": each.name,
        "assessmentStatus": each.status, "invoker": each.invoker, "startTime": each.started,
        "driftStatus": each.drift_status,
    }  # fmt: skip
    if each.version_name:
        shown["versionName"] = each.version_name
    if each.message:
        shown["message"] = each.message
    if each.ended is not None:
        shown["endTime"] = each.ended
    if each.status == "Success":
        shown["complianceStatus"] = compliance_status(each)
        shown["resiliencyScore"] = verdict.score(each.components, each.policy)["score"]
    return shown


def component(each: ComponentFound, held: Policy | None) -> dict[str, Any]:
    """AppComponentCompliance."""
    found = verdict.compliance(each.recoveries, held)
    return {
        "appComponentName": each.name,
        "compliance": found,
        "status": verdict.overall(one["complianceStatus"] for one in found.values()),
        "resiliencyScore": verdict.score([each], held),
    }


def compliance_status(each: Assessment) -> str:
    found = verdict.compliance(verdict.worst(each.components), each.policy)
    return verdict.overall(one["complianceStatus"] for one in found.values())


def _over(each: Assessment) -> bool:
    return each.status == "Success"


def components_of(resources: Sequence[AppResource]) -> list[dict[str, str]]:
    """AppComponents."""
    found = [(each.logical, component_type(each.type)) for each in resources]
    return [{"id": name, "name": name, "type": kind} for name, kind in found if kind is not None]
