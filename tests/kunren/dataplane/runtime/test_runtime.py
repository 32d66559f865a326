"""Real workers: Python, Node.js, custom runtimes; what AWS promises of their life."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from kunren.core.clock import SystemClock
from kunren.dataplane.runtime.memory import find_process
from kunren.dataplane.runtime.version import Throttled

PYTHON = f"python3.{sys.version_info.minor}"
NODE = pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js here")
APP = """
import logging, os, sys, time
count = 0
def handler(event, context):
    global count
    count += 1
    print("printed", count)
    if "raise" in event:
        raise ValueError(event["raise"])
    if "exit" in event:
        sys.exit(event["exit"])
    if "kill" in event:
        os.kill(os.getpid(), event["kill"])
    if "sleep" in event:
        time.sleep(event["sleep"])
    if "big" in event:
        return "x" * event["big"]
    if "set" in event:
        return {1, 2}
    return {"count": count, "pid": os.getpid(), "name": context.function_name, "id": context.aws_request_id,
            "arn": context.invoked_function_arn, "memory": context.memory_limit_in_mb,
            "left": context.get_remaining_time_in_millis(), "env": dict(os.environ)}
"""


def test_globals_survive_between_invocations_of_one_warm_worker(run_bench):
    async def story(bench):
        function = bench.function("warm", PYTHON, "app.handler", {"app.py": APP})
        first = json.loads((await bench.call(function)).payload)
        second = json.loads((await bench.call(function)).payload)
        assert (first["count"], second["count"]) == (1, 2)
        assert first["pid"] == second["pid"]
        assert bench.runtime.status()["started"] == 1

    run_bench(story)


def test_context_and_environment_are_as_aws_sets_them(run_bench):
    async def story(bench):
        function = bench.function("told", PYTHON, "app.handler", {"app.py": APP}, environment={"OWN": "yes"})
        told = json.loads((await bench.call(function)).payload)
        assert told["name"] == "told"
        assert told["id"] == "request-1"
        assert told["arn"] == "arn:aws:lambda:us-east-1:000000000000:function:told"
        assert told["memory"] == "128"
        assert 5_000 < told["left"] <= 10_000
        env = told["env"]
        assert env["OWN"] == "yes"
        assert env["AWS_LAMBDA_FUNCTION_NAME"] == "told"
        assert env["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{PYTHON}"
        assert env["_HANDLER"] == "app.handler"
        assert env["LAMBDA_TASK_ROOT"] == function.code_dir
        assert env["AWS_ACCESS_KEY_ID"] == "test"
        assert env["TZ"] == ":UTC"
        assert re.fullmatch(r"127\.\d+\.\d+\.\d+:\d+", env["AWS_LAMBDA_RUNTIME_API"])
        assert "KUNREN_PYTHON_PACKAGES" not in env
        assert "VIRTUAL_ENV" not in env

    run_bench(story)


def test_concurrent_invocations_get_an_environment_each(run_bench):
    async def story(bench):
        function = bench.function("wide", PYTHON, "app.handler", {"app.py": APP})
        outcomes = await asyncio.gather(*(bench.call(function, b'{"sleep": 0.5}') for _ in range(3)))
        assert len({json.loads(each.payload)["pid"] for each in outcomes}) == 3

    run_bench(story)


def test_handler_error_has_the_shape_that_python_on_lambda_gives_it(run_bench):
    async def story(bench):
        function = bench.function("raises", PYTHON, "app.handler", {"app.py": APP})
        outcome = await bench.call(function, b'{"raise": "boom"}')
        assert outcome.function_error == "Unhandled"
        error = json.loads(outcome.payload)
        assert list(error) == ["errorMessage", "errorType", "requestId", "stackTrace"]
        assert error["errorMessage"] == "boom"
        assert error["errorType"] == "ValueError"
        assert error["requestId"] == "request-1"
        assert len(error["stackTrace"]) == 1
        assert error["stackTrace"][0].startswith(f'  File "{function.code_dir}/app.py", line ')
        assert json.loads((await bench.call(function)).payload)["count"] == 2  # the worker lives on

    run_bench(story)


def test_log_tail_has_start_end_report_and_what_was_printed_in_order(run_bench):
    async def story(bench):
        function = bench.function("logs", PYTHON, "app.handler", {"app.py": APP})
        tail = (await bench.call(function)).log_tail.decode()
        assert re.fullmatch(
            r"INIT_START Runtime Version: python:3\.\d+ .*\n"
            r"START RequestId: request-1 Version: \$LATEST\n"
            r"printed 1\n"
            r"END RequestId: request-1\n"
            r"REPORT RequestId: request-1\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
            r"Max Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t\n",
            tail,
        )
        tail = (await bench.call(function)).log_tail.decode()
        assert "INIT_START" not in tail
        assert "Init Duration" not in tail
        bench.runtime.logs.flush()
        kept = bench.runtime.logs.path("000000000000", "us-east-1", "logs").read_text()
        assert kept.count("START RequestId") == 2

    run_bench(story)


def test_log_sink_is_given_group_stream_and_lines(run_bench):
    told = []

    async def story(bench):
        function = bench.function("sunk", PYTHON, "app.handler", {"app.py": APP})
        await bench.call(function)
        bench.runtime.logs.flush()

    run_bench(story, log_sink=lambda *each: told.append(each))
    account, region, group, stream, _ = told[0]
    assert (account, region, group) == ("000000000000", "us-east-1", "/aws/lambda/sunk")
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream)
    assert "printed 1" in [text for *_, lines in told for _, text in lines]


def test_timeout_ends_the_worker_and_the_next_invocation_gets_a_new_one(run_bench):
    async def story(bench):
        function = bench.function("slow", PYTHON, "app.handler", {"app.py": APP}, timeout_s=1)
        first = json.loads((await bench.call(function)).payload)
        outcome = await bench.call(function, b'{"sleep": 30}')
        assert outcome.function_error == "Unhandled"
        assert json.loads(outcome.payload) == {
            "errorType": "Sandbox.Timedout",
            "errorMessage": "RequestId: request-2 Error: Task timed out after 1.00 seconds",
        }
        assert re.search(r"\n\d{4}-\S+Z request-2 Task timed out after 1\.00 seconds\n", outcome.log_tail.decode())
        assert "Duration: 1000.00 ms\tBilled Duration: 1000 ms" in outcome.log_tail.decode()
        again = json.loads((await bench.call(function)).payload)
        assert again["count"] == 1
        assert again["pid"] != first["pid"]

    run_bench(story)


def test_timeout_is_wall_time_at_any_speed_of_the_clock(run_bench):
    async def story(bench):
        function = bench.function("fast", PYTHON, "app.handler", {"app.py": APP}, timeout_s=2)
        assert (await bench.call(function, b'{"sleep": 0.5}')).function_error is None

    run_bench(story, clock=SystemClock(speed=50))


def test_exit_and_signals_are_runtime_exit_errors(run_bench):
    async def story(bench):
        function = bench.function("dies", PYTHON, "app.handler", {"app.py": APP})
        for event, text in (
            ({"exit": 1}, "Runtime exited with error: exit status 1"),
            ({"exit": 0}, "Runtime exited without providing a reason"),
            ({"kill": signal.SIGSEGV}, "Runtime exited with error: signal: segmentation fault"),
        ):
            outcome = await bench.call(function, json.dumps(event).encode())
            error = json.loads(outcome.payload)
            assert error["errorType"] == "Runtime.ExitError"
            assert error["errorMessage"] == f"RequestId: request-{bench.calls} Error: {text}"
            assert f"RequestId: request-{bench.calls} Error: {text}\nRuntime.ExitError\n" in outcome.log_tail.decode()
        assert (await bench.call(function)).function_error is None

    run_bench(story)


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_worker_killed_while_idle_swallows_no_event(run_bench):
    async def story(bench):
        function = bench.function("killed", PYTHON, "app.handler", {"app.py": APP})
        for _ in range(5):
            pid = json.loads((await bench.call(function)).payload)["pid"]
            os.kill(pid, signal.SIGKILL)
            while running(pid):
                pass  # without giving the event loop a turn
            assert (await bench.call(function)).function_error is None  # the loop has not seen the death yet

    run_bench(story)


def test_answer_over_six_megabytes_is_refused(run_bench):
    async def story(bench):
        function = bench.function("big", PYTHON, "app.handler", {"app.py": APP}, memory_mb=512)
        outcome = await bench.call(function, b'{"big": 7000000}')
        assert json.loads(outcome.payload) == {
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            "errorType": "Function.ResponseSizeTooLarge",
        }
        assert (await bench.call(function, b'{"big": 6000000}')).function_error is None

    run_bench(story)


def test_value_that_is_no_json_is_a_marshal_error(run_bench):
    async def story(bench):
        function = bench.function("odd", PYTHON, "app.handler", {"app.py": APP})
        error = json.loads((await bench.call(function, b'{"set": 1}')).payload)
        assert error["errorType"] == "Runtime.MarshalError"
        assert error["errorMessage"] == "Unable to marshal response: Object of type set is not JSON serializable"

    run_bench(story)


@pytest.mark.parametrize(
    ("handler", "source", "kind", "message"),
    [
        ("app.nope", "", "Runtime.HandlerNotFound", "Handler 'nope' missing on module 'app'"),
        ("gone.handler", "", "Runtime.ImportModuleError", "Unable to import module 'gone': No module named 'gone'"),
        ("app.handler", "def x(:", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': "),
        ("app.handler", "raise KeyError('k')", "KeyError", "'k'"),
    ],
)
def test_init_errors_are_told_to_the_invocation_that_waits(run_bench, handler, source, kind, message):
    async def story(bench):
        function = bench.function("init", PYTHON, handler, {"app.py": source})
        outcome = await bench.call(function)
        assert outcome.function_error == "Unhandled"
        error = json.loads(outcome.payload)
        assert error["errorType"] == kind
        assert error["errorMessage"].startswith(message)
        assert f"Status: error\tError Type: {kind}" in outcome.log_tail.decode()

    run_bench(story)


def test_too_much_memory_ends_the_worker(run_bench):
    async def story(bench):
        source = "import time\ndef handler(event, context):\n    hold = b'x' * 300_000_000\n    time.sleep(5)\n"
        function = bench.function("fat", PYTHON, "app.handler", {"app.py": source})
        outcome = await bench.call(function)
        assert json.loads(outcome.payload) == {
            "errorType": "Runtime.ExitError",
            "errorMessage": "RequestId: request-1 Error: Runtime exited with error: signal: killed",
        }
        tail = outcome.log_tail.decode()
        assert "RequestId: request-1 Error: Runtime exited with error: signal: killed\nRuntime.ExitError\n" in tail
        assert "Max Memory Used: 128 MB" in tail
        assert tail.endswith("Status: error\tError Type: Runtime.OutOfMemory\t\n")

    run_bench(story)


def test_boto3_is_there_for_functions_of_our_own_python_version_and_their_own_modules_win(run_bench):
    async def story(bench):
        source = "import boto3\ndef handler(event, context):\n    return boto3.__version__\n"
        function = bench.function("sdk", PYTHON, "app.handler", {"app.py": source}, timeout_s=20)
        assert json.loads((await bench.call(function)).payload)[0].isdigit()
        source = "import boto3\ndef handler(event, context):\n    return boto3.own\n"
        function = bench.function("own", PYTHON, "app.handler", {"app.py": source, "boto3.py": "own = True\n"})
        assert (await bench.call(function)).payload == b"true"

    run_bench(story)


def test_a_changed_version_gets_new_workers_and_the_old_ones_end(run_bench):
    async def story(bench):
        one = bench.function("changed", PYTHON, "app.handler", {"app.py": APP})
        pid = json.loads((await bench.call(one)).payload)["pid"]
        two = bench.function("changed", PYTHON, "app.handler", {"app.py": APP}, revision="2", environment={"NEW": "1"})
        told = json.loads((await bench.call(two)).payload)
        assert told["env"]["NEW"] == "1"
        await bench.until(lambda: not (Path(f"/proc/{pid}").exists()))
        assert bench.runtime.status()["workers"] == 1

    run_bench(story)


def test_idle_workers_end_after_their_time_of_aws_time(run_bench):
    async def story(bench):
        function = bench.function("idle", PYTHON, "app.handler", {"app.py": APP})
        await bench.call(function)
        await bench.until(lambda: not (bench.runtime.status()["workers"]))

    run_bench(story, clock=SystemClock(speed=1000), idle_timeout_s=100)


def test_reserved_concurrency_throttles(run_bench):
    async def story(bench):
        function = bench.function("reserved", PYTHON, "app.handler", {"app.py": APP})
        with pytest.raises(Throttled) as caught:
            await bench.call(function, reserved=0)
        assert caught.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
        slow = asyncio.ensure_future(bench.call(function, b'{"sleep": 0.5}', reserved=1))
        await bench.until(lambda: bool(bench.runtime.status()["in_flight"]))
        with pytest.raises(Throttled):
            await bench.call(function, reserved=1)
        assert (await slow).function_error is None

    run_bench(story)


def test_beyond_the_machines_own_limit_invocations_wait_for_a_free_worker(run_bench):
    async def story(bench):
        function = bench.function("tight", PYTHON, "app.handler", {"app.py": APP})
        other = bench.function("other", PYTHON, "app.handler", {"app.py": APP})
        outcomes = await asyncio.gather(*(bench.call(function, b'{"sleep": 0.05}') for _ in range(6)))
        assert all(each.function_error is None for each in outcomes)
        assert bench.runtime.status()["workers"] <= 2
        assert (await bench.call(other)).function_error is None  # idle workers of the first make room

    run_bench(story, environment_limit=2)


def test_invocation_goes_on_when_its_caller_has_gone(run_bench):
    async def story(bench):
        begun, mark = bench.folder / "begun", bench.folder / "mark"
        source = (
            "import time\ndef handler(event, context):\n"
            f"    open({str(begun)!r}, 'w').close()\n    time.sleep(0.3)\n    open({str(mark)!r}, 'w').close()\n"
        )
        function = bench.function("left", PYTHON, "app.handler", {"app.py": source})
        caller = asyncio.ensure_future(bench.call(function))
        await bench.until(lambda: bool(begun.exists()))
        caller.cancel()
        await bench.until(lambda: bool(mark.exists()))

    run_bench(story)


CURL = """#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while true; do
  head=$(mktemp)
  event=$(curl -sS -D "$head" "$api/invocation/next")
  id=$(grep -i '^lambda-runtime-aws-request-id' "$head" | tr -d '[:space:]' | cut -d: -f2)
  echo "event $event"
  curl -sS -X POST "$api/invocation/$id/response" -d "$event" >/dev/null
done
"""


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_a_shell_script_is_a_custom_runtime(run_bench):
    async def story(bench):
        function = bench.function("shell", "provided.al2023", "any", {"bootstrap": CURL})
        assert (await bench.call(function, b'{"a":1}')).payload == b'{"a":1}'
        outcome = await bench.call(function, b'{"a":2}')
        assert outcome.payload == b'{"a":2}'
        assert 'event {"a":2}\n' in outcome.log_tail.decode()

    run_bench(story)


def test_aws_own_python_client_works_unchanged(run_bench):
    pytest.importorskip("awslambdaric")

    async def story(bench):
        bootstrap = f'#!/bin/sh\ncd "$LAMBDA_TASK_ROOT"\nexec {sys.executable} -m awslambdaric "$_HANDLER"\n'
        files = {"bootstrap": bootstrap, "app.py": APP}
        function = bench.function("genuine", "provided.al2023", "app.handler", files)
        assert json.loads((await bench.call(function)).payload)["count"] == 1
        assert json.loads((await bench.call(function)).payload)["count"] == 2
        outcome = await bench.call(function, b'{"raise": "boom"}')
        assert outcome.function_error == "Unhandled"
        assert json.loads(outcome.payload)["errorType"] == "ValueError"
        assert "[ERROR] ValueError: boom" in outcome.log_tail.decode()

    run_bench(story)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
        ({"bootstrap": "no program"}, "fork/exec /var/task/bootstrap: exec format error"),
    ],
)
def test_a_missing_or_broken_bootstrap_is_an_invalid_entrypoint(run_bench, files, message):
    async def story(bench):
        function = bench.function("hollow", "provided.al2", "any", files)
        error = json.loads((await bench.call(function)).payload)
        assert error == {
            "errorType": "Runtime.InvalidEntrypoint",
            "errorMessage": f"RequestId: request-1 Error: {message}",
        }

    run_bench(story)


@NODE
@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        ("index.js", "let n = 0; exports.handler = async () => ++n;", b"1"),
        ("index.mjs", "export const handler = async (event) => event;", b'{"a":1}'),
        ("index.js", "exports.handler = (e, c, done) => { setTimeout(() => done(null, 'late'), 10); };", b'"late"'),
        ("index.js", "exports.handler = () => {};", b"null"),
        ("index.cjs", "exports.handler = async (e, c) => c.getRemainingTimeInMillis() > 0;", b"true"),
        ("index.js", "exports.handler = (e, c) => { c.succeed(c.functionName); };", b'"js"'),
    ],
)
def test_node_handlers_of_every_kind(run_bench, file, source, expected):
    async def story(bench):
        function = bench.function("js", "nodejs20.x", "index.handler", {file: source})
        assert (await bench.call(function, b'{"a":1}')).payload == expected

    run_bench(story)


@NODE
def test_node_errors_have_the_shape_that_node_on_lambda_gives_them(run_bench):
    async def story(bench):
        source = """exports.handler = async (event) => {
            console.log("seen", event.how);
            if (event.how === "throw") throw new TypeError("bad");
            Promise.reject(new Error("lost")); await new Promise((r) => setTimeout(r, 1000)); };"""
        function = bench.function("js", "nodejs20.x", "index.handler", {"index.js": source})
        outcome = await bench.call(function, b'{"how": "throw"}')
        error = json.loads(outcome.payload)
        assert list(error) == ["errorType", "errorMessage", "trace"]
        assert error["errorType"] == "TypeError"
        assert error["trace"][0] == "TypeError: bad"
        assert "\trequest-1\tINFO\tseen throw\n" in outcome.log_tail.decode()
        assert "\trequest-1\tERROR\tInvoke Error \t{" in outcome.log_tail.decode()
        error = json.loads((await bench.call(function, b'{"how": "reject"}')).payload)
        assert error["errorType"] == "Runtime.UnhandledPromiseRejection"
        assert error["errorMessage"] == "Error: lost"

    run_bench(story)


@NODE
def test_node_handler_that_is_not_there(run_bench):
    async def story(bench):
        function = bench.function("js", "nodejs20.x", "index.nope", {"index.js": "exports.handler = 1;"})
        error = json.loads((await bench.call(function)).payload)
        assert error["errorType"] == "Runtime.HandlerNotFound"
        assert error["errorMessage"] == "index.nope is undefined or not exported"

    run_bench(story)


def test_ending_a_worker_ends_what_it_started(run_bench):
    async def story(bench):
        source = "import subprocess\nsubprocess.Popen(['sleep', '600'])\ndef handler(e, c):\n    return 1\n"
        function = bench.function(
            "orphans", PYTHON, "app.handler", {"app.py": source}, environment={"MARK": str(bench.folder)}
        )
        mark = f"MARK={bench.folder}\0"
        await bench.call(function)
        assert find_process(mark) is not None
        await bench.runtime.stop()
        await bench.until(lambda: find_process(mark) is None)

    run_bench(story)
