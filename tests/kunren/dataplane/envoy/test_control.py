"""Publishing to real Envoy on loopback: acknowledgement, refusal, validation, restart, the cutting of connections."""

from __future__ import annotations

import asyncio
import os
import socket
import urllib.request

import pytest

from kunren.core.clock import SystemClock
from kunren.dataplane.envoy.control import EnvoyControl
from kunren.dataplane.envoy.process import bootstrap, workers
from kunren.dataplane.envoy.resources import ADS, TYPE, EnvoyResources, Rejected, duration, socket_address
from kunren.dataplane.envoy.validate import shape

HCM = TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def listener(name, port, **given):
    router = {"@type": TYPE + "envoy.extensions.filters.http.router.v3.Router"}
    config = {
        "@type": HCM, "stat_prefix": "x", "rds": {"config_source": ADS, "route_config_name": f"{name}-routes"},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}], **given,
    }  # fmt: skip
    hcm = {"name": "envoy.filters.network.http_connection_manager", "typed_config": config}
    return {"name": name, "address": socket_address("127.0.0.1", port), "filter_chains": [{"filters": [hcm]}]}


def answering(name, port, body, **given):
    response = {"status": 200, "body": {"inline_string": body}}
    routes = [{"match": {"prefix": "/"}, "direct_response": response}]
    hosts = [{"name": "v", "domains": ["*"], "routes": routes}]
    routes_name = f"{name}-routes"
    return EnvoyResources(
        listeners={name: listener(name, port, **given)},
        routes={routes_name: {"name": routes_name, "virtual_hosts": hosts}},
    )


async def ask(port):
    def get():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return answer.read().decode()

    return await asyncio.to_thread(get)


def running(host_settings, host_spawner, story):
    async def inner():
        control = EnvoyControl(host_settings, host_spawner, SystemClock(), concurrency=1)
        await control.start()
        try:
            await asyncio.wait_for(control.ready(), 20)
            async with asyncio.timeout(60):
                await story(control)
        finally:
            await control.stop()

    asyncio.run(inner())


def test_what_is_acknowledged_is_served(host_settings, host_spawner, free_port):
    async def story(control):
        port = free_port()
        await control.publish("o", answering("web", port, "one"))
        assert await ask(port) == "one"
        await control.publish("o", answering("web", port, "two"))
        assert await ask(port) == "two"
        assert control.status()["listeners"] == 1
        await control.withdraw("o")
        with pytest.raises(OSError):
            await ask(port)

    running(host_settings, host_spawner, story)


def test_a_refused_listener_fails_its_own_publish_only(host_settings, host_spawner, free_port):
    async def story(control):
        port = free_port()
        await control.publish("o", answering("web", port, "one"))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            other = answering("other", taken.getsockname()[1], "never")
            other.listeners["other"]["enable_reuse_port"] = False
            with pytest.raises(Rejected) as refused:
                await control.publish("p", other)
            assert refused.value.resource == "other"
            assert "other" in control.refusals
        assert await ask(port) == "one"
        await control.publish("p", other)  # the port is free now: the same content is tried again
        assert control.refusals == {}

    running(host_settings, host_spawner, story)


def test_an_invalid_listener_never_reaches_the_running_envoy(host_settings, host_spawner, free_port):
    async def story(control):
        port = free_port()
        with pytest.raises(Rejected) as refused:
            await control.publish("o", answering("web", port, "one", stream_idle_timeout="-4s"))
        assert "duration" in refused.value.message
        assert control.status()["listeners"] == 0
        await control.publish("o", answering("web", port, "one"))

    running(host_settings, host_spawner, story)


def test_of_many_publishes_the_last_one_counts_and_all_are_answered(host_settings, host_spawner, free_port):
    async def story(control):
        port = free_port()
        futures = [control.publish("o", answering("web", port, f"v{n}")) for n in range(10)]
        await asyncio.gather(*futures)
        assert await ask(port) == "v9"

    running(host_settings, host_spawner, story)


def test_an_envoy_that_dies_is_replaced_and_configured_again(host_settings, host_spawner, free_port):
    async def story(control):
        port = free_port()
        await control.publish("o", answering("web", port, "one"))
        await control.process.process.signal(9)
        while True:
            try:
                assert await ask(port) == "one"
                break
            except OSError:
                await asyncio.sleep(0.02)
        assert control.process.restarts == 1

    running(host_settings, host_spawner, story)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may end connections in the host's own namespace")
def test_connections_are_cut_by_where_they_come_from(host_settings, host_spawner):
    host_settings.log_dir.mkdir(parents=True)

    async def story():
        control = EnvoyControl(host_settings, host_spawner, SystemClock())
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            ours = socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.9", 0))
            others = socket.create_connection(("127.0.0.1", port))
            await control.cut("anywhere", "127.0.0.1", port, ("127.0.0.9",))
            with pytest.raises(OSError):
                ours.recv(1)
            others.settimeout(0.05)
            with pytest.raises(TimeoutError):
                others.recv(1)
            ours.close()
            others.close()

    asyncio.run(story())


def test_shapes_leave_out_what_only_says_which_one_it_is():
    one, two = listener("a", 80), listener("b", 8080)
    one["address"]["socket_address"]["network_namespace_filepath"] = "/run/netns/vpc-1"
    assert shape(one) == shape(two)
    assert shape(one) != shape(listener("a", 80, stream_idle_timeout="1s"))


def test_small_pure_things(tmp_path):
    assert duration(0.05) == "0.050s"
    assert [workers(n) for n in (1, 2, 4, 16)] == [1, 1, 2, 4]
    assert bootstrap(tmp_path / "x", tmp_path / "a")["admin"]["address"]["pipe"]["mode"] == 0o600
