"""CloudWatch in virtual time: what is put, what alarms make of it, and whom they tell."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.cloudwatch.errors import NotYet, ResourceNotFound, ValidationError
from kunren.services.cloudwatch.service import CloudWatchService

ACCOUNT, REGION = "111122223333", "us-east-1"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts"
SIMPLE = {
    "AlarmName": "errors", "Namespace": "App", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
    "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "TreatMissingData": "notBreaching",
}  # fmt: skip


class World:
    def __init__(self, folder):
        self.folder, self.clock = folder, SimClock(1_750_000_020.0)  # ...:07:00
        self.store = Store(folder / "store.db")
        self.calls, self.failing = [], []
        self.service = CloudWatchService(self.store, self.clock, Entropy(1), self.call, folder / "metrics.db", [])

    async def call(self, account, region, service, operation, params):
        if self.failing:
            raise self.failing.pop()
        self.calls.append((service, operation, dict(params)))
        if operation == "GetQueueAttributes":
            return {"Attributes": {"ApproximateNumberOfMessages": "7"}}
        if operation == "PutMetricData":
            context = RequestContext(account, region, service, operation, "r")
            return await self.service.api.put_metric_data(context, dict(params))
        return {}

    async def ask(self, operation, **params):
        context = RequestContext(ACCOUNT, REGION, "cloudwatch", operation, "r", host="monitoring.example")
        answer = getattr(self.service.api, operation)(context, params)
        return await answer if asyncio.iscoroutine(answer) else answer

    async def put(self, value, **given):
        await self.ask(
            "put_metric_data", Namespace="App", MetricData=[{"MetricName": "Errors", "Value": value, **given}]
        )

    async def state(self, name="errors"):
        shown = await self.ask("describe_alarms", AlarmNames=[name])
        return (shown["MetricAlarms"] + shown["CompositeAlarms"])[0]

    async def pass_time(self, seconds, step=10.0):
        for _ in range(int(seconds / step)):
            self.clock.advance(step)
            for _ in range(20):
                await asyncio.sleep(0)
            await self.service._evaluator.composites.settled()
            await self.service.actions.controller.settled()

    @asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.service.run())
        for _ in range(5):
            await asyncio.sleep(0)
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_an_alarm_goes_over_and_back_and_tells_its_topic(world):
    async def story():
        async with world.running():
            await world.ask("put_metric_alarm", **SIMPLE, AlarmActions=[TOPIC], OKActions=[TOPIC])
            first = await world.state()
            assert (first["StateValue"], first["StateReason"]) == (
                "INSUFFICIENT_DATA", "Unchecked: Initial alarm creation"
            )  # fmt: skip
            await world.pass_time(20)
            assert (await world.state())["StateValue"] == "OK"
            await world.put(4.0)
            await world.pass_time(60)
            shown = await world.state()
            assert shown["StateValue"] == "ALARM"
            assert shown["StateReason"] == (
                "Threshold Crossed: 1 datapoint [4.0 (15/06/25 15:07:00)] was greater than or equal to the threshold "
                "(1.0)."
            )
            told = [each for each in world.calls if each[0] == "sns"][-1][2]
            assert (told["TopicArn"], told["Subject"]) == (TOPIC, 'ALARM: "errors" in US East (N. Virginia)')
            message = json.loads(told["Message"])
            assert message["NewStateReason"] == shown["StateReason"] and message["OldStateValue"] == "OK"
            assert message["Trigger"] == {
                "MetricName": "Errors", "Namespace": "App", "StatisticType": "Statistic", "Statistic": "SUM",
                "Unit": None, "Dimensions": [], "Period": 60, "EvaluationPeriods": 1,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold", "Threshold": 1.0,
                "TreatMissingData": "notBreaching", "EvaluateLowSampleCountPercentile": "",
            }  # fmt: skip
            await world.pass_time(240)
            assert (await world.state())["StateValue"] == "OK"
            history = (await world.ask("describe_alarm_history", AlarmName="errors"))["AlarmHistoryItems"]
            changes = [each["HistorySummary"] for each in history if each["HistoryItemType"] == "StateUpdate"]
            assert changes == [
                "Alarm updated from ALARM to OK", "Alarm updated from OK to ALARM",
                "Alarm updated from INSUFFICIENT_DATA to OK",
            ]  # fmt: skip
            taken = [each["HistorySummary"] for each in history if each["HistoryItemType"] == "Action"]
            assert taken == [f"Successfully executed action {TOPIC}"] * 3
            events = [each[2]["Entries"][0] for each in world.calls if each[0] == "events"]
            assert [json.loads(each["Detail"])["state"]["value"] for each in events] == ["OK", "ALARM", "OK"]
            assert {each["DetailType"] for each in events} == {"CloudWatch Alarm State Change"}

    asyncio.run(story())


def test_actions_wait_for_a_service_that_fails_and_what_is_refused_is_noted(world):
    async def story():
        async with world.running():
            await world.ask("put_metric_alarm", **SIMPLE, AlarmActions=[TOPIC, "arn:aws:ssm:us-east-1:1:opsitem:1"])
            await world.ask("set_alarm_state", AlarmName="errors", StateValue="ALARM", StateReason="try")
            await world.pass_time(10)
            history = (await world.ask("describe_alarm_history", HistoryItemType="Action"))["AlarmHistoryItems"]
            assert sorted(each["HistorySummary"] for each in history) == [
                "Failed to execute action arn:aws:ssm:us-east-1:1:opsitem:1", f"Successfully executed action {TOPIC}"
            ]  # fmt: skip
            await world.ask("disable_alarm_actions", AlarmNames=["errors"])
            world.calls.clear()
            await world.ask("set_alarm_state", AlarmName="errors", StateValue="OK", StateReason="try")
            await world.ask("set_alarm_state", AlarmName="errors", StateValue="ALARM", StateReason="try")
            await world.pass_time(10)
            assert {each[0] for each in world.calls} == {"events"}

    asyncio.run(story())


def test_scaling_policies_and_instances_are_acted_on(world):
    policy = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:scalingPolicy:8-4:autoScalingGroupName/web:policyName/more"
    stop = f"arn:aws:automate:{REGION}:ec2:stop"
    scaled = []

    async def scale(*told):
        scaled.append(told)

    world.service.actions.scale = scale

    async def story():
        async with world.running():
            dimensions = [{"Name": "InstanceId", "Value": "i-1"}]
            await world.ask("put_metric_alarm", **SIMPLE, Dimensions=dimensions, AlarmActions=[policy, stop])
            await world.put(9.0, Dimensions=dimensions)
            await world.pass_time(70)
            calls = [each for each in world.calls if each[0] != "events"]
            assert calls == [("ec2", "StopInstances", {"InstanceIds": ["i-1"]})]
            assert scaled == [(policy, "errors", "ALARM", 9.0, 1.0)]
            await world.pass_time(60)
            assert len(scaled) == 2  # asked again, each minute

    asyncio.run(story())


def test_an_alarm_of_high_resolution_and_one_of_an_expression(world):
    async def story():
        async with world.running():
            await world.ask("put_metric_alarm", **{**SIMPLE, "Period": 10, "TreatMissingData": "missing"})
            stat = {"Metric": {"Namespace": "App", "MetricName": "Errors"}, "Period": 60, "Stat": "Sum"}
            rate = [{"Id": "m1", "MetricStat": stat, "ReturnData": False}, {"Id": "e1", "Expression": "m1 / 2"}]
            await world.ask(
                "put_metric_alarm", AlarmName="half", Metrics=rate, EvaluationPeriods=1, Threshold=2.0,
                ComparisonOperator="GreaterThanOrEqualToThreshold",
            )  # fmt: skip
            await world.put(4.0, StorageResolution=1)
            await world.pass_time(20)
            assert (await world.state())["StateValue"] == "ALARM"
            assert (await world.state("half"))["StateValue"] == "INSUFFICIENT_DATA"
            await world.pass_time(50)
            assert (await world.state("half"))["StateValue"] == "ALARM"

    asyncio.run(story())


def test_an_alarm_on_a_queue_asks_for_its_size_every_minute(world):
    async def story():
        async with world.running():
            queue = [{"Name": "QueueName", "Value": "work"}]
            settings = {**SIMPLE, "Namespace": "AWS/SQS", "MetricName": "ApproximateNumberOfMessagesVisible"}
            await world.ask("put_metric_alarm", **{**settings, "Statistic": "Maximum", "Dimensions": queue})
            for _ in range(60):  # datapoints are written by a thread, which virtual time does not wait for
                await world.pass_time(10)
                if (await world.state())["StateValue"] == "ALARM":
                    break
                await asyncio.sleep(0.01)
            assert (await world.state())["StateValue"] == "ALARM"
            asked = {each[2]["QueueUrl"] for each in world.calls if each[0] == "sqs"}
            assert asked == {f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/work"}

    asyncio.run(story())


def test_a_composite_alarm_follows_its_children_at_once(world):
    async def story():
        async with world.running():
            await world.ask("put_metric_alarm", **SIMPLE)
            with pytest.raises(ValidationError, match="do not exist"):
                await world.ask("put_composite_alarm", AlarmName="any", AlarmRule="ALARM(nobody)")
            await world.ask("put_composite_alarm", AlarmName="any", AlarmRule="ALARM(errors)", AlarmActions=[TOPIC])
            await world.pass_time(20)
            shown = await world.state("any")
            assert shown["StateValue"] == "OK"
            assert shown["StateReason"].endswith("alarm:any was created and its alarm rule evaluates to OK")
            await world.ask("set_alarm_state", AlarmName="errors", StateValue="ALARM", StateReason="try")
            await world.service._evaluator.composites.settled()
            shown = await world.state("any")
            assert shown["StateValue"] == "ALARM"
            assert (
                f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:errors transitioned to ALARM at " in shown["StateReason"]
            )
            with pytest.raises(ValidationError, match="depending on it"):
                await world.ask("delete_alarms", AlarmNames=["errors"])
            with pytest.raises(ValidationError, match="leads back"):
                await world.ask("put_composite_alarm", AlarmName="two", AlarmRule="ALARM(any)")
                await world.ask("put_composite_alarm", AlarmName="any", AlarmRule="ALARM(two)")

    asyncio.run(story())


def test_a_restart_goes_on_where_it_was(world, tmp_path):
    async def before():
        async with world.running():
            await world.ask("put_metric_alarm", **SIMPLE, AlarmActions=[TOPIC])
            await world.put(4.0)
            await world.store.durable()

    asyncio.run(before())
    world.store.close()

    async def after(again):
        again.clock.advance(world.clock.now() - again.clock.now() + 60)
        async with again.running():
            await again.pass_time(10)
            assert (await again.state())["StateValue"] == "ALARM"
            assert "sns" in {each[0] for each in again.calls}

    asyncio.run(after(World(tmp_path)))


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"Period": 15}, ValidationError, "Period must be"),
        ({"EvaluationPeriods": 1441}, ValidationError, "more than a day"),
        ({"DatapointsToAlarm": 2}, ValidationError, "DatapointsToAlarm"),
        ({"ExtendedStatistic": "p90"}, ValidationError, "Exactly one"),
        ({"TreatMissingData": "maybe"}, ValidationError, "TreatMissingData"),
        ({"AlarmActions": ["nobody"]}, ValidationError, "Invalid arn syntax: nobody"),
        ({"AlarmActions": ["arn:aws:sns:eu-west-1:1:t"]}, ValidationError, "Only us-east-1 is supported"),
        ({"ThresholdMetricId": "ad1"}, NotYet, "anomaly detection"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, NotYet, "anomaly detection"),
        ({"Metrics": [{"Id": "e1", "Expression": "SEARCH('x', 'Sum')"}], "MetricName": None, "Namespace": None,
          "Statistic": None, "Period": None}, NotYet, "SEARCH"),
    ],
)  # fmt: skip
def test_what_no_alarm_can_be_is_refused_and_changes_nothing(world, change, error, text):
    with pytest.raises(error, match=text):
        asyncio.run(world.ask("put_metric_alarm", **{**SIMPLE, **change}))
    assert asyncio.run(world.ask("describe_alarms"))["MetricAlarms"] == []
    with pytest.raises(ResourceNotFound):
        asyncio.run(world.ask("delete_alarms", AlarmNames=["errors"]))


@pytest.mark.parametrize(
    ("datum", "code"),
    [
        ({}, "MissingParameter"),
        ({"Value": float("nan")}, "InvalidParameterValue"),
        ({"Value": 1.0, "Values": [1.0]}, "InvalidParameterCombination"),
        ({"Values": [1.0], "Counts": [1.0, 2.0]}, "InvalidParameterValue"),
        ({"Value": 1.0, "StorageResolution": 5}, "InvalidParameterValue"),
        ({"Value": 1.0, "Timestamp": 0.0}, "InvalidParameterValue"),
        (
            {"Value": 1.0, "Dimensions": [{"Name": "a", "Value": "1"}, {"Name": "a", "Value": "2"}]},
            "InvalidParameterValue",
        ),
    ],
)
def test_data_that_is_none_is_refused(world, datum, code):
    with pytest.raises(AwsError) as refused:
        asyncio.run(world.ask("put_metric_data", Namespace="App", MetricData=[{"MetricName": "m", **datum}]))
    assert refused.value.code == code
    with pytest.raises(AwsError, match="AWS/EC2 for parameter Namespace is invalid"):
        asyncio.run(world.ask("put_metric_data", Namespace="AWS/EC2", MetricData=[{"MetricName": "m", "Value": 1.0}]))
