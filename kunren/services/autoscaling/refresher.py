"""Carries an instance refresh on: begins it, replaces old instances, waits at checkpoints, ends it, rolls it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.autoscaling import choices, events, refreshing
from kunren.services.autoscaling.activities import end_member
from kunren.services.autoscaling.model import Configuration, Group, Refresh
from kunren.services.ec2.instances.model import LaunchTemplate

_WHY = "an instance was taken out of service in response to an instance refresh"


def active(snapshot: Snapshot, group: Group) -> Refresh | None:
    """The refresh of the group that is under way."""
    listed = snapshot.list(Refresh, group.account, group.region)
    return next((each for each in listed if each.group == group.id and each.status in refreshing.RUNNING), None)


def version_number(snapshot: Snapshot, group: Group, chosen: Configuration) -> str:
    """The number of the template's version that is launched now; "" where there is none."""
    found = snapshot.get(LaunchTemplate, group.account, group.region, chosen.template)
    version = found.version(chosen.version) if found is not None else None
    return str(version.number) if version is not None else ""


class Refresher:
    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call

    async def follow(self, group: Group) -> int:
        """The next step of the group's refresh; returns how much capacity there is to be beyond the desired one."""
        refresh = active(self._store.snapshot(), group)
        if refresh is None or ("InstanceRefresh" in group.suspended and refresh.status != "Cancelling"):
            return 0
        now = self._clock.now()
        if refresh.status == "Pending":
            refresh = self._begin(group, refresh, now)
        if refresh.status == "Cancelling":
            return self._cancelled(group, refresh, now)
        if why := await self._alarm(group, refresh):
            self._fail(group, refresh, why, now)
            return 0
        if refresh.status == "Baking":
            if refresh.wait_until is not None and now >= refresh.wait_until:
                self._succeed(group, refresh, now)
            return 0
        return self._replace(group, refresh, now)

    def _begin(self, group: Group, refresh: Refresh, now: float) -> Refresh:
        snapshot, ignored = self._store.snapshot(), set()
        if refresh.preferences["SkipMatching"]:
            number = version_number(snapshot, group, refresh.target)
            ignored = {each.id for each in group.members.values() if refreshing.matches(each, refresh.target, number)}
        begun = replace(refresh, status="InProgress", started=now, ignored=tuple(sorted(ignored)), stuck_since=now)
        begun = replace(begun, total=len(refreshing.old(group, begun)))
        with self._store.write() as tx:
            tx.put(begun)
            events.note_refresh(tx, self._entropy, group, begun, "Started", now)
        return begun

    def _replace(self, group: Group, refresh: Refresh, now: float) -> int:
        found = refreshing.progress(group, refresh, now)
        if found.left == 0:
            self._all_replaced(group, refresh, refresh.total, now)
            return 0
        if refresh.wait_until is not None:
            if now < refresh.wait_until:
                return 0
            refresh = replace(refresh, wait_until=None, checkpoints=refresh.checkpoints + 1, stuck_since=now)
            if refreshing.is_done_in_part(refresh):
                self._all_replaced(group, refresh, refresh.total - found.left, now)
                return 0
        elif (reached := refreshing.reached(refresh, found.done)) is not None:
            self._wait_at_checkpoint(group, refresh, reached, found, now)
            return 0
        replaced = refresh.total - found.left
        step = refreshing.step(group, refresh, now)
        moved = replaced != refresh.replaced or bool(step.end) or refresh.stuck_since is None
        if not moved and refresh.stuck_since is not None and now >= refresh.stuck_since + refreshing.STUCK_S:
            self._fail(group, refresh, "The instance refresh made no progress for an hour.", now)
            return 0
        reason = _reason(group, refresh, found.left)
        with self._store.write() as tx:
            changed = replace(
                refresh, replaced=replaced, reason=reason, stuck_since=now if moved else refresh.stuck_since
            )
            if changed != tx.get(Refresh, group.account, group.region, refresh.id):
                tx.put(changed)
            for member in step.end:
                current = tx.get(Group, group.account, group.region, group.id) or group
                held = current.members.get(member.id)
                if held is not None and not choices.is_going(held):
                    end_member(tx, self._entropy, current, held, _WHY, now)
        return step.surge

    def _wait_at_checkpoint(
        self, group: Group, refresh: Refresh, reached: int, found: refreshing.Progress, now: float
    ) -> None:
        delay = refresh.preferences["CheckpointDelay"]
        percentage = refresh.preferences["CheckpointPercentages"][reached]
        with self._store.write() as tx:
            reason = f"Waiting at the checkpoint of {percentage} percent before continuing."
            waits = replace(
                refresh, wait_until=now + delay, reason=reason, checkpoints=reached, replaced=refresh.total - found.left
            )
            tx.put(waits)
            told = {"CheckpointPercentage": str(percentage), "CheckpointDelay": str(delay)}
            events.note_refresh(tx, self._entropy, group, waits, "Checkpoint Reached", now, **told)

    def _all_replaced(self, group: Group, refresh: Refresh, replaced: int, now: float) -> None:
        """All that are to be: with a last checkpoint below 100 percent not all that there are."""
        if refresh.status == "RollbackInProgress":
            self._end(group, refresh, "RollbackSuccessful", "", "Rollback Succeeded", now)
        elif refresh.preferences["BakeTime"]:
            baking = replace(
                refresh, status="Baking", replaced=replaced, wait_until=now + refresh.preferences["BakeTime"],
                reason="Waiting for the bake time to pass.",
            )  # fmt: skip
            with self._store.write() as tx:
                tx.put(baking)
        else:
            self._succeed(group, replace(refresh, replaced=replaced), now)

    def _succeed(self, group: Group, refresh: Refresh, now: float) -> None:
        """The group has the desired configuration from now on."""
        with self._store.write() as tx:
            found = tx.get(Group, group.account, group.region, group.id)
            if found is not None and refresh.wanted is not None:
                target = refresh.target
                tx.put(replace(found, template=target.template, template_name=target.template_name,
                               version=target.version, mixed=target.mixed))  # fmt: skip
            self._end(group, refresh, "Successful", "", "Succeeded", now)

    def _cancelled(self, group: Group, refresh: Refresh, now: float) -> int:
        if not any(each.state in choices.COMING or choices.is_going(each) for each in group.members.values()):
            reason = "Cancelled due to user request."
            self._end(group, refresh, "Cancelled", reason, "Cancelled", now)
        return 0

    def _fail(self, group: Group, refresh: Refresh, why: str, now: float) -> None:
        if refresh.status == "RollbackInProgress":
            self._end(group, refresh, "RollbackFailed", why, "Rollback Failed", now)
        elif refresh.preferences["AutoRollback"]:
            with self._store.write() as tx:
                back = rolled_back(group, refresh, f"Automatic rollback: {why}", now)
                tx.put(back)
                events.note_refresh(tx, self._entropy, group, back, "Rollback Started", now)
        else:
            self._end(group, refresh, "Failed", why, "Failed", now)

    def _end(self, group: Group, refresh: Refresh, status: str, reason: str, what: str, now: float) -> None:
        with self._store.write() as tx:
            done = replace(refresh, status=status, reason=reason, ended=now, wait_until=None)
            tx.put(done)
            events.note_refresh(tx, self._entropy, group, done, what, now)

    async def _alarm(self, group: Group, refresh: Refresh) -> str:
        """Why an alarm ends the refresh; "" where none does."""
        told: Mapping[str, Any] = refresh.preferences.get("AlarmSpecification") or {}
        named = list(told.get("Alarms") or ())
        if not named or refresh.status == "RollbackInProgress":
            return ""
        try:
            shown = await self._call(group.account, group.region, "cloudwatch", "DescribeAlarms", {"AlarmNames": named})
        except AwsError as error:
            return f"The alarms of the instance refresh could not be looked up: {error.message}"
        states = {each["AlarmName"]: each["StateValue"] for kind in ("MetricAlarms", "CompositeAlarms")
                  for each in shown.get(kind) or ()}  # fmt: skip
        for each in named:
            if states.get(each) == "ALARM":
                return f"The CloudWatch alarm {each} is in the ALARM state."
            if each not in states:
                return f"The CloudWatch alarm {each} does not exist."
        return ""


def rolled_back(group: Group, refresh: Refresh, why: str, now: float) -> Refresh:
    """The refresh on its way back. What was not replaced yet is left alone; the new ones are replaced. Pure."""
    found = refreshing.progress(group, refresh, now)
    back = replace(
        refresh, status="RollbackInProgress", rolled_back_at=now, rollback_reason=why, reason=why,
        percentage_then=found.done, left_then=found.left, wait_until=None, stuck_since=now, ignored=(),
    )  # fmt: skip
    return replace(back, total=len(refreshing.old(group, back)), replaced=0)


def _reason(group: Group, refresh: Refresh, left: int) -> str:
    if waits := refreshing.blocked(group, refresh):
        what = "scale-in protection to be removed from" if waits[0].protected else "standby to end for"
        return f"Waiting for {what} {len(waits)} instance(s). For example: {waits[0].id}"
    return f"{left} instances are still to be updated."
