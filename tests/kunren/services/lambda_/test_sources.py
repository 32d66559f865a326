"""Filter patterns, batches and failures of event source mappings."""

import asyncio
import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.event_patterns import InvalidPattern, matches, parse
from kunren.services.lambda_.invoker import InvokeResult
from kunren.services.lambda_.sources.batches import cut, event, failures


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ('{"body": {"a": [1]}}', {"body": {"a": 1}}, True),
        ('{"body": {"a": [1]}}', {"body": "text"}, False),
        ('{"body": {"a": [true]}}', {"body": {"a": 1}}, False),
        ('{"a": [{"numeric": [">", 1, "<=", 3]}]}', {"a": 3}, True),
        ('{"a": [{"numeric": [">", 1, "<=", 3]}]}', {"a": 1}, False),
        ('{"a": [{"anything-but": ["x"]}]}', {"a": "y"}, True),
        ('{"a": [{"anything-but": ["x"]}]}', {}, False),
        ('{"a": [{"exists": false}]}', {}, True),
        ('{"a": {"b": [{"exists": false}]}}', {}, True),
        ('{"a": [{"suffix": "z"}]}', {"a": ["x", "yz"]}, True),
        ('{"$or": [{"a": [1]}, {"b": [2]}]}', {"b": 2}, True),
        ('{"$or": [{"a": [1]}, {"b": [2]}]}', {"b": 1}, False),
    ],
)
def test_patterns_let_through_what_they_name(pattern, value, expected):
    assert matches(parse(pattern), value) is expected


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a": 1}', '{"a": []}', '{"a": [{"numeric": ["~", 1]}]}', '{"a": [{"x": 1}]}']
)
def test_what_is_no_pattern_is_refused(text):
    with pytest.raises(InvalidPattern):
        parse(text)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"null", set()),
        (b"{}", set()),
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}]}', {"a"}),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', {"a", "b"}),
        (b'{"batchItemFailures": [{"other": "a"}]}', {"a", "b"}),
        (b'"text"', {"a", "b"}),
    ],
)
def test_a_function_says_which_items_failed(payload, expected):
    assert failures(InvokeResult(200, payload, None, "1", None), ["a", "b"], partial=True) == expected
    assert failures(InvokeResult(200, payload, None, "1", None), ["a", "b"], partial=False) == set()
    assert failures(InvokeResult(200, payload, "Unhandled", "1", None), ["a", "b"], partial=True) == {"a", "b"}


@given(st.lists(st.text(max_size=40).map(lambda text: {"body": text}), max_size=20), st.integers(15, 200))
def test_batches_keep_all_records_in_order_and_within_what_an_invocation_takes(records, limit):
    batches = list(cut(records, limit))
    assert [each for batch in batches for each in batch] == records
    assert all(len(batch) == 1 or len(event(batch)) <= limit for batch in batches)
    assert all(len(event([*one, two[0]])) > limit for one, two in pairwise(batches))
    assert json.loads(event(records)) == {"Records": records}


class Queue:
    """What a mapping asks of SQS: it fails in ways nobody expects, then has messages, then none."""

    def __init__(self, failures, messages):
        self.failures, self.messages = failures, messages
        self.deleted = []
        self.receivers = self.receivers_max = 0

    async def call(self, account, region, service, operation, params):
        if operation == "GetQueueAttributes":
            return {"Attributes": {"VisibilityTimeout": "30"}}
        if operation == "DeleteMessageBatch":
            self.deleted += [each["ReceiptHandle"] for each in params["Entries"]]
            return {}
        self.receivers += 1
        self.receivers_max = max(self.receivers_max, self.receivers)
        try:
            if self.failures:
                raise self.failures.pop()
            if self.messages:
                return {"Messages": [self.messages.pop(0)]}
            await asyncio.sleep(params["WaitTimeSeconds"] or 0.01)
            return {}
        finally:
            self.receivers -= 1


def test_polling_goes_on_after_any_failure_and_says_so(with_lambda):
    messages = [{"MessageId": each, "ReceiptHandle": each, "Body": each, "MD5OfBody": each} for each in "abcdef"]
    queue = Queue([RuntimeError("out of luck")], messages)

    async def story(call):
        source = "import time\ndef handler(e, c):\n    time.sleep(0.3)\n"
        await call.active(source=source)
        arn = "arn:aws:sqs:us-east-1:000000000000:work"
        made = await call("create_event_source_mapping", FunctionName="f", EventSourceArn=arn)
        told = []

        async def shown():
            told.append(await call("get_event_source_mapping", UUID=made["UUID"]))
            return told[-1].get("LastProcessingResult", "")

        while "out of luck" not in await shown():
            await asyncio.sleep(0.01)
        assert told[-1]["State"] == "Creating"
        while await shown() != "OK" or len(queue.deleted) < 6:
            await asyncio.sleep(0.01)
        assert told[-1]["State"] == "Enabled"
        assert sorted(queue.deleted) == list("abcdef")
        assert 2 <= call.service.runtime.status()["workers"] <= 5
        assert queue.receivers_max == 1
        await call("delete_event_source_mapping", UUID=made["UUID"])
        while (await call("list_event_source_mappings"))["EventSourceMappings"]:
            await asyncio.sleep(0.05)

    with_lambda(story, call=queue.call)
