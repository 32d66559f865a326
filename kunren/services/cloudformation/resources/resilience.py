"""Experiments and routing controls: AWS::FIS::…, AWS::Route53RecoveryControl::…"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.resources.kind import Declared, Kind, Setting, change, small, tagging
from kunren.services.cloudformation.work import Work

_WEST = "us-west-2"  # where Route 53 ARC's operations are called
_PLAIN = ("Parameters", "ResourceTags")  # maps whose keys are the user's


def lowered(value: Any) -> Any:
    """Members by FIS's own names; what users name keeps its name."""
    if isinstance(value, list):
        return [lowered(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {small(key): each if key in _PLAIN else lowered(each) for key, each in value.items()}


def _action(stated: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = lowered({key: each for key, each in stated.items() if key != "Targets"})
    return {**found, **({"targets": stated["Targets"]} if "Targets" in stated else {})}


def _template(work: Work) -> dict[str, Any]:
    plain = ("Description", "ExperimentOptions", "LogConfiguration", "RoleArn", "StopConditions")
    found = {small(key): lowered(work.properties[key]) for key in plain if key in work.properties}
    found["actions"] = {name: _action(each) for name, each in (work.get("Actions") or {}).items()}
    found["targets"] = {name: lowered(each) for name, each in (work.get("Targets") or {}).items()}
    if "logConfiguration" in found and "logSchemaVersion" in found["logConfiguration"]:
        found["logConfiguration"]["logSchemaVersion"] = int(found["logConfiguration"]["logSchemaVersion"])
    return found


def _arn(work: Work) -> str:
    return f"arn:aws:fis:{work.region}:{work.account}:experiment-template/{work.physical}"


_TEMPLATE = "Actions Description ExperimentOptions LogConfiguration RoleArn StopConditions Targets"


def _control(noun: str, takes: str, changes: str, **more: Any) -> Declared:
    """A cluster, a panel, or a routing control: they settle, and are called by their name and ARN."""
    renamed = [
        Setting(
            f"Update{noun}",
            changes,
            lambda work: {f"{noun}Arn": work.physical, f"{noun}Name": work.properties["Name"]},
            on_create=False,
        )
    ]
    return Declared(
        f"AWS::Route53RecoveryControl::{noun}",
        "route53-recovery-control-config",
        region=_WEST,
        create=f"Create{noun}",
        takes=takes,
        extra=lambda work: {"ClientToken": work.token},
        made=f"{noun}.{noun}Arn",
        key=f"{noun}Arn",
        describe=f"Describe{noun}",
        item=noun,
        ready="Status == 'DEPLOYED'",
        settings=renamed if changes else [],
        delete=f"Delete{noun}",
        await_end=True,
        ended="Status == 'PENDING_DELETION'",
        **more,
    )


class SafetyRule(Declared):
    """One operation makes both kinds of rules."""

    async def create(self, work: Work) -> None:
        rule = {
            **work.pick("ControlPanelArn", "Name", "RuleConfig"),
            **(work.get("AssertionRule") or work.get("GatingRule") or {}),
        }
        kind = "AssertionRule" if "AssertionRule" in work.properties else "GatingRule"
        params = {kind: rule, "ClientToken": work.token}
        path = "AssertionRule.SafetyRuleArn || GatingRule.SafetyRuleArn"
        await work.write(self.service, "CreateSafetyRule", params, path, physical=True, region=_WEST)
        await self.settle(work)


KINDS: tuple[Kind, ...] = (
    Declared(
        "AWS::FIS::ExperimentTemplate",
        "fis",
        create="CreateExperimentTemplate",
        extra=lambda work: {"clientToken": work.token, **_template(work)},
        also=_TEMPLATE,
        made="experimentTemplate.id",
        key="id",
        describe="GetExperimentTemplate",
        item="experimentTemplate",
        gives={"Id": "id"},
        settings=[change("UpdateExperimentTemplate", "id", _TEMPLATE, _template)],
        tags=tagging("resourceArn", by=_arn, tags="tags", keys="tagKeys", as_map=True),
        delete="DeleteExperimentTemplate",
    ),
    _control(
        "Cluster",
        "Name=ClusterName NetworkType",
        "",
        gives={"ClusterArn": "ClusterArn", "Status": "Status", "ClusterEndpoints": "ClusterEndpoints"},
    ),
    _control(
        "ControlPanel",
        "ClusterArn Name=ControlPanelName",
        "Name",
        gives={
            "ControlPanelArn": "ControlPanelArn",
            "DefaultControlPanel": "DefaultControlPanel",
            "RoutingControlCount": "RoutingControlCount",
            "Status": "Status",
        },
    ),
    _control(
        "RoutingControl",
        "ClusterArn ControlPanelArn Name=RoutingControlName",
        "Name",
        gives={"RoutingControlArn": "RoutingControlArn", "Status": "Status"},
    ),
    SafetyRule(
        "AWS::Route53RecoveryControl::SafetyRule",
        "route53-recovery-control-config",
        region=_WEST,
        create="CreateSafetyRule",
        also="AssertionRule ControlPanelArn GatingRule Name RuleConfig",
        made="SafetyRuleArn",
        key="SafetyRuleArn",
        describe="DescribeSafetyRule",
        item="AssertionRule || GatingRule",
        ready="Status == 'DEPLOYED'",
        gives={"SafetyRuleArn": "SafetyRuleArn", "Status": "Status"},
        delete="DeleteSafetyRule",
        await_end=True,
        ended="Status == 'PENDING_DELETION'",
    ),
)
