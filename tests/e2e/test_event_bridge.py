"""EventBridge as its users have it: rules that deliver, schedules that fire, targets that are not there."""

import io
import json
import sys
import zipfile
from datetime import UTC, datetime, timedelta

import pytest

CODE = "def handler(event, context):\n    print('GOT', event.get('detail-type') or event.get('from'))\n"


class Place:
    """One account, with a queue and a function that hear of events."""

    def __init__(self, kunren, account, until):
        self.account, self.until = account, until
        names = ("events", "scheduler", "sqs", "sns", "lambda", "logs")
        self.events, self.scheduler, self.sqs, self.sns, self.functions, self.logs = (
            kunren.client(each, account) for each in names
        )
        self.queue = self.made_queue("heard")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("code.py", CODE)
        self.function = self.functions.create_function(
            FunctionName="hear", Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
            Handler="code.handler", Role=f"arn:aws:iam::{account}:role/r", Code={"ZipFile": packed.getvalue()},
        )["FunctionArn"]  # fmt: skip

    def arn(self, name):
        return f"arn:aws:sqs:us-east-1:{self.account}:{name}"

    def made_queue(self, name):
        return self.sqs.create_queue(QueueName=name)["QueueUrl"]

    def received(self, queue=None):
        """The next message."""
        queue = queue or self.queue
        told = self.until(lambda: self.sqs.receive_message(
            QueueUrl=queue, WaitTimeSeconds=1, MessageAttributeNames=["All"]).get("Messages"), "a message")  # fmt: skip
        self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=told[0]["ReceiptHandle"])
        return told[0]

    def put(self, kind="Order Placed", **detail):
        entry = {"Source": "shop", "DetailType": kind, "Detail": json.dumps(detail)}
        answer = self.events.put_events(Entries=[entry])
        assert answer["FailedEntryCount"] == 0
        return answer["Entries"][0]["EventId"]

    def printed(self):
        if not self.logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/hear")["logGroups"]:
            return []
        found = self.logs.filter_log_events(logGroupName="/aws/lambda/hear")["events"]
        return [each["message"].strip()[4:] for each in found if each["message"].startswith("GOT ")]


@pytest.fixture
def place(kunren, account, until):
    return Place(kunren, account, until)


def test_a_rule_delivers_what_its_pattern_wants_to_each_target(place, until):
    events = place.events
    pattern = {"source": ["shop"], "detail": {"total": [{"numeric": [">", 10]}], "city": [{"anything-but": "Rome"}]}}
    rule = events.put_rule(Name="large", EventPattern=json.dumps(pattern))["RuleArn"]
    assert rule == f"arn:aws:events:us-east-1:{place.account}:rule/large"
    place.functions.add_permission(FunctionName="hear", StatementId="e", Action="lambda:InvokeFunction",
                                   Principal="events.amazonaws.com", SourceArn=rule)  # fmt: skip
    place.logs.create_log_group(logGroupName="/aws/events/large")
    transformer = {"InputPathsMap": {"city": "$.detail.city"}, "InputTemplate": '{"to": <city>, "text": "to <city>"}'}
    answer = events.put_targets(Rule="large", Targets=[
        {"Id": "queue", "Arn": place.arn("heard"), "InputTransformer": transformer},
        {"Id": "function", "Arn": place.function},
        {"Id": "log", "Arn": f"arn:aws:logs:us-east-1:{place.account}:log-group:/aws/events/large"},
    ])  # fmt: skip
    assert answer["FailedEntryCount"] == 0
    place.put(total=5, city="Oslo")
    place.put(total=50, city="Rome")
    id = place.put(total=50, city="Oslo")
    assert json.loads(place.received()["Body"]) == {"to": "Oslo", "text": "to Oslo"}
    until(lambda: place.printed() == ["Order Placed"], "the function's line")
    lines = until(lambda: place.logs.filter_log_events(logGroupName="/aws/events/large")["events"], "the line")
    event = json.loads(lines[0]["message"])
    assert (event["id"], event["source"], event["account"], event["detail"]["total"]) == (id, "shop", place.account, 50)
    refused = events.put_events(Entries=[{"Source": "aws.ec2", "DetailType": "x", "Detail": "{}"}, {"Source": "shop"}])
    assert [each["ErrorCode"] for each in refused["Entries"]] == ["NotAuthorizedForSourceException", "InvalidArgument"]
    with pytest.raises(events.exceptions.InvalidEventPatternException):
        events.put_rule(Name="bad", EventPattern='{"source": "shop"}')


def test_what_cannot_be_delivered_goes_to_the_dead_letter_queue_and_is_replayed(place):
    events, dead = place.events, place.made_queue("dead")
    archive = events.create_archive(ArchiveName="all", EventSourceArn=events.describe_event_bus()["Arn"])["ArchiveArn"]
    events.put_rule(Name="all", EventPattern='{"source": ["shop"]}')
    events.put_targets(Rule="all", Targets=[
        {"Id": "nobody", "Arn": place.function, "DeadLetterConfig": {"Arn": place.arn("dead")}},  # may not be invoked
    ])  # fmt: skip
    place.put(number=1)
    message = place.received(dead)
    assert json.loads(message["Body"])["detail"] == {"number": 1}
    told = {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}
    assert (told["ERROR_CODE"], told["TARGET_ARN"]) == ("NO_PERMISSIONS", place.function)
    events.put_targets(Rule="all", Targets=[{"Id": "nobody", "Arn": place.arn("heard"), "InputPath": "$.detail"}])
    now = datetime.now(UTC)
    events.start_replay(
        ReplayName="again", EventSourceArn=archive, EventStartTime=now - timedelta(days=1),
        EventEndTime=now + timedelta(days=2), Destination={"Arn": events.describe_event_bus()["Arn"]},
    )  # fmt: skip
    assert json.loads(place.received()["Body"]) == {"number": 1}
    assert events.describe_replay(ReplayName="again")["State"] == "COMPLETED"


def test_rules_and_schedules_fire_by_the_clock(place, until):
    place.events.put_rule(Name="often", ScheduleExpression="rate(1 minute)")
    place.events.put_targets(Rule="often", Targets=[{"Id": "queue", "Arn": place.arn("heard")}])
    event = json.loads(place.received()["Body"])
    assert (event["detail-type"], event["source"], event["detail"]) == ("Scheduled Event", "aws.events", {})
    assert event["resources"] == [f"arn:aws:events:us-east-1:{place.account}:rule/often"]
    place.events.remove_targets(Rule="often", Ids=["queue"])
    place.events.delete_rule(Name="often")
    target = {
        "Arn": place.function,
        "RoleArn": f"arn:aws:iam::{place.account}:role/r",
        "Input": '{"from": "a schedule"}',
    }
    place.scheduler.create_schedule(Name="soon", ScheduleExpression="rate(1 minute)", Target=target,
                                    FlexibleTimeWindow={"Mode": "OFF"})  # fmt: skip
    until(lambda: "a schedule" in place.printed(), "the schedule's invocation")
    place.scheduler.delete_schedule(Name="soon")
    queue = {**target, "Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage",
             "Input": json.dumps({"QueueUrl": place.queue, "MessageBody": "once"})}  # fmt: skip
    at = datetime.fromisoformat(event["time"]) + timedelta(minutes=3)
    place.scheduler.create_schedule(
        Name="once", ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M:%S})", Target=queue, ActionAfterCompletion="DELETE",
        FlexibleTimeWindow={"Mode": "OFF"},
    )  # fmt: skip
    until(lambda: place.received()["Body"] == "once", "the one-time schedule")
    until(lambda: not place.scheduler.list_schedules()["Schedules"], "the schedule gone")
