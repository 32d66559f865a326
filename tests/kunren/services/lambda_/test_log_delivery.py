"""Lines of functions on their way to CloudWatch Logs."""

import asyncio

from kunren.core.errors import WireError
from kunren.services.lambda_.log_delivery import LogDelivery


class Logs:
    """What delivery calls, with one group that refuses."""

    def __init__(self):
        self.put = []

    async def call(self, account, region, service, operation, params):
        if params["logGroupName"] == "refusing":
            raise WireError("AccessDeniedException", "no")
        if operation == "PutLogEvents":
            self.put.append(params["logEvents"])
        return {}


def test_nothing_is_called_until_logs_are_asked_and_nothing_twice():
    logs = Logs()
    delivery = LogDelivery(logs.call)

    async def story():
        delivery.take("1", "us-east-1", "refusing", "s", [(1, "lost")])
        delivery.take("1", "us-east-1", "group", "s", [(2, "a"), (3, "")])
        await delivery.before("PutLogEvents")
        assert logs.put == []
        await asyncio.gather(delivery.before("FilterLogEvents"), delivery.before("DescribeLogGroups"))

    asyncio.run(story())
    assert logs.put == [[{"timestamp": 2, "message": "a\n"}, {"timestamp": 3, "message": "\n"}]]


def test_what_waits_is_bounded_and_sent_in_calls_that_logs_takes():
    logs = Logs()
    delivery = LogDelivery(logs.call)
    for number in range(100):
        delivery.take("1", "us-east-1", "group", "s", [(number, "x" * 200_000)])
    asyncio.run(delivery.before("GetLogEvents"))
    sent = [each for events in logs.put for each in events]
    assert [each["timestamp"] for each in sent] == list(range(100 - 39, 100))
    assert all(sum(len(each["message"]) + 26 for each in events) <= 1_048_576 for events in logs.put)
