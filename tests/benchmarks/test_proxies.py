"""The configurations of the proxies that Kunren is measured beside."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import proxies

PORTS = proxies.Ports(8101, 8102)


def test_bare_envoy_has_one_plain_route_and_one_native_redirect() -> None:
    made = json.loads(proxies.envoy_config(PORTS, "172.31.0.9:80"))["static_resources"]
    filters = [each["filter_chains"][0]["filters"][0]["typed_config"] for each in made["listeners"]]
    actions = [each["route_config"]["virtual_hosts"][0]["routes"][0] for each in filters]
    assert actions[0]["route"]["cluster"] == "backend"
    assert actions[1]["redirect"]["host_redirect"] == "example-one.test"
    assert [len(each["http_filters"]) for each in filters] == [1, 1]


def test_nginx_and_haproxy_reuse_connections_to_the_backend() -> None:
    nginx = proxies.nginx_config(Path("/run/x"), proxies.nginx_proxy(PORTS, "172.31.0.9:80"))
    assert "worker_processes 1;" in nginx and "keepalive 64;" in nginx and "access_log off;" in nginx
    haproxy = proxies.haproxy_config(PORTS, "172.31.0.9:80")
    assert "http-reuse always" in haproxy and "nbthread 1" in haproxy
