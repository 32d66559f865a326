import asyncio
from pathlib import Path

from kunren.core.errors import WireError
from kunren.dataplane.runtime.elb_bridge import ElbBridge
from kunren.dataplane.runtime.elb_event import ElbTarget
from kunren.settings import Settings

GOOD = b'{"statusCode":200,"headers":{"content-type":"text/plain"},"body":"hello"}'


class Functions:
    """The lambda service as the bridge sees it."""

    def __init__(self, answer=(GOOD, None), target=ElbTarget("arn:f", True, False)):
        self.answer = answer
        self.target = target
        self.events = []

    def elb_target(self, arn):
        return self.target if arn == "arn:group" else None

    async def invoke_for_elb(self, arn, payload, trace_id):
        self.events.append((arn, payload, trace_id))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def exchange(tmp_path: Path, functions: Functions, request: bytes) -> bytes:
    async def whole() -> bytes:
        bridge = ElbBridge(Settings(state_dir=tmp_path), functions)
        await bridge.start()
        try:
            reader, writer = await asyncio.open_unix_connection(str(bridge.socket_path))
            writer.write(request)
            answer = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            return answer
        finally:
            await bridge.stop()
            assert not bridge.socket_path.exists()

    return asyncio.run(whole())


def get(path="/", headers="", group="arn:group", close=True):
    end = "Connection: close\r\n" if close else ""
    return f"GET {path} HTTP/1.1\r\nHost: a.test\r\nX-Kunren-Target-Group: {group}\r\n{headers}{end}\r\n".encode()


def test_request_becomes_event_and_answer_becomes_response(tmp_path):
    functions = Functions()
    answer = exchange(tmp_path, functions, get("/x?a=1", "X-Amzn-Trace-Id: Root=1-a-b\r\n"))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n")
    assert answer.endswith(b"\r\n\r\nhello")
    [(arn, payload, trace_id)] = functions.events
    assert arn == "arn:f"
    assert trace_id == "Root=1-a-b"
    assert b'"path":"/x"' in payload
    assert b"kunren" not in payload


def test_several_requests_on_one_connection_are_answered_in_turn(tmp_path):
    functions = Functions()
    answer = exchange(tmp_path, functions, get("/1", close=False) + get("/2"))
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert [b'"/1"' in functions.events[0][1], b'"/2"' in functions.events[1][1]] == [True, True]


def test_what_cannot_be_invoked_is_502_or_503(tmp_path):
    cases = [
        (Functions(target=ElbTarget("arn:f", False, False)), b"502"),
        (Functions(target=ElbTarget(None, False, False)), b"503"),
        (Functions(answer=(b"{}", "Unhandled")), b"502"),
        (Functions(answer=(b"{}", None)), b"502"),
        (Functions(answer=WireError("TooManyRequestsException", "Rate Exceeded.", 429)), b"502"),
        (Functions(answer=RuntimeError("bug")), b"502"),
    ]
    for functions, status in cases:
        assert exchange(tmp_path, functions, get()).startswith(b"HTTP/1.1 " + status)
    assert exchange(tmp_path, Functions(), get(group="arn:other")).startswith(b"HTTP/1.1 503")


def test_body_of_one_megabyte_passes_and_one_byte_more_is_413(tmp_path):
    head = b"POST / HTTP/1.1\r\nHost: a\r\nX-Kunren-Target-Group: arn:group\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    for size, status in ((1048576, b"200 OK"), (1048577, b"413 Request Entity Too Large")):
        request = head + f"Content-Length: {size}\r\n\r\n".encode() + b"x" * size
        assert exchange(tmp_path, Functions(), request).startswith(b"HTTP/1.1 " + status)


def test_upgrades_and_nonsense_are_400(tmp_path):
    upgrade = get("/", "Upgrade: websocket\r\n").replace(b"Connection: close", b"Connection: upgrade")
    for request in (upgrade, b"nonsense\r\n\r\n"):
        assert exchange(tmp_path, Functions(), request).startswith(b"HTTP/1.1 400")


def test_probe_is_what_the_health_checker_sends(tmp_path):
    functions = Functions()
    bridge = ElbBridge(Settings(state_dir=tmp_path), functions)
    assert asyncio.run(bridge.probe("arn:group", "/health")).status == 200
    assert functions.events[0][1] == (
        b'{"requestContext":{"elb":{"targetGroupArn":"arn:group"}},"httpMethod":"GET","path":"/health",'
        b'"queryStringParameters":{},"headers":{"user-agent":"ELB-HealthChecker/2.0"},"body":"","isBase64Encoded":false}'
    )
