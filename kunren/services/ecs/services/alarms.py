"""CloudWatch alarms that a deployment watches."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.services.ecs.services.model import ServiceDeployment
from kunren.services.ecs.services.stages import CLEAN_UP

log = logging.getLogger(__name__)
LOOK_S = 10.0
"""How often (AWS time) alarms are asked for."""


class Alarms:
    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store, self._clock, self._call = store, clock, call
        self._asked: dict[str, float] = {}
        self._bake: dict[str, float] = {}

    def bake_s(self, course: ServiceDeployment | None) -> float:
        """How long the alarms take to judge what is so: the longest of their evaluation periods."""
        return self._bake.get(course.id, 0.0) if course is not None else 0.0

    async def look(self, course: ServiceDeployment | None) -> None:
        """Note which of the deployment's alarms are in ALARM. Such as are so when it begins are not watched."""
        if (
            course is None
            or course.status not in ("PENDING", "IN_PROGRESS")
            or course.alarms != "MONITORING"
            or course.stage == CLEAN_UP
        ):
            return
        now, first = self._clock.now(), course.id not in self._asked
        if not first and now < self._asked[course.id] + LOOK_S:
            return
        self._asked[course.id] = now
        names = list(course.configuration["alarms"]["alarmNames"])
        try:
            asked = {"AlarmNames": names, "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
            answer = await self._call(course.account, course.region, "cloudwatch", "DescribeAlarms", asked)
        except AwsError as error:
            log.warning("the alarms of %s could not be asked for: %s", course.id, error)
            return
        metric = answer.get("MetricAlarms") or ()
        found = [*metric, *(answer.get("CompositeAlarms") or ())]
        self._bake[course.id] = max((_evaluation_s(each) for each in metric), default=0.0)
        ringing = tuple(sorted(each["AlarmName"] for each in found if each["StateValue"] == "ALARM"))
        if ringing:
            self._note(course, ringing, unwatched=course.status == "PENDING")

    def _note(self, course: ServiceDeployment, ringing: tuple[str, ...], unwatched: bool) -> None:
        with self._store.write() as tx:
            current = tx.get(ServiceDeployment, course.account, course.region, course.id)
            if current is None or not current.open:
                return
            if unwatched:
                tx.put(replace(current, alarms="DISABLED"))
            else:
                tx.put(replace(current, alarms="TRIGGERED", triggered=ringing))


def _evaluation_s(alarm: Mapping[str, Any]) -> float:
    return float((alarm.get("Period") or 60) * (alarm.get("EvaluationPeriods") or 1))
