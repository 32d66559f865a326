"""The Runtime API as a client sees it, with a worker that answers by rote."""

import asyncio
import json

from kunren.dataplane.runtime.api_server import RuntimeApi
from kunren.dataplane.runtime.host import LocalHost


class Worker:
    def __init__(self):
        self.seen = []

    def next_asked(self, connection):
        connection.send(200, b"{}", b"Lambda-Runtime-Aws-Request-Id: one\r\n")

    def responded(self, request_id, body):
        self.seen.append(("response", request_id, body))
        return 202, b'{"status":"OK"}'

    def failed(self, request_id, body, kind):
        self.seen.append(("error", request_id, body, kind))
        return 202, b'{"status":"OK"}'

    def init_failed(self, body, kind):
        self.seen.append(("init", body, kind))
        return 202, b'{"status":"OK"}'

    def connection_ended(self, connection, *, reset):
        self.seen.append("ended")


def exchange(worker, request, address="127.1.0.9"):
    async def whole():
        api = RuntimeApi()
        await api.serve("us-east-1", await LocalHost().listen("us-east-1"))
        api.attach("us-east-1", "127.1.0.9", worker)
        reader, writer = await asyncio.open_connection(address, api.port("us-east-1"))
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        writer.close()
        await api.stop()
        return answer, body

    return asyncio.run(whole())


def request(method, path, body=b"", headers=""):
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_operations_reach_the_worker_of_the_address():
    worker = Worker()
    answer, _ = exchange(worker, request("GET", "/2018-06-01/runtime/invocation/next"))
    assert b"Lambda-Runtime-Aws-Request-Id: one" in answer
    exchange(worker, request("POST", "/2018-06-01/runtime/invocation/one/response", b"1"))
    kind = "Lambda-Runtime-Function-Error-Type: Bad\r\n"
    exchange(worker, request("POST", "/2018-06-01/runtime/invocation/one/error", b"2", kind))
    answer, _ = exchange(worker, request("POST", "/2018-06-01/runtime/init/error", b"3", kind))
    assert answer.startswith(b"HTTP/1.1 202 Accepted")
    assert [each for each in worker.seen if each != "ended"] == [
        ("response", "one", b"1"),
        ("error", "one", b"2", "Bad"),
        ("init", b"3", "Bad"),
    ]


def test_an_address_that_no_worker_has_is_forbidden():
    answer, body = exchange(Worker(), request("GET", "/2018-06-01/runtime/invocation/next"), address="127.1.0.10")
    assert answer.startswith(b"HTTP/1.1 403")
    assert json.loads(body)["errorType"] == "Forbidden"


def test_unknown_paths_and_nonsense_are_refused():
    answer, _ = exchange(Worker(), request("GET", "/2018-06-01/runtime/nothing"))
    assert answer.startswith(b"HTTP/1.1 404")
    answer, _ = exchange(Worker(), b"nonsense\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")


def test_large_bodies_may_be_announced():
    head = request("POST", "/2018-06-01/runtime/invocation/one/response", b"", "Expect: 100-continue\r\n")

    async def whole():
        api = RuntimeApi()
        await api.serve("r", await LocalHost().listen("r"))
        api.attach("r", "127.1.0.9", Worker())
        reader, writer = await asyncio.open_connection("127.1.0.9", api.port("r"))
        writer.write(head)
        first = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await api.stop()
        return first

    assert asyncio.run(whole()) == b"HTTP/1.1 100 Continue\r\n\r\n"
