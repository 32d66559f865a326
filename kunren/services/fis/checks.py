"""Whether a template can be: everything that can be said about it without asking anybody. Pure.

Texts that AWS is known to answer with are AWS's; README.md names the others. "Experiment template components".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kunren.core.arn import parse_arn
from kunren.services.fis import durations
from kunren.services.fis.catalog import ABSENT, ACTIONS, RESOURCE_TYPES, Action, listed, wrong_value
from kunren.services.fis.errors import ServiceQuotaExceededException, ValidationException

ACTIONS_MAX, STOP_CONDITIONS_MAX, ALARMS_MAX = 20, 5, 5
_SELECTION = re.compile(r"ALL|(COUNT|PERCENT)\((\d+)\)")
_ALARM = "aws:cloudwatch:alarm"


def check_template(
    targets: Mapping[str, Mapping[str, Any]],
    actions: Mapping[str, Mapping[str, Any]],
    stop_conditions: list[Mapping[str, str]],
    options: Mapping[str, str],
) -> None:
    """Raises ValidationException, ServiceQuotaExceededException."""
    if not actions:
        raise ValidationException("At least one action must be specified.")
    if len(actions) > ACTIONS_MAX:
        raise ServiceQuotaExceededException(f"A template can have at most {ACTIONS_MAX} actions.")
    for name, target in targets.items():
        _check_target(name, target)
    for name, action in actions.items():
        _check_action(name, action, targets, actions)
    _check_order(actions)
    unused = set(targets) - {each for action in actions.values() for each in (action.get("targets") or {}).values()}
    if unused:
        raise ValidationException(f"Target {sorted(unused)[0]} is not used by any action.")
    _check_stop_conditions(stop_conditions)
    if options.get("accountTargeting") == "multi-account" and any(
        each.get("resourceArns") for each in targets.values()
    ):
        raise ValidationException("Targets of a multi-account experiment must be identified by resource tags.")


def _check_target(name: str, target: Mapping[str, Any]) -> None:
    kind = RESOURCE_TYPES.get(target["resourceType"])
    if kind is None:
        raise ValidationException(f"The resource type {target['resourceType']} of target {name} does not exist.")
    arns, tags, parameters = (target.get(each) for each in ("resourceArns", "resourceTags", "parameters"))
    if arns and tags:
        raise ValidationException(f"You cannot specify both resource ARNs and resource tags for target {name}.")
    if not arns and not tags and not (parameters and kind.parameters):
        raise ValidationException(f"You must specify resource ARNs or resource tags for target {name}.")
    if arns and not kind.by_arn:
        raise ValidationException(f"TargetResourceType {kind.id} does not support resourceArns.")
    if tags and not kind.by_tag:
        raise ValidationException(f"TargetResourceType {kind.id} does not support resourceTags.")
    for arn in arns or ():
        if parse_arn(arn) is None:
            raise ValidationException(f"{arn} of target {name} is not an ARN.")
    for each in parameters or {}:
        if each not in kind.parameters:
            raise ValidationException(f'Unexpected parameter "{each}" found in target "{name}".')
    if arns and target.get("filters"):
        raise ValidationException(f"You cannot specify filters with resource ARNs for target {name}.")
    selection_of(name, target["selectionMode"])


def selection_of(name: str, text: str) -> tuple[str, int]:
    """("ALL", 0), ("COUNT", n) or ("PERCENT", n). Raises ValidationException."""
    match = _SELECTION.fullmatch(text)
    if match is None:
        raise ValidationException(f"{text} of target {name} is not a selection mode: ALL, COUNT(n) or PERCENT(n).")
    number = int(match[2] or 0)
    if match[1] and (number < 1 or (match[1] == "PERCENT" and number > 100)):
        raise ValidationException(f"{text} of target {name} selects nothing that there can be.")
    return match[1] or "ALL", number


def _check_action(
    name: str,
    given: Mapping[str, Any],
    targets: Mapping[str, Mapping[str, Any]],
    actions: Mapping[str, Mapping[str, Any]],
) -> None:
    action_id = given["actionId"]
    action = ACTIONS.get(action_id)
    if action_id in ABSENT:
        raise ValidationException(
            f"Action {name}: {action_id} is an action of AWS's that Kunren does not run yet, since what it acts on "
            "does not exist here. ListActions has those that run."
        )
    if action is None:
        raise ValidationException(f"Action {name}: there is no action {action_id}.")
    _check_parameters(name, action, given.get("parameters") or {})
    roles = given.get("targets") or {}
    for role in roles:
        if role not in action.targets:
            raise ValidationException(f'Unexpected target "{role}" found in action "{name}".')
    for role, kind in action.targets.items():
        if role not in roles:
            raise ValidationException(f'Missing required target "{role}" in action "{name}".')
        if roles[role] not in targets:
            raise ValidationException(f'Target "{roles[role]}" of action "{name}" is not defined.')
        if targets[roles[role]]["resourceType"] != kind:
            raise ValidationException(f'Target "{roles[role]}" of action "{name}" must have the resource type {kind}.')
    for before in given.get("startAfter") or ():
        if before not in actions:
            raise ValidationException(f'Action "{before}", after which action "{name}" starts, is not defined.')


def _check_parameters(name: str, action: Action, given: Mapping[str, str]) -> None:
    for each in given:
        if each not in action.parameters:
            raise ValidationException(f'Unexpected parameter "{each}" found in action "{name}".')
    for each, parameter in action.parameters.items():
        if each not in given:
            if parameter.required:
                raise ValidationException(f'Missing required parameter "{each}" in action "{name}".')
        elif (should := wrong_value(parameter, given[each])) is not None:
            raise ValidationException(f'Parameter "{each}" of action "{name}" must be {should}, not {given[each]}.')
    if given.get("scope") == "prefix-list" and "prefixListIdentifier" not in given:
        raise ValidationException(f'Missing required parameter "prefixListIdentifier" in action "{name}".')
    if len(listed(given.get("alarmArns", ""))) > ALARMS_MAX:
        raise ValidationException(f'Action "{name}" can assert the state of at most {ALARMS_MAX} alarms.')


def _check_order(actions: Mapping[str, Mapping[str, Any]]) -> None:
    """Each action must be able to begin."""
    left = {name: set(action.get("startAfter") or ()) for name, action in actions.items()}
    while left:
        ready = {name for name, before in left.items() if not before & left.keys()}
        if not ready:
            raise ValidationException(f"Actions {', '.join(sorted(left))} start after each other.")
        left = {name: before for name, before in left.items() if name not in ready}


def _check_stop_conditions(given: list[Mapping[str, str]]) -> None:
    if not given:
        raise ValidationException("At least one stop condition must be specified.")
    if len(given) > STOP_CONDITIONS_MAX:
        raise ServiceQuotaExceededException(f"A template can have at most {STOP_CONDITIONS_MAX} stop conditions.")
    for each in given:
        if each["source"] not in ("none", _ALARM):
            raise ValidationException(f"{each['source']} is not a source of stop conditions: none or {_ALARM}.")
        if (each["source"] == "none") == bool(each.get("value")):
            raise ValidationException(
                f"A stop condition of {_ALARM} has the ARN of an alarm as its value, none has none."
            )
        if each.get("value") and alarm_of(each["value"]) is None:
            raise ValidationException(f"{each['value']} is not the ARN of a CloudWatch alarm.")
    if len(given) > 1 and any(each["source"] == "none" for each in given):
        raise ValidationException("The stop condition none cannot stand beside others.")


def alarm_of(arn: str) -> tuple[str, str, str] | None:
    """Account, region and name of a CloudWatch alarm; None for another ARN."""
    parsed = parse_arn(arn)
    if parsed is None or parsed.service != "cloudwatch" or not parsed.resource.startswith("alarm:"):
        return None
    return parsed.account, parsed.region, parsed.resource.removeprefix("alarm:")


def check_report(report: Mapping[str, Any] | None) -> None:
    """Raises ValidationException."""
    if report is None:
        return
    if (report.get("dataSources") or {}).get("cloudWatchDashboards"):
        raise ValidationException("Kunren draws no CloudWatch dashboards into experiment reports yet.")
    if not ((report.get("outputs") or {}).get("s3Configuration") or {}).get("bucketName"):
        raise ValidationException("An experiment report needs an S3 bucket.")
    for each in ("preExperimentDuration", "postExperimentDuration"):
        if each in report and durations.seconds(report[each]) is None:
            raise ValidationException(f"{report[each]} is not a duration.")


def check_logs(logs: Mapping[str, Any] | None) -> None:
    """Raises ValidationException."""
    if logs is None:
        return
    if logs["logSchemaVersion"] != 2:
        raise ValidationException(f"{logs['logSchemaVersion']} is not a version of the log schema that is written: 2.")
    if not logs.get("cloudWatchLogsConfiguration") and not logs.get("s3Configuration"):
        raise ValidationException("A log configuration needs a destination.")
    group = (logs.get("cloudWatchLogsConfiguration") or {}).get("logGroupArn")
    if group is not None and ((parsed := parse_arn(group)) is None or not parsed.resource.startswith("log-group:")):
        raise ValidationException(f"{group} is not the ARN of a log group.")
