"""What the controller asks of a platform, and what platforms share: texts of revisions, hooks that are functions."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, Protocol

from msgspec.structs import replace

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.codedeploy import views
from kunren.services.codedeploy.errors import DeploymentFails
from kunren.services.codedeploy.model import Deployment, Event, Target

log = logging.getLogger(__name__)
HOOK_TIMEOUT_S = 3600.0
_APPSPEC_MAX = 1 << 18
"""Bytes of it that are read: of so much YAML, some tenths of a second."""


class Platform(Protocol):
    """Operations are asked again after a crash: each does nothing twice."""

    async def begin(self, deployment: Deployment) -> list[Target]:
        """What it will be done to. Raises DeploymentFails."""
        ...

    async def step(self, deployment: Deployment) -> float | None:
        """Go on as far as it goes. In how many seconds of AWS time there is more; infinity where a row will change
        then; None when all is done. Raises DeploymentFails."""
        ...

    async def stop(self, deployment: Deployment) -> bool:
        """Do no more. Whether nothing runs any longer."""
        ...


class PlatformBase:
    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call

    def targets(self, deployment: Deployment) -> list[Target]:
        return views.targets_of(self._store.snapshot(), deployment)

    def change_target(self, target: Target, change: Callable[[Target], Target]) -> Target:
        """Write what `change` makes of the row as it is now."""
        with self._store.write() as tx:
            found = tx.get(Target, target.account, target.region, target.id)
            if found is None:
                raise DeploymentFails("CODEDEPLOY_RESOURCE_CANNOT_BE_FOUND", f"The target {target.target} is gone.")
            changed = replace(change(found), updated_at=self._clock.now())
            tx.put(changed)
        return changed

    def change_event(self, target: Target, name: str, **changed: Any) -> Target:
        """As `change_target`, for members of one of its events that has not ended."""

        def change(found: Target) -> Target:
            return with_event(found, name, **changed)

        return self.change_target(target, change)

    async def text(self, deployment: Deployment) -> str:
        """The AppSpec file of a revision that is one. Raises DeploymentFails."""
        location = deployment.revision
        for member in ("string", "appSpecContent"):
            if member in location:
                return str(location[member]["content"])
        place = location["s3Location"]
        asked = {"Bucket": place["bucket"], "Key": place["key"], "Range": f"bytes=0-{_APPSPEC_MAX - 1}"}
        if place.get("version"):
            asked["VersionId"] = place["version"]
        try:
            answer = await self._call(deployment.account, deployment.region, "s3", "GetObject", asked)
        except AwsError as error:
            raise DeploymentFails(
                "REVISION_MISSING", f"The revision could not be read from Amazon S3: {error.message}"
            ) from error
        if place.get("eTag") and answer["ETag"].strip('"') != place["eTag"]:
            raise DeploymentFails("REVISION_MISSING", "The ETag of the revision in Amazon S3 is another.")
        return bytes(answer["Body"]).decode("utf-8", "replace")

    async def hook(self, deployment: Deployment, target: Target, event: Event) -> float | None:
        """Have a function of the user's answer for that event; None when it has ended. Raises DeploymentFails."""
        now = self._clock.now()
        if event.status == "Pending":
            if not event.function:
                self.change_event(target, event.name, status="Succeeded", started_at=now, ended_at=now)
                return None
            hook = self._entropy.hex(64)
            target = self.change_event(target, event.name, status="InProgress", started_at=now, hook=hook)
            event = target.event(event.name) or event
        if not event.told:
            await self._invoke(deployment, event)
            self.change_event(target, event.name, told=True)
        left = (event.started_at or now) + HOOK_TIMEOUT_S - now
        if left <= 0:
            self.change_event(target, event.name, status="Failed", ended_at=now)
            raise DeploymentFails(
                "HOOK_EXECUTION_FAILURE",
                f"The lifecycle event hook function {event.function} of {event.name} did not answer within one hour.",
            )
        return left

    async def _invoke(self, deployment: Deployment, event: Event) -> None:
        told = {"DeploymentId": deployment.id, "LifecycleEventHookExecutionId": event.hook}
        asked = {"FunctionName": event.function, "InvocationType": "Event", "Payload": json.dumps(told).encode()}
        try:
            await self._call(deployment.account, deployment.region, "lambda", "Invoke", asked)
        except AwsError as error:
            log.info("hook %s of %s could not be invoked: %s", event.name, deployment.id, error.message)
            raise DeploymentFails(
                "HOOK_EXECUTION_FAILURE",
                f"The lifecycle event hook function {event.function} could not be invoked: {error.message}",
            ) from error


def with_event(target: Target, name: str, **changed: Any) -> Target:
    """The target with that event changed, unless it has ended. Pure."""
    events = [replace(each, **changed) if each.name == name and not each.ended else each for each in target.events]
    return replace(target, events=tuple(events))
