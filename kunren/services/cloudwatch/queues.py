"""AWS/SQS, of the queues that alarms watch: their sizes, asked of SQS once a minute.

"Available CloudWatch metrics for Amazon SQS" in the developer guide. What else SQS tells there is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator

from kunren.control.store import Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.counted_metrics import CountedMetrics
from kunren.core.errors import AwsError
from kunren.core.held_metrics import OWN_CALLS
from kunren.services.cloudwatch.model import Alarm

NAMESPACE, EVERY_S = "AWS/SQS", 60.0
ATTRIBUTES = {
    "ApproximateNumberOfMessages": "ApproximateNumberOfMessagesVisible",
    "ApproximateNumberOfMessagesNotVisible": "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed": "ApproximateNumberOfMessagesDelayed",
}


class QueueMetrics:
    """`before` is awaited before metrics are read."""

    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store, self._clock, self._call = store, clock, call
        self._counted = CountedMetrics(NAMESPACE, call)
        self._minute = -1.0

    async def before(self, operation: str) -> None:
        now = self._clock.now()
        if operation in OWN_CALLS or now // EVERY_S == self._minute:
            return
        self._minute = now // EVERY_S
        for account, region, name in sorted(set(watched(self._store.snapshot()))):
            url = f"https://sqs.{region}.amazonaws.com/{account}/{name}"
            asked = {"QueueUrl": url, "AttributeNames": list(ATTRIBUTES)}
            try:
                answer = await self._call(account, region, "sqs", "GetQueueAttributes", asked)
            except AwsError:  # there is no such queue
                continue
            for attribute, value in (answer.get("Attributes") or {}).items():
                if attribute in ATTRIBUTES:  # of the minute that has just ended
                    queue, metric = (("QueueName", name),), ATTRIBUTES[attribute]
                    self._counted.add(account, region, queue, metric, "Count", float(value), now - EVERY_S)
        await self._counted.before(operation)


def watched(snapshot: Snapshot) -> Iterator[tuple[str, str, str]]:
    """(account, region, queue's name) of each that an alarm reads. Pure."""
    for alarm in snapshot.every(Alarm):
        queries = [
            each["MetricStat"]["Metric"] for each in alarm.settings.get("Metrics") or () if each.get("MetricStat")
        ]
        for metric in (alarm.settings, *queries):
            if metric.get("Namespace") == NAMESPACE:
                for each in metric.get("Dimensions") or ():
                    if each["Name"] == "QueueName":
                        yield alarm.account, alarm.region, each["Value"]
