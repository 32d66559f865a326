"""Durable functions by AWS's own SDK for Python, unmodified in the package: it speaks to Kunren as to AWS."""

import importlib.util
import io
import json
import os
import signal
import zipfile
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

SDK = "aws_durable_execution_sdk_python"
pytestmark = pytest.mark.skipif(importlib.util.find_spec(SDK) is None, reason=f"{SDK} is not installed")

ROLE = "arn:aws:iam::000000000000:role/any"
SOURCE = """
import os
import time
from aws_durable_execution_sdk_python import DurableContext, durable_execution, durable_step
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration, StepConfig
from aws_durable_execution_sdk_python.retries import RetryDecision
from aws_durable_execution_sdk_python.waits import WaitForConditionConfig, WaitForConditionDecision


def again(error, attempt):
    return RetryDecision.retry(Duration.from_seconds(20)) if attempt < 3 else RetryDecision.no_retry()


@durable_step
def add(step, a, b):
    return a + b


@durable_step
def flaky(step, until):
    if step.attempt < until:
        raise ValueError(f"try {step.attempt}")
    return step.attempt


def steps(event, context):
    first = context.step(add(event["a"], 1), name="first")
    context.wait(Duration.from_seconds(40), name="a-while")
    second = context.step(flaky(3), name="flaky", config=StepConfig(retry_strategy=again))
    return {"first": first, "second": second}


def callback(event, context):
    config = CallbackConfig(timeout=Duration.from_hours(event.get("hours", 1)))
    asked = context.create_callback(name="approval", config=config)
    return {"approved": asked.result()}


def together(event, context):
    def double(child, item, index, items):
        child.wait(Duration.from_seconds(20))
        return child.step(add(item, item))

    return context.map([1, 2, 3], double, name="doubled").get_results()


def poll(event, context):
    def check(state, step):
        return state + 1

    def decide(state, attempt):
        if state >= 3:
            return WaitForConditionDecision.stop_polling()
        return WaitForConditionDecision.continue_waiting(Duration.from_seconds(20))

    return context.wait_for_condition(check, WaitForConditionConfig(wait_strategy=decide, initial_state=0))


def chain(event, context):
    plain = context.invoke("plain", {"n": 1}, name="plain")
    child = context.invoke(f"{event['me']}:$LATEST", {"do": "steps", "a": 10}, name="child")
    try:
        context.invoke("nowhere", {})
    except Exception as error:
        return {"plain": plain, "child": child, "error": type(error).__name__}


def slow(event, context):
    def number(n):
        return lambda step: time.sleep(0.1) or n

    return [context.step(number(n), name=f"step-{n}") for n in range(10)]


def fail(event, context):
    raise RuntimeError("no way")


def crash(event, context):
    context.step(add(1, 1))
    os._exit(3)


@durable_execution
def handler(event, context: DurableContext):
    return globals()[event["do"]](event, context)
"""


@pytest.fixture(scope="module")
def package():
    """The SDK as its users have it in their packages."""
    folder = Path(importlib.util.find_spec(SDK).submodule_search_locations[0])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in folder.rglob("*.py"):
            archive.write(each, f"{SDK}/{each.relative_to(folder)}")
        archive.writestr("app.py", SOURCE)
    return out.getvalue()


class Durable:
    """One account's durable function and its executions."""

    def __init__(self, kunren, account, until):
        self.kunren, self.account, self.until = kunren, account, until
        self.client = kunren.client("lambda", account)

    def create(self, package, name="flow", handler="app.handler", **params):
        settings = {
            "Runtime": "python3.11",
            "Role": ROLE,
            "Handler": handler,
            "Code": {"ZipFile": package},
            "Timeout": 60,
            "DurableConfig": {"ExecutionTimeout": 900, "RetentionPeriodInDays": 7},
            **params,
        }
        made = self.client.create_function(
            FunctionName=name, **{key: told for key, told in settings.items() if told is not None}
        )
        self.client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
        return made

    def invoke(self, do, *, kind="RequestResponse", name=None, **event):
        named = {"DurableExecutionName": name} if name else {}
        payload = json.dumps({"do": do, **event})
        return self.client.invoke(
            FunctionName="flow", Qualifier="$LATEST", InvocationType=kind, Payload=payload, **named
        )

    def start(self, do, **told):
        """Begin an execution; its ARN."""
        answer = self.invoke(do, kind="Event", **told)
        assert answer["StatusCode"] == 202
        return answer["DurableExecutionArn"]

    def get(self, arn):
        return self.client.get_durable_execution(DurableExecutionArn=arn)

    def ended(self, arn):
        def look():
            told = self.get(arn)
            return told if told["Status"] not in ("RUNNING", "PAUSING", "PAUSED") else None

        return self.until(look, f"the end of {arn}", 60)

    def history(self, arn, **told):
        pages = self.client.get_paginator("get_durable_execution_history")
        return pages.paginate(DurableExecutionArn=arn, **told).build_full_result()["Events"]

    def event(self, arn, kind, timeout_s=60):
        """The first event of a kind, once it is there."""

        def look():
            return next((each for each in self.history(arn) if each["EventType"] == kind), None)

        return self.until(look, f"{kind} of {arn}", timeout_s)


@pytest.fixture
def home(kunren, account, until, package):
    durable = Durable(kunren, account, until)
    made = durable.create(package)
    assert made["DurableConfig"] == {"ExecutionTimeout": 900, "RetentionPeriodInDays": 7}
    return durable


def refusal(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_steps_waits_and_retries_come_to_a_result_over_several_invocations(home):
    answer = home.invoke("steps", a=4, name="order-1")
    assert json.load(answer["Payload"]) == {"first": 5, "second": 3}
    assert "FunctionError" not in answer
    arn = answer["DurableExecutionArn"]
    assert arn.startswith(f"arn:aws:lambda:us-east-1:{home.account}:function:flow:$LATEST/durable-execution/order-1/")
    told = home.get(arn)
    assert (told["Status"], told["DurableExecutionName"], told["Version"]) == ("SUCCEEDED", "order-1", "$LATEST")
    assert json.loads(told["Result"]) == {"first": 5, "second": 3}
    assert told["InputPayload"] == '{"do": "steps", "a": 4}'
    history = home.history(arn, MaxItems=5)
    assert [each["EventId"] for each in history] == list(range(1, len(history) + 1))
    kinds = [each["EventType"] for each in history if each["EventType"] != "InvocationCompleted"]
    assert kinds == [
        "ExecutionStarted",
        "StepStarted",
        "StepSucceeded",
        "WaitStarted",
        "WaitSucceeded",
        "StepStarted",
        "StepFailed",
        "StepStarted",
        "StepFailed",
        "StepStarted",
        "StepSucceeded",
        "ExecutionSucceeded",
    ]
    failed = next(each for each in history if each["EventType"] == "StepFailed")
    assert failed["Name"] == "flaky"
    assert failed["StepFailedDetails"]["RetryDetails"] == {"CurrentAttempt": 1, "NextAttemptDelaySeconds": 20}
    assert failed["StepFailedDetails"]["Error"]["Payload"]["ErrorMessage"] == "try 1"
    waited = next(each for each in history if each["EventType"] == "WaitStarted")["WaitStartedDetails"]
    assert waited["Duration"] == 40
    assert sum(each["EventType"] == "InvocationCompleted" for each in history) == 4
    hidden = home.client.get_durable_execution_history(DurableExecutionArn=arn, IncludeExecutionData=False)["Events"]
    assert hidden[0]["ExecutionStartedDetails"]["Input"] == {"Truncated": True}
    backwards = home.client.get_durable_execution_history(DurableExecutionArn=arn, ReverseOrder=True)["Events"]
    assert [each["EventId"] for each in backwards] == list(range(len(history), 0, -1))

    # The same name and input are the same execution; another input is refused.
    again = home.invoke("steps", a=4, name="order-1")
    assert (again["DurableExecutionArn"], json.load(again["Payload"])) == (arn, {"first": 5, "second": 3})
    assert refusal(home.invoke, do="steps", a=5, name="order-1") == (
        "DurableExecutionAlreadyStartedException",
        f"Execution already started: {arn}",
    )


def test_callbacks_are_ended_from_outside(home):
    arn = home.start("callback")
    started = home.event(arn, "CallbackStarted")
    callback = started["CallbackStartedDetails"]["CallbackId"]
    assert (started["Name"], started["CallbackStartedDetails"]["Timeout"]) == ("approval", 3600)
    home.client.send_durable_execution_callback_heartbeat(CallbackId=callback)
    home.client.send_durable_execution_callback_success(CallbackId=callback, Result=b"yes")
    assert json.loads(home.ended(arn)["Result"]) == {"approved": "yes"}
    closed = ("CallbackTimeoutException", "The callback is either timed out or already completed")
    assert refusal(home.client.send_durable_execution_callback_success, CallbackId=callback) == closed
    assert refusal(home.client.send_durable_execution_callback_heartbeat, CallbackId="bm90aGluZw==") == (
        "InvalidParameterValueException",
        "Invalid callback id",
    )

    arn = home.start("callback")
    callback = home.event(arn, "CallbackStarted")["CallbackStartedDetails"]["CallbackId"]
    error = {"ErrorType": "Refused", "ErrorMessage": "not today"}
    home.client.send_durable_execution_callback_failure(CallbackId=callback, Error=error)
    told = home.ended(arn)
    assert (told["Status"], told["Error"]["ErrorMessage"]) == ("FAILED", "not today")


def test_branches_polls_and_chained_invokes(home, package):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n    return event['n'] + 1\n")
    home.create(out.getvalue(), "plain", DurableConfig=None)
    together, poll, chain = home.start("together"), home.start("poll"), home.start("chain", me="flow")
    assert json.loads(home.ended(together)["Result"]) == [2, 4, 6]
    assert json.loads(home.ended(poll)["Result"]) == 3
    told = json.loads(home.ended(chain)["Result"])
    assert told == {"plain": 2, "child": {"first": 11, "second": told["child"]["second"]}, "error": "InvokeError"}
    started = [each for each in home.history(chain) if each["EventType"] == "ChainedInvokeStarted"]
    details = [each["ChainedInvokeStartedDetails"] for each in started]
    assert [each["FunctionName"] for each in details] == ["plain", "flow:$LATEST", "nowhere"]
    assert home.get(details[1]["DurableExecutionArn"])["Status"] == "SUCCEEDED"
    failed = home.event(chain, "ChainedInvokeFailed")["ChainedInvokeFailedDetails"]["Error"]["Payload"]
    assert failed["ErrorType"] == "ResourceNotFoundException"

    def listed(**told):
        found = home.client.list_durable_executions_by_function(FunctionName="flow", **told)["DurableExecutions"]
        return [each["DurableExecutionArn"] for each in found]

    assert listed(ReverseOrder=True)[:3] == [together, poll, chain]
    assert listed()[-1] == together
    assert listed(Statuses=["FAILED"]) == []
    begun = home.get(poll)["StartTimestamp"]
    assert listed(StartedAfter=begun, StartedBefore=begun) == []
    assert listed(Qualifier="$LATEST", DurableExecutionName=home.get(poll)["DurableExecutionName"]) == [poll]


def test_failures_of_the_function_and_of_its_invocations(home):
    answer = home.invoke("fail")
    assert answer["FunctionError"] == "Unhandled"
    assert json.load(answer["Payload"])["errorMessage"] == "no way"
    told = home.get(answer["DurableExecutionArn"])
    assert (told["Status"], told["Error"]["ErrorMessage"]) == ("FAILED", "no way")
    crashed = home.ended(home.start("crash"))
    assert (crashed["Status"], crashed["Error"]["ErrorType"]) == ("FAILED", "Runtime.ExitError")
    history = home.history(crashed["DurableExecutionArn"])
    assert sum(each["EventType"] == "InvocationCompleted" for each in history) == 5
    assert sum(each["EventType"] == "StepSucceeded" for each in history) == 1


def test_what_a_durable_function_refuses(home, package):
    refused = [
        refusal(home.client.invoke, FunctionName="flow"),
        refusal(home.create, package=package, name="other", DurableConfig={"RetentionPeriodInDays": 1}),
        refusal(home.client.get_durable_execution, DurableExecutionArn=arn_of(home, "none")),
        refusal(
            home.client.checkpoint_durable_execution, DurableExecutionArn=arn_of(home, "none"), CheckpointToken="YQ=="
        ),
    ]
    assert refused == [
        ("InvalidParameterValueException", "You cannot invoke a durable function using an unqualified ARN."),
        (
            "InvalidParameterValueException",
            "You cannot create a function with a durable configuration without an executionTimeout",
        ),
        ("ResourceNotFoundException", "Durable Execution does not exist"),
        ("InvalidParameterValueException", "Invalid checkpoint token"),
    ]
    home.client.update_function_configuration(FunctionName="flow", DurableConfig={"ExecutionTimeout": 1000})
    home.client.get_waiter("function_updated_v2").wait(FunctionName="flow", WaiterConfig={"Delay": 0.1})
    assert refusal(home.invoke, do="fail") == (
        "InvalidParameterValueException",
        "You cannot synchronously invoke a durable function with an executionTimeout greater than 15 minutes.",
    )


def arn_of(home, id):
    return f"arn:aws:lambda:us-east-1:{home.account}:function:flow:$LATEST/durable-execution/{id}/{id}"


def test_pausing_resuming_stopping_and_deleting(home):
    arn = home.start("callback", hours=2)
    callback = home.event(arn, "CallbackStarted")["CallbackStartedDetails"]["CallbackId"]
    home.event(arn, "InvocationCompleted")
    pause = {"DurableExecutionArn": arn, "Reason": "later", "ClientToken": "one"}
    home.client.pause_durable_execution(**pause)
    told = home.get(arn)
    assert (told["Status"], told["PauseDetails"]["Reason"]) == ("PAUSED", "later")
    home.client.pause_durable_execution(**pause)
    assert refusal(home.client.pause_durable_execution, DurableExecutionArn=arn)[0] == "ResourceConflictException"
    home.client.send_durable_execution_callback_success(CallbackId=callback, Result=b"late")
    assert home.get(arn)["Status"] == "PAUSED"
    home.client.resume_durable_execution(DurableExecutionArn=arn)
    assert json.loads(home.ended(arn)["Result"]) == {"approved": "late"}
    kinds = [each["EventType"] for each in home.history(arn)]
    assert kinds.index("ExecutionPaused") < kinds.index("CallbackSucceeded") < kinds.index("ExecutionResumed")

    stopped = home.start("callback")
    error = {"ErrorMessage": "enough"}
    first = home.client.stop_durable_execution(DurableExecutionArn=stopped, Error=error)["StopTimestamp"]
    assert home.client.stop_durable_execution(DurableExecutionArn=stopped)["StopTimestamp"] == first
    told = home.get(stopped)
    assert (told["Status"], told["Error"]) == ("STOPPED", error)
    home.client.delete_durable_execution(DurableExecutionArn=stopped)

    def gone():
        try:
            return home.get(stopped)["Status"] != "DELETING"
        except home.client.exceptions.ResourceNotFoundException:
            return True

    home.until(gone, "the execution to be deleted")


def test_an_execution_outlives_the_daemon(own_kunren, package, until, free_port):
    own_kunren.port = free_port()
    own_kunren.up("--speed", "20")
    home = Durable(own_kunren, "000000000000", until)
    home.create(package, DurableConfig={"ExecutionTimeout": 86_400})
    waiting, asked = home.start("steps", a=1, name="kept"), home.start("callback")
    busy = home.start("slow")
    home.event(waiting, "WaitStarted")
    callback = home.event(asked, "CallbackStarted")["CallbackStartedDetails"]["CallbackId"]
    home.event(busy, "StepSucceeded")
    os.kill(own_kunren.pid, signal.SIGKILL)
    own_kunren.up("--speed", "20")
    home.client.send_durable_execution_callback_success(CallbackId=callback, Result=b"after")
    assert json.loads(home.ended(asked)["Result"]) == {"approved": "after"}
    assert home.ended(waiting)["Status"] == "SUCCEEDED"
    kinds = [each["EventType"] for each in home.history(waiting)]
    assert kinds.count("StepSucceeded") == 2
    assert json.loads(home.ended(busy)["Result"]) == list(range(10))
    assert [each["EventType"] for each in home.history(busy)].count("StepSucceeded") == 10
    found = json.loads(
        own_kunren.exec(
            *("aws", "--output", "json", "lambda", "get-durable-execution", "--durable-execution-arn", waiting)
        ).stdout
    )
    assert (found["Status"], found["DurableExecutionName"]) == ("SUCCEEDED", "kept")
