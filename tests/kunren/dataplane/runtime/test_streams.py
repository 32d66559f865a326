"""Answers that are passed on while a custom runtime still writes them, by the Runtime API's own protocol."""

import asyncio
import sys

import pytest

from kunren.dataplane.runtime.streams import BUFFER_BYTES_MAX, ResponseStream
from kunren.dataplane.runtime.version import Invocation

BOOTSTRAP = f"""#!{sys.executable}
import base64, json, os, socket
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
api = socket.create_connection((host, int(port)))
reader = api.makefile("rb")
base = f"/2018-06-01/runtime/invocation"
def answer():
    reader.readline()
    headers = {{}}
    while (line := reader.readline().strip()):
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return headers, reader.read(int(headers.get("content-length", 0)))
while True:
    api.sendall(f"GET {{base}}/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode())
    headers, body = answer()
    event = json.loads(body)
    path = f"{{base}}/{{headers['lambda-runtime-aws-request-id']}}/response"
    api.sendall(f"POST {{path}} HTTP/1.1\\r\\nHost: x\\r\\nContent-Type: text/own\\r\\n"
                "Lambda-Runtime-Function-Response-Mode: streaming\\r\\nTransfer-Encoding: chunked\\r\\n"
                "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\\r\\n\\r\\n".encode())
    for _ in range(event["pieces"]):
        piece = b"x" * event["size"]
        api.sendall(b"%x\\r\\n%b\\r\\n" % (len(piece), piece))
    trailers = ""
    if event.get("error"):
        told = base64.b64encode(json.dumps({{"errorMessage": "late"}}).encode()).decode()
        trailers = ("Lambda-Runtime-Function-Error-Type: " + event["error"] +
                    "\\r\\nLambda-Runtime-Function-Error-Body: " + told + "\\r\\n")
    api.sendall(("0\\r\\n" + trailers + "\\r\\n").encode())
    answer()
"""


def streamed(bench, event):
    function = bench.function("own", "provided.al2023", "any", {"bootstrap": BOOTSTRAP})
    stream = ResponseStream()
    call = Invocation(request_id="id", payload=event, invoked_arn=function.arn, stream=stream)
    return stream, asyncio.ensure_future(bench.runtime.run(function, call))


def test_pieces_are_there_before_the_end_and_a_slow_reader_holds_the_function_back(run_bench):
    async def story(bench):
        stream, running = streamed(bench, b'{"pieces": 64, "size": 262144}')
        assert await stream.started()
        assert stream.content_type == "text/own"
        await bench.until(lambda: stream._buffered > BUFFER_BYTES_MAX)
        await asyncio.sleep(0.1)
        assert stream._buffered < 4 * BUFFER_BYTES_MAX
        assert not running.done()
        assert sum([len(piece) async for piece in stream]) == 16 * 1024 * 1024
        assert (await running).function_error is None
        assert stream.error == ""

    run_bench(story)


def test_an_error_in_the_trailers_ends_the_stream(run_bench):
    async def story(bench):
        stream, running = streamed(bench, b'{"pieces": 1, "size": 3, "error": "Late.Error"}')
        assert [piece async for piece in stream] == [b"xxx"]
        assert (stream.error, stream.details) == ("Late.Error", b'{"errorMessage": "late"}')
        outcome = await running
        assert (outcome.function_error, outcome.payload) == ("Unhandled", b'{"errorMessage": "late"}')

    run_bench(story)


def test_who_does_not_want_pieces_gets_the_whole(run_bench):
    async def story(bench):
        function = bench.function("own", "provided.al2023", "any", {"bootstrap": BOOTSTRAP})
        outcome = await bench.call(function, b'{"pieces": 3, "size": 2}')
        assert (outcome.payload, outcome.function_error) == (b"xxxxxx", None)

    run_bench(story)


def test_a_stream_that_nobody_reads_does_not_hold_the_function_back(run_bench):
    async def story(bench):
        stream, running = streamed(bench, b'{"pieces": 64, "size": 262144}')
        await stream.started()
        stream.abandon()
        assert (await running).function_error is None

    run_bench(story)


@pytest.mark.parametrize("event", [b'{"pieces": 1, "size": 1, "error": "E"}', b'{"pieces": 1, "size": 1}'])
def test_the_worker_serves_on_after_a_stream(run_bench, event):
    async def story(bench):
        for _ in range(2):
            stream, running = streamed(bench, event)
            assert [piece async for piece in stream] == [b"x"]
            await running
        assert bench.runtime.status()["started"] == 1

    run_bench(story)
