"""What EventBridge is told of commands. Pure.

"EC2 Command Status-change Notification" and "EC2 Command Invocation Status-change Notification" ("Amazon EventBridge
event examples for Systems Manager").
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from kunren.core.arn import build_arn
from kunren.core.clock import iso_utc
from kunren.services.ssm.commands import states
from kunren.services.ssm.model import Command, Invocation

ENTRIES_MAX = 10
"""Of one PutEvents."""


def changed(
    command: Command, invocations: Sequence[Invocation], now: float
) -> tuple[list[Command | Invocation], list[dict[str, Any]]]:
    """What is to be told for the rows whose status was not, as entries of PutEvents, and the rows as they are then."""
    told: list[Command | Invocation] = []
    entries: list[dict[str, Any]] = []
    whole = states.status(states.details_of(command, invocations))
    detail = {
        "command-id": command.id,
        "document-name": command.document,
        "requested-date-time": iso_utc(command.requested),
    }

    def tell(kind: str, instances: Sequence[str], more: dict[str, Any]) -> None:
        entries.append(
            {
                "Source": "aws.ssm",
                "DetailType": f"EC2 {kind} Status-change Notification",
                "Detail": json.dumps({**detail, **more}),
                "Resources": [
                    build_arn("ec2", command.region, command.account, f"instance/{each}") for each in instances
                ],
                "Time": now,
            }
        )

    for each in invocations:
        status = states.status(each.details)
        if status != each.told:
            told.append(replace(each, told=status))
            tell("Command Invocation", [each.instance_id], {"instance-id": each.instance_id, "status": status})
    if whole != command.told:
        told.append(replace(command, told=whole))
        more = {"expire-after": iso_utc(command.expires), "parameters": command.parameters, "status": whole}
        tell("Command", [each.instance_id for each in invocations], more)
    return told, entries
