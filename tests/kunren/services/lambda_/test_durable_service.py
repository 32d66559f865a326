"""Durable executions with a function whose every invocation the test answers itself."""

import json

import pytest

from kunren.core.errors import AwsError
from kunren.services.lambda_.durable.model import DurableExecution

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST"
SOURCE = """
import json, os, pathlib, time

def handler(event, context):
    folder = pathlib.Path(os.environ["FOLDER"])
    number = len(list(folder.glob("event-*")))
    (folder / "new").write_text(json.dumps(event))
    (folder / "new").rename(folder / f"event-{number}")
    answer = folder / f"answer-{number}"
    while not answer.exists():
        time.sleep(0.01)
    return json.loads(answer.read_text())
"""
INVALID = ("InvalidParameterValueException", "Invalid checkpoint token")


async def refused(awaited):
    with pytest.raises(AwsError) as caught:
        await awaited
    return caught.value.code, caught.value.message


class Function:
    """What the function is asked, one invocation after the other, and what it answers."""

    def __init__(self, call, folder):
        self.call, self.folder, self.number = call, folder, 0

    async def create(self):
        await self.call.active(
            source=SOURCE,
            Timeout=60,
            Environment={"Variables": {"FOLDER": str(self.folder)}},
            DurableConfig={"ExecutionTimeout": 600},
        )

    async def start(self, **told):
        params = {"FunctionName": "f", "Qualifier": "$LATEST", "InvocationType": "Event", **told}
        return (await self.call("invoke", **params))["DurableExecutionArn"]

    async def asked(self):
        """The event of the next invocation."""
        path = self.folder / f"event-{self.number}"
        await self.call.until(path.exists)
        return json.loads(path.read_text())

    def answer(self, **told):
        (self.folder / "told").write_text(json.dumps(told))
        (self.folder / "told").rename(self.folder / f"answer-{self.number}")
        self.number += 1

    async def status(self, arn, wanted):
        await self.call.until(lambda: self.row(arn).status == wanted)
        return await self.call("get_durable_execution", DurableExecutionArn=arn)

    def row(self, arn):
        return self.call.store.snapshot().get(DurableExecution, "000000000000", "us-east-1", arn.rpartition("/")[2])


def test_checkpoints_tokens_and_state(with_lambda, tmp_path):
    async def story(call):
        function = Function(call, tmp_path)
        await function.create()
        arn = await function.start(Payload=b'{"in": 1}')
        event = await function.asked()
        assert event["DurableExecutionArn"] == arn
        steps = [
            {"Id": f"s{n}", "Type": "STEP", "Action": "SUCCEED", "Payload": str(n), "SubType": "Step"} for n in range(3)
        ]
        first = {"DurableExecutionArn": arn, "CheckpointToken": event["CheckpointToken"], "Updates": steps}
        told = await call("checkpoint_durable_execution", **first, ClientToken="c")
        assert [each["Id"] for each in told["NewExecutionState"]["Operations"]] == ["s0", "s1", "s2"]
        assert await call("checkpoint_durable_execution", **first, ClientToken="c") == told
        assert await refused(call("checkpoint_durable_execution", **first)) == INVALID
        assert await refused(call("checkpoint_durable_execution", **first, ClientToken="d")) == INVALID
        other = {**first, "DurableExecutionArn": arn[:-1] + "-"}
        assert await refused(call("checkpoint_durable_execution", **other)) == (
            "InvalidParameterValueException",
            "Checkpoint token is not valid for the durable execution ARN",
        )
        token, seen, marker = told["CheckpointToken"], [], None
        while marker != "":
            page = await call(
                "get_durable_execution_state",
                DurableExecutionArn=arn,
                CheckpointToken=token,
                MaxItems=3,
                Marker=marker,
            )
            seen += [each["Id"] for each in page["Operations"]]
            marker = page["NextMarker"]
        assert seen == [arn.rpartition("/")[2], "s0", "s1", "s2"]
        bad = {"DurableExecutionArn": arn, "CheckpointToken": token, "Updates": [{**steps[0], "Id": "s1"}]}
        assert (await refused(call("checkpoint_durable_execution", **bad)))[1] == "Invalid current STEP state to close."
        end = [{"Id": "end", "Type": "EXECUTION", "Action": "SUCCEED", "Payload": '"big"'}]
        told = await call("checkpoint_durable_execution", DurableExecutionArn=arn, CheckpointToken=token, Updates=end)
        assert told == {"NewExecutionState": {"Operations": []}}
        function.answer(Status="SUCCEEDED", Result="")
        assert (await function.status(arn, "SUCCEEDED"))["Result"] == '"big"'

    with_lambda(story)


def test_a_pause_takes_the_token_from_the_invocation_in_progress(with_lambda, tmp_path):
    async def story(call):
        function = Function(call, tmp_path)
        await function.create()
        arn = await function.start()
        event = await function.asked()
        await call("pause_durable_execution", DurableExecutionArn=arn)
        await function.status(arn, "PAUSING")
        wait = {"Id": "w", "Type": "WAIT", "Action": "START", "WaitOptions": {"WaitSeconds": 500}}
        checkpoint = {"DurableExecutionArn": arn, "CheckpointToken": event["CheckpointToken"], "Updates": [wait]}
        told = await call("checkpoint_durable_execution", **checkpoint)
        assert told == {"NewExecutionState": {"Operations": []}}
        await function.status(arn, "PAUSED")
        assert await refused(call("checkpoint_durable_execution", **checkpoint)) == INVALID
        function.answer(Status="PENDING")
        await call("resume_durable_execution", DurableExecutionArn=arn)
        event = await function.asked()
        assert [each["Id"] for each in event["InitialExecutionState"]["Operations"]][1:] == ["w"]
        assert event["UpdatedOperationIds"] == ["w"]
        assert await refused(call("resume_durable_execution", DurableExecutionArn=arn)) == (
            "ResourceConflictException",
            "The operation cannot be performed at this time. The durable execution is currently in the following state: "
            "RUNNING",
        )
        assert (await refused(call("delete_durable_execution", DurableExecutionArn=arn)))[0] == (
            "ResourceConflictException"
        )
        function.answer(Status="SUCCEEDED", Result="1")
        await function.status(arn, "SUCCEEDED")

    with_lambda(story)


def test_stopping_and_names(with_lambda, tmp_path):
    async def story(call):
        function = Function(call, tmp_path)
        await function.create()
        arn = await function.start(DurableExecutionName="one", Payload=b"1")
        assert await function.start(DurableExecutionName="one", Payload=b"1") == arn
        assert (await refused(function.start(DurableExecutionName="one", Payload=b"2")))[0] == (
            "DurableExecutionAlreadyStartedException"
        )
        event = await function.asked()
        await call("stop_durable_execution", DurableExecutionArn=arn)
        stale = {"DurableExecutionArn": arn, "CheckpointToken": event["CheckpointToken"]}
        assert await refused(call("checkpoint_durable_execution", **stale)) == INVALID
        assert await refused(call("get_durable_execution_state", **stale)) == INVALID
        function.answer(Status="SUCCEEDED", Result="1")
        told = await function.status(arn, "STOPPED")
        assert told["Error"] == {}
        answer = await call("invoke", FunctionName="f", Qualifier="$LATEST", DurableExecutionName="one", Payload=b"1")
        assert (answer["FunctionError"], answer["Payload"], answer["DurableExecutionArn"]) == ("Unhandled", b"{}", arn)
        await call("delete_durable_execution", DurableExecutionArn=arn)
        await call.until(lambda: function.row(arn) is None)
        assert await call("list_durable_executions_by_function", FunctionName="f") == {"DurableExecutions": []}
        assert await function.start(DurableExecutionName="one", Payload=b"2") != arn

    with_lambda(story)


def test_only_a_new_function_becomes_durable(with_lambda):
    async def story(call):
        await call.active()
        change = {"FunctionName": "f", "DurableConfig": {"ExecutionTimeout": 60}}
        code, _ = await refused(call("update_function_configuration", **change))
        assert code == "InvalidParameterValueException"
        named = call("invoke", FunctionName="f", DurableExecutionName="x")
        assert (await refused(named))[0] == "InvalidParameterValueException"
        made = await call.active("g", DurableConfig={"ExecutionTimeout": 60}, Publish=True)
        assert made["DurableConfig"] == {"RetentionPeriodInDays": 14, "ExecutionTimeout": 60, "KMSKeyArn": None}
        changed = await call(
            "update_function_configuration", FunctionName="g", DurableConfig={"RetentionPeriodInDays": 3}
        )
        assert changed["DurableConfig"] == {"RetentionPeriodInDays": 3, "ExecutionTimeout": 60, "KMSKeyArn": None}
        await call.service.settled()
        version = await call("get_function_configuration", FunctionName="g", Qualifier="1")
        assert version["DurableConfig"]["RetentionPeriodInDays"] == 14

    with_lambda(story)
