"""What happens to objects, for those who asked to be told: which destinations an event reaches, and what they get.

"Amazon S3 Event Notifications", "Event message structure", "Using EventBridge". Events are noted in the index with the
change that made them, so that none is lost, and delivered at least once (`notifying.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote_plus

import msgspec

from kunren.core.clock import iso_utc
from kunren.services.s3.acl import canonical_id
from kunren.services.s3.errors import invalid_argument

DESTINATIONS = {
    "TopicConfigurations": ("sns", "TopicArn"),
    "QueueConfigurations": ("sqs", "QueueArn"),
    "LambdaFunctionConfigurations": ("lambda", "LambdaFunctionArn"),
}
_DETAILS = {
    "ObjectCreated": "Object Created", "ObjectRemoved": "Object Deleted", "ObjectTagging": "Object Tags Added",
    "ObjectRestore": "Object Restore Completed", "ObjectAcl": "Object ACL Updated",
    "LifecycleExpiration": "Object Deleted", "LifecycleTransition": "Object Storage Class Changed",
}  # fmt: skip
_REASONS = {"Put": "PutObject", "Post": "POST Object", "Copy": "CopyObject",
            "CompleteMultipartUpload": "CompleteMultipartUpload", "Delete": "DeleteObject",
            "DeleteMarkerCreated": "DeleteObject"}  # fmt: skip


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """One event: "ObjectCreated:Put" and its like. `at` is AWS time."""

    bucket: str
    event: str
    key: str
    version: str
    size: int
    etag: str
    at: float
    account: str
    request: str
    source_ip: str


class Destination(NamedTuple):
    """Where a notification goes: a service, an ARN, and the id of the configuration that says so."""

    service: str
    arn: str
    id: str


def checked(given: Mapping[str, Any], new_id: Callable[[], str]) -> dict[str, Any]:
    """A NotificationConfiguration, each entry with an id; empty groups left out. Raises InvalidArgument."""
    out: dict[str, Any] = {}
    for group, (_, member) in DESTINATIONS.items():
        entries = [{"Id": new_id(), **each} for each in given.get(group) or ()]
        for each in entries:
            if str(each.get(member, "")).count(":") < 5:
                raise invalid_argument("The ARN is not well formed", member, each.get(member))
            for event in each.get("Events") or ():
                if not str(event).startswith("s3:"):
                    raise invalid_argument("The event is not supported for notifications", "Event", event)
            names = [str(rule.get("Name", "")).lower() for rule in _rules(each)]
            if len(set(names)) != len(names) or any(name not in ("prefix", "suffix") for name in names):
                raise invalid_argument("Filter rule name must be either prefix or suffix", "FilterRule.Name", names[-1])
        if entries:
            out[group] = entries
    if given.get("EventBridgeConfiguration") is not None:
        out["EventBridgeConfiguration"] = {}
    return out


def _rules(configuration: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return ((configuration.get("Filter") or {}).get("Key") or {}).get("FilterRules") or ()


def destinations(configuration: Mapping[str, Any], event: str, key: str) -> Iterator[Destination]:
    """The destinations of a bucket's NotificationConfiguration for an event with a key."""
    for group, (service, member) in DESTINATIONS.items():
        for each in configuration.get(group) or ():
            if any(_covers(pattern, event) for pattern in each.get("Events") or ()) and _fits(each, key):
                yield Destination(service, each[member], each.get("Id", ""))


def _covers(pattern: str, event: str) -> bool:
    name = pattern.removeprefix("s3:")
    return name == event or (name.endswith(":*") and event.startswith(name[:-1]))


def _fits(configuration: Mapping[str, Any], key: str) -> bool:
    for rule in _rules(configuration):
        name, value = str(rule.get("Name", "")).lower(), rule.get("Value") or ""
        if name == "prefix" and not key.startswith(value):
            return False
        if name == "suffix" and not key.endswith(value):
            return False
    return True


def record(happening: Happening, owner: str, home: str, configuration: str, sequencer: int) -> dict[str, Any]:
    """One of a notification's `Records`."""
    object_: dict[str, Any] = {"key": quote_plus(happening.key, safe="/~")}
    if not happening.event.startswith("ObjectRemoved"):
        object_.update(size=happening.size, eTag=happening.etag)
    if happening.version:
        object_["versionId"] = happening.version
    object_["sequencer"] = f"{sequencer:016X}"
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": home,
        "eventTime": iso_utc(happening.at),
        "eventName": happening.event,
        "userIdentity": {"principalId": f"AWS:{happening.account}"},
        "requestParameters": {"sourceIPAddress": happening.source_ip or "127.0.0.1"},
        "responseElements": {"x-amz-request-id": happening.request, "x-amz-id-2": happening.request},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration,
            "bucket": {
                "name": happening.bucket,
                "ownerIdentity": {"principalId": canonical_id(owner)[:14].upper()},
                "arn": f"arn:aws:s3:::{happening.bucket}",
            },
            "object": object_,
        },
    }


def bus_entry(happening: Happening, sequencer: int) -> dict[str, Any]:
    """The entry for EventBridge's default bus: DetailType and Detail."""
    kind, _, how = happening.event.partition(":")
    object_: dict[str, Any] = {"key": happening.key, "sequencer": f"{sequencer:016X}"}
    if kind != "ObjectRemoved":
        object_.update(size=happening.size, etag=happening.etag)
    if happening.version:
        object_["version-id"] = happening.version
    detail: dict[str, Any] = {
        "version": "0",
        "bucket": {"name": happening.bucket},
        "object": object_,
        "request-id": happening.request,
        "requester": happening.account,
        "source-ip-address": happening.source_ip or "127.0.0.1",
    }
    if how in _REASONS:
        detail["reason"] = _REASONS[how]
    if kind == "ObjectRemoved":
        marker = how == "DeleteMarkerCreated"
        detail["deletion-type"] = "Delete Marker Created" if marker else "Permanently Deleted"
    return {
        "Source": "aws.s3",
        "DetailType": _DETAILS.get(kind, kind),
        "Detail": msgspec.json.encode(detail).decode(),
        "Resources": [f"arn:aws:s3:::{happening.bucket}"],
    }
