"""Timeouts and size limits, and what clients get where they are passed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time

import pytest

from kunren.services.elbv2.dataplane import targets


def status(answer):
    """The status line's code; None where the connection ended without an answer."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else None


@pytest.fixture
def odd_target():
    """`start(serve)`: the port of a target whose every connection is given to `serve(sock, head)`."""
    servers = []

    def start(serve):
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def one(sock):
            with sock, contextlib.suppress(OSError):
                head = b""
                while b"\r\n\r\n" not in head:
                    data = sock.recv(65536)
                    if not data:
                        return
                    head += data
                serve(sock, head)

        def run():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()
        return server.getsockname()[1]

    yield start
    for each in servers:
        each.close()


def test_request_line_and_headers_have_alb_s_limits(kit, run_bench, backends):
    async def story(bench):
        one, port = backends("one"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), kit.target_group("a", one.target()))

        async def sent(*lines, path="/"):
            request = "".join(f"{each}\r\n" for each in (f"GET {path} HTTP/1.1", "Host: a.b", *lines, ""))
            return await asyncio.to_thread(kit.raw, port, request.encode(), 0.5)

        assert status(await sent(path="/" + "x" * 15_000)) == 200
        long = await sent(path="/" + "x" * 17_000)
        assert status(long) == 414 and b"<title>414 Request-URI Too Large</title>" in long
        for name in ("Cookie", "Authorization"):
            assert status(await sent(f"{name}: {'x' * 15_000}")) == 200
            large = await sent(f"{name}: {'x' * 17_000}")
            assert status(large) == 400 and b"<title>400 Bad Request</title>" in large, name
        assert status(await sent(*(f"X-{n}: {'x' * 15_000}" for n in range(4)))) == 200
        assert status(await sent(*(f"X-{n}: {'x' * 15_000}" for n in range(5)))) == 400
        assert status(await sent(f"X: {'x' * 1_000_000}")) == 400
        assert all(len(each[1]) < 16_000 for each in one.seen)

    run_bench(story)


def test_a_client_that_does_not_finish_its_request_gets_408_after_the_idle_timeout(kit, run_bench, backends):
    async def story(bench):
        one, port = backends("one"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        await bench.apply(
            kit.load_balancer(attributes={"idle_timeout.timeout_seconds": "1"}), on, kit.default_rule(on),
            kit.target_group("a", one.target()),
        )  # fmt: skip
        halves = {
            "head": b"GET / HTTP/1.1\r\nHost: a.b\r\nX-Un",
            "body": b"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 10\r\n\r\nabc",
        }
        answers = await asyncio.gather(*(asyncio.to_thread(kit.raw, port, each, 4) for each in halves.values()))
        for what, answer in zip(halves, answers, strict=True):
            assert status(answer) == 408, (what, answer)
            assert b"server: awselb/2.0" in answer and b"connection: close" in answer
        # one that says nothing at all is closed without a word
        began = time.monotonic()
        assert await asyncio.to_thread(kit.raw, port, b"", 4) == b""
        assert 0.8 < time.monotonic() - began < 3

    run_bench(story)


def test_a_slow_client_that_keeps_sending_is_served(kit, run_bench, backends):
    async def story(bench):
        one, port = backends("one"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        await bench.apply(
            kit.load_balancer(attributes={"idle_timeout.timeout_seconds": "1"}), on, kit.default_rule(on),
            kit.target_group("a", one.target()),
        )  # fmt: skip

        def drip():
            with socket.create_connection(("127.0.0.1", port), 5) as sock:
                sock.sendall(b"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 8\r\n\r\n")
                for _ in range(8):
                    time.sleep(0.2)
                    sock.sendall(b"x")
                return sock.recv(65536)

        assert status(await asyncio.to_thread(drip)) == 200

    run_bench(story)


def test_client_connections_live_no_longer_than_client_keep_alive(kit, run_bench, backends):
    async def story(bench):
        one, port = backends("one"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        await bench.apply(
            kit.load_balancer(attributes={"client_keep_alive.seconds": "1"}), on, kit.default_rule(on),
            kit.target_group("a", one.target()),
        )  # fmt: skip

        def talk():
            answers = []
            with socket.create_connection(("127.0.0.1", port), 5) as sock:
                for _ in range(40):
                    try:
                        sock.sendall(b"GET / HTTP/1.1\r\nHost: a.b\r\n\r\n")
                        got = b""
                        while not got.endswith(b"one") and (data := sock.recv(65536)):
                            got += data
                    except OSError:
                        break
                    if not got:
                        break
                    answers.append(got)
                    time.sleep(0.05)
            return answers

        answers = await asyncio.to_thread(talk)
        assert 5 < len(answers) < 40
        assert all(status(each) == 200 for each in answers)
        assert b"connection: close" in answers[-1] and b"connection: close" not in answers[0]

    run_bench(story)


def test_a_target_that_does_not_accept_gets_its_ten_seconds_and_the_client_504(kit, run_bench, monkeypatch):
    assert targets.CONNECT_TIMEOUT_S == 10.0
    monkeypatch.setattr(targets, "CONNECT_TIMEOUT_S", 0.4)

    async def story(bench):
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            waiting = []
            for _ in range(4):  # its queue is full, and what comes now is dropped
                waiting.append(socket.socket())
                waiting[-1].setblocking(False)
                waiting[-1].connect_ex(full.getsockname())
            port = kit.free_port()
            on = kit.listener(port, default=kit.forward(("a", 1)))
            target = kit.Target(id="127.0.0.1", port=full.getsockname()[1])
            await bench.apply(kit.load_balancer(), on, kit.default_rule(on), kit.target_group("a", target))
            got = await bench.get(port)
            assert (got.status, got.header("server")) == (504, "awselb/2.0")
            for each in waiting:
                each.close()

    run_bench(story)


def test_broken_answers_of_targets_become_502(kit, run_bench, odd_target):
    answers = {
        "nothing": b"",
        "malformed": b"nonsense\r\n\r\n",
        "half a head": b"HTTP/1.1 200 OK\r\ncontent-le",
        "large": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: " + b"x" * 40_000 + b"\r\n\r\nok",
        "many": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n" + b"".join(b"x-%d: %s\r\n" % (n, b"y" * 3500) for n in range(10)) + b"\r\nok",
    }  # fmt: skip

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port)
        made = []
        for n, (what, data) in enumerate(answers.items(), 1):
            target = kit.Target(id="127.0.0.1", port=odd_target(lambda sock, _, data=data: sock.sendall(data)))
            made.append(kit.target_group(f"g{n}", target))
            made.append(kit.rule(on, n, kit.forward((f"g{n}", 1)), kit.condition("path-pattern", f"/{what[:4]}")))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), *made)
        for what in answers:
            got = await bench.get(port, f"/{what[:4]}")
            assert (got.status, got.header("server")) == (502, "awselb/2.0"), what
            assert "<title>502 Bad Gateway</title>" in got.text

    run_bench(story)


def test_large_headers_of_targets_pass_up_to_32_kilobytes(kit, run_bench, odd_target):
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: " + b"x" * 30_000 + b"\r\n\r\nok"

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        target = kit.Target(id="127.0.0.1", port=odd_target(lambda sock, _: sock.sendall(head)))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), kit.target_group("a", target))
        got = await asyncio.to_thread(kit.raw, port, b"GET / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n")
        assert status(got) == 200 and got.endswith(b"ok")

    run_bench(story)


def test_a_target_that_lies_about_its_length_ends_the_connection_and_poisons_no_other_answer(
    kit, run_bench, odd_target
):
    short = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this"
    right = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    long = right + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"

    def serve(sock, head):
        while head:
            sock.sendall(short if b"/short" in head else long if b"/long" in head else right)
            if b"/short" in head:
                return
            head = sock.recv(65536)

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        target = kit.Target(id="127.0.0.1", port=odd_target(serve))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), kit.target_group("a", target))
        got = await asyncio.to_thread(kit.raw, port, b"GET /short HTTP/1.1\r\nHost: a.b\r\n\r\n")
        assert status(got) == 200 and got.endswith(b"only this")
        for _ in range(10):
            assert (await bench.get(port, "/long")).text == "ok"
            assert (await bench.get(port, "/plain")).text == "ok"

    run_bench(story)


def test_half_closed_and_reset_clients_harm_nobody(kit, run_bench, backends):
    async def story(bench):
        one, port = backends("one"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), kit.target_group("a", one.target()))

        def rude():
            for n in range(40):
                with socket.create_connection(("127.0.0.1", port), 5) as sock:
                    sock.sendall(b"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 100000\r\n\r\n" + b"x" * (n * 100))
                    if n % 2:
                        sock.shutdown(socket.SHUT_WR)
                        with contextlib.suppress(OSError):
                            sock.recv(10)
                    else:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        await asyncio.to_thread(rude)
        assert [(await bench.get(port)).status for _ in range(10)] == [200] * 10

    run_bench(story)
