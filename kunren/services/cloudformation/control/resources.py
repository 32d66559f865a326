"""One resource, outside of stacks: what is known of it, and how a kind is asked to do something with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot
from kunren.core.calling import Actor
from kunren.services.cloudformation.control.errors import TypeNotFoundException
from kunren.services.cloudformation.errors import not_implemented
from kunren.services.cloudformation.model import Request, Stack, StackResource
from kunren.services.cloudformation.parts import Parts
from kunren.services.cloudformation.resources import TYPES
from kunren.services.cloudformation.schemas import Schema, published, schema
from kunren.services.cloudformation.work import Work

GONE = ("", "DELETE_COMPLETE", "DELETE_SKIPPED", "CREATE_FAILED")


def known(type: str) -> Schema:
    """The schema of a type that can be made here. Raises TypeNotFoundException, NotImplemented."""
    if type not in published():
        raise TypeNotFoundException(f"The type '{type}' cannot be found.")
    found = schema(type)
    if type not in TYPES or found is None or type.startswith("AWS::CloudFormation::"):
        raise not_implemented(f"the resource type {type} of Cloud Control API")
    return found


def identifier(of: Schema, row: StackResource) -> str:
    """The primary identifier: several parts are joined by |."""
    parts = [row.attributes.get(name.replace("/", "."), row.properties.get(name)) for name in of.primary]
    if len(parts) == 1:
        return str(parts[0] or row.physical)
    return "|".join(str(each) for each in parts) if all(each is not None for each in parts) else row.physical


def remembered(snapshot: Snapshot, account: str, region: str, of: Schema, wanted: str) -> StackResource | None:
    """The resource of that identifier as its last request or its stack left it."""
    requests = [
        each
        for each in snapshot.list(Request, account, region)
        if each.type == of.type and each.identifier == wanted and each.status == "SUCCESS"
    ]
    if requests:
        last = max(requests, key=lambda each: each.at)
        if last.operation != "DELETE":
            return last.row
    for row in snapshot.list(StackResource, account, region):
        if row.type == of.type and row.status not in GONE and wanted in (row.physical, identifier(of, row)):
            return replace(row, attempt=None, before=None, old=())
    return None


def expired(requests: Sequence[Request], before: float) -> list[Request]:
    """Those that ended before then, and that nobody asks for any more. The last one of a resource that stands stays: it
    remembers what the resource was made as. Pure."""
    last: dict[tuple[str, str], Request] = {}
    for each in sorted(requests, key=lambda each: each.at):
        if each.status == "SUCCESS":
            last[each.type, each.identifier] = each
    standing = {each.id for each in last.values() if each.operation != "DELETE"}
    return [
        each
        for each in requests
        if each.at < before and not each.status.endswith("IN_PROGRESS") and each.id not in standing
    ]


def named(account: str, region: str, of: Schema, wanted: str) -> StackResource:
    """A resource that nothing is known of: its identifier is its physical id; of several parts the one that its service
    gave, or the last, and the others are properties."""
    parts = dict(zip(of.primary, wanted.split("|"), strict=False))
    properties: dict[str, Any] = {}
    if len(parts) == len(of.primary) > 1:
        properties = {name: each for name, each in parts.items() if name not in of.read_only}
        wanted = next((each for name, each in parts.items() if name in of.read_only), wanted.rpartition("|")[2])
    return StackResource(
        account=account, region=region, id="", stack="", logical="Resource", type=of.type, physical=wanted,
        properties=properties,
    )  # fmt: skip


def work_on(
    parts: Parts,
    row: StackResource,
    cancelled: Callable[[], bool] = lambda: False,
    noted: Callable[[StackResource], None] = lambda row: None,
    actor: Actor | None = None,
) -> Work:
    """`row` has an attempt. Names are made of "cloudcontrol" where a stack's name would stand."""
    assert row.attempt is not None
    nobody = Stack(
        account=row.account, region=row.region, id=row.attempt.token, name="cloudcontrol", status="", actor=actor
    )
    work = Work(
        parts.store, parts.clock, parts.call, parts.noting, parts.records, nobody, row,
        cancelled=cancelled, noted=noted, waking=parts.waking, permit=parts.permit,
    )  # fmt: skip
    work.tags, work.before = row.attempt.tags, row.properties
    if row.attempt.action == "update":
        work.old_tags = row.tags
    return work


def shown(of: Schema, row: StackResource, actual: Mapping[str, Any]) -> dict[str, Any]:
    """The resource's model: what was stated, as it is now, with what only can be read; without what only is written."""
    read_only = {
        name: row.attributes[name.replace("/", ".")]
        for name in of.read_only
        if "/" not in name and name.replace("/", ".") in row.attributes
    }
    stated = {key: value for key, value in row.properties.items() if key not in of.write_only}
    model = {**stated, **actual, **read_only}
    if len(of.primary) == 1:
        model.setdefault(of.primary[0], row.physical)
    return model
