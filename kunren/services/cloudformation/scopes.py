"""What a stack's references lead to: its parameters, AWS's pseudo parameters, its resources, others' exports."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.core.calling import CallService
from kunren.core.errors import AwsError
from kunren.services.cloudformation import parameters
from kunren.services.cloudformation.intrinsics import Made, Scope
from kunren.services.cloudformation.model import Export, Revision, Stack, StackResource
from kunren.services.cloudformation.work import Failed
from kunren.world.spec import WorldSpec

_DYNAMIC = re.compile(r"\{\{resolve:(ssm|ssm-secure|secretsmanager):([^{}]+)\}\}")


def scope_of(
    spec: WorldSpec,
    snapshot: Snapshot | Tx,
    stack: Stack,
    revision: Revision,
    template: Mapping[str, Any],
    rows: Iterable[StackResource] = (),
    exports: set[str] | None = None,
) -> Scope:
    """`exports` collects the names of the exports that were asked for."""
    values = parameters.values(template.get("Parameters", {}), revision.texts, revision.looked_up)
    pseudo: dict[str, Any] = {
        "AWS::AccountId": stack.account,
        "AWS::NotificationARNs": list(revision.notification_arns),
        "AWS::Partition": "aws",
        "AWS::Region": stack.region,
        "AWS::StackId": stack.arn,
        "AWS::StackName": stack.name,
        "AWS::URLSuffix": "amazonaws.com",
    }

    def export(name: str) -> str | None:
        if exports is not None:
            exports.add(name)
        found = snapshot.get(Export, stack.account, stack.region, name)
        return found.value if found is not None else None

    resources = {each.logical: Made(each.physical, each.attributes) for each in rows if each.physical}
    return Scope({**values, **pseudo}, template.get("Mappings", {}), {}, resources, zones_of(spec), export)


def zones_of(spec: WorldSpec) -> Callable[[str], list[str]]:
    def zones(region: str) -> list[str]:
        found = spec.region(region)
        return [f"{region}{letter}" for letter in found.zones] if found is not None else []

    return zones


async def with_dynamic(value: Any, call: CallService, account: str, region: str, secrets: dict[str, str]) -> Any:
    """The value with its dynamic references filled in ("Using dynamic references"). `secrets` collects what nobody is
    to see, with the reference that gave it. Raises Failed."""
    if isinstance(value, dict):
        return {key: await with_dynamic(each, call, account, region, secrets) for key, each in value.items()}
    if isinstance(value, list):
        return [await with_dynamic(each, call, account, region, secrets) for each in value]
    if not isinstance(value, str) or "{{resolve:" not in value:
        return value
    for match in list(_DYNAMIC.finditer(value)):
        try:
            found = await _looked_up(match[1], match[2], call, account, region)
        except AwsError as error:
            raise Failed(f"Could not resolve {match[0]}: {error.message}") from None
        if match[1] != "ssm" and found:
            secrets[found] = match[0]
        value = value.replace(match[0], found)
    return value


async def references_in(
    value: Any, call: CallService, account: str, region: str
) -> tuple[dict[str, str], dict[str, str]]:
    """The dynamic references in a value with what they give now, and which of these nobody is to see, each with its
    reference. What gives nothing is left out."""
    found: dict[str, str] = {}
    secrets: dict[str, str] = {}
    for match in _DYNAMIC.finditer(json.dumps(value, default=str)):
        with suppress(Failed):
            found[match[0]] = await with_dynamic(match[0], call, account, region, secrets)
    return found, secrets


async def _looked_up(service: str, words: str, call: CallService, account: str, region: str) -> str:
    if service != "secretsmanager":
        asked = await call(
            account, region, "ssm", "GetParameter", {"Name": words, "WithDecryption": service == "ssm-secure"}
        )
        return str(asked["Parameter"]["Value"])
    by_arn = words.startswith("arn:")
    parts = words.split(":")
    name, rest = (":".join(parts[:7]), parts[7:]) if by_arn else (parts[0], parts[1:])
    rest += [""] * (4 - len(rest))
    _, key, stage, version = rest[:4]
    params = {
        "SecretId": name,
        **({"VersionStage": stage} if stage else {}),
        **({"VersionId": version} if version else {}),
    }
    asked = await call(account, region, "secretsmanager", "GetSecretValue", params)
    text = str(asked.get("SecretString", ""))
    if not key:
        return text
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Failed("Could not parse SecretString JSON") from None
    if not isinstance(found, dict) or key not in found:
        raise Failed(f"Could not find a value associated with JSONKey in SecretString: {key}")
    return str(found[key])
