"""Macros: functions that make one piece of a template into another. "Create custom CloudFormation macros".

A macro is what a stack's resource `AWS::CloudFormation::Macro` says: there is no other register of them.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.model import StackResource
from kunren.services.cloudformation.template import FILE_BYTES_MAX, checked

MACRO = "AWS::CloudFormation::Macro"
GONE = ("DELETE_COMPLETE", "DELETE_SKIPPED", "CREATE_FAILED")
Expand = Callable[[str, Any, Mapping[str, Any]], Awaitable[Any]]
"""Name, fragment and the macro's own parameters → the new fragment."""


def macro_named(row: StackResource, name: str) -> bool:
    """Whether a stack's resource is that macro."""
    return row.type == MACRO and row.physical == name and row.status not in GONE


def expander(
    store: Store, entropy: Entropy, call: CallService, account: str, region: str, values: Mapping[str, Any]
) -> Expand:
    """For one request's template, whose parameters have `values`."""

    async def expand(name: str, fragment: Any, params: Mapping[str, Any]) -> Any:
        held = store.snapshot().list(StackResource, account, region)
        found = [each for each in held if macro_named(each, name)]
        if not found:
            raise ValidationError(f"No transform named {name} found.")
        request = entropy.uuid()
        event = {
            "accountId": account,
            "fragment": fragment,
            "transformId": f"{account}::{name}",
            "requestId": request,
            "region": region,
            "params": params,
            "templateParameterValues": dict(values),
        }
        given = {"FunctionName": found[0].properties["FunctionName"], "Payload": json.dumps(event).encode()}
        try:
            told = await call(account, region, "lambda", "Invoke", given)
        except AwsError as error:
            raise ValidationError(f"Transform {account}::{name} failed with: {error.message}.") from None
        return _fragment(f"{account}::{name}", told, request)

    return expand


def _fragment(name: str, told: Mapping[str, Any], request: str) -> Any:
    payload = told.get("Payload") or b"null"
    try:
        answer = json.loads(payload)
    except (RecursionError, ValueError):
        answer = None
    if told.get("FunctionError") or not isinstance(answer, dict):
        raise ValidationError(f"Received malformed response from transform {name}")
    if answer.get("requestId") != request:
        raise ValidationError(f"Received malformed response from transform {name}: it answers another request")
    if str(answer.get("status", "")).lower() != "success":
        why = answer.get("errorMessage", "")
        raise ValidationError(f"Transform {name} failed with: {why}.")
    if len(payload) > FILE_BYTES_MAX:
        raise ValidationError(f"Transform {name} gave more than the {FILE_BYTES_MAX} bytes that a template may have")
    return checked(answer.get("fragment"))
