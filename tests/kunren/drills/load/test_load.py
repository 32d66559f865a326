"""The load generator itself, as a process, against servers on the loopback."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

from kunren.drills.checkers.operations import operations_of
from kunren.drills.clients import asked, readings
from kunren.drills.history import Event, Reason, history_of
from kunren.drills.load.http import answer_end
from kunren.drills.load.messages import READ_MARK
from kunren.drills.load.stream import definite, refused


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", (41, True)),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab", None),
        (b"HTTP/1.1 200 OK\r\n", None),
        (b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", (46, False)),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil it is closed", (-1, False)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", (58, True)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", None),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", (63, True)),
    ],
)
def test_where_an_answer_ends(raw, found):
    assert answer_end(raw) == found


def test_which_statuses_say_that_nothing_was_done():
    assert [each for each in (200, 400, 404, 429, 500, 502, 503, 504) if definite(each)] == [400, 404, 429, 503]
    assert [refused(*each) for each in ((Reason.ERROR, 0), (Reason.STATUS, 503), (Reason.STATUS, 500), (Reason.CUT, 0))] == [
        True, True, False, False,
    ]  # fmt: skip


class Server:
    """Answers each connection's requests in turn; `stalled` holds all of them up."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self.port = self.socket.getsockname()[1]
        self.going = threading.Event()
        self.going.set()
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        threading.Thread(target=self._accept, daemon=True).start()

    def end(self) -> None:
        """Refuse connections from now on."""
        self.socket.shutdown(socket.SHUT_RDWR)  # wakes whoever accepts, who would keep it open
        self.socket.close()

    def _accept(self) -> None:
        while True:
            try:
                taken, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(taken,), daemon=True).start()

    def _serve(self, taken: socket.socket) -> None:
        with taken:
            while taken.recv(65536):
                self.going.wait()
                taken.sendall(self.answer)
                if self.answer.endswith(b"cut"):
                    return


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.socket.close()


@pytest.mark.parametrize("keep_alive", [True, False])
def test_a_server_that_stalls_does_not_slow_the_clients_down(server, generator, keep_alive):
    """No coordinated omission: what was meant to be sent during the stall counts from when it was meant to be."""
    with generator(url=f"http://127.0.0.1:{server.port}/", rate=200, keep_alive=keep_alive) as made:
        made.start()
        time.sleep(0.5)
        server.going.clear()
        stalled = time.monotonic()
        time.sleep(1.0)
        server.going.set()
        stalled = time.monotonic() - stalled
        time.sleep(0.5)
        found = operations_of(made.stop())
    assert found.ok.all()
    gaps = numpy.diff(found.start)
    assert gaps.min() == pytest.approx(0.005, abs=1e-6)
    assert gaps.max() == pytest.approx(0.005, abs=1e-6)
    took = found.end - found.start
    assert (took > stalled / 2).sum() >= 200 * stalled / 2 * 0.9, "half of those during the stall waited half of it"


def test_what_went_wrong_is_named(server, generator, until):
    server.answer = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
    with generator(url=f"http://127.0.0.1:{server.port}/", rate=50) as made:
        made.start()
        until(lambda: (Event.FAIL, Reason.STATUS) in made.reasons(), "an error status")
        server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut"
        until(lambda: (Event.FAIL, Reason.CUT) in made.reasons(), "an answer that is cut off")
        server.end()
        until(lambda: (Event.FAIL, Reason.REFUSED) in made.reasons(), "a refused connection")
        assert {event for event, _ in made.reasons()} == {Event.FAIL}


def test_one_answer_tells_of_the_writes_of_every_client_that_is_asked_for(server, generator, until):
    server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n1-0 2-1 3-0 1-2"
    with generator(url=f"http://127.0.0.1:{server.port}/", rate=1) as made:
        made.start()
        made.say(do="read", clients=[1, 2], url=f"http://127.0.0.1:{server.port}/writes")
        until(lambda: "read" in made.notes, "what was read back")
        history = history_of(list(made.frames))
    seen = history.records[history.records["event"] == Event.SEEN]
    assert list(zip(seen["client"], seen["operation"], strict=True)) == [(1, 0), (2, 1), (1, 2)]
    assert [(each["clients"], each["error"]) for each in history.told("read")] == [([1, 2], "")]


def test_what_a_client_asks_is_told_without_passwords():
    assert asked({"url": "postgresql://me:word@db.test:5432/shop"}) == "postgresql://db.test:5432/shop"
    assert asked({"url": "http://a.test/x@y"}) == "http://a.test/x@y"
    assert [asked({"name": "a.test"}), asked({"host": "a.test", "port": 80})] == ["a.test", "a.test:80"]


def test_a_queue_is_read_once_for_all_and_a_url_once_by_each_place():
    def client(number, read_back):
        return {"client": number, "read_back": read_back}

    queue, url = f"{READ_MARK}us-east-1 http://q", "http://a.test/writes"
    wanted = {"tokyo": [client(1, queue), client(2, url), client(3, "")], "oregon": [client(4, queue), client(5, url)]}
    wanted["tokyo"].append(client(6, url))
    assert readings(wanted) == [("tokyo", queue, [1, 4]), ("tokyo", url, [2, 6]), ("oregon", url, [5])]


def test_a_write_that_may_have_happened_is_unknown(server, generator, until):
    server.going.clear()
    wanted = {"method": "POST", "body": "{write}", "write": True, "timeout_s": 1.0}
    with generator(url=f"http://127.0.0.1:{server.port}/", rate=20, **wanted) as made:
        made.start()
        until(lambda: (Event.UNKNOWN, Reason.NO_ANSWER) in made.reasons(), "a write without an answer")
        assert Event.OK not in {event for event, _ in made.reasons()}
    server.going.set()


def test_messages_go_over_connections_that_stay_open_and_come_back(generator, free_port, until):
    port = free_port()
    command = [sys.executable, "-m", "kunren.drills.target", "--name", "a", "--port", str(port)]
    target = subprocess.Popen(command)
    try:
        with generator(kind="websocket", url=f"ws://127.0.0.1:{port}/", rate=50, timeout_s=5.0, connections=3) as made:
            made.start()
            until(lambda: len(made.numbers("OK")) >= 20, "messages that came back")
            assert len(clients_of(port)) == 3
            target.kill()
            target.wait()
            until(lambda: (Event.FAIL, Reason.REFUSED) in made.reasons(), "a refused connection")
            before = len(made.numbers("OK"))
            target = subprocess.Popen(command)
            until(lambda: len(made.numbers("OK")) >= before + 20, "messages again")
            made.stop()
    finally:
        target.kill()
        target.wait()


def clients_of(port: int) -> set[str]:
    """The client's ends of the connections to that port of the loopback."""
    rows = [each.split() for each in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {each[1] for each in rows if each[2] == f"0100007F:{port:04X}" and each[3] == "01"}


def test_a_server_that_speaks_no_websocket_is_an_error_status(server, generator, until):
    server.answer = b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"
    with generator(kind="websocket", url=f"ws://127.0.0.1:{server.port}/", rate=20, timeout_s=5.0) as made:
        made.start()
        until(lambda: (Event.FAIL, Reason.STATUS) in made.reasons(), "an error status")
