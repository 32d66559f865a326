"""Tells EventBridge, and the topics of SNS that a group names, what becomes of its instances.

What is to be told is a row, written in the transaction in which it happens and taken away once it was told, so that
nothing is lost and after a crash something may be told twice. "Amazon EC2 Auto Scaling event reference" and "Amazon SNS
notification options" in the Auto Scaling user guide.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.arn import build_arn
from kunren.core.calling import CallService
from kunren.core.clock import Clock, iso_utc
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.autoscaling import views
from kunren.services.autoscaling.model import Activity, Event, Group, Refresh

log = logging.getLogger(__name__)
NOTIFICATION_TYPES = (
    "autoscaling:EC2_INSTANCE_LAUNCH",
    "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
    "autoscaling:EC2_INSTANCE_TERMINATE",
    "autoscaling:EC2_INSTANCE_TERMINATE_ERROR",
    "autoscaling:TEST_NOTIFICATION",
)


def note_activity(tx: Tx, entropy: Entropy, group: Group, activity: Activity, at: float) -> None:
    """An instance was launched or terminated, or could not be."""
    kind = "launch" if activity.destination in ("AutoScalingGroup", "WarmPool") else "terminate"
    if activity.status not in ("Successful", "Failed") or not activity.description.startswith(
        ("Launching", "Terminating")
    ):
        return
    well = activity.status == "Successful"
    type = f"autoscaling:EC2_INSTANCE_{kind.upper()}{'' if well else '_ERROR'}"
    arn = views.group_arn(group)
    told = {
        "StatusCode": "InProgress" if well else "Failed",
        "Description": activity.description,
        "AutoScalingGroupName": group.id,
        "ActivityId": activity.id,
        "Details": {"Availability Zone": activity.zone, **({"Subnet ID": activity.subnet} if activity.subnet else {})},
        "RequestId": activity.id,
        "StatusMessage": activity.message or "",
        "EndTime": iso_utc(activity.ended or at),
        "EC2InstanceId": activity.instance_id or "",
        "StartTime": iso_utc(activity.started),
        "Cause": activity.cause,
    }
    moves = {"Origin": activity.origin, "Destination": activity.destination}
    instance = build_arn("ec2", group.region, group.account, f"instance/{activity.instance_id}")
    message = {
        **told, **moves, "Progress": 50, "AccountId": group.account, "AutoScalingGroupARN": arn,
        "Service": "AWS Auto Scaling", "Time": iso_utc(at), "Event": type,
    }  # fmt: skip
    _note(
        tx, entropy, group, f"EC2 Instance {kind.capitalize()} {'Successful' if well else 'Unsuccessful'}",
        {**told, **moves}, at, resources=(arn, *((instance,) if activity.instance_id else ())),
        topics=tuple(topic for topic, types in sorted(group.told.items()) if type in types),
        subject=f'Auto Scaling: {kind}{"" if well else " error"} for group "{group.id}"', message=message,
    )  # fmt: skip


def note_refresh(tx: Tx, entropy: Entropy, group: Group, refresh: Refresh, what: str, at: float, **more: str) -> None:
    """An instance refresh began, ended or reached a checkpoint: `what` is "Started", "Checkpoint Reached", …"""
    detail = {"InstanceRefreshId": refresh.id, "AutoScalingGroupName": group.id, **more}
    kind = f"EC2 Auto Scaling Instance Refresh {what}"
    _note(tx, entropy, group, kind, detail, at, resources=(views.group_arn(group),))


def note_test(tx: Tx, entropy: Entropy, group: Group, topic: str, at: float) -> None:
    message = {
        "AccountId": group.account, "RequestId": entropy.uuid(), "AutoScalingGroupARN": views.group_arn(group),
        "AutoScalingGroupName": group.id, "Service": "AWS Auto Scaling", "Event": "autoscaling:TEST_NOTIFICATION",
        "Time": iso_utc(at),
    }  # fmt: skip
    subject = f'Auto Scaling: test notification for group "{group.id}"'
    _note(tx, entropy, group, "", {}, at, topics=(topic,), subject=subject, message=message)


def _note(tx: Tx, entropy: Entropy, group: Group, detail_type: str, detail: dict[str, Any], at: float,
          **more: Any) -> None:  # fmt: skip
    id = f"{at:020.6f}-{entropy.hex(8)}"
    event = Event(
        account=group.account, region=group.region, id=id, group=group.id, detail_type=detail_type, detail=detail,
        at=at, **more,
    )  # fmt: skip
    tx.put(event)


class GroupEvents:
    """`run` lives until it is cancelled. `heard` says whether EventBridge can have rules."""

    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store, self._call = store, call
        self.heard: Callable[[], bool] = lambda: True
        self._controller = Controller(
            "autoscaling-events", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind == Event.kind,
        )  # fmt: skip

    async def run(self) -> None:
        await self._controller.run()

    async def _reconcile(self, work: str) -> None:
        account, region, group = work.split("|", 2)
        for event in self._store.snapshot().list(Event, account, region):
            if event.group == group:
                await self._tell(event)

    async def _tell(self, event: Event) -> None:
        if event.detail_type and self.heard():
            await put(self._call, event)
        for topic in event.topics:
            params = {"TopicArn": topic, "Subject": event.subject, "Message": json.dumps(event.message)}
            try:
                await self._call(event.account, event.region, "sns", "Publish", params)
            except AwsError as error:
                log.warning("%s could not be told of %s: %s", topic, event.group, error)
        with self._store.write() as tx:
            if tx.get(Event, event.account, event.region, event.id) is not None:
                tx.delete(event)


async def put(call: CallService, event: Event) -> None:
    entry: dict[str, Any] = {
        "Source": "aws.autoscaling", "DetailType": event.detail_type, "Detail": json.dumps(event.detail),
        "Resources": list(event.resources), "Time": event.at,
    }  # fmt: skip
    await call(event.account, event.region, "events", "PutEvents", {"Entries": [entry]})


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    found = snapshot.by_key(key)
    return (f"{key.account}|{key.region}|{found.group}",) if isinstance(found, Event) else ()


def _every(snapshot: Snapshot) -> Iterable[str]:
    return sorted({f"{each.account}|{each.region}|{each.group}" for each in snapshot.every(Event)})
