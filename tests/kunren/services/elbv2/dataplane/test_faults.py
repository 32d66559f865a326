"""What happens to traffic when the proxy dies, and when clients come in numbers."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import resource
import signal
import socket
import threading
import time

import pytest

IDLE_CONNECTIONS = 10_000


def test_traffic_is_back_within_two_seconds_after_the_proxy_was_killed_under_load(kit, run_bench, backends):
    async def story(bench):
        one, port = backends("one"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), kit.target_group("a", one.target()))
        answered, ending = [], threading.Event()

        def ask():
            while not ending.is_set():
                with contextlib.suppress(OSError, http.client.HTTPException):
                    if bench.ask(port, timeout=1).status == 200:
                        answered.append(time.monotonic())
                time.sleep(0.005)

        clients = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
        for each in clients:
            each.start()
        while len(answered) < 50:
            await asyncio.sleep(0.01)
        before = bench.control.process.restarts
        killed = time.monotonic()
        await bench.control.process.process.signal(signal.SIGKILL)
        while not [each for each in answered if each > killed + 0.1]:
            assert time.monotonic() < killed + 10
            await asyncio.sleep(0.01)
        assert min(each for each in answered if each > killed + 0.1) - killed < 2
        assert bench.control.process.restarts == before + 1
        # changes go on as before
        two = backends("two")
        await bench.apply(kit.target_group("a", two.target()))
        assert (await bench.get(port)).text == "two"
        ending.set()
        for each in clients:
            each.join()

    run_bench(story)


def test_ten_thousand_idle_connections_do_not_slow_the_others(kit, run_bench, backends):
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit < IDLE_CONNECTIONS + 500:
        pytest.skip(f"a process may have {limit} open files")

    async def story(bench):
        one, port = backends("one"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), kit.target_group("a", one.target()))

        def crowd():
            return [socket.create_connection(("127.0.0.1", port), 10) for _ in range(IDLE_CONNECTIONS)]

        idle = await asyncio.to_thread(crowd)
        began = time.monotonic()
        assert [(await bench.get(port)).status for _ in range(20)] == [200] * 20
        assert time.monotonic() - began < 5
        idle[0].sendall(b"GET / HTTP/1.1\r\nHost: a.b\r\n\r\n")
        assert idle[0].recv(100).startswith(b"HTTP/1.1 200 OK")
        for each in idle:
            each.close()

    run_bench(story)
