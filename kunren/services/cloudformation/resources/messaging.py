"""Queues and topics: AWS::SQS::…, AWS::SNS::…, AWS::Events::Rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kunren.core.errors import AwsError
from kunren.services.cloudformation.resources.kind import Declared, Kind, Setting, Taken, pairs, tagging
from kunren.services.cloudformation.work import Work, is_missing


def attribute_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def attributes(work: Work, names: str) -> dict[str, str]:
    """Properties as the string attributes of queues, topics and subscriptions."""
    return {name: attribute_text(work.properties[name]) for name in names.split() if name in work.properties}


_QUEUE_DEFAULTS = {
    "DelaySeconds": "0",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "VisibilityTimeout": "30",
    "RedrivePolicy": "",
    "RedriveAllowPolicy": "",
    "KmsMasterKeyId": "",
    "ContentBasedDeduplication": "false",
}
_QUEUE = (
    "ContentBasedDeduplication DeduplicationScope DelaySeconds FifoThroughputLimit "
    "KmsDataKeyReusePeriodSeconds KmsMasterKeyId "
    "MaximumMessageSize MessageRetentionPeriod ReceiveMessageWaitTimeSeconds RedriveAllowPolicy RedrivePolicy "
    "SqsManagedSseEnabled VisibilityTimeout"
)


class Queue(Kind):
    type = "AWS::SQS::Queue"
    properties = frozenset({"FifoQueue", "QueueName", "Tags", *_QUEUE.split()})
    attributes = frozenset({"Arn", "QueueName", "QueueUrl"})
    _tags = tagging("QueueUrl", add="TagQueue", remove="UntagQueue", as_map=True)

    async def create(self, work: Work) -> None:
        fifo = bool(work.get("FifoQueue"))
        name = work.get("QueueName") or work.name(80, suffix=".fifo" if fifo else "")
        wanted = {**attributes(work, _QUEUE), **({"FifoQueue": "true"} if fifo else {})}
        params = {"QueueName": name, "Attributes": wanted, **({"tags": work.tags} if work.tags else {})}
        if "QueueName" in work.properties:
            await work.must_be_free(name, "sqs", "GetQueueUrl", {"QueueName": name})
        await work.write("sqs", "CreateQueue", params, "QueueUrl", physical=True)
        if not work.physical:
            work.known((await work.read("sqs", "GetQueueUrl", {"QueueName": name}))["QueueUrl"])
        self._keep_attributes(work)

    def _keep_attributes(self, work: Work) -> None:
        name = work.physical.rpartition("/")[2]
        arn = f"arn:aws:sqs:{work.region}:{work.account}:{name}"
        work.attributes = {"Arn": arn, "QueueName": name, "QueueUrl": work.physical}

    async def read(self, work: Work) -> Mapping[str, Any] | None:
        try:
            shown = await work.read("sqs", "GetQueueAttributes", {"QueueUrl": work.physical, "AttributeNames": ["All"]})
        except AwsError as error:
            if is_missing(error):
                return None
            raise
        self._keep_attributes(work)
        held = shown["Attributes"]
        documents = ("RedrivePolicy", "RedriveAllowPolicy")
        found = {
            key: json.loads(value) if key in documents else value
            for key, value in held.items()
            if key in self.properties
        }
        return {"QueueName": work.attributes["QueueName"], **found}

    async def update(self, work: Work) -> None:
        now = attributes(work, _QUEUE)
        gone = {name: value for name, value in _QUEUE_DEFAULTS.items() if name in work.before and name not in now}
        if {**now, **gone}:
            await work.write("sqs", "SetQueueAttributes", {"QueueUrl": work.physical, "Attributes": {**now, **gone}})
        await self._tags.apply("sqs", work)

    async def delete(self, work: Work) -> None:
        await work.write("sqs", "DeleteQueue", {"QueueUrl": work.physical}, missing_ok=True)


class ResourcePolicy(Kind):
    """A policy that is put onto queues or topics."""

    attributes = frozenset({"Id"})

    def __init__(self, type: str, targets: str, service: str) -> None:
        self.type, self._targets, self._service = type, targets, service
        self.properties = frozenset({"PolicyDocument", targets})

    async def create(self, work: Work) -> None:
        work.known(work.name(128))
        work.attributes = {"Id": work.physical}
        await self._put(work, work.properties[self._targets], work.properties["PolicyDocument"])

    async def update(self, work: Work) -> None:
        old, new = work.before[self._targets], work.properties[self._targets]
        await self._put(work, new, work.properties["PolicyDocument"])
        await self._put(work, [each for each in old if each not in new], None)

    async def delete(self, work: Work) -> None:
        await self._put(work, work.properties[self._targets], None)

    async def _put(self, work: Work, targets: list[str], document: Any) -> None:
        for each in targets:
            gone = document is None
            if self._service == "sqs":
                policy = "" if gone else attribute_text(document)
                await work.write(
                    "sqs", "SetQueueAttributes", {"QueueUrl": each, "Attributes": {"Policy": policy}}, missing_ok=gone
                )
            else:
                policy = json.dumps(_own_policy(work, each)) if gone else attribute_text(document)
                params = {"TopicArn": each, "AttributeName": "Policy", "AttributeValue": policy}
                await work.write("sns", "SetTopicAttributes", params, missing_ok=gone)


def _own_policy(work: Work, topic: str) -> dict[str, Any]:
    """What a topic has without a policy of its own: its owner may do all."""
    actions = [
        "GetTopicAttributes",
        "SetTopicAttributes",
        "AddPermission",
        "RemovePermission",
        "DeleteTopic",
        "Subscribe",
        "ListSubscriptionsByTopic",
        "Publish",
    ]
    owner = {"StringEquals": {"AWS:SourceOwner": work.account}}
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{each}" for each in actions],
        "Resource": topic,
        "Condition": owner,
    }
    return {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}


_TOPIC = "ContentBasedDeduplication DisplayName FifoThroughputScope KmsMasterKeyId SignatureVersion TracingConfig"
_SUBSCRIPTION = "DeliveryPolicy FilterPolicy FilterPolicyScope RawMessageDelivery RedrivePolicy SubscriptionRoleArn"


class Topic(Kind):
    type = "AWS::SNS::Topic"
    properties = frozenset({"FifoTopic", "Subscription", "Tags", "TopicName", *_TOPIC.split()})
    attributes = frozenset({"TopicArn", "TopicName"})
    _tags = tagging("ResourceArn")

    async def create(self, work: Work) -> None:
        fifo = bool(work.get("FifoTopic"))
        name = work.get("TopicName") or work.name(256, suffix=".fifo" if fifo else "")
        wanted = {**attributes(work, _TOPIC), **({"FifoTopic": "true"} if fifo else {})}
        params = {"Name": name, "Attributes": wanted, **({"Tags": pairs(work.tags)} if work.tags else {})}
        arn = f"arn:aws:sns:{work.region}:{work.account}:{name}"
        await work.must_be_free(arn, "sns", "GetTopicAttributes", {"TopicArn": arn})
        await work.write("sns", "CreateTopic", params, "TopicArn", physical=True)
        work.attributes = {"TopicArn": work.physical, "TopicName": name}
        for each in work.get("Subscription") or []:
            await work.write("sns", "Subscribe", {"TopicArn": work.physical, **each})

    async def update(self, work: Work) -> None:
        for name in _TOPIC.split():
            if work.changed(name):
                params = {
                    "TopicArn": work.physical,
                    "AttributeName": name,
                    "AttributeValue": attribute_text(work.get(name, "")),
                }
                await work.write("sns", "SetTopicAttributes", params)
        old, new = work.before.get("Subscription") or [], work.get("Subscription") or []
        for each in [each for each in new if each not in old]:
            await work.write("sns", "Subscribe", {"TopicArn": work.physical, **each})
        if gone := [each for each in old if each not in new]:
            shown = await work.read("sns", "ListSubscriptionsByTopic", {"TopicArn": work.physical})
            for one in shown["Subscriptions"]:
                if {"Endpoint": one["Endpoint"], "Protocol": one["Protocol"]} in gone:
                    await work.write("sns", "Unsubscribe", {"SubscriptionArn": one["SubscriptionArn"]}, missing_ok=True)
        await self._tags.apply("sns", work)

    async def delete(self, work: Work) -> None:
        shown = (
            await work.read("sns", "ListSubscriptionsByTopic", {"TopicArn": work.physical})
            if work.get("Subscription")
            else {}
        )
        for one in shown.get("Subscriptions", ()):
            await work.write("sns", "Unsubscribe", {"SubscriptionArn": one["SubscriptionArn"]}, missing_ok=True)
        await work.write("sns", "DeleteTopic", {"TopicArn": work.physical}, missing_ok=True)


class Subscription(Kind):
    type = "AWS::SNS::Subscription"
    properties = frozenset({"Endpoint", "Protocol", "TopicArn", *_SUBSCRIPTION.split()})
    attributes = frozenset({"Arn"})

    async def create(self, work: Work) -> None:
        params = {
            **work.pick("Endpoint", "Protocol", "TopicArn"),
            "Attributes": attributes(work, _SUBSCRIPTION),
            "ReturnSubscriptionArn": True,
        }
        await work.write("sns", "Subscribe", params, "SubscriptionArn", physical=True)
        work.attributes = {"Arn": work.physical}

    async def update(self, work: Work) -> None:
        for name in _SUBSCRIPTION.split():
            if work.changed(name):
                params = {
                    "SubscriptionArn": work.physical,
                    "AttributeName": name,
                    "AttributeValue": attribute_text(work.get(name, {})),
                }
                await work.write("sns", "SetSubscriptionAttributes", params)

    async def delete(self, work: Work) -> None:
        await work.write("sns", "Unsubscribe", {"SubscriptionArn": work.physical}, missing_ok=True)


def _rule(work: Work) -> Mapping[str, Any]:
    found = work.pick("Description", "EventBusName", "RoleArn", "ScheduleExpression", "State")
    pattern = work.get("EventPattern")
    return {**found, **({"EventPattern": attribute_text(pattern)} if pattern is not None else {})}


class Rule(Declared):
    async def create(self, work: Work) -> None:
        await super().create(work)
        work.attributes["Arn"] = f"arn:aws:events:{work.region}:{work.account}:rule/{self._bus(work)}{work.physical}"
        if targets := work.get("Targets"):
            await work.write("events", "PutTargets", {**self._named(work), "Targets": targets})

    async def update(self, work: Work) -> None:
        if work.changed("Description", "EventPattern", "RoleArn", "ScheduleExpression", "State"):
            await work.write("events", "PutRule", {"Name": work.physical, **_rule(work)})
        old, new = work.before.get("Targets") or [], work.get("Targets") or []
        if gone := [each["Id"] for each in old if each["Id"] not in {one["Id"] for one in new}]:
            await work.write("events", "RemoveTargets", {**self._named(work), "Ids": gone})
        if come := [each for each in new if each not in old]:
            await work.write("events", "PutTargets", {**self._named(work), "Targets": come})

    async def delete(self, work: Work) -> None:
        if targets := work.get("Targets"):
            ids = [each["Id"] for each in targets]
            await work.write("events", "RemoveTargets", {**self._named(work), "Ids": ids}, missing_ok=True)
        await work.write("events", "DeleteRule", {"Name": work.physical, **work.pick("EventBusName")}, missing_ok=True)

    def _named(self, work: Work) -> dict[str, Any]:
        return {"Rule": work.physical, **work.pick("EventBusName")}

    def _bus(self, work: Work) -> str:
        bus = work.get("EventBusName", "default").rpartition("/")[2]
        return "" if bus == "default" else f"{bus}/"

    def has_attribute(self, name: str) -> bool:
        return name == "Arn"


KINDS: tuple[Kind, ...] = (
    Queue(),
    ResourcePolicy("AWS::SQS::QueuePolicy", "Queues", "sqs"),
    Topic(),
    Subscription(),
    ResourcePolicy("AWS::SNS::TopicPolicy", "Topics", "sns"),
    Rule(
        "AWS::Events::Rule",
        "events",
        create="PutRule",
        taken=Taken("DescribeRule", lambda work, name: {"Name": name, **work.pick("EventBusName")}),
        extra=_rule,
        name="Name",
        key="Name",
        also="Description EventBusName EventPattern RoleArn ScheduleExpression State Targets",
        delete="DeleteRule",
    ),
    Declared(
        "AWS::Events::EventBus",
        "events",
        create="CreateEventBus",
        takes="Description",
        name="Name",
        key="Name",
        describe="DescribeEventBus",
        gives={"Arn": "Arn", "Name": "Name"},
        tags=tagging("ResourceARN", by="Arn"),
        delete="DeleteEventBus",
        settings=[
            Setting(
                "UpdateEventBus",
                "Description",
                lambda work: {"Name": work.physical, "Description": work.get("Description", "")},
                on_create=False,
            )
        ],
    ),
)
