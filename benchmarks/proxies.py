"""Bare Envoy, nginx and HAProxy as plain reverse proxies of one backend, and nginx as that backend.

Each has one worker, keeps connections alive on both sides and writes no access log: what Kunren's own load balancer is
measured beside. Two ports each: one that proxies, one that answers with a redirect.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import processes
from kunren.dataplane.envoy.process import envoy_binary

LOCATION = "https://example-one.test:443/moved"
_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "envoy.extensions.filters.http.router.v3.Router"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where one proxy listens."""

    proxy: int
    redirect: int


def envoy_config(ports: Ports, backend: str) -> str:
    address, _, port = backend.partition(":")
    forward = {"cluster": "backend", "timeout": "0s"}
    redirect = {"host_redirect": "example-one.test", "https_redirect": True, "port_redirect": 443}
    redirect |= {"path_redirect": "/moved", "response_code": "MOVED_PERMANENTLY"}
    cluster = {
        "name": "backend",
        "connect_timeout": "5s",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "backend",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(address, int(port))}}]}],
        },
    }
    listeners = [_listener(ports.proxy, {"route": forward}), _listener(ports.redirect, {"redirect": redirect})]
    return json.dumps({"static_resources": {"listeners": listeners, "clusters": [cluster]}})


def _listener(port: int, action: Mapping[str, Any]) -> dict[str, Any]:
    routes = [{"match": {"prefix": "/"}, **action}]
    manager = {
        "@type": f"type.googleapis.com/{_MANAGER}",
        "stat_prefix": str(port),
        "generate_request_id": False,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"type.googleapis.com/{_ROUTER}"},
            }
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {"name": str(port), "address": _address("0.0.0.0", port), "filter_chains": [{"filters": filters}]}


def _address(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


def nginx_config(folder: Path, servers: str) -> str:
    temporary = "".join(
        f"  {name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"worker_processes 1;\ndaemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
        "events { worker_connections 4096; }\n"
        f"http {{\n{temporary}  access_log off;\n  keepalive_requests 100000000;\n{servers}}}\n"
    )


def nginx_proxy(ports: Ports, backend: str) -> str:
    return (
        f"  upstream backend {{ server {backend}; keepalive 64; keepalive_requests 100000000; }}\n"
        f"  server {{ listen {ports.proxy}; location / {{ proxy_pass http://backend; proxy_http_version 1.1; "
        'proxy_set_header Connection ""; proxy_set_header Host $http_host; } }\n'
        f"  server {{ listen {ports.redirect}; return 301 {LOCATION}; }}\n"
    )


def nginx_backend(port: int, body: str) -> str:
    return f'  server {{ listen {port}; location / {{ default_type text/plain; return 200 "{body}"; }} }}\n'


def haproxy_config(ports: Ports, backend: str) -> str:
    return (
        "global\n  nbthread 1\n  maxconn 1024\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n"
        "  timeout server 60s\n  http-reuse always\n"
        f"frontend proxied\n  bind 0.0.0.0:{ports.proxy}\n  default_backend one\n"
        f"frontend moved\n  bind 0.0.0.0:{ports.redirect}\n  http-request redirect location {LOCATION} code 301\n"
        f"backend one\n  server first {backend}\n"
    )


def find(program: str) -> str:
    found = shutil.which(program, path=f"{_path()}:/usr/sbin:/sbin")
    if found is None:
        raise RuntimeError(f"{program} was not found; `make bench` brings it")
    return found


def _path() -> str:
    import os

    return os.environ.get("PATH", os.defpath)


def command(kind: str, folder: Path, ports: Ports, backend: str) -> list[str]:
    """Write the configuration; the program and its arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "envoy":
        (folder / "envoy.json").write_text(envoy_config(ports, backend))
        program = [str(envoy_binary()), "--config-path", str(folder / "envoy.json")]
        return [*program, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    if kind == "nginx":
        (folder / "nginx.conf").write_text(nginx_config(folder, nginx_proxy(ports, backend)))
        return [find("nginx"), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    (folder / "haproxy.cfg").write_text(haproxy_config(ports, backend))
    return [find("haproxy"), "-db", "-q", "-f", str(folder / "haproxy.cfg")]


@contextmanager
def started(argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs meanwhile. (A short wait, so that one that fails at once is noticed.)"""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=dict(env) if env else None
        )
    try:
        time.sleep(1.0)
        if process.poll() is not None:
            raise RuntimeError(f"{argv} ended: {log.read_text()}")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            for pid in reversed(processes.tree(process.pid)):
                subprocess.run(["kill", "-9", str(pid)], check=False)
            process.wait()
