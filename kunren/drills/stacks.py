"""A drill's architecture as a CloudFormation stack, named `drill-` and the template's file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from kunren.drills.access import Access
from kunren.drills.failures import DrillFailed
from kunren.drills.model import Architecture
from kunren.management.stack_events import CAPABILITIES, GOOD, causes, followed, line

Progress = Callable[[str], None]


def name_of(architecture: Architecture) -> str:
    """Its stack's. There is a template."""
    assert architecture.template is not None
    return f"drill-{re.sub(r'[^0-9A-Za-z]+', '-', architecture.template.stem).strip('-')}"


def deploy(access: Access, architecture: Architecture, progress: Progress) -> dict[str, Any]:
    """The stack's outputs; the settings are its parameters. It replaces one that was kept. Raises DrillFailed."""
    remove(access, architecture, progress)
    template, settings = architecture.template, architecture.settings
    assert template is not None
    given = {key: str(each).lower() if isinstance(each, bool) else str(each) for key, each in settings.items()}
    api, name = access.client("cloudformation"), name_of(architecture)
    return create(api, name, template.read_text(), given, progress, str(template))


def remove(access: Access, architecture: Architecture, progress: Progress) -> None:
    """Raises DrillFailed."""
    delete(access.client("cloudformation"), name_of(architecture), progress)


def create(
    api: Any, name: str, body: str, given: Mapping[str, str], progress: Progress, what: str
) -> dict[str, Any]:  # fmt: skip
    """A stack, with these parameters; its outputs. `what` is what failures call the template. Raises DrillFailed."""
    parameters = [{"ParameterKey": key, "ParameterValue": each} for key, each in given.items()]
    try:
        id = api.create_stack(StackName=name, TemplateBody=body, Parameters=parameters, Capabilities=CAPABILITIES)[
            "StackId"
        ]
        failed = _failed(api, id, progress)
        outputs = api.describe_stacks(StackName=id)["Stacks"][0].get("Outputs", [])
    except ClientError as error:
        raise DrillFailed(f"{what} could not be deployed: {error.response['Error']['Message']}") from error
    if failed:
        raise DrillFailed(f"{what} could not be deployed: {failed}")
    return {each["OutputKey"]: each["OutputValue"] for each in outputs}


def delete(api: Any, name: str, progress: Progress) -> None:
    """The stack of that name, where there is one. Raises DrillFailed."""
    try:
        id = api.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        api.delete_stack(StackName=id)
        failed = _failed(api, id, progress)
    except ClientError as error:
        if str(error.response["Error"]["Message"]).endswith(f"{name} does not exist"):
            return
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
