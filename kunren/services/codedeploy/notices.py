"""Tells EventBridge and the triggers of deployment groups what happens to deployments and their instances.

What is to be told is a row, taken away once it has been; after a crash something may be told twice. ("Monitoring
deployments with Amazon CloudWatch Events"; "JSON data formats for CodeDeploy triggers".)
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.services.codedeploy import views
from kunren.services.codedeploy.model import Deployment, Group, Notice, Target

log = logging.getLogger(__name__)
_TRIGGERS = {
    "START": "Start", "SUCCESS": "Success", "FAILURE": "Failure", "STOP": "Stop", "READY": "Ready",
    "ROLLBACK": "Rollback",
}  # fmt: skip
_SUBJECTS = {
    "START": "CREATED", "SUCCESS": "SUCCEEDED", "FAILURE": "FAILED", "STOP": "STOPPED", "READY": "READY",
    "ROLLBACK": "ROLLED BACK",
}  # fmt: skip


def entry(notice: Notice, deployment: Deployment, group_id: str, instance_arn: str = "") -> dict[str, Any]:
    """An entry of PutEvents. Pure."""
    where = notice.account, notice.region
    detail: dict[str, Any] = {
        "region": notice.region,
        "deploymentId": deployment.id,
        "state": notice.state,
        "application": deployment.application,
        "deploymentGroup": deployment.group,
        "instanceGroupId": group_id,
    }
    resources = [
        views.application_arn(*where, deployment.application),
        views.group_arn(*where, deployment.application, deployment.group),
    ]
    if notice.target:
        detail["instanceId"] = notice.target
        resources.insert(0, instance_arn)
    return {
        "Source": "aws.codedeploy",
        "DetailType": f"CodeDeploy {'Instance' if notice.target else 'Deployment'} State-change Notification",
        "Detail": json.dumps(detail),
        "Resources": resources,
        "Time": notice.at,
    }


def message(
    notice: Notice, trigger: str, deployment: Deployment, counted: dict[str, int], target: Target | None
) -> str:
    """What a trigger's topic is told. Pure."""
    told: dict[str, Any] = {
        "region": notice.region,
        "accountId": notice.account,
        "eventTriggerName": trigger,
        "deploymentId": deployment.id,
    }
    if target is not None:
        told["instanceId"] = target.arn
        told["lastUpdatedAt"] = f"{target.updated_at:.3f}"
        told["instanceStatus"] = target.status
        told["lifecycleEvents"] = [
            {
                "LifecycleEvent": each.name,
                "LifecycleEventStatus": each.status,
                "StartTime": f"{each.started_at:.3f}" if each.started_at else None,
                "EndTime": f"{each.ended_at:.3f}" if each.ended_at else None,
            }
            for each in target.events
        ]
        return json.dumps(told)
    told["applicationName"] = deployment.application
    told["deploymentGroupName"] = deployment.group
    told["createTime"] = f"{deployment.created_at:.3f}"
    if deployment.completed_at is not None and notice.state != "START":
        told["completeTime"] = f"{deployment.completed_at:.3f}"
    told["deploymentOverview"] = {state: str(number) for state, number in counted.items()}
    told["status"] = _SUBJECTS[notice.state].capitalize() if notice.state != "START" else "Created"
    if deployment.error is not None and notice.state != "START":
        told["errorInformation"] = {
            "ErrorCode": deployment.error["code"],
            "ErrorMessage": deployment.error["message"],
        }
    if deployment.rollback is not None:
        told["rollbackInformation"] = deployment.rollback
    return json.dumps(told)


class Notices:
    """`run` lives until it is cancelled. `heard` says whether EventBridge can have rules."""

    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store, self._call = store, call
        self.heard: Callable[[], bool] = lambda: True
        self._controller = Controller(
            "codedeploy-notices", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind == Notice.kind,
        )  # fmt: skip

    async def run(self) -> None:
        await self._controller.run()

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        for notice in self._store.snapshot().list(Notice, account, region):
            if notice.deployment == id:
                await self._tell(notice)
                with self._store.write() as tx:
                    tx.delete(notice)

    async def _tell(self, notice: Notice) -> None:
        snapshot = self._store.snapshot()
        where = notice.account, notice.region
        deployment = snapshot.get(Deployment, *where, notice.deployment)
        if deployment is None:
            return
        group = snapshot.get(Group, *where, f"{deployment.application}/{deployment.group}")
        target = snapshot.get(Target, *where, f"{deployment.id}/{notice.target}") if notice.target else None
        if self.heard() and notice.state != "ROLLBACK":
            made = entry(notice, deployment, group.group_id if group else "", target.arn if target else "")
            await self._call(*where, "events", "PutEvents", {"Entries": [made]})
        counted = views.overview(views.targets_of(snapshot, deployment))
        event = f"{'Instance' if notice.target else 'Deployment'}{_TRIGGERS[notice.state]}"
        for each in (group.settings.get("triggerConfigurations") or ()) if group is not None else ():
            if event in (each.get("triggerEvents") or ()):
                await self._publish(notice, each, deployment, counted, target)

    async def _publish(
        self, notice: Notice, trigger: dict[str, Any], deployment: Deployment, counted: dict[str, int],
        target: Target | None,
    ) -> None:  # fmt: skip
        subject = f"{_SUBJECTS[notice.state]}: AWS CodeDeploy {deployment.id} in {notice.region} to "
        told = {
            "TopicArn": trigger["triggerTargetArn"],
            "Subject": f"{subject}{deployment.application}"[:100],
            "Message": message(notice, trigger.get("triggerName") or "", deployment, counted, target),
        }
        try:
            await self._call(notice.account, notice.region, "sns", "Publish", told)
        except AwsError as error:
            log.warning("%s could not be told of %s: %s", told["TopicArn"], deployment.id, error.message)


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    found = snapshot.by_key(key)
    return (f"{key.account}|{key.region}|{found.deployment}",) if isinstance(found, Notice) else ()


def _every(snapshot: Snapshot) -> Iterable[str]:
    return sorted({f"{each.account}|{each.region}|{each.deployment}" for each in snapshot.every(Notice)})
