"""A drill's architecture as a CloudFormation stack, named `drill-` and the template's file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from kunren.drills.access import Access
from kunren.drills.failures import DrillFailed

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
ASK_EVERY = {"Delay": 1, "MaxAttempts": 900}


def name_of(template: Path) -> str:
    return f"drill-{re.sub(r'[^0-9A-Za-z]+', '-', template.stem).strip('-')}"


def deploy(access: Access, template: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The stack's outputs; `settings` are its parameters. Raises DrillFailed."""
    api, name = access.client("cloudformation"), name_of(template)
    given = {key: str(each).lower() if isinstance(each, bool) else str(each) for key, each in settings.items()}
    try:
        id = api.create_stack(
            StackName=name,
            TemplateBody=template.read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": each} for key, each in given.items()],
            Capabilities=CAPABILITIES,
        )["StackId"]
        api.get_waiter("stack_create_complete").wait(StackName=id, WaiterConfig=ASK_EVERY)
    except ClientError as error:
        raise DrillFailed(f"{template} could not be deployed: {error.response['Error']['Message']}") from error
    except WaiterError as error:
        raise DrillFailed(f"{template} could not be deployed: {_why(api, name)}") from error
    stack = api.describe_stacks(StackName=id)["Stacks"][0]
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def remove(access: Access, template: Path) -> None:
    """Raises DrillFailed."""
    api, name = access.client("cloudformation"), name_of(template)
    try:
        id = api.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    except ClientError:
        return  # there is none
    try:
        api.delete_stack(StackName=id)
        api.get_waiter("stack_delete_complete").wait(StackName=id, WaiterConfig=ASK_EVERY)
    except (ClientError, WaiterError) as error:
        raise DrillFailed(f"Stack {name} could not be deleted: {_why(api, id)}") from error


def _why(api: Any, name: str) -> str:
    """The reason of the first resource that failed, of the latest operation."""
    events = api.describe_stack_events(StackName=name)["StackEvents"]
    failed = [each for each in events if each["ResourceStatus"].endswith("_FAILED")]
    return failed[-1].get("ResourceStatusReason", "") if failed else "see its events"
