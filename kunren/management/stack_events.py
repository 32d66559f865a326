"""A stack's operation as it goes on, event by event: for the command line and for drills."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

GOOD = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "IMPORT_COMPLETE"})
"""States of a stack whose last operation did what it was asked for."""
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
"""What whoever deploys a file of their own acknowledges by it."""
_EVERY_S = 0.2
_SECOND_HAND = "Resource creation cancelled"
"""What is said of resources that were on the way when another one failed."""


def followed(api: Any, name: str, show: Callable[[dict[str, Any]], None]) -> str:
    """The state in which the operation of the stack (its name or id) ends; `show` gets each event, in order. `api` is
    boto3's client, whose ClientError is raised where there is no such stack."""
    id = api.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    seen: set[str] = set()
    while True:
        status = str(api.describe_stacks(StackName=id)["Stacks"][0]["StackStatus"])
        for event in reversed(list(_new(api, id, seen))):
            show(event)
        if not status.endswith("_IN_PROGRESS") or status == "REVIEW_IN_PROGRESS":
            return status
        time.sleep(_EVERY_S)  # noqa: TID251 - a program that waits for another one; no clock of ours runs here


def _new(api: Any, id: str, seen: set[str]) -> Iterator[dict[str, Any]]:
    """Events of the last operation that were not seen yet, newest first."""
    for page in api.get_paginator("describe_stack_events").paginate(StackName=id):
        for event in page["StackEvents"]:
            if event["EventId"] in seen:
                return
            seen.add(event["EventId"])
            yield event
            if event.get("ResourceStatusReason") == "User Initiated" and event["PhysicalResourceId"] == id:
                return


def line(event: dict[str, Any]) -> str:
    """An event as a line: when, what became of what, and why."""
    why = f"  {event['ResourceStatusReason']}" if event.get("ResourceStatusReason") else ""
    moment = event["Timestamp"].strftime("%H:%M:%S")
    return f"{moment}  {event['ResourceStatus']:<20} {event['LogicalResourceId']} ({event['ResourceType']}){why}"


def causes(events: list[dict[str, Any]]) -> list[str]:
    """Of an operation's events, oldest first: each resource that failed by itself, and why."""
    return [
        f"{each['LogicalResourceId']} ({each['ResourceType']}): {each.get('ResourceStatusReason', 'no reason given')}"
        for each in events
        if each["ResourceStatus"].endswith("_FAILED")
        and each.get("PhysicalResourceId") != each["StackId"]
        and not each.get("ResourceStatusReason", "").startswith(_SECOND_HAND)
    ]
