"""Environments of managed instances: kept running, shared by invocations, scaled by use."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys

import pytest

from kunren.dataplane.runtime.version import Throttled

PYTHON = f"python3.{sys.version_info.minor}"
APP = """
import os, time
def handler(event, context):
    if "exit" in event:
        os._exit(event["exit"])
    time.sleep(event.get("sleep", 0))
    while "until" in event and not os.path.exists(event["until"]):
        time.sleep(0.01)
    names = ("AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_INITIALIZATION_TYPE")
    return {"pid": os.getpid(), "parent": os.getppid(), "env": [os.environ[each] for each in names]}
"""
NODE = """
let inside = 0;
exports.handler = async (event) => {
  inside += 1;
  while (inside < 3) await new Promise((resolve) => setTimeout(resolve, 10));
  console.log("done");
  return { pid: process.pid };
};
"""


def told(outcome):
    assert outcome.function_error is None, outcome.payload
    return json.loads(outcome.payload)


async def full(bench, function, workers):
    """Wait until all workers of all environments have asked for events."""
    fleet = bench.runtime.kept(function)
    await bench.until(lambda: sum(each.free for each in fleet.environments) == workers)


def held(bench):
    """An event whose invocation goes on until what comes with it is called."""
    path = bench.folder / f"go-{bench.calls}"
    return json.dumps({"until": str(path)}).encode(), path.touch


def test_environments_are_kept_and_shared_and_nobody_waits_for_room(run_bench):
    async def story(bench):
        function = bench.function("shared", PYTHON, "app.handler", {"app.py": APP}, concurrency=2)
        with pytest.raises(Throttled):
            await bench.call(function)
        assert await bench.runtime.keep(function, 2, 2) is None
        await full(bench, function, 4)
        hold, go = held(bench)
        running = [asyncio.ensure_future(bench.call(function, hold)) for _ in range(4)]
        await full(bench, function, 0)
        with pytest.raises(Throttled):
            await bench.call(function)
        go()
        answers = [told(each) for each in await asyncio.gather(*running)]
        assert len({each["pid"] for each in answers}) == 4
        assert len({each["parent"] for each in answers}) == 2
        assert answers[0]["env"] == ["2", "lambda-managed-instances"]
        assert bench.runtime.status()["started"] == 2

    run_bench(story)


def test_an_invocation_that_takes_too_long_fails_alone(run_bench):
    async def story(bench):
        function = bench.function("slow", PYTHON, "app.handler", {"app.py": APP}, concurrency=2, timeout_s=2)
        await bench.runtime.keep(function, 1, 1)
        await full(bench, function, 2)
        late = asyncio.ensure_future(bench.call(function, b'{"sleep": 3}'))
        good = told(await bench.call(function))
        failed = await late
        assert failed.function_error == "Unhandled"
        assert json.loads(failed.payload)["errorType"] == "Sandbox.Timedout"
        await full(bench, function, 2)  # its late answer is taken, and its worker asks for more
        assert told(await bench.call(function))["parent"] == good["parent"]
        assert bench.runtime.status()["started"] == 1

    run_bench(story)


def test_a_worker_that_dies_leaves_the_others_and_a_dead_environment_is_replaced(run_bench):
    async def story(bench):
        function = bench.function("dying", PYTHON, "app.handler", {"app.py": APP}, concurrency=2)
        await bench.runtime.keep(function, 1, 1)
        await full(bench, function, 2)
        crashed = await bench.call(function, b'{"exit": 3}')
        assert json.loads(crashed.payload)["errorType"] == "Runtime.ExitError"
        alive = told(await bench.call(function))
        os.kill(alive["parent"], signal.SIGKILL)
        fleet = bench.runtime.kept(function)
        await bench.until(lambda: bench.runtime.status()["started"] == 2 and fleet.running == 1)
        await full(bench, function, 2)
        assert told(await bench.call(function))["parent"] != alive["parent"]

    run_bench(story)


def test_use_makes_more_environments_and_a_smaller_maximum_fewer(run_bench):
    async def story(bench):
        function = bench.function("growing", PYTHON, "app.handler", {"app.py": APP}, concurrency=1)
        await bench.runtime.keep(function, 1, 2)
        fleet = bench.runtime.kept(function)
        hold, go = held(bench)
        first = asyncio.ensure_future(bench.call(function, hold))
        await bench.until(lambda: fleet.running == 2)
        second = asyncio.ensure_future(bench.call(function, hold))
        await full(bench, function, 0)
        with pytest.raises(Throttled):
            await bench.call(function)
        assert fleet.size == 2
        go()
        assert told(await first)["pid"] != told(await second)["pid"]
        await bench.until(lambda: not any(each.busy for each in fleet.environments))
        await bench.runtime.keep(function, 0, 0)
        await bench.until(lambda: not fleet.environments)
        with pytest.raises(Throttled):
            await bench.call(function)

    run_bench(story)


def test_an_initialisation_that_fails_is_told(run_bench):
    async def story(bench):
        function = bench.function(
            "broken", PYTHON, "app.handler", {"app.py": "import nothing_of_that_name\n"}, concurrency=2
        )
        failure = await bench.runtime.keep(function, 1, None)
        assert failure.error_type == "Runtime.ImportModuleError"

    run_bench(story)


def test_a_new_revision_takes_over_while_the_old_one_finishes(run_bench):
    async def story(bench):
        old = bench.function("turned", PYTHON, "app.handler", {"app.py": APP}, concurrency=1)
        await bench.runtime.keep(old, 1, 1)
        hold, go = held(bench)
        busy = asyncio.ensure_future(bench.call(old, hold))
        await bench.until(lambda: any(each.busy for each in bench.runtime.kept(old).environments))
        new = bench.function("turned", PYTHON, "app.handler", {"app.py": APP}, concurrency=1, revision="2")
        await bench.runtime.keep(new, 1, 1)
        bench.runtime.replace(new)
        assert bench.runtime.kept(old) is None
        pid = told(await bench.call(new))["pid"]
        go()
        assert told(await busy)["pid"] != pid
        bench.runtime.retire(new.arn, new.version)
        await bench.until(lambda: bench.runtime.status()["workers"] == 0)

    run_bench(story)


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js here")
def test_node_works_at_several_invocations_in_one_process(run_bench):
    async def story(bench):
        function = bench.function("node", "nodejs22.x", "index.handler", {"index.js": NODE}, concurrency=3)
        await bench.runtime.keep(function, 1, 1)
        await full(bench, function, 3)
        answers = [told(each) for each in await asyncio.gather(*(bench.call(function) for _ in range(3)))]
        assert len({each["pid"] for each in answers}) == 1
        bench.runtime.logs.flush()
        text = (bench.folder / "logs" / "000000000000.us-east-1.node.log").read_text()
        assert all(f"request-{number}\tINFO\tdone" in text for number in (1, 2, 3))

    run_bench(story)


def test_aws_own_runtime_client_shares_an_environment_too(run_bench):
    pytest.importorskip("awslambdaric")

    async def story(bench):
        bootstrap = f'#!/bin/sh\nexec {sys.executable} -m awslambdaric "$_HANDLER"\n'
        files = {"bootstrap": bootstrap, "app.py": APP}
        function = bench.function("theirs", "provided.al2023", "app.handler", files, concurrency=2)
        assert await bench.runtime.keep(function, 1, 1) is None
        await full(bench, function, 2)
        hold, go = held(bench)
        running = [asyncio.ensure_future(bench.call(function, hold)) for _ in range(2)]
        await full(bench, function, 0)
        go()
        answers = await asyncio.gather(*running)
        assert len({told(each)["pid"] for each in answers}) == 2
        assert len({told(each)["parent"] for each in answers}) == 1

    run_bench(story)
