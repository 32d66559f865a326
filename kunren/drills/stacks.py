"""A drill's architecture as a CloudFormation stack, named `drill-` and the template's file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from kunren.drills.access import Access
from kunren.drills.failures import DrillFailed, NotOurs
from kunren.drills.model import Architecture
from kunren.management.stack_events import CAPABILITIES, GOOD, causes, followed, line

TAG, TAG_MAX = "kunren:drill", 256
Progress = Callable[[str], None]


def name_of(architecture: Architecture) -> str:
    """Its stack's. There is a template."""
    assert architecture.template is not None
    return f"drill-{re.sub(r'[^0-9A-Za-z]+', '-', architecture.template.stem).strip('-')}"


def deploy(access: Access, architecture: Architecture, progress: Progress) -> dict[str, Any]:
    """The stack's outputs, also by their names as a script gives them (`machine_arn` for MachineArn); the settings are
    its parameters. It replaces one that was kept, which its tag tells. Raises DrillFailed."""
    remove(access, architecture, progress)
    template = architecture.template
    assert template is not None
    api, body = access.client("cloudformation"), template.read_text()
    given = parameters(architecture.settings, _declared(api, body, str(template)))
    outputs = create(api, name_of(architecture), _mark(architecture), body, given, progress, str(template))
    return {**{snake(key): each for key, each in outputs.items()}, **outputs}


def _declared(api: Any, body: str, what: str) -> list[str]:
    """The template's parameters. Raises DrillFailed."""
    try:
        told = api.get_template_summary(TemplateBody=body)
    except ClientError as error:
        raise DrillFailed(f"{what} could not be deployed: {error.response['Error']['Message']}") from error
    return [each["ParameterKey"] for each in told["Parameters"]]


def parameters(settings: Mapping[str, Any], declared: Iterable[str]) -> dict[str, str]:
    """Settings as a template's parameters, whose names have no `_`: `bake_minutes` is BakeMinutes. One that is no
    parameter keeps its name, by which CloudFormation refuses it. Pure."""
    by_setting = {snake(each): each for each in declared}
    return {
        by_setting.get(key, key): str(each).lower() if isinstance(each, bool) else str(each)
        for key, each in settings.items()
    }


def snake(name: str) -> str:
    """MachineArn as `machine_arn`. Pure."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def remove(access: Access, architecture: Architecture, progress: Progress) -> None:
    """Raises DrillFailed."""
    delete(access.client("cloudformation"), name_of(architecture), _mark(architecture), progress)


def _mark(architecture: Architecture) -> str:
    """What tells its stack from one that somebody else gave that name: the template's path, the end of a long one."""
    assert architecture.template is not None
    return str(architecture.template.resolve())[-TAG_MAX:]


def there(api: Any, name: str) -> Any:
    """The stack of that name; None where there is none. Raises DrillFailed."""
    try:
        return api.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if str(error.response["Error"]["Message"]).endswith(f"{name} does not exist"):
            return None
        raise DrillFailed(f"Stack {name} could not be deleted: {error.response['Error']['Message']}") from error


def create(
    api: Any, name: str, mark: str, body: str, given: Mapping[str, str], progress: Progress, what: str
) -> dict[str, Any]:
    """A stack, with these parameters; its outputs. `mark` is what `delete` knows it by, `what` is what failures call
    the template. Raises DrillFailed."""
    parameters = [{"ParameterKey": key, "ParameterValue": each} for key, each in given.items()]
    try:
        id = api.create_stack(
            StackName=name, TemplateBody=body, Parameters=parameters, Capabilities=CAPABILITIES,
            Tags=[{"Key": TAG, "Value": mark}],
        )["StackId"]  # fmt: skip
        failed = _failed(api, id, progress)
        outputs = api.describe_stacks(StackName=id)["Stacks"][0].get("Outputs", [])
    except ClientError as error:
        raise DrillFailed(f"{what} could not be deployed: {error.response['Error']['Message']}") from error
    if failed:
        raise DrillFailed(f"{what} could not be deployed: {failed}")
    return {each["OutputKey"]: each["OutputValue"] for each in outputs}


def delete(api: Any, name: str, mark: str, progress: Progress) -> None:
    """The stack of that name, where there is one. Raises DrillFailed; NotOurs where it hasn't that mark."""
    stack = there(api, name)
    if stack is None:
        return
    if {"Key": TAG, "Value": mark} not in stack["Tags"]:
        raise NotOurs(
            f"There is a stack {name} that is not this drill's: its tag {TAG} is not {mark}. "
            f"Delete it (aws cloudformation delete-stack --stack-name {name}) or give one of the two another name"
        )
    try:
        api.delete_stack(StackName=stack["StackId"])
        failed = _failed(api, stack["StackId"], progress)
    except ClientError as error:
        raise DrillFailed(f"Stack {name} could not be deleted: {error.response['Error']['Message']}") from error
    if failed:
        raise DrillFailed(f"Stack {name} could not be deleted: {failed}")


def _failed(api: Any, id: str, progress: Progress) -> str:
    """Shows the operation as it goes on; the resources that failed, and why, where it does not end as asked for."""
    events: list[dict[str, Any]] = []

    def show(event: dict[str, Any]) -> None:
        events.append(event)
        if not event["ResourceStatus"].endswith("_IN_PROGRESS"):
            progress(line(event))

    status = followed(api, id, show)
    return "" if status in GOOD else "; ".join(causes(events)) or f"the stack is {status}"
