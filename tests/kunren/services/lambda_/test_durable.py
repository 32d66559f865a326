"""Durable executions without a function: what checkpoints may say, what time and answers make of them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.control.store import Store
from kunren.core.entropy import Entropy
from kunren.services.lambda_.durable import progress
from kunren.services.lambda_.durable.checkpoint import apply
from kunren.services.lambda_.durable.history import event_shown
from kunren.services.lambda_.durable.model import DURABLE_RESOURCES, DurableEvent, DurableExecution, DurableOperation
from kunren.services.lambda_.durable.start import begin
from kunren.services.lambda_.durable.state import State, delete
from kunren.services.lambda_.durable.tokens import CallbackId, CheckpointToken, decode_callback, decode_token, encode
from kunren.services.lambda_.durable.wire import invocation_event, operation_shown, page
from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.model import Code, Durability, Function

NOW = 1000.0


def new(**fields):
    function = Function(
        account="000000000000",
        region="us-east-1",
        id="f",
        arn="arn:aws:lambda:us-east-1:000000000000:function:f",
        role="r",
        runtime="python3.11",
        handler="h",
        code=Code(sha256="", size=0),
        durability=Durability(timeout_s=600),
        last_modified=0,
        revision_id="",
        update_id="",
    )
    state = begin(function, Entropy(1), NOW, input="{}", **fields)
    progress.begin_invocation(state, "request", NOW)
    return state


def update(type, action, id="a", **more):
    return {"Id": id, "Type": type, "Action": action, **more}


def checkpoint(state, *updates, now=NOW):
    apply(state, updates, now, lambda parent, operation: None)
    state.set(seen=state.execution.changes)


def answer(state, now=NOW, failed=False, **told):
    progress.finish_invocation(state, json.dumps(told).encode(), failed, now)


def events(state):
    return [each.type for each in state._events]


WAIT = update("WAIT", "START", WaitOptions={"WaitSeconds": 60})
INVOKE = {"ChainedInvokeOptions": {"FunctionName": "g"}}


@pytest.mark.parametrize(
    ("updates", "text"),
    [
        ([update("EXECUTION", "FAIL"), update("EXECUTION", "FAIL")], "Cannot checkpoint multiple EXECUTION updates."),
        ([update("EXECUTION", "FAIL"), WAIT], "EXECUTION checkpoint must be the last update."),
        ([WAIT, WAIT], "Cannot checkpoint multiple operations with the same ID."),
        ([update("STEP", "START"), update("STEP", "START")], "Cannot checkpoint multiple operations with the same ID."),
        ([update("STEP", "START", ParentId="none")], "Invalid parent operation id."),
        ([update("STEP", "CANCEL")], "Invalid action for the given operation type."),
        ([update("CALLBACK", "SUCCEED")], "Invalid action for the given operation type."),
        ([update("STEP", "FAIL", Payload="1")], "Cannot provide a Payload for FAIL action."),
        ([update("STEP", "SUCCEED", Error={})], "Cannot provide an Error for SUCCEED action."),
        ([update("STEP", "RETRY")], "Invalid StepOptions for the given action."),
        (
            [update("STEP", "RETRY", StepOptions={}, Error={}, Payload="1")],
            "Cannot provide both error and payload to RETRY a STEP.",
        ),
        ([update("WAIT", "CANCEL")], "Cannot cancel a WAIT that does not exist or has already completed."),
        ([update("CHAINED_INVOKE", "START")], "Update for CHAINED_INVOKE operation requires ChainedInvokeOptions."),
        ([update("STEP", "START", "old")], "Invalid current STEP state to start."),
        ([update("CONTEXT", "START", "ended")], "Cannot start a CONTEXT that already exist."),
        ([update("CONTEXT", "FAIL", "ended")], "Invalid current CONTEXT state to close."),
        ([update("STEP", "SUCCEED", "done")], "Invalid current STEP state to close."),
        ([update("STEP", "RETRY", "done", StepOptions={})], "Invalid current STEP state to re-attempt."),
        ([update("WAIT", "START", "old")], "Inconsistent operation type."),
        ([update("STEP", "SUCCEED", "old", Name="other")], "Inconsistent operation name."),
        ([update("STEP", "SUCCEED", "old", SubType="Other")], "Inconsistent operation subtype."),
        ([update("STEP", "SUCCEED", "old", ParentId="ended")], "Inconsistent parent operation id."),
        (
            [update("STEP", "SUCCEED", Payload="x" * 1_048_577)],
            "STEP output payload size must be less than or equal to 1048576 bytes.",
        ),
        (
            [update("CHAINED_INVOKE", "START", Payload="x" * 1_048_577, **INVOKE)],
            "CHAINED_INVOKE input payload size must be less than or equal to 1048576 bytes.",
        ),
        (
            [update("EXECUTION", "SUCCEED", Payload="x" * 1_048_577)],
            "Execution output payload size must be less than or equal to 1048576 bytes.",
        ),
    ],
)
def test_updates_that_are_refused(updates, text):
    state = new()
    checkpoint(
        state,
        update("STEP", "START", "old", Name="n", SubType="Step"),
        update("CONTEXT", "START", "ended"),
        update("CONTEXT", "SUCCEED", "ended"),
        update("STEP", "SUCCEED", "done", Payload="1"),
    )
    with pytest.raises(InvalidParameterValueException) as caught:
        checkpoint(state, *updates)
    assert caught.value.message == text


def test_a_step_is_tried_again_when_its_time_has_come():
    state = new()
    error = {"ErrorMessage": "no"}
    checkpoint(
        state,
        update("STEP", "START", Name="s"),
        update("STEP", "RETRY", StepOptions={"NextAttemptDelaySeconds": 5}, Error=error),
    )
    assert operation_shown(state.operations["a"])["StepDetails"] == {
        "Error": error,
        "Attempt": 1,
        "NextAttemptTimestamp": 1005.0,
    }
    progress.fire(state, 1004.9)
    assert state.operations["a"].status == "PENDING"
    assert progress.next_due(state) == 1005
    progress.fire(state, 1005)
    assert state.operations["a"].status == "READY"
    assert progress.wants_invocation(state.execution)
    checkpoint(state, update("STEP", "START"), update("STEP", "SUCCEED", Payload="7"))
    shown = operation_shown(state.operations["a"])
    assert (shown["Status"], shown["StepDetails"]) == ("SUCCEEDED", {"Result": "7", "Attempt": 2})
    assert events(state)[1:] == ["StepStarted", "StepFailed", "StepStarted", "StepSucceeded"]


def test_a_poll_keeps_its_state_between_attempts():
    state = new()
    retry = update("STEP", "RETRY", StepOptions={"NextAttemptDelaySeconds": 5}, Payload="1")
    checkpoint(state, update("STEP", "START"), retry)
    progress.fire(state, 1005)
    checkpoint(state, update("STEP", "START"))
    assert operation_shown(state.operations["a"])["StepDetails"] == {"Result": "1", "Attempt": 1}
    assert events(state)[1:] == ["StepStarted", "StepSucceeded", "StepStarted"]


def test_waits_end_by_the_clock_or_are_cancelled():
    state = new()
    checkpoint(state, WAIT, {**WAIT, "Id": "b"})
    checkpoint(state, update("WAIT", "CANCEL", "b"))
    assert state.operations["b"].status == "CANCELLED"
    progress.fire(state, 1060)
    assert (state.operations["a"].status, state.operations["a"].ended) == ("SUCCEEDED", 1060)
    assert [each.operation for each in state.unseen()] == ["a"]
    assert events(state)[1:] == ["WaitStarted", "WaitStarted", "WaitCancelled", "WaitSucceeded"]


@pytest.mark.parametrize(
    ("options", "at", "error"),
    [
        ({"TimeoutSeconds": 30}, 1030, {"ErrorMessage": "Callback timed out", "ErrorType": "Callback.Timeout"}),
        (
            {"TimeoutSeconds": 30, "HeartbeatTimeoutSeconds": 10},
            1010,
            {"ErrorMessage": "Callback timed out on heartbeat", "ErrorType": "Callback.Heartbeat"},
        ),
    ],
)
def test_callbacks_time_out(options, at, error):
    state = new()
    checkpoint(state, update("CALLBACK", "START", CallbackOptions=options))
    assert progress.next_due(state) == at
    progress.fire(state, at)
    operation = state.operations["a"]
    assert (operation.status, operation.error) == ("TIMED_OUT", error)
    assert events(state)[1:] == ["CallbackStarted", "CallbackTimedOut"]
    assert decode_callback(operation.callback).operation == "a"


def test_an_execution_times_out_and_is_forgotten_after_its_retention():
    state = new()
    checkpoint(state, update("CALLBACK", "START"))
    answer(state, Status="PENDING")
    assert progress.next_due(state) == 1600
    progress.fire(state, 1600)
    assert (state.execution.status, state.execution.error) == (
        "TIMED_OUT",
        {"ErrorMessage": "Execution timed out after 600 seconds."},
    )
    assert progress.next_due(state) == 1600 + 14 * 86_400


@pytest.mark.parametrize(
    ("told", "status", "error"),
    [
        ({"Status": "SUCCEEDED", "Result": "1"}, "SUCCEEDED", None),
        ({"Status": "FAILED", "Error": {"ErrorMessage": "e"}}, "FAILED", "e"),
        ({"Status": "DONE"}, "FAILED", "Invalid Status in invocation output."),
        ({"Status": "SUCCEEDED", "Error": {}}, "FAILED", "Cannot provide an Error for SUCCEEDED status."),
        ({"Status": "FAILED", "Result": "1"}, "FAILED", "Cannot provide a Result for FAILED status."),
        (
            {"Status": "SUCCEEDED", "Result": "x" * 1_048_577},
            "FAILED",
            "Execution output payload size must be less than or equal to 1048576 bytes.",
        ),
    ],
)
def test_answers_that_end_an_execution(told, status, error):
    state = new()
    answer(state, **told)
    assert state.execution.status == status
    assert (state.execution.error or {}).get("ErrorMessage") == error


def test_crashes_and_idle_suspensions_are_tried_again_a_few_times():
    for attempts, failed, told in (
        (5, True, {"errorMessage": "m", "errorType": "Runtime.ExitError"}),
        (3, False, {"Status": "PENDING"}),
    ):
        state = new()
        for attempt in range(attempts):
            assert state.execution.live
            answer(state, failed=failed, **told)
            assert state.execution.failures == attempt + 1
            if state.execution.live:
                assert state.execution.not_before == progress.next_due(state) == NOW + 5
                progress.begin_invocation(state, "again", NOW)
        assert state.execution.status == "FAILED"
    assert state.execution.error["ErrorMessage"] == "Cannot return PENDING status with no pending operations."


def test_what_ends_while_the_function_suspends_invokes_it_again():
    state = new()
    checkpoint(state, WAIT)
    progress.fire(state, 1060)
    answer(state, Status="PENDING", now=1061)
    assert (state.execution.status, state.execution.failures) == ("RUNNING", 0)
    assert progress.wants_invocation(state.execution)
    assert progress.begin_invocation(state, "next", 1061) == ("a",)
    assert not progress.wants_invocation(state.execution)


def test_a_pause_waits_for_the_invocation_in_progress_and_stops_the_timeout():
    state = new()
    checkpoint(state, update("CALLBACK", "START"))
    progress.pause(state, 1100, "why", True)
    assert state.execution.status == "PAUSING"
    progress.resume(state, 1101, None)  # called off before it began
    assert (state.execution.status, events(state)[-1]) == ("RUNNING", "CallbackStarted")
    progress.pause(state, 1102, None, True)
    answer(state, Status="PENDING", now=1110)
    assert (state.execution.status, state.execution.pause.begun) == ("PAUSED", 1110)
    progress.fire(state, 5000)
    assert state.execution.status == "PAUSED"
    assert progress.times_out_at(state.execution) == NOW + 366 * 86_400
    progress.resume(state, 5110, "go")
    assert (state.execution.status, progress.times_out_at(state.execution)) == ("RUNNING", 1600 + 4000)
    assert not progress.wants_invocation(state.execution)
    progress.pause(state, 5120, None, False)
    progress.fire(state, 5600)
    assert state.execution.status == "TIMED_OUT"
    assert events(state)[-4:] == ["ExecutionPaused", "ExecutionResumed", "ExecutionPaused", "ExecutionTimedOut"]


def test_children_report_how_they_ended():
    for status, error, reported in (
        ("SUCCEEDED", None, None),
        ("FAILED", {"ErrorMessage": "e"}, {"ErrorMessage": "e"}),
        ("STOPPED", {}, {}),
        (
            "TIMED_OUT",
            {"ErrorMessage": "x"},
            {"ErrorMessage": "CHAINED_INVOKE timed out after 600 seconds.", "ErrorType": "ChainedInvoke.Timeout"},
        ),
    ):
        parent = new()
        checkpoint(parent, update("CHAINED_INVOKE", "START", **INVOKE))
        child = new(parent=parent.execution.id, parent_operation="a")
        parent.change_quietly(parent.operations["a"], child=child.execution.id)
        progress.close(child, status, 1100, result="1" if status == "SUCCEEDED" else None, error=error)
        progress.report(child.execution, parent, 1100)
        operation = parent.operations["a"]
        assert (operation.status, operation.error) == (status, reported)
        before = parent.execution
        progress.report(child.execution, parent, 1101)
        assert parent.execution is before


def test_the_function_gets_what_a_replay_needs():
    state = new()
    checkpoint(
        state,
        update("CONTEXT", "START", "open"),
        update("CONTEXT", "START", "kept"),
        update("CONTEXT", "START", "closed"),
        update("STEP", "START", "in-open", ParentId="open"),
        update("STEP", "START", "in-kept", ParentId="kept"),
        update("CONTEXT", "START", "in-closed", ParentId="closed"),
        update("STEP", "START", "deeper", ParentId="in-closed"),
    )
    checkpoint(
        state,
        update("CONTEXT", "SUCCEED", "kept", Payload="1", ContextOptions={"ReplayChildren": True}),
        update("CONTEXT", "SUCCEED", "closed", Payload="2"),
    )
    event = json.loads(invocation_event(state, ["closed"]))
    assert event["DurableExecutionArn"] == state.execution.arn
    assert event["UpdatedOperationIds"] == ["closed"]
    first, *operations = event["InitialExecutionState"]["Operations"]
    assert (first["Type"], first["ExecutionDetails"]) == ("EXECUTION", {"InputPayload": "{}"})
    assert first["StartTimestamp"] == 1_000_000
    assert [each["Id"] for each in operations] == ["open", "kept", "closed", "in-open", "in-kept"]
    assert operations[1]["ContextDetails"] == {"Result": "1", "ReplayChildren": True}
    assert event["InitialExecutionState"]["NextMarker"] == ""
    assert decode_token(event["CheckpointToken"]) == (state.execution.id, "request", 1)


@given(st.integers(1, 7), st.integers(60, 3000))
def test_pages_give_every_operation_once(items_max, bytes_max):
    state = new()
    checkpoint(state, *(update("STEP", "SUCCEED", f"s{n}", Payload="x" * (n * 20)) for n in range(12)))
    seen, begin_at = [], 0
    while begin_at is not None:
        shown, begin_at = page(state, begin_at, items_max, bytes_max=bytes_max)
        assert 1 <= len(shown) <= items_max
        seen += [each["Id"] for each in shown]
    assert seen == [state.execution.id, *(f"s{n}" for n in range(12))]


@given(st.text("abc-_0", min_size=1), st.text("abc-_0", min_size=1), st.integers(0, 10**9))
def test_tokens_are_read_back(execution, invocation, number):
    token = CheckpointToken(execution, invocation, number)
    assert decode_token(encode(token)) == token
    callback = CallbackId("000000000000", "us-east-1", execution, invocation)
    assert decode_callback(encode(callback)) == callback
    assert decode_token(encode(callback)) is None
    assert decode_callback(encode(token)) is None
    assert decode_token("no base64") is None


def test_rows_come_back_as_they_were_and_go_together():
    store = Store(None)
    store.register(*DURABLE_RESOURCES)
    state = new()
    checkpoint(state, update("STEP", "SUCCEED", Payload="1"), {**WAIT, "Id": "b"})
    with store.write() as tx:
        state.save(tx)
    execution = state.execution
    found = State.load(store.snapshot(), execution.account, execution.region, execution.id)
    assert (found.execution, found.operations) == (execution, state.operations)
    history = sorted(store.snapshot().every(DurableEvent), key=lambda each: each.number)
    assert [each.number for each in history] == [1, 2, 3, 4]
    assert event_shown(history[0], data=False)["ExecutionStartedDetails"] == {
        "Input": {"Truncated": True},
        "ExecutionTimeout": 600,
    }
    with store.write() as tx:
        delete(tx, execution)
    for kind in (DurableExecution, DurableOperation, DurableEvent):
        assert not list(store.snapshot().every(kind))
